"""The validation report: violations of the schema, as text and as JSON.

`slipway report` renders the JSON as Markdown and HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from slipway.errors import NO, YES
from slipway.numbers import counted
from slipway.untrusted import as_text, quote, shown_name

MOST_NOTED = 5

COLUMNS = re.compile(r"[A-Za-z0-9_.:/-]+(, [A-Za-z0-9_.:/-]+)*")


@dataclass(frozen=True)
class Violation:
    """One check that one column of one file fails.

    Attributes
    ----------
    column
        The column; empty for the file as a whole. For a rule, which is a check across columns,
        all columns that it reads.
    count, share
        Rows that fail, and their share of the file's rows (0 to 1).
    rows
        The first rows that fail, counted from 0.
    examples
        Some of the values there.
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
    """A file that was read; `written` is how, if it is CSV."""

    file: str
    rows: int
    written: str = ""


@dataclass(frozen=True)
class ValidationReport:
    """The files that were read and their violations; the same files give the same report.

    Attributes
    ----------
    not_read
        The other files of the folders, each with the reason why it is not read.
    periods
        The names of those of ``data/``, in the order of time.
    has_key
        Whether rows have a key, so that repeated ones are found.
    without_times
        The files of ``data/`` of which no row has a time that can be read. With one of them no
        periods are counted: neither their rows nor their length would be known.
    """

    files: list[File]
    violations: list[Violation]
    not_read: list[str] = field(default_factory=list)
    periods: list[str] = field(default_factory=list)
    has_key: bool = True
    without_times: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return NO if self.violations else YES


def render_json(report: ValidationReport) -> dict[str, object]:
    """Return the report as JSON, without a time or a machine: it changes only with the data."""
    return {
        "version": 1,
        "valid": not report.violations,
        "files": [asdict(file) for file in report.files],
        "faults": [asdict(violation) for violation in report.violations],
        "not_read": report.not_read,
        "periods": report.periods,
        **({"without_times": report.without_times} if report.without_times else {}),
    }


def render_text(report: ValidationReport) -> str:
    """Return the report for a terminal."""
    lines = [_headline(report)]
    rows = {file.file: f"{counted(file.rows, 'row')}, " for file in report.files}
    for name in dict.fromkeys(violation.file for violation in report.violations):
        of_file = [violation for violation in report.violations if violation.file == name]
        lines += ["", f"{_plain(name)}: {rows.get(name, '')}{counted(len(of_file), 'violation')}"]
        lines += [f"  {sentence(violation, _plain)}" for violation in of_file]
    if not report.has_key:
        lines += ["", "No key (`KEY` is None): repeated rows were not looked for"]
    lines += _notes(report)
    return "\n".join(lines)


def _headline(report: ValidationReport) -> str:
    rows = sum(file.rows for file in report.files)
    read = f"{counted(len(report.files), 'file')}, {counted(rows, 'row')}"
    if report.periods:
        ends = dict.fromkeys([report.periods[0], report.periods[-1]])
        read += f", {counted(len(report.periods), 'period')} ({' to '.join(ends)})"
    if report.without_times:
        first, *others = report.without_times
        more = f" and {counted(len(others), 'other file')}" if others else ""
        read += f", periods not counted (no time can be read in {_plain(first)}{more})"
    if not report.violations:
        return f"Valid: {read}"
    bad = len({violation.file for violation in report.violations})
    return f"Invalid: {counted(len(report.violations), 'violation')} in {bad:,} of {read}"


def _notes(report: ValidationReport) -> list[str]:
    notes = {
        f"Read with {written}": [file.file for file in report.files if file.written == written]
        for written in dict.fromkeys(file.written for file in report.files if file.written)
    }
    notes[f"Not read ({counted(len(report.not_read), 'file')})"] = report.not_read
    lines = []
    for note, names in notes.items():
        if names:
            more = f" and {len(names) - MOST_NOTED:,} more" if len(names) > MOST_NOTED else ""
            lines += ["", f"{note}: {', '.join(map(_plain, names[:MOST_NOTED]))}{more}"]
    return lines


def sentence(violation: Violation, show: Callable[[str], str]) -> str:
    """Return a violation as a sentence; `show` escapes text from the data."""
    # A name that is not a plain word is quoted, so that a blank in it is visible.
    column = (
        show(shown_columns(violation.column)) if violation.column else "a column without a name"
    )
    check, expected = show(violation.check), show(violation.expected)
    examples = ", ".join(show(example) for example in violation.examples)
    first = ", ".join(f"{row:,}" for row in violation.rows)
    rows = f"{counted(violation.count, 'row')} ({_percent(violation.share)}; first: {first})"
    sentences = {
        "not_read": f"it is not read: {examples}; expected {expected}",
        "label": f"the label {column} is {examples} in {rows}; expected {expected}",
        "no_rows": f"no rows; expected {expected}",
        "rows_per_month": f"{counted(violation.count, 'row')} of {examples}; expected {expected}",
        "missing_column": f"{column} is missing; expected {expected}",
        "unknown_column": f"{column} is unknown; expected {expected}",
        "repeated_column": f"{column} occurs more than once; expected {expected}",
        "not_nullable": f"{column} is empty in {rows}; expected {expected}",
        "max_missing": f"{column} is empty in {_percent(violation.share)}; expected {expected}",
        "unique": f"{column} is repeated in {rows}, such as {examples}; expected {expected}",
    }
    if violation.check == "type" and not violation.rows:
        return f"{column} has type {examples}; expected {expected}"
    if violation.check in sentences:
        return sentences[violation.check]
    if violation.rule:
        return f"{check} fails in {rows}: {examples}; {expected}"
    return f"{column} = {examples} in {rows}; expected {expected}"


def shown_columns(names: str) -> str:
    """Return the names of a violation's columns for a message."""
    return names if COLUMNS.fullmatch(names) else shown_name(names)


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else f"{100 * share:.2g}%"


def _plain(text: str) -> str:
    return as_text(quote(text, 300))
