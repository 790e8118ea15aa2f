"""Publish the result of the drift check in the summary of the job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from slipway.actions import add_summary, annotate, page_of_files
from slipway.dataset.tables import read_json
from slipway.documents.markdown import to_markdown
from slipway.errors import INCONCLUSIVE, YES
from slipway.github.answers import Pages
from slipway.github.api import Api
from slipway.monitoring.document import drift_document
from slipway.monitoring.report import DriftReport
from slipway.untrusted import as_text

DRIFT = Path("build/drift.json")

SUMMARY = 500_000

SIMULATED = (
    "**Simulated traffic: no live target is set.** These are rows that the model has not seen, "
    "replayed through a service on the runner. No issue is opened. To monitor a live service: "
    "docs/watch.md."
)


def publish_drift(*, simulated: bool) -> tuple[str, int]:
    """Add ``build/drift.json`` to the job's summary; return its status and the exit code.

    An inconclusive check of a simulated log fails the job; that of a live log is reported in the
    issue.
    """
    report = DriftReport.of(read_json(DRIFT, "slipway drift --json build/drift.json"))
    document = drift_document(report, page_of_files(), ["how to read this: docs/watch.md"])
    title = as_text(document.headline)
    if simulated:
        document = replace(document, blocks=[SIMULATED, *document.blocks])
        title = f"Simulated traffic, no live target: {title}"
    add_summary(to_markdown(document, SUMMARY))
    annotate("notice" if report.status == "quiet" else "warning", title, report.words)
    return report.status, INCONCLUSIVE if simulated and report.is_inconclusive else YES


def has_pages(api: Api) -> bool:
    """Return whether GitHub Pages is enabled and publishes from a workflow."""
    pages = api.find("pages")
    return pages is not None and Pages.of(pages).build_type == "workflow"
