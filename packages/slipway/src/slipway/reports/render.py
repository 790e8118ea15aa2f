"""`slipway report`: check a report, then render it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from slipway.documents.document import Document
from slipway.documents.html import to_html
from slipway.documents.markdown import to_markdown
from slipway.errors import SlipwayError
from slipway.reports.check import check, read_report
from slipway.reports.content import judgement
from slipway.reports.no_verdict import stopped, violations

GUIDE = "how to read this: docs/verdicts.md"


def render(
    file: Path, markdown: Path | None, html: Path | None, commit: str, run_url: str
) -> list[str]:
    """Render a report of `slipway judge`, `validate` or `rebuild`; return what to print.

    Raises
    ------
    SlipwayError
        The report cannot be read, or the commit or address is not valid.
    Refused
        The report contradicts itself.
    """
    report, foot = read_report(file), foot_of(commit, run_url)
    output = []
    if html:
        _write(html, to_html(document_of(report, foot, full=True)))
        output.append(f"{html}: HTML")
    text = to_markdown(document_of(report, foot, full=False))
    if markdown and markdown != Path("-"):
        _write(markdown, text)
        output.append(f"{markdown}: Markdown, {len(text):,} characters")
    elif markdown or not html:
        output.append(text)
    return output


def document_of(
    report: Mapping[str, object], foot: list[str], *, full: bool, update: str = ""
) -> Document:
    """Return a report of one of the three kinds as a document, after it was checked.

    Parameters
    ----------
    full
        Whether tables have all rows.
    update
        How a stale lock is updated, if that is not done by hand.
    """
    if is_judgement(report):
        return judgement(check(report), foot, full=full, update=update)
    return violations(report, foot, full=full) if "faults" in report else stopped(report, foot)


def is_judgement(report: Mapping[str, object]) -> bool:
    """Return whether a report is one of `slipway judge`, not of `validate` or `rebuild`."""
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
