"""What was verified of a log, and the chain of a prediction, as documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slipway.audit.verify import LogAudit
from slipway.documents.document import Block, Document, Table
from slipway.numbers import counted
from slipway.predictions.checkpoints import CHECKPOINTS
from slipway.repository.erasures import ERASURES
from slipway.untrusted import quote, quote_text

SHOWN = 30

TONES = {0: "good", 1: "bad", 2: "open"}


def log_document(found: LogAudit) -> Document:
    """Return the result of `slipway audit --verify`."""
    blocks: list[Block] = [_table(found)] if found.faults else []
    if notes := "\n".join(f"- {note}" for note in _notes(found)):
        blocks.append(notes)
    return Document(TONES[found.exit_code], _headline(found), blocks, [], [])


def _headline(found: LogAudit) -> str:
    if found.faults:
        files = len({fault.file for fault in found.faults})
        faults = counted(len(found.faults), "fault")
        return f"The log is not as it was written: {faults}, files: {files:,}"
    if found.exit_code:
        return "Inconclusive: some files cannot be verified"
    records = counted(found.records, "record")
    return f"The log is as it was written: {records}, files: {found.files:,}"


def _table(found: LogAudit) -> Table:
    rows = [
        [quote(fault.file), str(fault.line or ""), quote_text(fault.what)]
        for fault in found.faults[:SHOWN]
    ]
    if (more := len(found.faults) - SHOWN) > 0:
        rows.append([f"{more:,} more", "", "see --json"])
    return Table(["File", "Line", "What was found"], rows, frozenset({1}))


def _notes(found: LogAudit) -> Iterator[str]:
    if found.sealed:
        yield f"Sealed files: {found.sealed:,}."
    if found.erased:
        yield f"Records that were erased on purpose: {found.erased:,}."
    if found.uncommitted:
        yield (
            f"Of these, not in a commit yet: {found.uncommitted:,}. Commit {ERASURES}, so that "
            "others can see who erased them."
        )
    if found.removed:
        yield f"Files that were removed after their retention: {found.removed:,}."
    if found.torn:
        yield f"Files that end within a record, which was never returned: {found.torn:,}."
    if found.after_checkpoint:
        yield f"Records after the last checkpoint of their file: {found.after_checkpoint:,}."
    if found.open_ends:
        yield (
            "No second place has the end of these files, so a cut there, or a file that someone "
            "has added, would not be found: "
            f"{_names(found.open_ends)}. Set {CHECKPOINTS} for the service, and seal complete "
            "files with `slipway audit --seal`."
        )
    if found.unlinked:
        yield (
            "Files of an earlier version, without a chain: nothing is known of them until they "
            f"are sealed with `slipway audit --seal`: {_names(found.unlinked)}."
        )
    for name, why in found.unread.items():
        yield f"Not read: {quote(name)} ({quote_text(why)})."


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(quote(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3:,} more"
