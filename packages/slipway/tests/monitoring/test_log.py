"""What can be wrong in a log, and the message: never none, and never a traceback."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import jsonschema
import numpy as np
import orjson
import pytest
from tests.monitoring.traffic import MODEL, NOW, START, draw, moments_of, remember, write_log

from slipway.monitoring.counting import Form, count_by_day
from slipway.monitoring.report import schema
from slipway.predictions import reader
from slipway.reference.reference import Reference
from slipway.workers import ADDRESS

OTHER = "b" * 64


def lines(place):
    (path,) = (place / "predictions").glob(f"*{MODEL[:8]}*")
    return path, path.read_bytes().splitlines(keepends=True)


def change(place, at, **fields):
    """Change some records of the log."""
    path, found = lines(place)
    for number in at:
        found[number] = orjson.dumps(orjson.loads(found[number]) | fields) + b"\n"
    path.write_bytes(b"".join(found))


def test_usual_traffic_is_quiet(place, look, usual):
    write_log(place / "predictions", usual)

    report = look()

    assert (report.status, report.exit_code) == ("quiet", 0)
    assert report.alarms == []
    assert report.faults == []
    # The newest day may still be growing, so it waits.
    assert (report.rows, report.first, report.last) == (3_400, "2024-06-01", "2024-07-04")


def test_a_newest_day_with_many_rows_that_is_over_and_not_compared_is_named(place, look, usual):
    write_log(place / "predictions", usual)
    path, found = lines(place)
    newest = [orjson.loads(found[-1]) | {"id": f"later-{number}"} for number in range(300)]
    path.write_bytes(b"".join([*found, *(orjson.dumps(record) + b"\n" for record in newest)]))

    assert "Not compared" not in look(now=NOW - timedelta(days=1)).words
    report = look()
    assert report.last == "2024-07-04"
    assert "Not compared: 400 predictions of 2024-07-05" in report.words


def test_the_report_does_not_depend_on_where_the_pieces_of_a_log_are_read(
    place, look, usual, two_workers, monkeypatch
):
    """Some records come twice, in a later piece; one of them with other content; lines are bad."""
    write_log(place / "predictions", usual)
    path, found = lines(place)
    again = orjson.dumps(orjson.loads(found[40]) | {"probability": 0.9}) + b"\n"
    path.write_bytes(b"".join([*found, b"bad\n", *found[:30], again, b"bad"]))
    whole = look()
    monkeypatch.setattr(reader, "PIECE", path.stat().st_size // 7)
    here = look()
    monkeypatch.setenv(ADDRESS, two_workers.address)

    assert look() == here
    assert (here.rows, here.faults) == (whole.rows, whole.faults)
    assert len(here.faults) == 4


def test_no_log_is_no_answer(look):
    report = look()

    assert (report.status, report.exit_code) == ("inconclusive", 2)
    assert "predictions: no such folder" in report.words


@pytest.mark.parametrize("address", ["nowhere://log", "memory://log", "s3://missing/log"])
@pytest.mark.usefixtures("no_buckets")
def test_a_log_that_cannot_be_reached_is_no_answer(look, address):
    report = look(log=address)

    assert report.exit_code == 2
    assert address in report.words


def test_an_empty_log_is_no_answer(place, look):
    (place / "predictions").mkdir()

    assert "the log has no predictions" in look().words


def test_one_record_is_too_few(place, look, rng):
    write_log(place / "predictions", draw(rng, 1))

    report = look()

    assert report.exit_code == 2
    assert "too few rows: 1 prediction of this model, and a window needs 200" in report.words


def test_a_record_half_written_when_the_power_went_is_counted_and_costs_nothing(place, look, usual):
    write_log(place / "predictions", usual)
    path, found = lines(place)
    path.write_bytes(b"".join(found)[:-40])

    report = look()

    assert report.status == "quiet"
    assert report.faults == ["1 file ends within a record; its prediction was never returned."]


def test_a_line_that_is_no_record_is_named_and_costs_only_itself(place, look, usual):
    write_log(place / "predictions", usual)
    path, found = lines(place)
    found[41] = b'{"version": 1, "time": "2024-0\n'
    path.write_bytes(b"".join(found))

    report = look()

    assert (report.status, report.rows) == ("quiet", 3_399)
    assert "1 line is not a record; the first:" in report.faults[0]
    assert "line 42" in report.faults[0]


def test_a_log_that_is_mostly_something_else_is_no_answer(place, look, usual):
    write_log(place / "predictions", usual)
    path, found = lines(place)
    path.write_bytes(b"".join(found) + b"hello\n" * 100)

    report = look()

    assert report.exit_code == 2
    assert "100 of 3,600 lines are not records" in report.words
    assert "line 3501" in report.words


def test_records_of_another_version_are_no_records(place, look, usual):
    write_log(place / "predictions", usual)
    change(place, range(3_500), version=9)

    assert look().exit_code == 2


def test_another_models_records_are_counted_and_not_mixed_in(place, look, usual, rng):
    write_log(place / "predictions", usual)
    strange = draw(rng, 700)
    strange["temperature"] += np.float32(50)
    write_log(place / "predictions", strange, model=OTHER)

    report = look()

    assert (report.status, report.rows) == ("quiet", 3_400)
    assert report.other_models == {OTHER: 700}


def test_a_log_of_another_model_alone_is_no_answer(place, look, usual):
    write_log(place / "predictions", usual, model=OTHER)

    report = look()

    assert report.exit_code == 2
    assert "every record in the log is of another model" in report.words


def test_proofs_are_no_traffic(place, look, usual):
    write_log(place / "predictions", usual)
    change(place, range(100), proof=True)

    assert look().rows == 3_300


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ("2031-01-01T00:00:00Z", "3 events are after 2025-07-08; not counted"),
        (
            "1970-01-01T00:00:00Z",
            "3 events are before 2024-03, the first month of the model's data",
        ),
        ("soon", "3 records have no readable event time"),
    ],
)
def test_events_at_times_that_cannot_be_meant_are_reported_and_left_out(
    place, look, usual, time, message
):
    write_log(place / "predictions", usual)
    path, found = lines(place)
    for number in (5, 6, 7):
        record = orjson.loads(found[number])
        record["input"]["asked_for"] = time
        found[number] = orjson.dumps(record) + b"\n"
    path.write_bytes(b"".join(found))

    report = look()

    assert (report.status, report.rows) == ("quiet", 3_397)
    assert message in report.faults[0]


def test_a_few_events_months_away_are_reported_and_do_not_become_the_window(place, look, usual):
    write_log(place / "predictions", usual)
    path, found = lines(place)
    for number in range(3):
        record = orjson.loads(found[number])
        record["input"]["asked_for"] = "2024-12-24T00:00:00Z"
        found[number] = orjson.dumps(record) + b"\n"
    path.write_bytes(b"".join(found))

    report = look()

    assert (report.status, report.last) == ("quiet", "2024-07-04")
    assert "3 predictions are for days months away from the others" in report.faults[0]


def test_a_service_whose_clock_goes_back_is_reported(place, look, usual):
    write_log(place / "predictions", usual)
    change(place, [700], time="2024-07-06T00:00:00.000000Z")

    report = look()

    assert report.status == "quiet"
    assert "the service's clock went back 1 time;" in report.faults[0]


def test_an_event_without_a_time_happens_when_it_was_asked_for(place, look, usual):
    del usual["wind"]  # so that there is a message about the rows that were counted
    write_log(place / "predictions", usual, np.full(3_500, START))
    path, found = lines(place)
    records = [orjson.loads(line) for line in found]
    for record in records:
        del record["input"]["asked_for"]
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))

    report = look()

    assert (report.first, report.last) == ("2024-07-07", "2024-07-07")
    assert "3,500 records have no event time" in report.faults[0]


def test_silence_is_not_taken_for_health(place, look, usual):
    write_log(place / "predictions", usual)

    report = look(now=NOW + timedelta(days=10))

    assert (report.status, report.exit_code) == ("inconclusive", 2)
    assert report.words.startswith("no traffic since 2024-07-07: drift cannot be assessed")
    assert report.columns  # what was last known is still shown


def test_a_number_that_became_text_is_a_fault_and_drift(place, look, usual):
    usual["amount"] = usual["amount"].astype(object)
    usual["amount"][2_000:] = "a lot"
    write_log(place / "predictions", usual)

    report = look()

    assert report.exit_code == 1
    assert "`amount` is not a number in 1,500 records" in report.faults[0]
    (alarm,) = report.active()
    assert (alarm.stream, alarm.at) == ("amount", "2024-06-21")
    assert "missing in 0.0% → 50.0% of rows" in alarm.words


def test_rows_that_break_the_schema_alarm_though_they_look_usual(place, look, usual, model):
    manifest = json.loads((place / "build/model/manifest.json").read_text())
    allowed = {"allowed_values": ["red", "green"]}
    rule = {"rule": "isin", "check": "isin", "arguments": allowed}
    next(each for each in manifest["inputs"] if each["name"] == "colour")["rules"] = [rule]
    (place / "build/model/manifest.json").write_text(json.dumps(manifest))
    write_log(place / "predictions", usual)

    report = look()

    assert [alarm.stream for alarm in report.active()] == ["colour"]
    moved = next(row for row in report.columns if row.name == "colour")
    assert moved.broken_share == pytest.approx(1 / 3, abs=0.1)


def test_the_answer_does_not_depend_on_how_the_log_is_cut(place, usual):
    write_log(place / "predictions", usual)
    reference = Reference.of(json.loads((place / "build/model/manifest.json").read_text()))
    _, found = lines(place)
    (place / "cut").mkdir()
    for number in range(7):
        (place / f"cut/2024-06-01_{number}.jsonl").write_bytes(b"".join(found[number::7]))

    one, many = (
        count_by_day(str(place / name), reference, NOW, 300, Form.of({"threshold": 0.5}))
        for name in ("predictions", "cut")
    )

    assert one.days.keys() == many.days.keys()
    for day, tally in one.days.items():
        for name, counts in tally.counts.items():
            assert np.array_equal(counts, many.days[day].counts[name])


@pytest.mark.parametrize(("zone", "later"), [("UTC", 0), ("Pacific/Kiritimati", 1)])
def test_labels_are_joined_with_the_days_of_the_time_zone_of_the_model(place, usual, zone, later):
    write_log(place / "predictions", usual)  # at noon of each day, in UTC
    manifest = json.loads((place / "build/model/manifest.json").read_text())
    reference = Reference.of(manifest | {"time_zone": zone})
    joined = []

    count_by_day(
        str(place / "predictions"),
        reference,
        NOW,
        300,
        Form.of(manifest),
        lambda _keys, days, *_: joined.append(days.min()),
    )

    assert min(joined) == START + later


@pytest.mark.parametrize(
    ("zone", "first", "last", "now"),
    [
        # In UTC the first hours are of February, which the history does not have.
        ("Asia/Kolkata", "2025-03-01", "2025-03-31", "2025-03-31T19:00:00Z"),
        # In UTC the last hours before the newest day are of June.
        ("America/New_York", "2025-05-01", "2025-05-31", "2025-06-01T04:30:00Z"),
    ],
)
def test_days_and_months_of_the_report_are_those_of_the_time_zone_of_the_model(
    place, look, rng, zone, first, last, now
):
    """Usual traffic of a month and a day, on the first hour of which the report is made."""
    manifest = remember(rng, place / "build/model", zone=zone)
    (place / "build/model/manifest.json").write_text(json.dumps(manifest))
    days = np.arange(np.datetime64(first), np.datetime64(last) + 2)
    times = moments_of(days, 100, zone)
    write_log(place / "predictions", draw(rng, len(times)), times, time=now)

    report = look(now=datetime.fromisoformat(now))

    assert (report.first, report.last, report.rows) == (first, last, 3_100)
    assert {day.rows for day in report.days} == {100}
    assert (report.season.missing, report.season.words) == ([], "")
    assert (report.status, report.alarms, report.faults) == ("quiet", [], [])


def test_every_report_keeps_the_schema(place, look, usual, rng):
    jsonschema.validate(look().model_dump(), schema())
    write_log(place / "predictions", usual)
    jsonschema.validate(look().model_dump(), schema())
    moved = draw(rng, 3_500)
    moved["temperature"] += np.float32(10)
    write_log(place / "moved", moved)
    report = look(log="moved", json=place / "drift.json")
    assert report.status == "drift"
    jsonschema.validate(json.loads((place / "drift.json").read_text()), schema())
