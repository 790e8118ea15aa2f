"""Every reader reads the same: regular files, whole lines, each prediction once."""

from __future__ import annotations

import os
import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.monitoring.traffic import MODEL, draw, write_log
from tests.services.servers import Server

from slipway.documents.html import to_html
from slipway.documents.markdown import to_markdown
from slipway.documents.text import to_text
from slipway.monitoring.document import drift_document
from slipway.predictions import files, seen
from slipway.predictions.files import Skipped
from slipway.predictions.lines import Records
from slipway.predictions.reader import UNREADABLE, read_batches, read_log, read_times
from slipway.reports.page.days import read_days
from slipway.retraining.from_log import Calendar, read_requests
from slipway.schema.checks import InputSpec
from slipway.shadow.recent_requests import recent_requests
from slipway.times import PATTERN, microseconds, time_or_none

INPUTS: list[InputSpec] = [
    {"name": "id", "type": "string", "unique": True},
    {"name": "size", "type": "number", "unique": False},
]


def record(number: int, **fields: object) -> bytes:
    known = {
        "version": 1,
        "id": f"{number:06d}",
        "time": "2024-06-01T12:00:00.000000Z",
        "key": f"k{number}",
        "probability": 0.5,
        "decision": True,
        "model": "m",
        "input": {"id": f"k{number}", "size": number, "at": "2024-06-01T12:00:00Z"},
    }
    return orjson.dumps(known | fields) + b"\n"


def as_tables(log: Path | str) -> tuple[list[str], Skipped]:
    skipped = Skipped()
    tables = [each.table for each in read_batches(log, skipped, INPUTS)]
    return [key for table in tables for key in table["key"].to_pylist()], skipped


def one_by_one(log: Path | str) -> tuple[list[str], Skipped]:
    records = Records(str(log))
    return [str(record["key"]) for record in records], records.skipped


READERS = pytest.mark.parametrize("reader", [as_tables, one_by_one])

Reader = Callable[[Path | str], tuple[list[str], Skipped]]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


OTHERS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "named pipe": ("a.jsonl", fifo, "a named pipe"),
    "socket": ("b.jsonl", listening, "a socket"),
    "device": ("c.jsonl", lambda path: path.symlink_to("/dev/zero"), "a device"),
    "loop of links": ("d.jsonl", lambda path: path.symlink_to(path.name), "symbolic links"),
    "link to nothing": ("e.jsonl", lambda path: path.symlink_to("nothing"), "no such file"),
    "folder": ("f.jsonl", lambda path: path.mkdir(), "a folder"),
    "compressed": ("g.jsonl.gz", lambda path: path.write_bytes(b"\x1f\x8b"), "does not end"),
    "rotated": ("h.jsonl.1", lambda path: path.write_bytes(record(9)), "does not end"),
    "other case": ("i.JSONL", lambda path: path.write_bytes(record(9)), "does not end"),
    "hidden": (".j.jsonl", lambda path: path.write_bytes(record(9)), "hidden"),
}


@READERS
@pytest.mark.parametrize("other", OTHERS, ids=lambda name: name)
def test_a_file_that_is_not_read_is_named_and_nothing_waits_for_it(tmp_path, reader, other):
    name, make, why = OTHERS[other]
    (tmp_path / "2024-06-01.jsonl").write_bytes(record(1))
    make(tmp_path / name)

    keys, skipped = reader(tmp_path)

    assert keys == ["k1"]
    ((named, reason),) = skipped.unread.items()
    assert named.endswith(name)
    assert why in reason
    assert "1 file was not read" in skipped.sentences()[0]


@READERS
def test_empty_files_and_what_the_service_leaves_itself_are_nothing_to_report(tmp_path, reader):
    (tmp_path / "2024-06-01.jsonl").write_bytes(b"")
    (tmp_path / ".12.probe").write_bytes(bytes(10))
    (tmp_path / "lost+found").mkdir()

    keys, skipped = reader(tmp_path)

    assert keys == []
    assert skipped == Skipped()


@READERS
def test_files_of_any_name_are_read(tmp_path, reader):
    for number, name in enumerate(["2024-06-01.jsonl", "exported.jsonl", "*.jsonl", "a b\n.jsonl"]):
        (tmp_path / name).write_bytes(record(number))
    (tmp_path / os.fsdecode(b"\xff.jsonl")).write_bytes(record(9))

    keys, skipped = reader(tmp_path)

    assert sorted(keys) == ["k0", "k1", "k2", "k3", "k9"]
    assert skipped.sentences() == []


