"""Records of the log that were erased, or removed after their retention: the chain stays whole."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from tests.services.servers import Server

from slipway.audit.find import find_records
from slipway.audit.run import Question, predictions
from slipway.audit.sealed import read_sealed
from slipway.audit.verify import LogAudit, seal_log, verify_log
from slipway.documents.output import Output
from slipway.errors import Refused, SlipwayError
from slipway.predictions.files import Skipped
from slipway.predictions.lines import Records
from slipway.predictions.personal import SECRET, Hasher
from slipway.predictions.reader import read_log
from slipway.predictions.record import stamp, to_line
from slipway.predictions.writer import PredictionLog
from slipway.privacy.contents import Search
from slipway.privacy.records import erase_records, find, find_keys, has_log
from slipway.privacy.retention import prune
from slipway.privacy.subject import Subject
from slipway.repository.erasures import ERASURES, Erasure, uncommitted, write_erasures
from slipway.repository.git import git

OLD = datetime.now(UTC) - timedelta(days=40)
RECORDS = 12
SUBJECT = "20130901-QX77-JFK"


def record(number: int, key: str) -> bytes:
    row = {"flight_id": key, "carrier": f"C{number % 3}"}
    answer = {"probability": 0.25, "decision": False, "review": False, "reasons": []}
    about = {"time": stamp(OLD), "model": "m", "version": 1}
    return to_line({"id": f"id-{number:02}", "key": key, "input": row} | answer | about)


class Log:
    """A log with three records of the subject, in a repository's folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / "log"
        self.sealed, self.erasures = root / "sealed.jsonl", root / "reports/erasures.jsonl"
        asyncio.run(self._write())
        self.subject = Subject("flight_id", SUBJECT, Hasher({SECRET: "s" * 16}))
        self.search = Search(self.subject)
        self.erasure = Erasure(time=stamp(OLD), subject=self.subject.name, column="flight_id")

    async def _write(self) -> None:
        log = PredictionLog(self.folder, sync=False)
        for number in range(RECORDS):
            key = SUBJECT if number in (2, 3, 9) else f"20130901-UA{number}-JFK"
            await log.append(OLD.date(), record(number, key))
        await log.close()

    @property
    def file(self) -> Path:
        return next(self.folder.glob("*.jsonl"))

    def erase(self) -> int:
        find_keys(str(self.folder), self.subject)
        found = find(str(self.folder), self.search, self.erasure)
        write_erasures([self.erasure], self.erasures)
        erase_records(found, self.search, self.erasure, self.sealed)
        return found.records

    def audit(self) -> LogAudit:
        return verify_log(str(self.folder), "", self.sealed, self.erasures)

    def seal(self) -> list[str]:
        return seal_log(str(self.folder), "", self.sealed, self.erasures)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.setenv(SECRET, "s" * 16)
    return Log(tmp_path)


@pytest.mark.parametrize("sealed", [False, True], ids=["open", "sealed"])
def test_an_erased_record_leaves_no_trace_and_a_chain_that_is_verified(
    log: Log, *, sealed: bool
) -> None:
    if sealed:
        log.seal()
    assert log.erase() == 3

    found = log.audit()

    assert (found.exit_code, found.records, found.erased) == (0, RECORDS, 3)
    for path in log.root.rglob("*"):
        assert path.is_dir() or SUBJECT.encode() not in path.read_bytes()
    if sealed:
        assert read_sealed(log.sealed)[log.file.name].erased == 3


def test_erasing_again_changes_nothing(log: Log) -> None:
    log.erase()
    before = log.file.read_bytes()
    assert log.erase() == 0
    assert log.file.read_bytes() == before


def another_commitment(line: bytes) -> bytes:
    return re.sub(
        rb'"commitment":"(.)', lambda m: m[0][:-1] + (b"1" if m[1] == b"0" else b"0"), line
    )


TAMPERING: dict[str, Callable[[bytes], bytes]] = {
    "another commitment": another_commitment,
    "another number": lambda line: line.replace(b'"n":2', b'"n":7'),
    "gone": lambda _: b"",
}


