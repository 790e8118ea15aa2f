"""`slipway report`: check a report, then render it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from slipway.errors import SlipwayError
from slipway.report.check import check, read_report
from slipway.report.content import judgement
from slipway.report.document import Document
from slipway.report.faults import faults, stopped
from slipway.report.html import to_html
from slipway.report.markdown import to_markdown

GUIDE = "how to read this: docs/verdicts.md"


def render(
    file: Path, markdown: Path | None, html: Path | None, commit: str, run_url: str
) -> list[str]:
    """Render a report of `slipway judge`, `validate` or `rebuild`; return what to print.

    Raises
    ------
    SlipwayError
        The report cannot be read, or the commit or address is none.
    Refused
        The report contradicts itself.
    """
    report, foot = read_report(file), foot_of(commit, run_url)
    said = []
    if html:
        _write(html, to_html(document_of(report, foot, full=True)))
        said.append(f"{html}: HTML")
    text = to_markdown(document_of(report, foot, full=False))
    if markdown and markdown != Path("-"):
        _write(markdown, text)
        said.append(f"{markdown}: Markdown, {len(text):,} characters")
    elif markdown or not html:
        said.append(text)
    return said


def document_of(report: dict[str, Any], foot: list[str], *, full: bool) -> Document:
    """Return a report as a document, once it is checked: one of the three kinds there are."""
    if is_judgement(report):
        check(report)
        return judgement(report, foot, full=full)
    return faults(report, foot, full=full) if "faults" in report else stopped(report, foot)


def is_judgement(report: dict[str, Any]) -> bool:
    """Return whether a report is one of `slipway judge`; else its data or a stage stopped it."""
    return "faults" not in report and not report.get("stopped")


def foot_of(commit: str, run_url: str) -> list[str]:
    """Return the last lines of a report.

    Raises
    ------
    SlipwayError
        The commit is not a hash, or the address is not one of a web page.
    """
    if commit and not re.fullmatch(r"[0-9a-f]{7,40}", commit):
        raise SlipwayError(
            f"--commit {commit!r} is not a commit's hash", "see `git rev-parse HEAD`"
        )
    if run_url and not re.fullmatch(r"https://[\w.:-]+(/[\w./-]*)?", run_url):
        raise SlipwayError(
            f"--run-url {run_url!r} is not the address of a run", "give an https URL"
        )
    lines = [f"commit `{commit[:7]}`"] if commit else []
    lines += [f"[run]({run_url})"] if run_url else []
    return [*lines, GUIDE]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