@READERS
def test_in_a_bucket_other_files_are_named_too(s3: Server, monkeypatch, reader):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    place = f"models/{reader.__name__}"
    s3.files.pipe(f"{place}/2024-06-01.jsonl", record(1))
    s3.files.pipe(f"{place}/2024-06-01.jsonl.gz", b"\x1f\x8b")
    s3.files.pipe(f"{place}/older/2024-05-01.jsonl", record(2))

    keys, skipped = reader(f"s3://{place}")

    assert keys == ["k1"]
    assert {name.rpartition("/")[2] for name in skipped.unread} == {"2024-06-01.jsonl.gz", "older"}


@READERS
def test_a_line_longer_than_a_record_can_be_is_named_and_never_held(tmp_path, reader, monkeypatch):
    monkeypatch.setattr(files, "MOST_RECORD", 4_000)
    monkeypatch.setattr(files, "BLOCK", 1_000)
    lines = [record(1), b'{"id": "' + b"x" * 50_000 + b'"}\n', record(2)]
    (tmp_path / "2024-06-01.jsonl").write_bytes(b"".join(lines))

    keys, skipped = reader(tmp_path)

    assert keys == ["k1", "k2"]
    assert skipped.unreadable.number == 1
    assert "2024-06-01.jsonl: line 2 (longer than" in skipped.unreadable.first


@READERS
@pytest.mark.parametrize(
    "time", ["1500-01-01T00:00:00Z", "2300-01-01T00:00Z", "2024-06-01T12:00+00"]
)
def test_a_record_whose_own_time_is_not_one_is_no_record(tmp_path, reader, time):
    lines = [record(1), record(2, time=time), record(3, time="2024-06-01 12:00+02:00")]
    (tmp_path / "2024-06-01_a.jsonl").write_bytes(b"".join(lines))

    keys, skipped = reader(tmp_path)

    assert keys == ["k1", "k3"]
    assert skipped.unreadable.number == 1
    assert skipped.unreadable.first.endswith("line 2")


def test_large_records_are_not_held_together(tmp_path):
    lines = (record(number, key="x" * 2**20) for number in range(64))
    (tmp_path / "2024-06-01_a.jsonl").write_bytes(b"".join(lines))

    tracemalloc.start()
    try:
        assert sum(1 for _ in Records(str(tmp_path))) == 64
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 40 * 2**20


@READERS
def test_a_record_that_is_there_again_counts_once(tmp_path, reader):
    lines = [record(number) for number in range(100)]
    (tmp_path / "2024-06-01.jsonl").write_bytes(b"".join(lines))
    (tmp_path / "2024-06-01-copy.jsonl").write_bytes(b"".join(lines))
    (tmp_path / "2024-06-02.jsonl").write_bytes(b"".join(lines[60:]) + record(100))
    (tmp_path / "within.jsonl").write_bytes(record(101) * 3 + b"broken\n" + record(101))

    keys, skipped = reader(tmp_path)

    assert sorted(keys) == sorted(f"k{number}" for number in range(102))
    assert (skipped.repeated, skipped.differing.number) == (143, 0)
    assert any("143 records are in the log more than once" in it for it in skipped.sentences())


@READERS
def test_another_record_with_the_same_id_is_named_and_the_first_counts(tmp_path, reader):
    other = record(7, probability=0.9, key="other")
    (tmp_path / "2024-06-01.jsonl").write_bytes(b"".join(map(record, range(10))))
    (tmp_path / "2024-06-02.jsonl").write_bytes(record(20) + b"\n" + other)

    keys, skipped = reader(tmp_path)

    assert "other" not in keys
    assert (skipped.repeated, skipped.differing.number) == (0, 1)
    assert skipped.differing.first.endswith("2024-06-02.jsonl: line 3")


def test_ids_are_compared_exactly_however_many_runs_they_are_in(monkeypatch):
    monkeypatch.setattr(seen, "LARGE", 500)
    rng, known, ids = np.random.default_rng(3), dict[int, int](), seen.Seen()
    for _ in range(120):
        some = rng.integers(0, 3_000, 50)
        contents = rng.integers(0, 2, 50)
        names = [f"{each:04d}" for each in some.tolist()]
        new, differs = ids.add(
            some.astype("uint64"), contents.astype("uint64"), min(names), max(names)
        )
        for at, (each, content) in enumerate(zip(some.tolist(), contents.tolist(), strict=True)):
            assert new[at] == (each not in known)
            assert differs[at] == (known.setdefault(each, content) != content)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.from_regex(f"({PATTERN})", fullmatch=True) | st.text(max_size=30))
def test_the_reader_reads_a_time_as_the_service_does_or_not_at_all(text):
    import pyarrow as pa

    time = time_or_none(text)
    expected = UNREADABLE if time is None else microseconds(time)

    for together in ([text], [text, "2013-10-01T09:30:00Z"], [text, "no time"]):
        assert read_times(pa.array(together))[0] == expected


