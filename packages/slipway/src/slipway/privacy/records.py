"""Erase records of the prediction log: what is left of a line keeps the chain whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from slipway.audit.sealed import read_sealed, write_sealed
from slipway.predictions.chain import erase, number_of
from slipway.predictions.files import Lines, LogFile, LogFolder, NoFolderError, Skipped
from slipway.predictions.record import Record, parse_record
from slipway.privacy.subject import Subject, text_of
from slipway.repository.erasures import Erasure


@dataclass
class LogErasure:
    """The records of a subject in one log.

    `in_use` are files that a service still writes to, and that have such records.
    """

    url: str
    files: list[LogFile] = field(default_factory=list)
    records: int = 0
    in_use: list[str] = field(default_factory=list)
    folder: LogFolder | None = None


def find_keys(url: str, subject: Subject) -> None:
    """Add the keys of the records that have the subject's value; none if there is no log."""
    for _, _, record in _records(url):
        if subject.has_value(record["input"].get(subject.column)):
            subject.keys.add(text_of(record["key"]))


def find(url: str, subject: Subject, erasure: Erasure) -> LogErasure:
    """Return the files with records of the subject, and add these to the erasure."""
    found = LogErasure(url)
    for file, line, record in _records(url):
        if not subject.owns(record):
            continue
        found.records += 1
        erasure.add_record(file.name, number_of(line), record["id"])
        if file not in found.files:
            found.files.append(file)
    if found.files:
        found.folder = LogFolder(url)
        found.in_use = [file.name for file in found.files if found.folder.in_use(file)]
    return found


def erase_records(found: LogErasure, subject: Subject, erasure: Erasure, sealed: Path) -> None:
    """Erase the records in the files that no service writes to, and note it in their seals."""
    for file in found.files:
        if found.folder is not None and file.name not in found.in_use:
            _erase_file(found.folder, file, subject, erasure, sealed)


def _erase_file(
    folder: LogFolder, file: LogFile, subject: Subject, erasure: Erasure, sealed: Path
) -> None:
    """Replace a file. The seal of a chain stays valid; that of a file without one is renewed.

    The seal is written before the file, and only if the file is the sealed one: an interrupted run
    is continued, and a file that was changed by someone else does not become valid.
    """
    entries = read_sealed(sealed)
    kept = list(_without(folder, file, subject, erasure.time))
    number = len(erasure.lines.get(file.name, ())) or erasure.unlinked.get(file.name, 0)
    if (entry := entries.get(file.name)) is not None:
        update: dict[str, object] = {"erased": max(entry.erased, number)}
        before = b"".join(block for _, block in folder.blocks(Lines(file), Skipped()))
        if entry.sha256 and entry.sha256 == sha256(before).hexdigest():
            update |= {"records": len(kept), "sha256": sha256(b"".join(kept)).hexdigest()}
        write_sealed(entries | {file.name: entry.model_copy(update=update)}, sealed)
    folder.replace(file, kept)


def _without(folder: LogFolder, file: LogFile, subject: Subject, moment: str) -> Iterator[bytes]:
    """Yield the lines of a file with the records of a subject erased."""
    for _, lines in folder.blocks(Lines(file), Skipped()):
        for line in BytesIO(lines):
            record = parse_record(line)
            if record is None or not subject.owns(record):
                yield line
            elif number_of(line) is not None:
                yield erase(line, moment)


def _records(url: str) -> Iterator[tuple[LogFile, bytes, Record]]:
    try:
        folder = LogFolder(url)
    except NoFolderError:
        return
    for file in folder.files:
        for _, lines in folder.blocks(Lines(file), Skipped()):
            for line in BytesIO(lines):
                if (record := parse_record(line)) is not None:
                    yield file, line, record
