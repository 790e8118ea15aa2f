"""What is wrong with some files, and how it is told: on a terminal, as JSON, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from string import ascii_letters, digits
from typing import Any

from slipway.errors import NO, YES
from slipway.rows.words import shown_name

MOST_IN_MARKDOWN = 50

MOST_NOTED = 5

COLUMNS = re.compile(r"[A-Za-z0-9_.:/-]+(, [A-Za-z0-9_.:/-]+)*")

HARMLESS = frozenset(ascii_letters + digits + " -,/'()=%")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with one column of one file.

    Attributes
    ----------
    column
        The column; empty when the file as a whole is meant. For a rule, which is a check
        across columns, all that it reads.
    count, share
        Rows at fault, and their share of the file's rows (0 to 1).
    rows
        The first rows at fault, counted from 0.
    examples
        Some of the values found there.
    """

    file: str
    column: str
    check: str
    rule: bool
    count: int
    share: float
    rows: list[int]
    examples: list[str]
    expected: str


@dataclass(frozen=True)
class File:
    file: str
    rows: int
    month: str | None


@dataclass(frozen=True)
class Report:
    """What was read and what is wrong with it; the same files give the same report.

    Attributes
    ----------
    not_read
        What else is in the folders, each with the reason why it is not read.
    """

    files: list[File]
    faults: list[Fault]
    not_read: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return NO if self.faults else YES


def render_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON: without a clock or a machine, so it changes with the data only."""
    return {"version": 1, "valid": not report.faults, **asdict(report)}


def render_text(report: Report) -> str:
    """Return the report for a terminal."""
    lines = [_headline(report)]
    rows = {file.file: f"{file.rows:,} rows, " for file in report.files}
    for name in dict.fromkeys(fault.file for fault in report.faults):
        faults = [fault for fault in report.faults if fault.file == name]
        lines += ["", f"{_plain(name)}: {rows.get(name, '')}{_many(len(faults), 'fault')}"]
        lines += [f"  {sentence(fault, _plain)}" for fault in faults]
    lines += _notes(report, _plain)
    return "\n".join(lines)


def render_markdown(report: Report) -> str:
    """Return the report as Markdown that shows values from the data and lets them do nothing."""
    lines = [f"**{_headline(report)}**", ""]
    lines += [
        f"- {_code(fault.file)}: {sentence(fault, _code)}"
        for fault in report.faults[:MOST_IN_MARKDOWN]
    ]
    hidden = len(report.faults) - MOST_IN_MARKDOWN
    if hidden > 0:
        lines.append(f"- and {_many(hidden, 'fault')} more")
    lines += _notes(report, _code)
    return "\n".join(lines) + "\n"


def _headline(report: Report) -> str:
    rows = sum(file.rows for file in report.files)
    read = f"{_many(len(report.files), 'file')}, {rows:,} rows"
    if not report.faults:
        return f"In order: {read}"
    bad = len({fault.file for fault in report.faults})
    return f"Not in order: {_many(len(report.faults), 'fault')} in {bad:,} of {read}"


def _notes(report: Report, show: Callable[[str], str]) -> list[str]:
    unnamed = [file.file for file in report.files if file.month is None]
    notes = {
        "Not named after a month (YYYY-MM), so month and row count were not checked": unnamed,
        f"Not read ({_many(len(report.not_read), 'file')})": report.not_read,
    }
    lines = []
    for note, names in notes.items():
        if names:
            more = f" and {len(names) - MOST_NOTED:,} more" if len(names) > MOST_NOTED else ""
            lines += ["", f"{note}: {', '.join(map(show, names[:MOST_NOTED]))}{more}"]
    return lines


def sentence(fault: Fault, show: Callable[[str], str]) -> str:
    """Return a fault in words; `show` makes text from the data harmless where it will stand."""
    # A name is quoted as soon as it is not a plain word, so that a blank in it is seen.
    column = show(shown_columns(fault.column)) if fault.column else "a column without a name"
    check, expected = show(fault.check), show(fault.expected)
    found = ", ".join(show(example) for example in fault.examples)
    first = ", ".join(f"{row:,}" for row in fault.rows)
    rows = f"{_many(fault.count, 'row')} ({_percent(fault.share)}; first: {first})"
    sentences = {
        "not_read": f"it is not read: {found}; expected {expected}",
        "file_name": f"it is not named after a month; expected {expected}",
        "label": f"the label {column} is {found} in {rows}; expected {expected}",
        "no_rows": f"no rows; expected {expected}",
        "rows_per_month": f"{fault.count:,} rows; expected {expected}",
        "missing_column": f"{column} is missing; expected {expected}",
        "unknown_column": f"{column} is unknown; expected {expected}",
        "repeated_column": f"{column} is there more than once; expected {expected}",
        "not_nullable": f"{column} is empty in {rows}; expected {expected}",
        "max_missing": f"{column} is empty in {_percent(fault.share)}; expected {expected}",
        "unique": f"{column} comes again in {rows}, such as {found}; expected {expected}",
    }
    if fault.check == "type" and not fault.rows:
        return f"{column} has type {found}; expected {expected}"
    if fault.check in sentences:
        return sentences[fault.check]
    if fault.rule:
        return f"{check} is broken in {rows}: {found}; {expected}"
    return f"{column} = {found} in {rows}; expected {expected}"


def shown_columns(names: str) -> str:
    """Return the names of a fault's columns as a message may hold them."""
    return names if COLUMNS.fullmatch(names) else shown_name(names)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else f"{100 * share:.2g}%"


def _plain(text: str) -> str:
    """Return text that cannot steer a terminal: what does not print is spelled out."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= 300 else shown[:300] + "…"


def _code(text: str) -> str:
    """Return text as code that Markdown and GitHub leave alone: no link, table, tag or mention."""
    safe = "".join(c if c in HARMLESS else f"&#{ord(c)};" for c in _plain(text))
    return f"<code>{safe}</code>"