@pytest.mark.parametrize("name", TAMPERING)
def test_a_tombstone_that_was_tampered_with_is_found(log: Log, name: str) -> None:
    log.erase()
    lines = log.file.read_bytes().splitlines(keepends=True)
    lines[2] = TAMPERING[name](lines[2])
    log.file.write_bytes(b"".join(lines))

    assert [fault.line for fault in log.audit().faults][:1] == [3]


def test_an_erasure_that_no_entry_records_is_found(log: Log) -> None:
    """Who can write to the log can also erase a record, as the format describes it."""
    log.erase()
    log.erasure.lines[log.file.name].remove(9)
    write_erasures([log.erasure], log.erasures)

    assert [fault.line for fault in log.audit().faults] == [10]


def test_both_readers_count_erased_records_apart_from_lines_that_are_no_records(log: Log) -> None:
    log.erase()
    records = Records(str(log.folder))
    assert len(list(records)) == RECORDS - 3
    assert (records.skipped.erased, records.skipped.unreadable.number) == (3, 0)

    frame = read_log(log.folder)
    assert len(frame) == RECORDS - 3
    assert not any("not a record" in sentence for sentence in frame.attrs["faults"])
    assert any("erased" in sentence for sentence in frame.attrs["faults"])


def test_the_place_of_a_record_after_an_erased_one_is_its_line(log: Log) -> None:
    log.erase()
    with log.file.open("ab") as file:
        file.write(b"not a record\n")
    assert any(f"line {RECORDS + 1}" in each for each in read_log(log.folder).attrs["faults"])


def test_erasures_that_no_commit_has_are_counted(tmp_path: Path) -> None:
    entry = Erasure(time="2026-01-01T00:00:00Z", subject="0" * 32, column="id", lines={"a": [1, 2]})
    git(tmp_path, "init", "-q")
    write_erasures([entry], tmp_path / ERASURES)
    assert uncommitted(tmp_path) == 2
    git(tmp_path, "add", str(ERASURES))
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "Erase")
    assert uncommitted(tmp_path) == 0
    write_erasures([entry, entry.model_copy(update={"lines": {"a": [2, 3]}})], tmp_path / ERASURES)
    assert uncommitted(tmp_path) == 1


def test_the_audit_of_an_erased_record_answers_erased(log: Log) -> None:
    log.erase()
    shown: list[str] = []
    answer = log.root / "audit.json"

    code = predictions(log.root, str(log.folder), Question(["id-03"]), Output(shown.append, answer))

    assert code == 1
    assert orjson.loads(answer.read_bytes()) == [{"id": "id-03", "erased": f"{OLD:%Y-%m-%d}"}]
    with pytest.raises(SlipwayError):
        find_records(str(log.folder), ["id-99"])


def test_a_file_that_a_service_writes_to_is_left_and_named(log: Log) -> None:
    async def erase() -> LogAudit:
        other = PredictionLog(log.folder, sync=False)
        await other.append(datetime.now(UTC).date(), record(20, SUBJECT))
        found = find(str(log.folder), log.search, log.erasure)
        assert found.in_use == [max(path.name for path in log.folder.iterdir())]
        write_erasures([log.erasure], log.erasures)
        erase_records(found, log.search, log.erasure, log.sealed)
        await other.append(datetime.now(UTC).date(), record(21, "another"))
        await other.close()
        return log.audit()

    found = asyncio.run(erase())

    assert (found.exit_code, found.erased, found.records) == (0, 3, RECORDS + 2)


def test_a_file_without_a_chain_loses_the_lines_and_its_seal_is_renewed(log: Log) -> None:
    old = log.folder / "2020-01-01_old.jsonl"
    old.write_bytes(record(30, SUBJECT) + record(31, "another"))
    log.seal()
    log.erase()
    assert (log.audit().exit_code, old.read_bytes()) == (0, record(31, "another"))

    old.write_bytes(record(32, "another"))
    log.subject.keys.add("another")
    log.erase()
    assert log.audit().exit_code == 1  # what someone else has changed does not become valid


