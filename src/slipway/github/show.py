"""What the drift check of this job found, in the summary of the job, and for the jobs after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from slipway.errors import NO_ANSWER, YES
from slipway.github.api import Api
from slipway.github.evidence import evidence
from slipway.github.runner import add_summary, annotate, page_of_files
from slipway.report.document import plain
from slipway.report.markdown import to_markdown
from slipway.tables import read_json

DRIFT = Path("build/drift.json")

SUMMARY = 500_000

REHEARSAL = (
    "**A demonstration: no live target is set.** These are rows that the model has not seen, "
    "replayed through the real service on the runner. Nobody asked for them, and no issue is "
    "opened. What to set: docs/watch.md."
)


def show_drift(*, rehearsal: bool) -> tuple[str, int]:
    """Tell what ``build/drift.json`` says; return its status and the exit code.

    A demonstration that could not answer is a fault of its own; a live check that could not is
    for the issue to say.
    """
    report: dict[str, Any] = read_json(DRIFT, "slipway drift --json build/drift.json")
    foot = ["how to read this: docs/watch.md"]
    document = evidence(report, page_of_files(), foot)
    title = plain(document.headline)
    if rehearsal:
        document = replace(document, blocks=[REHEARSAL, *document.blocks])
        title = f"Demonstration, no live target: {title}"
    add_summary(to_markdown(document, SUMMARY))
    annotate("notice" if report["status"] == "quiet" else "warning", title, report["words"])
    silent = report["status"] == "no answer"
    return str(report["status"]), NO_ANSWER if rehearsal and silent else YES


def has_pages(api: Api) -> bool:
    """Return whether Pages is on, and takes what a workflow publishes."""
    found = api.find("pages")
    return bool(found) and found.get("build_type") == "workflow"