NOT_TIMES = ["9999-12-31T23:59:59-05:00", "2013-10-01t09:15:00z", "2013-10-01T09:15:00,5Z", "soon"]


@pytest.mark.parametrize("time", NOT_TIMES)
def test_a_row_whose_time_cannot_be_read_costs_the_page_only_itself(tmp_path, time):
    rows = [record(1), record(2, input={"at": time}), record(3, input={"at": 5})]
    (tmp_path / "2024-06-01.jsonl").write_bytes(b"".join(rows))

    traffic = read_days(str(tmp_path), {"threshold": 0.5, "event_time": "at"}, {})

    assert [(each.day, each.rows) for each in traffic.days] == [("2024-06-01", 1)]
    (fault,) = traffic.faults
    assert "2 records have no readable event time" in fault
    assert "2024-06-01.jsonl: line 2" in fault


def test_every_file_twice_gives_the_answer_of_the_log_itself(place, look, usual):
    write_log(place / "predictions", usual)
    once = look()
    for path in list((place / "predictions").iterdir()):
        (place / f"predictions/copy-of-{path.name}").write_bytes(path.read_bytes())

    twice = look()

    assert (twice.rows, twice.words, twice.alarms) == (once.rows, once.words, once.alarms)
    assert "3,500 records are in the log more than once" in twice.faults[0]


HOSTILE = "`</td>|<script>alert(1)</script>\x1b[2J\u202e@everyone\n# [x](javascript:y)"


def test_nothing_that_a_record_holds_is_more_than_text_in_a_report(place, look, usual, rng):
    usual["town"][2_000:] = HOSTILE
    write_log(place / "predictions", usual)
    for number in range(20):
        write_log(place / "predictions", draw(rng, 30), model=f"{number}{HOSTILE}".replace("/", ""))
    (place / "predictions" / f"{HOSTILE.replace('/', '')}.jsonl").mkdir()

    report = look()

    assert report.faults
    assert len(report.other_models) == 20
    document = drift_document(report)
    text, markdown, html = to_text(document), to_markdown(document), to_html(document)
    for output in (text, markdown, html):
        assert "\x1b" not in output
        assert "\u202e" not in output
    assert "<script" not in html
    assert not [line for line in markdown.splitlines() if line.startswith("# [x]")]
    assert "further models" in markdown


STRANGE = [
    {"input": {}},
    {"input": {"asked_for": "2024-06-01T12:00:00Z", "temperature": [1], "town": {"a": 1}}},
    {"input": {"amount": 1e308, "visits": -1e308, "town": "\u0000", "colour": ""}},
    {"time": "zzz"},
    {"time": "9999-12-31T23:59:59.999999Z"},
    {"key": None},
    {"key": [1]},
    {"id": 5},
    {"probability": 1e9},
    {"probability": "NaN"},
    {"model": ""},
    {"decision": None},
    {"proof": "maybe"},
    {"version": True},
]


def test_no_record_however_strange_ends_a_reader(place, look, usual):
    write_log(place / "predictions", usual)
    (path,) = (place / "predictions").iterdir()
    first = orjson.loads(path.read_bytes().splitlines()[0])
    strange = [
        orjson.dumps(first | {"id": f"strange-{number}"} | fields) + b"\n"
        for number, fields in enumerate(STRANGE)
    ]
    path.write_bytes(path.read_bytes() + b"".join(strange))

    report = look(json=place / "drift.json", html=place / "drift.html")

    assert (report.exit_code < 2, report.rows >= 3_400) == (True, True)
    assert MODEL not in report.other_models
    assert (
        len(
            read_days(
                str(place / "predictions"), {"threshold": 0.5, "event_time": "asked_for"}, {}
            ).days
        )
        >= 35
    )


def test_a_record_of_an_older_schema_is_named_by_column(place, look, usual):
    write_log(place / "predictions", usual)
    (path,) = (place / "predictions").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    for number in (10, 11):
        record = orjson.loads(lines[number])
        del record["input"]["wind"]
        lines[number] = orjson.dumps(record) + b"\n"
    path.write_bytes(b"".join(lines))

    report = look()

    (fault,) = report.faults
    assert fault.startswith("`wind` is missing in 2 records")
    assert fault.endswith("line 11.")


