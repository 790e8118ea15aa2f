"""A log that is not as it was written is found out, and what is wrong is named."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from slipway.audit import run
from slipway.audit.find import find_records
from slipway.audit.sealed import SEALED, changed_seals, read_sealed
from slipway.audit.verify import LogAudit, seal_log, verify_log
from slipway.documents.output import Output
from slipway.errors import NO, Refused, SlipwayError
from slipway.predictions.checkpoints import Checkpoint, Checkpoints
from slipway.predictions.files import MOST_RECORD
from slipway.predictions.record import stamp, to_line
from slipway.predictions.writer import PredictionLog
from slipway.repository.git import git

RECORDS = 40
TODAY = datetime.now(UTC).date()
MONDAY, TUESDAY = TODAY - timedelta(days=9), TODAY - timedelta(days=8)


def record(day: date, number: int) -> bytes:
    moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(seconds=number)
    answer = {"probability": 0.25, "decision": False, "review": False, "reasons": []}
    row = {"id": f"{day}-{number:03d}", "key": number, "input": {"name": f'a "{number}", {{}}'}}
    return to_line(row | answer | {"time": stamp(moment), "model": "m", "version": 1})


class Written:
    """A log of two days in one process, its checkpoints and the list of its sealed files."""

    def __init__(self, top: Path) -> None:
        self.folder, self.second = top / "log", top / "second"
        self.sealed = top / "sealed.jsonl"
        asyncio.run(self._write())

    async def _write(self) -> None:
        place = Checkpoints(str(self.second))
        place.prepare(self.folder)
        log = PredictionLog(self.folder, sync=False, checkpoints=place)
        for day in (MONDAY, TUESDAY):
            for number in range(0, RECORDS, 4):
                lines = b"".join(record(day, number + each) for each in range(4))
                await log.append(day, lines)
        await log.close()

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.jsonl"))

    def audit(self, *, second: bool = True) -> LogAudit:
        return verify_log(str(self.folder), str(self.second) if second else "", self.sealed)

    def seal(self) -> list[str]:
        return seal_log(str(self.folder), str(self.second), self.sealed)


@pytest.fixture
def log(tmp_path: Path) -> Written:
    return Written(tmp_path)


def edit(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Written], None]:
    def tamper(log: Written) -> None:
        path = log.files[0]
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return tamper


def swap_days(log: Written) -> None:
    first, second = log.files
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)


def compute_again(log: Written) -> None:
    """Change a record and then all links after it, as who knows the format would."""
    path = log.files[0]
    link, lines = hashlib.sha256(path.name.encode()).digest(), []
    for line in path.read_bytes().replace(b"0.25", b"0.75", 1).splitlines():
        content = line.partition(b',"link":')[0]
        link = hashlib.sha256(link + hashlib.sha256(content).digest()).digest()
        lines.append(content + b',"link":"' + link.hex().encode() + b'"}\n')
    path.write_bytes(b"".join(lines))


def without_links(lines: list[bytes]) -> list[bytes]:
    return [re.sub(rb',"n":\d+,"salt":.*', b"}", line) for line in lines]


def with_another_link(line: bytes) -> bytes:
    last = line[-4:-3]
    return line[:-4] + (b"1" if last == b"0" else b"0") + line[-3:]


def changed(lines: list[bytes]) -> list[bytes]:
    return [*lines[:9], lines[9].replace(b"0.25", b"0.35"), *lines[10:]]


def with_long_line(lines: list[bytes]) -> list[bytes]:
    return [*lines[:9], b"x" * (MOST_RECORD + 2**19) + b"\n", *lines[9:]]


def with_next_record(log: Written) -> None:
    """Add a record that continues the chain, without its end of line: readers count it."""
    path = log.files[0]
    link = orjson.loads(path.read_bytes().splitlines()[-1])["link"]
    content = record(MONDAY, 99)[:-2] + b',"n":%d,"salt":"%b"' % (RECORDS, b"0" * 32)
    end = hashlib.sha256(bytes.fromhex(link) + hashlib.sha256(content).digest()).hexdigest()
    with path.open("ab") as file:
        file.write(content + b',"link":"' + end.encode() + b'"}')


TAMPERING = {
    "a changed byte": (edit(changed), 10),
    "a changed link": (
        edit(lambda lines: [*lines[:9], with_another_link(lines[9]), *lines[10:]]),
        10,
    ),
    "a removed line": (edit(lambda lines: lines[:9] + lines[10:]), 10),
    "two lines in another order": (
        edit(lambda lines: [*lines[:9], lines[10], lines[9], *lines[11:]]),
        11,
    ),
    "a repeated line": (edit(lambda lines: [*lines[:10], lines[9], *lines[10:]]), 11),
    "a line of another file": (
        edit(lambda lines: [*lines[:9], record(MONDAY, 99), *lines[9:]]),
        10,
    ),
    "a removed first line": (edit(lambda lines: lines[1:]), 1),
    "a cut at the end": (edit(lambda lines: lines[:-3]), 0),
    "a removed file": (lambda log: log.files[0].unlink(), 0),
    "days that were swapped": (swap_days, 1),
    "another name": (lambda log: log.files[0].rename(log.folder / f"{MONDAY}_other.jsonl"), 0),
    "a chain that was computed again": (compute_again, 0),
    "no chain any more": (edit(without_links), 0),
    "a line that is too long to be read": (edit(with_long_line), 0),
    "a record without an end of line": (
        edit(lambda lines: [*lines, record(MONDAY, 99)[:-1]]),
        RECORDS + 1,
    ),
    "a next record without an end of line": (with_next_record, 0),
}


def test_a_log_as_it_was_written_is_verified(log: Written) -> None:
    found = log.audit()

    assert found.exit_code == 0
    assert (found.files, found.records, found.open_ends) == (2, 2 * RECORDS, [])


@pytest.mark.parametrize("name", TAMPERING)
@pytest.mark.parametrize("sealed", [False, True], ids=["checkpoint", "sealed"])
def test_tampering_is_found_and_named(log: Written, name: str, *, sealed: bool) -> None:
    tamper, line = TAMPERING[name]
    first = log.files[0].name
    if sealed:
        log.seal()
    tamper(log)

    found = log.audit(second=not sealed)

    assert found.exit_code == 1
    assert (first, line) in {(fault.file, fault.line) for fault in found.faults}


def test_a_file_whose_end_is_in_no_second_place_is_named(log: Written) -> None:
    assert log.audit(second=False).open_ends == [path.name for path in log.files]


def test_a_crash_leaves_a_chain_that_is_verified_up_to_its_last_record(log: Written) -> None:
    with log.files[1].open("ab") as file:
        file.write(record(TUESDAY, 99)[:50])

    found = log.audit()

    assert (found.exit_code, found.torn, found.records) == (0, 1, 2 * RECORDS)


def test_records_after_the_last_checkpoint_are_counted(log: Written) -> None:
    place = Checkpoints(str(log.second))
    last = next(each for each in place.read() if each.file == log.files[0].name)
    line = log.files[0].read_bytes().splitlines()[29]
    earlier = {"records": 30, "link": orjson.loads(line)["link"], "closed": False}
    place.write(last.model_copy(update=earlier))

    assert (log.audit().exit_code, log.audit().after_checkpoint) == (0, RECORDS - 30)


def test_complete_files_are_sealed_once_and_those_of_today_are_not(log: Written) -> None:
    today = log.folder / f"{TODAY}_open.jsonl"
    today.write_bytes(b"")

    assert log.seal() == [path.name for path in log.files if path != today]
    assert log.seal() == []
    assert set(read_sealed(log.sealed)) == {path.name for path in log.files if path != today}


def test_a_file_that_is_still_written_to_is_not_sealed(log: Written) -> None:
    """Around midnight, or after the clock was changed, a file of an earlier day goes on."""

    async def write() -> list[str]:
        other = PredictionLog(log.folder, sync=False)
        await other.append(MONDAY, record(MONDAY, 1))
        added = log.seal()
        await other.append(MONDAY, record(MONDAY, 2))
        await other.close()
        return added

    closed = [path.name for path in log.files]
    assert asyncio.run(write()) == closed
    assert log.audit().exit_code == 0
    assert len(log.seal()) == 1


def test_nothing_is_sealed_after_tampering(log: Written) -> None:
    edit(changed)(log)
    with pytest.raises(Refused):
        log.seal()
    assert not log.sealed.exists()


def test_a_file_of_an_earlier_version_is_verified_by_its_bytes_once_it_is_sealed(
    log: Written,
) -> None:
    old = log.folder / "2020-01-01_old.jsonl"
    old.write_bytes(record(date(2020, 1, 1), 1))
    assert (log.audit().exit_code, log.audit().unlinked) == (2, [old.name])

    log.seal()
    assert log.audit().exit_code == 0
    old.write_bytes(record(date(2020, 1, 1), 2))
    assert log.audit().exit_code == 1


@pytest.mark.parametrize("text", ["{", '{"file": ""}', '{"file":"a","records":1}\n' * 2])
def test_a_list_of_sealed_files_that_is_not_one_is_refused(log: Written, text: str) -> None:
    log.sealed.write_text(text)
    with pytest.raises(SlipwayError):
        log.audit()


def empty(path: Path) -> None:
    path.write_text("{}")


def under_another_name(path: Path) -> None:
    """Who can add files to the second place, and change none, adds an earlier state of a file."""
    path.with_name(f"z-{path.name}").write_bytes(path.read_bytes())


def without_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("change", [empty, under_another_name, without_folder])
def test_a_second_place_that_is_not_one_is_refused(
    log: Written, change: Callable[[Path], None]
) -> None:
    change(next(log.second.iterdir()))
    with pytest.raises(SlipwayError):
        log.audit()


def test_a_file_that_was_sealed_anew_is_found_by_the_list_of_the_commit(log: Written) -> None:
    root = log.folder.parent
    log.sealed = root / SEALED
    log.seal()
    git(root, "init", "-q")
    git(root, "add", str(SEALED))
    git(root, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "Seal")
    assert changed_seals(root) == []

    log.sealed.unlink()
    shutil.rmtree(log.second)
    log.second.mkdir()
    compute_again(log)
    log.seal()

    assert log.audit().exit_code == 0
    assert changed_seals(root) == [log.files[0].name]
    assert run.verify(root, str(log.folder), str(log.second), Output(lambda _: None)) == NO


def test_the_second_place_is_not_the_log(tmp_path: Path) -> None:
    with pytest.raises(SlipwayError):
        Checkpoints(str(tmp_path)).prepare(tmp_path)


def test_predictions_go_on_while_the_second_place_cannot_be_written(tmp_path: Path) -> None:
    place = Checkpoints(str(tmp_path / "second"))
    (tmp_path / "second").write_text("a file, not a folder")
    assert place.prepare(tmp_path / "log") is False
    failing: list[bool] = []

    async def write() -> None:
        log = PredictionLog(
            tmp_path / "log", sync=False, checkpoints=place, checkpoints_fail=failing.append
        )
        await log.append(MONDAY, record(MONDAY, 1))
        await log.close()

    asyncio.run(write())
    assert verify_log(str(tmp_path / "log")).records == 1
    assert failing == [True]


def test_the_newest_state_of_a_file_is_in_its_checkpoint(log: Written) -> None:
    states = {each.file: each for each in Checkpoints(str(log.second)).read()}

    assert {name: (each.records, each.closed) for name, each in states.items()} == {
        path.name: (RECORDS, True) for path in log.files
    }
    assert all(isinstance(each, Checkpoint) for each in states.values())


def test_a_second_record_of_an_id_is_refused_if_it_differs(log: Written) -> None:
    """Who can write to the log can add a file with a chain of its own."""
    wanted = f"{MONDAY}-003"
    copy = log.folder / f"{MONDAY}_0.jsonl"
    copy.write_bytes(log.files[0].read_bytes())
    assert len(find_records(str(log.folder), [wanted])) == 1

    copy.write_bytes(copy.read_bytes().replace(b"0.25", b"0.75"))
    with pytest.raises(SlipwayError):
        find_records(str(log.folder), [wanted])