def test_old_files_are_removed_and_the_log_is_still_verified(log: Log) -> None:
    old, today = log.file.name, log.folder / f"{datetime.now(UTC):%Y-%m-%d}_new.jsonl"
    today.write_bytes(b"")

    assert prune(str(log.folder), 60, sealed=log.sealed) == []
    assert prune(str(log.folder), 30, sealed=log.sealed, dry_run=True) == [old]
    assert prune(str(log.folder), 30, sealed=log.sealed) == [old]

    found = log.audit()
    assert (found.exit_code, found.removed, [p.name for p in log.folder.iterdir()]) == (
        0,
        1,
        [today.name],
    )
    assert read_sealed(log.sealed)[old].removed == f"{datetime.now(UTC):%Y-%m-%d}"


def test_a_file_that_is_missing_for_another_reason_is_found(log: Log) -> None:
    log.seal()
    log.file.unlink()
    assert log.audit().exit_code == 1


def test_nothing_is_removed_from_a_log_that_was_tampered_with(log: Log) -> None:
    lines = log.file.read_bytes().splitlines(keepends=True)
    log.file.write_bytes(b"".join(lines[1:]))
    with pytest.raises(Refused):
        prune(str(log.folder), 30, sealed=log.sealed)
    assert log.file.exists()


@pytest.mark.parametrize("store", ["s3", "ssh"], indirect=True)
def test_a_log_in_a_store_is_erased_and_pruned_there(log: Log, store: Server) -> None:
    url, name = f"{store.url}/log", log.file.name
    store.files.makedirs(f"{store.path}/log", exist_ok=True)
    store.files.pipe_file(f"{store.path}/log/{name}", log.file.read_bytes())

    found = find(url, log.search, log.erasure)
    write_erasures([log.erasure], log.erasures)
    erase_records(found, log.search, log.erasure, log.sealed)

    audited = verify_log(url, "", log.sealed, log.erasures)
    assert (audited.exit_code, audited.erased) == (0, 3)
    assert SUBJECT.encode() not in store.files.cat_file(f"{store.path}/log/{name}")
    assert prune(url, 30, sealed=log.sealed, erasures=log.erasures) == [name]
    store.files.invalidate_cache()
    assert not store.files.exists(f"{store.path}/log/{name}")


def test_without_a_retention_nothing_is_removed(log: Log) -> None:
    with pytest.raises(SlipwayError):
        prune(str(log.folder), None, sealed=log.sealed)


def test_erased_records_of_parts_of_a_log_add_up() -> None:
    whole = Skipped(erased=2)
    whole.merge(Skipped(erased=3))
    assert whole.erased == 5


def test_a_torn_line_of_the_subject_is_removed_and_another_is_kept(log: Log) -> None:
    whole = log.file.read_bytes()
    for key, kept in (("20130901-UA1-JFK", True), (SUBJECT, False)):
        line = record(20, key)[:-30]
        log.file.write_bytes(whole + line)
        log.erase()
        assert log.file.read_bytes().endswith(line) is kept
        assert SUBJECT.encode() not in log.file.read_bytes()
        assert log.audit().exit_code == 0


def test_a_log_that_does_not_exist_is_refused(log: Log) -> None:
    assert not has_log(str(log.root / "lgo"))
    with pytest.raises(SlipwayError):
        find_keys(str(log.root / "lgo"), log.subject)


def test_a_file_of_the_log_that_is_not_read_is_named(log: Log) -> None:
    log.file.with_suffix(".jsonl.gz").write_bytes(b"")
    assert len(find(str(log.folder), log.search, log.erasure).unread) == 1


def test_the_answers_of_shadow_mode_are_removed_by_their_keys(log: Log) -> None:
    answers = [{"id": f"id-{n}", "key": key} for n, key in enumerate([SUBJECT, "another"])]
    log.file.write_bytes(b"".join(map(to_line, answers)))
    log.erase()
    assert log.file.read_bytes() == to_line(answers[1])