# Each is what its reader might take for a record: a value of another type that can be converted,
# or JSON that only some parsers accept.
NO_RECORDS = {
    "an id that is a number": record(9, id=9),
    "an id that is a list": record(9, id=["a"]),
    "an empty id": record(9, id=None),
    "a model that is a number": record(9, model=3),
    "a model that is an object": record(9, model={"sha256": "m"}),
    "a probability that is text": record(9, probability="0.5"),
    "a probability that is true": record(9, probability=True),
    "a probability that is missing": record(9, probability=None),
    "a probability that is no number": record(9).replace(b"0.5", b"NaN"),
    "a probability without end": record(9).replace(b"0.5", b"1e999"),
    "a decision that is a number": record(9, decision=1),
    "a decision that is text": record(9, decision="true"),
    "a version that is text": record(9, version="1"),
    "a version that is true": record(9, version=True),
    "a version with decimals": record(9, version=1.0),
    "another version": record(9, version=2),
    "a key that is true": record(9, key=True),
    "a key with decimals": record(9, key=1.5),
    "a key that is a list": record(9, key=[1]),
    "a time that is a number": record(9, time=20240601),
    "an input that is text": record(9, input='{"id": "k9"}'),
    "an input that is a list": record(9, input=["k9", 9]),
    "an input that is not JSON": record(9).replace(b'"size":9', b'"size":NaN'),
    "an input that is infinite": record(9).replace(b'"size":9', b'"size":-Infinity'),
}

RECORDS = {
    "a proof that is text is traffic": record(9, proof="true"),
    "a proof that is a number is traffic": record(9, proof=1),
    "a probability that is an integer": record(9, probability=1),
    "a probability with an exponent": record(9).replace(b"0.5", b"5E-1"),
    "a letter that is escaped": record(9).replace(b'"m"', b'"\\u006d"'),
    "a number as text in the input": record(9, input={"id": "k9", "size": "9", "at": None}),
    "a key that is an integer": record(9, key=9),
}


def page(log: Path | str) -> tuple[int, str]:
    traffic = read_days(str(log), {"threshold": 0.5, "event_time": "at"}, {})
    return sum(day.rows for day in traffic.days), " ".join(traffic.faults)


def retrained(log: Path | str) -> tuple[int, str]:
    calendar = Calendar(np.datetime64("2024-05-31", "us"), "month", "UTC")
    skipped = read_requests(str(log), calendar, set()).skipped
    return skipped.records, " ".join(skipped.sentences())


def drift_checked(log: Path | str) -> tuple[int, str]:
    keys, skipped = as_tables(log)
    return len(keys), " ".join(skipped.sentences())


def drift_checked_by_number(log: Path | str) -> tuple[int, str]:
    """Read a log whose keys are integers: they are numbers to DuckDB."""
    skipped = Skipped()
    inputs: list[InputSpec] = [
        {"name": "number", "type": "integer", "unique": True},
        {"name": "size", "type": "number", "unique": False},
    ]
    tables = [each.table for each in read_batches(log, skipped, inputs)]
    return sum(table.num_rows for table in tables), " ".join(skipped.sentences())


def shadowed(log: Path | str) -> tuple[int, str]:
    found = recent_requests(log, 1_000)
    return len(found.records), " ".join(found.faults)


def imported(log: Path | str) -> tuple[int, str]:
    """Read the keys alone, as the import of labels does."""
    skipped = Skipped()
    rows = sum(batch.traffic.num_rows for batch in read_batches(log, skipped))
    return rows, " ".join(skipped.sentences())


def as_frame(log: Path | str) -> tuple[int, str]:
    frame = read_log(log)
    return len(frame), " ".join(frame.attrs["faults"])


EVERY_READER = [imported, as_frame]
EVERY_READER += [drift_checked, drift_checked_by_number, page, retrained, shadowed]


@pytest.mark.parametrize("line", NO_RECORDS.values(), ids=NO_RECORDS)
def test_what_is_no_record_is_none_to_every_reader_and_is_named_by_each(tmp_path, line):
    others = [record(number) for number in range(100, 300)]
    (tmp_path / "2024-06-01.jsonl").write_bytes(b"".join([*others[:5], line, *others[5:]]))

    for reader in EVERY_READER:
        count, skipped = reader(tmp_path)
        assert (reader.__name__, count) == (reader.__name__, 200)
        assert "1 line" in skipped, reader.__name__
        assert "2024-06-01.jsonl: line 6" in skipped, reader.__name__


@pytest.mark.parametrize("line", RECORDS.values(), ids=RECORDS)
def test_what_is_a_record_is_one_to_every_reader(tmp_path, line):
    others = [record(number) for number in range(100, 300)]
    (tmp_path / "2024-06-01.jsonl").write_bytes(b"".join([*others[:5], line, *others[5:]]))

    for reader in EVERY_READER:
        count, skipped = reader(tmp_path)
        assert (reader.__name__, count) == (reader.__name__, 201)
        assert "not a record" not in skipped, reader.__name__
