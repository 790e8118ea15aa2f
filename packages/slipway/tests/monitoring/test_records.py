"""The log is read whole: every record once and in order, whatever is between them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from tests.monitoring.traffic import MODEL, NOW, draw, write_log
from tests.services.servers import Server

from slipway.monitoring.counting import Form, count_by_day
from slipway.monitoring.daily_counts import SAMPLE_A_DAY
from slipway.predictions import reader
from slipway.predictions.files import Skipped
from slipway.predictions.reader import Batch, read_batches
from slipway.predictions.record import FIELDS, to_line
from slipway.reference.reference import Reference
from slipway.schema.checks import InputSpec

INPUTS: list[InputSpec] = [
    {"name": "id", "type": "integer", "unique": True},
    {"name": "at", "type": "timestamp", "unique": False},
    {"name": "size", "type": "number", "unique": False},
    {"name": 'a "colour"', "type": "string", "unique": False},
]


def record(number: int, **fields: Any) -> bytes:
    row = {"id": number, "at": "2024-06-01T12:00:00Z", "size": number / 4, 'a "colour"': "réd"}
    known = {"version": 1, "time": "2024-06-01T12:00:00.000000Z", "probability": 0.5, "model": "m"}
    known["id"] = f"{number:06d}"
    whole = known | {"key": number, "decision": True, "input": row | fields.pop("row", {})} | fields
    return orjson.dumps(whole) + b"\n"


def write(folder: Path, *contents: bytes) -> str:
    for number, content in enumerate(contents):
        (folder / f"2024-06-0{number + 1}.jsonl").write_bytes(content)
    return str(folder)


def parsed(log: str, megabytes: int = 300) -> tuple[list[Batch], Skipped]:
    skipped = Skipped()
    return list(read_batches(log, skipped, INPUTS, megabytes=megabytes)), skipped


def column(found: list[Batch], name: str) -> list[Any]:
    return [value for each in found for value in each.table[name].to_pylist()]


MANY = [record(number) for number in range(60_000)]

# None of them is a record, and none may end or shift the others.
STRANGE = {
    "half a line": b'{"version": 1, "ti\n',
    "no object": b"[1, 2]\n",
    "another version": record(7, version=9),
    "no version": b"{}\n",
    "no input": record(7, input=3),
    "no model": record(7, model=None),
    "two in a line": record(7)[:-1] + record(8),
    "no UTF-8": b'{"version": "\xff"}\n',
    "zeros": b"\0" * 40 + b"\n",
}


@pytest.mark.parametrize("megabytes", [150, 300])
def test_every_record_is_read_once_and_in_order(tmp_path, megabytes):
    log = write(tmp_path, b"".join(MANY[:50_000]), b"", b"".join(MANY[50_000:]))

    found, skipped = parsed(log, megabytes)

    assert column(found, "key") == list(range(60_000))
    assert column(found, "input.size")[-2:] == [59_998 / 4, 59_999 / 4]
    assert set(column(found, 'input.a "colour"')) == {"réd"}
    assert skipped == Skipped(records=60_000)


# Each kind among few records, and in a large file one kind in the middle and one at both ends.
PLACES = [
    *((name, 333, 1_000) for name in STRANGE),
    ("half a line", 33_333, 60_000),
    ("zeros", 0, 60_000),
    ("zeros", 50_000, 60_000),
]


@pytest.mark.parametrize(("strange", "at", "rows"), PLACES)
def test_what_is_no_record_is_named_and_costs_nothing_else(tmp_path, strange, at, rows):
    end = rows * 5 // 6
    content = b"".join(MANY[:at]) + STRANGE[strange] + b"".join(MANY[at:end])
    log = write(tmp_path, content, b"".join(MANY[end:rows]))

    found, skipped = parsed(log)

    assert column(found, "key") == list(range(rows))
    assert skipped.unreadable.number == 1
    assert skipped.unreadable.first.endswith(f"2024-06-01.jsonl: line {at + 1}")


def test_an_end_within_a_record_is_left_out_and_reported_for_each_file(tmp_path):
    log = write(tmp_path, b"".join(MANY[:3]) + MANY[3][:-9], b"".join(MANY[4:7]), MANY[7][:9])

    found, skipped = parsed(log)

    assert column(found, "key") == [0, 1, 2, 4, 5, 6]
    assert (skipped.torn, skipped.unreadable.number) == (2, 0)


def test_what_is_appended_meanwhile_is_read_once_or_waits_for_the_next_time(tmp_path):
    log = write(tmp_path, b"".join(MANY[:50_000]) + MANY[50_000][:-9])
    skipped = Skipped()
    reading = read_batches(log, skipped, INPUTS)

    found = [next(reading)]
    with (tmp_path / "2024-06-01.jsonl").open("ab") as file:
        file.write(MANY[50_000][-9:] + MANY[50_001])
    found += reading

    keys = column(found, "key")
    assert keys == list(range(len(keys)))
    assert 50_000 <= len(keys) <= 50_002
    assert not skipped.unreadable.number


def test_empty_lines_are_nothing(tmp_path):
    log = write(tmp_path, b"\n" + MANY[0] + b"\n  \r\n" + MANY[1] + b"broken\n\n" + MANY[2])

    found, skipped = parsed(log)

    assert column(found, "key") == [0, 1, 2]
    assert skipped.unreadable.first == f"{log}/2024-06-01.jsonl: line 6"


def test_a_value_that_is_no_number_is_missing_and_reported(tmp_path):
    rows = [{"size": "a lot"}, {"size": [1]}, {"size": None}, {"size": 2}]
    log = write(tmp_path, b"".join(record(at, row=row) for at, row in enumerate(rows)))

    found, _ = parsed(log)

    assert column(found, "input.size") == [None, None, None, 2.0]
    assert column(found, "wrong.size") == [True, True, False, False]


@pytest.mark.parametrize("more", [b"", b"broken\n"], ids=["at once", "line by line"])
def test_a_value_of_another_type_is_read_alike_either_way(tmp_path, more):
    rows = [{"size": "2.5"}, {"size": True}, {'a "colour"': 5}, {'a "colour"': {"k": [1]}}]
    log = write(tmp_path, more + b"".join(record(at, row=row) for at, row in enumerate(rows)))

    found, _ = parsed(log)

    assert column(found, "input.size") == [2.5, 1.0, 0.5, 0.75]
    assert column(found, 'input.a "colour"') == ["réd", "réd", "5", '{"k":[1]}']


def test_inputs_whose_names_differ_only_in_case_are_two(tmp_path):
    log = write(tmp_path, record(1, row={"Size": 9}))
    both: list[InputSpec] = [*INPUTS, {"name": "Size", "type": "number", "unique": False}]

    (found,) = read_batches(log, Skipped(), both)

    assert found.table["input.size"].to_pylist() == [0.25]
    assert found.table["input.Size"].to_pylist() == [9.0]


def test_a_folder_may_have_any_name(tmp_path):
    folder = tmp_path / "log [1]*'\" of"
    folder.mkdir()

    assert column(parsed(write(folder, MANY[0]))[0], "key") == [0]


def test_a_bucket_is_read_alike(s3: Server, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    s3.files.pipe("models/read/2024-06-01.jsonl", b"".join(MANY[:5]) + b"torn")
    s3.files.pipe("models/read/2024-06-02.jsonl", b"broken\n" + MANY[5])

    found, skipped = parsed("s3://models/read")

    assert column(found, "key") == [0, 1, 2, 3, 4, 5]
    assert skipped.torn == 1
    assert skipped.unreadable.first == "models/read/2024-06-02.jsonl: line 1"


def test_the_rows_that_are_kept_do_not_depend_on_how_the_log_was_read(place, monkeypatch):
    reference = Reference.of(json.loads((place / "build/model/manifest.json").read_text()))
    write_log(place / "predictions", draw(np.random.default_rng(1), 35 * 2 * SAMPLE_A_DAY))
    path = place / f"predictions/2024-06-01_{MODEL[:8]}.jsonl"

    at_once = count_by_day(
        str(place / "predictions"), reference, NOW, 300, Form.of({"threshold": 0.5})
    )
    monkeypatch.setattr(reader, "ROWS", 777)
    path.write_bytes(b"broken\n" + path.read_bytes())
    by_line = count_by_day(
        str(place / "predictions"), reference, NOW, 300, Form.of({"threshold": 0.5})
    )

    assert by_line.skipped.unreadable.number == 1
    assert at_once.samples.keys() == by_line.samples.keys()
    for day, sample in at_once.samples.items():
        assert len(sample.keys) == SAMPLE_A_DAY
        for name, values in sample.columns.items():
            np.testing.assert_array_equal(values, by_line.samples[day].columns[name])


@pytest.mark.parametrize("more", [b"", b"broken\n"], ids=["at once", "line by line"])
def test_the_row_as_it_was_sent_comes_with_every_field_of_the_record(tmp_path, more):
    own = {"data": "d", "commit": "c", "review": True, "reasons": ["new"], "proof": True}
    row = {"at": "2024-06-02T00:00Z", 'a "colour"': "a/b~c", "size": 1e-9}
    row["extra"] = [1, {"k": None}]
    log = write(tmp_path, more + record(1, row=row, **own) + record(2, reasons=None, review="yes"))
    asked = [field.name for field in FIELDS if field.name not in ("version", "input")]

    (found,) = read_batches(log, Skipped(), INPUTS, fields=asked, sent=True)

    (first, second) = found.table.to_pylist()
    assert json.loads(first["input"]) == {"id": 1, **row}
    assert (first["input.at"], first['input.a "colour"']) == (row["at"], row['a "colour"'])
    assert {name: first[name] for name in ("data", "commit", "review", "proof")} == {
        name: own[name] for name in ("data", "commit", "review", "proof")
    }
    assert first["reasons"] == '["new"]'
    assert (second["review"], second["reasons"], second["proof"]) == (None, None, False)
    assert found.traffic["key"].to_pylist() == [2]


def test_a_record_goes_to_a_line_and_back():
    known = json.loads(record(3))

    assert to_line(known) == record(3)
