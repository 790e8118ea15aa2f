"""The report on traffic that has moved: what, since when, and when it was over."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import numpy as np
import pytest
from tests.monitoring.traffic import START, draw, write_log
from typer.testing import CliRunner

from slipway.cli import app
from slipway.documents.markdown import to_markdown
from slipway.documents.text import to_text
from slipway.errors import SlipwayError
from slipway.monitoring.document import drift_document
from slipway.predictions.record import stamp
from slipway.reference.reference import Reference

SINCE = 2_000  # the first of 100 rows on 21 June


def column(report, name):
    return next(row for row in report.columns if row.name == name)


def test_a_column_that_moved_is_named_with_how_far_and_since_when(place, look, usual):
    usual["temperature"][SINCE:] += np.float32(4)
    write_log(place / "predictions", usual)

    report = look()

    (alarm,) = report.active()
    assert (report.exit_code, alarm.stream, alarm.since) == (1, "temperature", "2024-06-21")
    assert alarm.at <= "2024-06-25"
    assert "0.8 sd higher" in column(report, "temperature").words
    assert "`temperature` (since 2024-06-21)" in report.words


def test_an_alarm_ends_when_a_week_was_quiet_and_then_the_check_is_quiet(place, look, usual):
    usual["amount"][1_000:1_500] *= np.float32(4)
    write_log(place / "predictions", usual)

    report = look()

    assert (report.status, report.active()) == ("quiet", [])
    (alarm,) = report.alarms
    assert (alarm.stream, alarm.since) == ("amount", "2024-06-11")
    assert "2024-06-15" <= alarm.until <= "2024-06-27"


def test_one_far_day_does_not_echo_through_the_weeks_after_it(place, look, rng):
    usual = draw(rng, 7_000)
    usual["amount"][2_000:2_200] *= np.float32(50)
    write_log(place / "predictions", usual)

    (alarm,) = look().alarms

    assert (alarm.since, alarm.at, alarm.until) == ("2024-06-11",) * 3


def test_a_column_that_goes_alarms_on_its_first_day(place, look, rng):
    usual = draw(rng, 7_000)
    usual["town"][4_000:] = None
    usual["wind"][5_000:] = np.nan
    write_log(place / "predictions", usual)

    alarms = {alarm.stream: alarm for alarm in look().active()}

    assert (alarms["town"].since, alarms["town"].at) == ("2024-06-21",) * 2
    assert (alarms["wind"].since, alarms["wind"].at) == ("2024-06-26",) * 2
    assert "missing in 0.0% → 100.0% of rows" in alarms["town"].words


def test_a_column_that_no_record_has_is_reported_as_missing(place, look, usual):
    del usual["amount"], usual["town"]
    write_log(place / "predictions", usual)

    report = look()

    for name in ("amount", "town"):
        assert column(report, name).status == "drift"
        assert "missing in 0.0% → 100.0% of rows" in column(report, name).words


def test_values_never_seen_before_are_drift_and_are_named(place, look, usual):
    usual["colour"][SINCE::10] = "mauve"
    write_log(place / "predictions", usual)

    report = look()

    moved = column(report, "colour")
    assert moved.status == "drift"
    assert moved.unseen == {"mauve": 150}
    assert re.search(r"unseen values: `mauve` \(\d+\.\d% of rows\)", moved.words)


def test_a_single_new_value_is_counted_and_not_reported_as_what_moved(place, look, rng):
    usual = draw(rng, 17_500)
    usual["colour"][10_000::2] = "red"
    usual["colour"][16_900] = "mauve"
    write_log(place / "predictions", usual)

    moved = column(look(), "colour")

    assert moved.status == "drift"
    assert moved.unseen == {"mauve": 1}
    assert "unseen" not in moved.words
    assert "`red`" in moved.words


def test_an_untrusted_value_is_shown_as_escaped_text(place, look, usual):
    usual["colour"][SINCE:] = "` | <img> @everyone\x1b[2J\n# " + "long" * 100
    write_log(place / "predictions", usual)

    report = look(html=place / "drift.html")

    markdown = to_markdown(drift_document(report))
    (row,) = [line for line in markdown.splitlines() if line.startswith("| `colour` | **drift**")]
    assert re.search(r"unseen values: `¦ <img> @everyone[^`|]*…` \(", row)
    assert "\x1b" not in to_text(drift_document(report))
    assert "<img" not in (place / "drift.html").read_text()


def test_ten_times_the_traffic_is_an_alarm_of_its_own(place, look, usual, rng):
    burst = draw(rng, 1_000)
    write_log(place / "predictions", usual)
    write_log(place / "predictions", burst, np.full(1_000, START + 20))

    report = look()

    (alarm,) = report.alarms
    assert (alarm.stream, alarm.at, alarm.until) == ("volume", "2024-06-21", "2024-06-21")
    assert alarm.words == "1,100 predictions on 2024-06-21, where 100 are usual"


def test_days_without_traffic_are_an_alarm_of_their_own(place, look, usual):
    days = START + (np.arange(3_500) * 35 // 3_500)
    gap = (days == START + 32) | (days == START + 33)
    kept = {name: values[~gap] for name, values in usual.items()}
    write_log(place / "predictions", kept, days[~gap])

    report = look()

    (alarm,) = report.alarms
    assert (alarm.stream, alarm.since, alarm.until) == ("volume", "2024-07-03", None)
    assert alarm.words == "no predictions on 2024-07-03, where 100 are usual"
    assert "No predictions on 2024-07-03" in report.words


def test_columns_that_no_longer_go_together_are_found_though_each_looks_usual(place, look, rng):
    write_log(place / "predictions", draw(rng, 7_000, together=0.0))

    report = look()

    assert [alarm.stream for alarm in report.active()] == ["joint"]
    assert all(row.status == "ok" for row in report.columns)
    assert report.joint is not None
    assert report.joint.auc > report.joint.limit > 0.5
    assert "Multivariate drift" in report.words


def test_a_season_that_the_past_has_not_is_reported(place, look, usual):
    write_log(place / "predictions", usual)

    report = look()

    assert report.season is not None
    assert (report.season.have, report.season.missing) == ([3, 4, 5], [6, 7])
    assert report.season.words == (
        "The reference history has no June, July: those days are compared with 2024-05, so part of "
        "the difference may be seasonal."
    )


def test_a_day_is_compared_with_its_own_season_where_the_past_has_it(model):
    manifest = json.loads((model / "manifest.json").read_text())
    cold = manifest["past"]["months"]["2024-03"]["profiles"]["temperature"]
    cold["counts"] = [sum(cold["counts"]), *[0] * (len(cold["counts"]) - 1)]
    days = np.array(["2025-03-05", "2025-05-05", "2025-06-05"], "datetime64[D]")

    series = Reference.of(manifest).series["temperature"]
    shares, rows, _ = series.expect(days)

    assert shares[0, 0] == pytest.approx(0.9, abs=0.02)  # the rest is missing
    assert shares[1, 0] == pytest.approx(0.05, abs=0.02)
    assert np.array_equal(shares[2], shares[1])  # no June: as the holdout
    assert rows.tolist() == [3_100, 3_100, 3_100]


def test_what_moved_is_shown_with_the_month_that_it_is_like(place, look, usual):
    path = place / "build/model/manifest.json"
    manifest = json.loads(path.read_text())
    cold = manifest["past"]["months"]["2024-03"]["profiles"]["temperature"]
    cold["counts"] = [sum(cold["counts"]), *[0] * (len(cold["counts"]) - 1)]
    path.write_text(json.dumps(manifest))
    usual["temperature"] -= np.float32(30)
    write_log(place / "predictions", usual)

    assert "like March of the past" in column(look(), "temperature").words


def test_days_with_few_rows_are_taken_together(place, look, rng):
    few = draw(rng, 700)
    few["temperature"][350:] += np.float32(10)
    write_log(place / "predictions", few)

    report = look()

    (alarm,) = report.active()
    assert alarm.stream == "temperature"
    assert report.days[-1].rows == 20


def test_labels_that_have_arrived_are_part_of_the_answer(place, look, usual):
    write_log(place / "predictions", usual)
    labels = [
        "flight_id,late",
        *(f"20240601-AA{number}-JFK,{int(number % 4 == 0)}" for number in range(3_000)),
    ]
    (place / "labels.csv").write_text("\n".join(labels) + "\n")
    CliRunner().invoke(app, ["labels", "import", "labels.csv"], catch_exceptions=False)

    report = look()

    assert report.performance is not None
    assert report.performance.labelled == 3_000
    assert report.concept is not None


def test_without_labels_an_estimate_is_shown_and_nothing_is_claimed(place, look, usual):
    write_log(place / "predictions", usual)

    report = look()

    assert (report.performance, report.concept) == (None, None)
    assert report.estimate is not None


def run(*arguments):
    return CliRunner().invoke(app, ["drift", *arguments])


def test_the_verb_exits_0_1_and_2_and_writes_what_it_was_asked_for(place, usual):
    today = np.datetime64(datetime.now(UTC).date(), "D")
    written = stamp(datetime.now(UTC))
    days = today - 36 + (np.arange(3_500) * 35 // 3_500)
    write_log(place / "predictions", usual, days, time=written)
    moved = usual | {"amount": usual["amount"] * np.float32(3)}
    write_log(place / "moved", moved, days, time=written)

    quiet = run(
        "--json", "out/drift.json", "--markdown", "out/drift.md", "--html", "out/drift.html"
    )
    drifted = run("--log", "moved", "--markdown", "moved.md")
    silent = run("--log", "nothing", "--markdown", "nothing.md", "--json", "nothing.json")

    assert [each.exit_code for each in (quiet, drifted, silent)] == [0, 1, 2]
    assert quiet.output.startswith("✅ No drift\n3,4")
    assert json.loads((place / "out/drift.json").read_text())["status"] == "quiet"
    assert (place / "out/drift.md").read_text().startswith("### ✅ No drift\n")
    assert "<script" not in (place / "out/drift.html").read_text()
    assert re.search(r"^amount +drift +\d\.\d\d +mean", drifted.output, re.MULTILINE)
    assert "| `amount` | **drift** |" in (place / "moved.md").read_text()
    assert "❔ The drift check is inconclusive\nnothing: no such folder" in silent.output
    assert (place / "nothing.md").read_text().startswith("### ❔ The drift check is inconclusive\n")


def test_a_manifest_without_a_reference_history_is_an_error(place, look):
    path = place / "build/model/manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["past"]
    path.write_text(json.dumps(manifest))

    with pytest.raises(SlipwayError, match="has no reference history"):
        look()
