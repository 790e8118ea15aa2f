from __future__ import annotations

import json
import re

import numpy as np
import pytest
from tests.drift.traffic import MODEL, draw, frame_of, manifest_of, write_log
from typer.testing import CliRunner

from slipway import drift
from slipway.cli import app
from slipway.profile import profile
from slipway.settings import Drift

OTHER = "b" * 64


def report_of(columns, reference, settings, model=MODEL):
    return drift.compare_log(frame_of(columns, model), manifest_of(reference), settings)


def column(report, name):
    return next(column for column in report.columns if column.name == name)


def test_unchanged_traffic_is_quiet(rng, settings):
    report = report_of(draw(rng, 1_000), draw(rng, 10_000), settings)

    assert report.status == "quiet"
    assert report.exit_code == 0
    assert {column.name for column in report.columns} == set(draw(rng, 1))


def test_unchanged_traffic_raises_no_more_false_alarms_than_the_setting_says(rng):
    settings = Drift(alpha=0.05, psi=0.1, min_rows=200)
    noticed, drifted, windows = 0, 0, 0
    for _ in range(10):
        manifest = manifest_of(draw(rng, 10_000))
        for _ in range(40):
            report = drift.compare_log(frame_of(draw(rng, 500)), manifest, settings)
            noticed += any(column.status != "ok" for column in report.columns)
            drifted += report.status == "drift"
            windows += 1

    spread = np.sqrt(windows * 0.05 * 0.95)
    assert windows * 0.05 - 3 * spread < noticed < windows * 0.05 + 3 * spread
    assert drifted <= 0.01 * windows


def test_a_test_on_many_categories_keeps_its_error_rate_though_the_reference_is_small(rng):
    values = np.array([f"v{i}" for i in range(12)], object)
    p_values = []
    for _ in range(400):
        before, now = (profile(rng.choice(values, 1_000)) for _ in range(2))
        p_values.append(drift.chi_square(drift.cells(before, now)[1]))

    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.08


def test_chance_alone_adds_nothing_to_the_size_of_a_move(rng):
    values = np.array([f"v{i}" for i in range(40)], object)
    raw, corrected = [], []
    for _ in range(200):
        _, table = drift.cells(profile(rng.choice(values, 2_000)), profile(rng.choice(values, 300)))
        corrected.append(drift.psi(table))
        before, now = (table + 0.5) / (table + 0.5).sum(axis=1, keepdims=True)
        raw.append(((now - before) * np.log(now / before)).sum())

    assert np.mean(raw) > 0.12
    assert np.mean(corrected) < 0.02


def test_a_far_move_of_one_number_is_drift_and_says_by_how_much(rng, settings):
    for _ in range(20):
        now = draw(rng, 2_000)
        now["temperature"] = now["temperature"] + np.float32(2.5)
        report = report_of(now, draw(rng, 10_000), settings)

        assert report.status == "drift"
        assert report.exit_code == 1
        assert report.columns[0].name == "temperature"
        assert "0.5 sd higher" in report.columns[0].words
        assert "`temperature`" in report.words


def test_a_move_that_is_real_but_small_is_noticed_and_stays_quiet(rng, settings):
    for _ in range(20):
        now = draw(rng, 20_000)
        now["temperature"] = now["temperature"] + np.float32(0.5)
        report = report_of(now, draw(rng, 20_000), settings)

        assert column(report, "temperature").status == "notice"
        assert report.status == "quiet"


def test_a_move_of_the_score_alone_is_drift(rng, settings):
    now = draw(rng, 1_000)
    now["score"] = np.clip(now["score"] + 0.15, 0, 1)

    report = report_of(now, draw(rng, 10_000), settings)

    assert [column.name for column in report.columns if column.status == "drift"] == ["score"]


def test_more_missing_values_are_drift_and_the_shares_are_told(rng, settings):
    now = draw(rng, 1_000)
    now["temperature"][rng.random(1_000) < 0.3] = np.nan

    moved = column(report_of(now, draw(rng, 10_000), settings), "temperature")

    assert moved.status == "drift"
    assert moved.missing_before == pytest.approx(0.1, abs=0.02)
    assert moved.missing_now == pytest.approx(0.37, abs=0.04)
    assert "missing in" in moved.words


def test_a_value_never_seen_before_is_drift_and_is_named(rng, settings):
    now = draw(rng, 1_000)
    now["colour"][:50] = "mauve"

    moved = column(report_of(now, draw(rng, 10_000), settings), "colour")

    assert moved.status == "drift"
    assert moved.unseen == {"mauve": 50}
    assert moved.unseen_share == 0.05
    assert "never seen before: `mauve` (5.0% of rows)" in moved.words


def test_a_move_between_categories_names_those_that_moved(rng, settings):
    now = draw(rng, 2_000)
    now["colour"][rng.random(2_000) < 0.5] = "red"

    moved = column(report_of(now, draw(rng, 10_000), settings), "colour")

    assert moved.status == "drift"
    assert "`red`: 32.6% → 67.5%" in moved.words


def test_a_value_that_a_stranger_sent_is_told_as_harmless_text(rng, settings):
    now = draw(rng, 1_000)
    now["colour"][:50] = "` | <img> @everyone\x1b[2J\n# " + "long" * 100

    report = report_of(now, draw(rng, 10_000), settings)

    rows = [
        line for line in drift.to_markdown(report).splitlines() if line.startswith("| `colour`")
    ]
    (row,) = rows
    assert re.search(
        r"never seen before: ` \\\| <img> @everyone[^`|]*…` \(5\.0% of rows\)[^`]* \|$", row
    )
    assert "\x1b" not in drift.to_text(report)


