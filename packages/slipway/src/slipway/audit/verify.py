"""Whether a prediction log is the one that was written: its chains, their ends, and its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from pydantic import BaseModel

from slipway.audit.sealed import SEALED, Sealed, read_sealed, write_sealed
from slipway.errors import Refused
from slipway.numbers import counted
from slipway.predictions.chain import Verified, verify
from slipway.predictions.checkpoints import Checkpoint, Checkpoints
from slipway.predictions.files import Lines, LogFile, LogFolder, Skipped
from slipway.progress import track
from slipway.repository.erasures import ERASURES, erased_lines, read_erasures

FAULTS_OF_A_FILE = 20


class FileFault(BaseModel):
    """Something that is not as it was written; `line` is 0 if it is of the whole file."""

    file: str
    line: int
    what: str


class LogAudit(BaseModel):
    """What was verified.

    `open_ends` are files whose end is in no second place, so that a cut would not be found, and
    `unlinked` files without a chain that are not sealed, of which nothing can be verified.
    `after_checkpoint` counts the records behind the last checkpoint of a file, `removed` the files
    that retention has removed. `uncommitted` counts erased records whose entry is in no commit.
    """

    files: int = 0
    records: int = 0
    erased: int = 0
    uncommitted: int = 0
    torn: int = 0
    sealed: int = 0
    removed: int = 0
    after_checkpoint: int = 0
    open_ends: list[str] = []
    unlinked: list[str] = []
    unread: dict[str, str] = {}
    faults: list[FileFault] = []

    @property
    def exit_code(self) -> int:
        """0 if all is as it was written, 1 if not, 2 if nothing is known of some files."""
        if self.faults:
            return 1
        return 2 if self.unlinked or self.unread else 0


def verify_log(
    url: str, checkpoints: str = "", sealed: Path = SEALED, erasures: Path = ERASURES
) -> LogAudit:
    """Verify a log against the ends of its chains that are known.

    Parameters
    ----------
    url
        The folder of the log.
    checkpoints
        The second place; empty if there is none.
    sealed
        The list of complete files.
    erasures
        The list of records that were erased on request.

    Raises
    ------
    SlipwayError
        The log, the checkpoints or the list cannot be read.
    """
    return _audit(url, checkpoints, read_sealed(sealed), erasures)[0]


def _audit(
    url: str, checkpoints: str, sealed: Mapping[str, Sealed], erasures: Path
) -> tuple[LogAudit, Mapping[str, Sealed]]:
    """Return what was verified, and how each file ends."""
    known = {each.file: each for each in Checkpoints(checkpoints).read()} if checkpoints else {}
    audit = _Audit(LogFolder(url), known, sealed, erased_lines(read_erasures(erasures)))
    return audit.run(), audit.ends


def seal_log(
    url: str, checkpoints: str = "", sealed: Path = SEALED, erasures: Path = ERASURES
) -> list[str]:
    """Verify a log and list its complete files: those of days before today (UTC).

    A file that a process of this machine still has open is left out: around midnight, or after the
    clock was changed, it may go on.

    Returns
    -------
    list
        The names of the files that were added.

    Raises
    ------
    Refused
        Something is not as it was written: nothing is sealed.
    SlipwayError
        As `verify_log`.
    """
    entries = read_sealed(sealed)
    found, ends = _audit(url, checkpoints, entries, erasures)
    if found.faults:
        first = found.faults[0]
        raise Refused(
            f"{first.file}: {first.what}; nothing was sealed",
            "see all of it with `slipway audit --verify`",
        )
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    folder = LogFolder(url)
    complete = (
        file.name
        for file in folder.files
        if file.name[: len(today)] < today and not folder.in_use(file)
    )
    new = {name: ends[name] for name in complete if name in ends and name not in entries}
    if new:
        write_sealed(entries | new, sealed)
    return sorted(new)


class _Audit:
    """One pass over the files of a log; `ends` has how each file ends."""

    def __init__(
        self,
        folder: LogFolder,
        known: Mapping[str, Checkpoint],
        sealed: Mapping[str, Sealed],
        erased: Mapping[str, set[int]],
    ) -> None:
        self._folder = folder
        self._known = known
        self._sealed = sealed
        self._erased = erased
        self._skipped = Skipped(unread=dict(folder.unread))
        self.found = LogAudit()
        self.ends: dict[str, Sealed] = {}

    def run(self) -> LogAudit:
        present = set()
        for file in track(self._folder.files, "Verifying the log"):
            present.add(file.name)
            self._add(file)
        for name in sorted({*self._known, *self._sealed} - present):
            seal = self._sealed.get(name)
            if seal is not None and seal.removed:
                self.found.removed += 1
                continue
            end = seal or self._known[name]
            self._fault(name, 0, f"the file with {end.records:,} records is missing")
        self.found.unread = self._skipped.unread
        return self.found

    def _add(self, file: LogFile) -> None:
        point, seal = self._known.get(file.name), self._sealed.get(file.name)
        bytes_read, too_long = sha256(), self._skipped.unreadable.number
        lengths = [end.records for end in (point, seal) if end is not None]
        chain = verify(file.name, self._lines(file, bytes_read.update), lengths)
        self.found.files += 1
        self.found.records += chain.records + chain.unlinked
        self.found.erased += len(chain.erased)
        self.found.torn += chain.torn
        for fault in chain.faults[:FAULTS_OF_A_FILE]:
            self._fault(file.name, fault.line, fault.what)
        listed = self._erased.get(file.name, set())
        for number in [each for each in chain.erased if each not in listed][:FAULTS_OF_A_FILE]:
            what = f"record {number + 1} was erased, and {ERASURES} does not have it"
            self._fault(file.name, number + 1, what)
        if rest := chain.faults[FAULTS_OF_A_FILE:]:
            further = counted(len(rest), "further line is", "further lines are")
            self._fault(file.name, rest[0].line, f"{further} not as written")
        if lines := self._skipped.unreadable.number - too_long:
            self._fault(file.name, 0, f"lines that are longer than any record: {lines:,}")
        if file.shown in self._skipped.unread:
            return
        if chain.unlinked and not chain.records:
            self._add_unlinked(file.name, chain, seal, point, bytes_read.hexdigest())
        else:
            self._compare(file.name, chain, point, seal)

    def _add_unlinked(
        self, name: str, chain: Verified, seal: Sealed | None, point: Checkpoint | None, found: str
    ) -> None:
        self.ends[name] = Sealed(file=name, records=chain.unlinked, sha256=found)
        if point is not None or (seal is not None and not seal.sha256):
            self._fault(name, 0, "the file has no chain, and had one when it was written")
        elif seal is None:
            self.found.unlinked.append(name)
        elif seal.sha256 != found:
            self._fault(name, 0, "the file is not the one that was sealed")
        else:
            self.found.sealed += 1

    def _compare(
        self, name: str, chain: Verified, point: Checkpoint | None, seal: Sealed | None
    ) -> None:
        if not chain.whole:
            self.ends[name] = Sealed(file=name, records=chain.records, link=chain.link)
        if point is not None:
            when = f"at its checkpoint of {point.time:%Y-%m-%d %H:%M:%S} UTC"
            self._compare_end(name, chain, when, point)
        if seal is not None:
            self._compare_end(name, chain, "when it was sealed", seal)
            self.found.sealed += 1
        elif point is None:
            self.found.open_ends.append(name)
        else:
            self.found.after_checkpoint += max(0, chain.records - point.records)

    def _compare_end(self, name: str, chain: Verified, when: str, end: Sealed | Checkpoint) -> None:
        complete = isinstance(end, Sealed) or end.closed
        if chain.records < end.records:
            lost = end.records - chain.records
            last = "the last one is" if lost == 1 else f"the last {lost:,} are"
            self._fault(name, 0, f"of its {counted(end.records, 'record')} {when}, {last} gone")
        elif chain.links.get(end.records) != end.link:
            self._fault(name, 0, f"its first records, {end.records:,}, are not those {when}")
        elif complete and (added := chain.records + chain.whole - end.records) > 0:
            records = counted(added, "record was", "records were")
            self._fault(name, 0, f"{records} added after it was complete")

    def _lines(self, file: LogFile, note: Callable[[bytes], None]) -> Iterator[bytes]:
        for _, lines in self._folder.blocks(Lines(file), self._skipped):
            note(lines)
            yield from BytesIO(lines)

    def _fault(self, name: str, line: int, what: str) -> None:
        self.found.faults.append(FileFault(file=name, line=line, what=what))
