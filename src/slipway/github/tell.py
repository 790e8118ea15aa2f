"""What a run found, told to people: the summary, the title of the check, and two files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from slipway.errors import NO, NO_ANSWER, YES
from slipway.github.runner import add_summary, annotate
from slipway.rebuild import REBUILD
from slipway.report.document import Document, plain
from slipway.report.faults import is_refusal
from slipway.report.html import to_html
from slipway.report.markdown import to_markdown
from slipway.report.render import document_of, foot_of
from slipway.tables import read_json

JUDGED = Path("build/report.json")

VALIDATED = Path("reports/validation.json")

# Where the workflow takes its artifacts from: a file alone in each folder.
DATA = Path("build/told/report.json")

PAGE = Path("build/told/report.html")

# GitHub drops a summary of more than 1 MiB.
SUMMARY = 900_000

UNCHANGED = "Nothing to judge: nothing that the model is made of has changed"


def tell(root: Path, commit: str, run_url: str) -> int:
    """Tell what the steps before found; return the exit code that follows from it."""
    foot = foot_of(commit, run_url)
    source = _source(root)
    if source is None:
        return _tell_without_report(root, foot)
    report = read_json(root / source, "slipway judge")
    (root / DATA).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root / source, root / DATA)
    (root / PAGE).write_text(to_html(document_of(report, foot, full=True)), "utf-8")
    document = document_of(report, foot, full=False)
    _say(document)
    return exit_code(report)


def exit_code(report: dict[str, Any]) -> int:
    """Return whether a merge may go on, by a report of any kind."""
    if "stopped" in report:
        return NO if is_refusal(report["stopped"]) else NO_ANSWER
    return YES if report.get("may_merge") is True else NO


def _source(root: Path) -> Path | None:
    """Return the report that says most: the judgement, else why there was none."""
    if not (root / REBUILD).exists():
        return None
    stopped = read_json(root / REBUILD, "slipway rebuild")["stopped"]
    if not stopped:
        return JUDGED if (root / JUDGED).exists() else None
    if stopped["stage"] == "validate" and (root / VALIDATED).exists():
        found = read_json(root / VALIDATED, "slipway validate")
        return VALIDATED if found["faults"] else REBUILD
    return REBUILD


def _tell_without_report(root: Path, foot: list[str]) -> int:
    ended = (root / REBUILD).exists()
    if ended and not read_json(root / REBUILD, "slipway rebuild")["changed"]:
        _say(Document("good", UNCHANGED, ["Nothing was trained."], [], foot))
        return YES
    step = "judgement" if ended else "rebuild"
    _say(Document("bad", f"Not judged: the {step} did not come to an end", [], [], foot))
    return NO_ANSWER


def _say(document: Document) -> None:
    add_summary(to_markdown(document, SUMMARY))
    text = "\n".join(plain(block) for block in document.blocks if isinstance(block, str))
    annotate("notice" if document.tone == "good" else "error", plain(document.headline), text)
