"""Publish the result of a run: its summary, the title of its check, and two files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from slipway.actions import add_summary, annotate
from slipway.dataset.tables import read_json
from slipway.documents.document import Document
from slipway.documents.html import to_html
from slipway.documents.markdown import to_markdown
from slipway.errors import INCONCLUSIVE, NO, YES
from slipway.reports.no_verdict import stop_of
from slipway.reports.render import document_of, foot_of
from slipway.reproduction.rebuild import REBUILD
from slipway.untrusted import as_text

JUDGED = Path("build/report.json")

VALIDATED = Path("reports/validation.json")

# The artifacts of the workflow.
DATA = Path("build/published/report.json")

PAGE = Path("build/published/report.html")

# GitHub drops a summary of more than 1 MiB.
SUMMARY = 900_000

UNCHANGED = "Nothing to judge: no input of the model has changed"


def publish_report(root: Path, commit: str, run_url: str, update: str = "") -> int:
    """Publish the result of the earlier steps; return its exit code.

    Parameters
    ----------
    update
        How a stale lock is updated, if that is not done by hand.
    """
    foot = foot_of(commit, run_url)
    source = _source(root)
    if source is None:
        return _publish_without_report(root, foot)
    report = read_json(root / source, "slipway judge")
    (root / DATA).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root / source, root / DATA)
    (root / PAGE).write_text(to_html(document_of(report, foot, full=True, update=update)), "utf-8")
    document = document_of(report, foot, full=False, update=update)
    _publish(document)
    return exit_code(report)


def exit_code(report: Mapping[str, object]) -> int:
    """Return whether a report of any kind lets the change be merged."""
    if "stopped" in report:
        return NO if stop_of(report).refused else INCONCLUSIVE
    return YES if report.get("may_merge") is True else NO


def _source(root: Path) -> Path | None:
    """Return the judgement, or the report that explains why there is none; None without both."""
    if not (root / REBUILD).exists():
        return None
    stopped = read_json(root / REBUILD, "slipway reproduce")["stopped"]
    if not stopped:
        return JUDGED if (root / JUDGED).exists() else None
    if stopped["stage"] == "validate" and (root / VALIDATED).exists():
        validation = read_json(root / VALIDATED, "slipway validate")
        return VALIDATED if validation["faults"] else REBUILD
    return REBUILD


def _publish_without_report(root: Path, foot: list[str]) -> int:
    ended = (root / REBUILD).exists()
    if ended and not read_json(root / REBUILD, "slipway reproduce")["changed"]:
        _publish(Document("good", UNCHANGED, ["Nothing was trained."], [], foot))
        return YES
    command = "judge" if ended else "reproduce"
    _publish(Document("bad", f"No verdict: `slipway {command}` did not finish", [], [], foot))
    return INCONCLUSIVE


def _publish(document: Document) -> None:
    add_summary(to_markdown(document, SUMMARY))
    text = "\n".join(as_text(block) for block in document.blocks if isinstance(block, str))
    annotate("notice" if document.tone == "good" else "error", as_text(document.headline), text)