def test_a_column_that_no_record_has_is_told_as_missing(rng, settings):
    now = draw(rng, 1_000)
    del now["amount"], now["town"]

    report = report_of(now, draw(rng, 10_000), settings)

    for name in ("amount", "town"):
        assert column(report, name).status == "drift"
        assert "missing in 0.0% → 100.0% of rows" in column(report, name).words


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (np.full(500, 3.0), np.full(500, 3.0)),
        (np.full(500, np.nan), np.full(500, np.nan)),
        (np.full(500, "a", object), np.full(500, "a", object)),
        (np.full(500, None), np.full(500, None)),
    ],
    ids=["one number", "no number", "one value", "no value"],
)
def test_a_column_that_never_varies_is_in_order_while_it_stays_so(before, now, settings):
    reference = profile(before)
    pairs = [("same", reference, drift.profile_like(reference, now))]

    assert [column.status for column in drift.compare_columns(pairs, settings)] == ["ok"]


def test_a_column_that_never_varied_has_drifted_when_it_varies(settings):
    empty, constant = profile(np.full(500, np.nan)), profile(np.full(500, 3.0))
    pairs = [
        ("filled", empty, drift.profile_like(empty, np.arange(500.0))),
        ("moved", constant, drift.profile_like(constant, np.arange(500.0))),
    ]

    assert {column.status for column in drift.compare_columns(pairs, settings)} == {"drift"}


def test_a_number_that_went_through_json_falls_into_the_bin_it_came_from():
    values = np.repeat(np.array([0.1, 55.94, 57.02, 101.7], "float32"), 100)
    reference = profile(values)
    through_json = np.array([float(str(value)) for value in values])

    assert drift.profile_like(reference, through_json)["counts"] == reference["counts"]


def test_only_the_asked_models_records_count_and_the_rest_is_named(rng, settings):
    import pandas as pd

    strange = draw(rng, 700)
    strange["temperature"] = strange["temperature"] + np.float32(50)
    frame = pd.concat([frame_of(draw(rng, 800)), frame_of(strange, OTHER)])

    report = drift.compare_log(frame, manifest_of(draw(rng, 5_000)), settings)

    assert report.status == "quiet"
    assert report.rows == 800
    assert report.other_models == {OTHER: 700}
    assert "Not counted: 700 predictions of another model, `bbbbbbbbbbbb…`" in drift.to_text(report)


@pytest.mark.parametrize(
    ("rows", "model", "reason"),
    [
        (0, MODEL, "the log has no predictions"),
        (199, MODEL, "too few rows: 199 predictions of this model, and the test wants 200"),
        (500, OTHER, "every record in the log is another model's"),
    ],
)
def test_what_cannot_be_answered_is_not_called_quiet(rng, settings, rows, model, reason):
    report = report_of(draw(rng, rows), draw(rng, 5_000), settings, model)

    assert report.status == "no answer"
    assert report.exit_code == 2
    assert reason in report.words


def test_the_time_span_is_that_of_the_events(rng, settings):
    import pandas as pd

    frame = frame_of(draw(rng, 300))
    frame["input.asked_for"] = pd.date_range("2031-01-01", periods=300, freq="h").strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )

    report = drift.compare_log(frame, manifest_of(draw(rng, 5_000)), settings)

    assert (report.first, report.last) == ("2031-01-01T00:00:00Z", "2031-01-13T11:00:00Z")


def run(*arguments):
    return CliRunner().invoke(app, ["drift", *arguments])


def test_the_verb_reads_the_services_log_and_exits_0_when_it_is_quiet(place, rng):
    write_log(place / "predictions", draw(rng, 500))

    result = run("--json", "out/drift.json", "--markdown", "out/drift.md")

    assert result.exit_code == 0, result.output
    assert result.output.startswith("quiet: 500 predictions compared with 5,000 rows of 2024-05")
    written = json.loads((place / "out/drift.json").read_text())
    assert (written["version"], written["status"], written["model"]) == (1, "quiet", MODEL)
    assert (place / "out/drift.md").read_text().startswith("### ✅ No drift\n")


def test_the_verb_exits_1_on_drift(place, rng):
    now = draw(rng, 500)
    now["amount"] = now["amount"] * np.float32(3)
    write_log(place / "elsewhere", now)

    result = run("--log", "elsewhere", "--markdown", "drift.md")

    assert result.exit_code == 1
    assert "drift   amount: PSI" in result.output
    assert "| `amount` | drift |" in (place / "drift.md").read_text()


def test_the_verb_exits_2_and_still_writes_a_report_when_there_is_no_log(place):
    result = run("--json", "drift.json", "--markdown", "drift.md")

    assert result.exit_code == 2
    assert "no answer: predictions: no such folder" in result.output
    assert json.loads((place / "drift.json").read_text())["status"] == "no answer"
    assert (place / "drift.md").read_text().startswith("### ❔ No answer\n")


def test_the_verb_exits_2_when_the_log_holds_what_is_no_record(place):
    (place / "predictions").mkdir()
    (place / "predictions/2024-06-01_x.jsonl").write_text("not JSON\n{}\n")

    result = run()

    assert result.exit_code == 2
    assert "line 1 is not a record" in result.output


def test_the_verb_exits_2_when_a_number_became_text(place, rng):
    now = draw(rng, 300)
    now["amount"] = np.full(300, "a lot", object)
    write_log(place / "predictions", now)

    result = run()

    assert result.exit_code == 2
    assert "`input.amount` holds something that is not a number" in result.output
