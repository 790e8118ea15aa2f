"""Erase records of the prediction log: what is left of a line keeps the chain whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from slipway.audit.sealed import read_sealed, write_sealed
from slipway.predictions.chain import erase, is_erased, number_of
from slipway.predictions.files import Lines, LogFile, LogFolder, NoFolderError, Skipped
from slipway.predictions.record import Record, parse_record
from slipway.privacy.contents import Search
from slipway.privacy.subject import Subject, text_of
from slipway.repository.erasures import Erasure


@dataclass
class LogErasure:
    """The records of a subject in one log.

    `in_use` are files that a service still writes to, and that have such records. `unread` has the
    reasons why others were not read. `others` counts lines that are no records, and have it: those
    of a candidate in shadow mode, or parts of lines that a crash has left.
    """

    folder: LogFolder
    files: list[LogFile] = field(default_factory=list)
    records: int = 0
    others: int = 0
    in_use: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.folder.url


def has_log(url: str) -> bool:
    """Return whether there is a log: none was written yet where nothing was predicted."""
    try:
        LogFolder(url)
    except NoFolderError:
        return False
    return True


def find_keys(url: str, subject: Subject) -> None:
    """Add the keys of the records that have the subject's value.

    Raises
    ------
    SlipwayError
        There is no such log.
    """
    for _, _, record in _lines(LogFolder(url), Skipped()):
        if record and subject.has_value(record["input"].get(subject.column)):
            subject.keys.add(text_of(record["key"]))


def find(url: str, search: Search, erasure: Erasure) -> LogErasure:
    """Return the files with records of the subject, and add these to the erasure."""
    skipped = Skipped()
    found = LogErasure(LogFolder(url))
    for file, line, record in _lines(found.folder, skipped):
        if not _is_of(search, line, record):
            continue
        number = number_of(line)
        if record is None:
            found.others += 1
        else:
            found.records += 1
        if record is not None or number is not None:
            erasure.add_record(file.name, number, record["id"] if record else "")
        if file not in found.files:
            found.files.append(file)
    found.in_use = [file.name for file in found.files if found.folder.in_use(file)]
    found.unread = found.folder.unread | skipped.unread
    return found


def erase_records(found: LogErasure, search: Search, erasure: Erasure, sealed: Path) -> None:
    """Erase the records in the files that no service writes to, and note it in their seals."""
    for file in found.files:
        if file.name not in found.in_use:
            _erase_file(found.folder, file, search, erasure, sealed)


def _erase_file(
    folder: LogFolder, file: LogFile, search: Search, erasure: Erasure, sealed: Path
) -> None:
    """Replace a file. The seal of a chain stays valid; that of a file without one is renewed.

    The seal is written before the file, and only if the file is the sealed one: an interrupted run
    is continued, and a file that was changed by someone else does not become valid.
    """
    entries = read_sealed(sealed)
    number = len(erasure.lines.get(file.name, ())) or erasure.unlinked.get(file.name, 0)
    if (entry := entries.get(file.name)) is not None:
        update: dict[str, object] = {"erased": max(entry.erased, number)}
        if entry.sha256 and entry.sha256 == _hash(folder.blocks(Lines(file), Skipped()))[0]:
            kept = enumerate(_without(folder, file, search, erasure.time))
            after, records = _hash(kept)
            update |= {"records": records, "sha256": after}
        write_sealed(entries | {file.name: entry.model_copy(update=update)}, sealed)
    folder.replace(file, _without(folder, file, search, erasure.time))


def _hash(blocks: Iterable[tuple[int, bytes]]) -> tuple[str, int]:
    """Return the SHA-256 of blocks, and their number."""
    found, number = sha256(), 0
    for _, block in blocks:
        found.update(block)
        number += 1
    return found.hexdigest(), number


def _without(folder: LogFolder, file: LogFile, search: Search, moment: str) -> Iterator[bytes]:
    """Yield the lines of a file with the records of a subject erased."""
    for _, lines in folder.blocks(Lines(file), Skipped()):
        for line in BytesIO(lines):
            record = parse_record(line)
            if not _is_of(search, line, record):
                yield line
            elif number_of(line) is not None:
                yield erase(line, moment)


def _is_of(search: Search, line: bytes, record: Record | None) -> bool:
    """Return whether a line is of the subject; also one that a crash has torn."""
    if record is not None:
        return search.subject.owns(record)
    return not is_erased(line) and search.is_in_line(line)


def _lines(folder: LogFolder, skipped: Skipped) -> Iterator[tuple[LogFile, bytes, Record | None]]:
    for file in folder.files:
        for _, lines in folder.blocks(Lines(file), skipped):
            for line in BytesIO(lines):
                yield file, line, parse_record(line)
