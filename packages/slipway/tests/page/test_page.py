from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.monitoring.traffic import moments_of, write_log
from tests.page.conftest import commit
from typer.testing import CliRunner

from slipway.catalogue.releases import History, released_by_git
from slipway.cli import app
from slipway.documents import charts
from slipway.errors import SlipwayError
from slipway.monitoring.report import without_answer
from slipway.predictions import reader
from slipway.reports.page import inputs, page
from slipway.reports.page.calibration import calibration_of
from slipway.reports.page.components import span
from slipway.reports.page.days import known_labels, read_days
from slipway.repository.worktrees import run
from slipway.settings import read_params

CHARTS = {
    "calibration",
    "costs",
    "drift",
    "drift-days",
    "gaps",
    "rates",
    "releases-auc",
    "releases-log_loss",
    "roc",
    "scores",
    "slices",
    "traffic",
    "weeks-auc",
    "weeks-log_loss",
}

OF_DRIFT = {"drift", "drift-days", "weeks-auc", "weeks-log_loss"}


def html(out: str = "site") -> str:
    return page(read_params(), Path(out)).read_text("utf-8")


def section(text: str, key: str) -> str:
    return text.split(f'<section id="{key}"', 1)[1].split("</section>", 1)[0]


def test_every_chart_is_on_the_page_and_a_file_next_to_it(site):
    text = (site / "index.html").read_text("utf-8")

    assert set(re.findall(r'<figure id="([^"]+)-chart"', text)) == CHARTS
    assert {path.stem for path in site.glob("*.svg")} == CHARTS
    assert text.count('<svg role="img" aria-label="') == len(CHARTS)


def test_the_page_names_the_model_that_runs(site, world):
    manifest = json.loads((world / "build/model/manifest.json").read_text())
    text = (site / "index.html").read_text("utf-8")

    assert f"sha256 {manifest['model']['sha256']}" in text
    assert f"md5 {manifest['data']['md5']}" in text
    assert "9,000 rows" not in text  # unlabelled rows are not trained on
    assert f"{manifest['train']['rows']:,} rows, 2013-06 to 2013-08" in text


def test_the_card_is_on_the_page_and_whole_in_a_file_of_its_own(site):
    shown = section((site / "index.html").read_text("utf-8"), "card")

    assert "Everything else." in shown
    assert 'href="card.html"' in shown
    whole = (site / "card.html").read_text("utf-8")
    assert "Everything else." in whole
    assert "Slices on which it is weakest" in whole


def test_verdicts_stand_there_in_the_reports_own_words(site):
    content = section((site / "index.html").read_text("utf-8"), "verdicts")

    assert "1 of 3 may be merged" in content
    assert "✓ Better: " in content
    assert "✕ Not merged: AUC gets worse" in content
    assert "? Inconclusive" in content
    assert '<a href="reports/better.html">' in content
    assert "reports/worse.html" not in content


def test_a_report_that_contradicts_itself_is_not_believed(copy):
    path = copy / "build/reports/worse.json"
    report = json.loads(path.read_text()) | {"verdict": "better", "may_merge": True, "stops": []}
    path.write_text(json.dumps(report))

    content = section(html(), "verdicts")

    assert "? Rejected" in content
    assert "1 of 3 may be merged" in content


def test_the_newest_judgement_of_the_live_model_has_its_importance(copy):
    assert "No judgement of this model yet" in section(html(), "importance")
    model = json.loads(Path("build/model/manifest.json").read_text())["model"]["sha256"]
    path = Path("build/reports/better.json")
    report = json.loads(path.read_text())
    report["challenger"]["model"] = model
    loss = {"value": 0.0123, "low": 0.011, "high": 0.013}
    report["permutation_importance"] = [
        {"feature": "distance", "decrease": 0.1, "low": 0.05, "high": 0.15, "champion": loss}
    ]
    path.write_text(json.dumps(report))

    text = section(html(), "importance")

    for shown in ("distance", "0.1000", "0.0500 to 0.1500", "0.0123", "0.0110 to 0.0130"):
        assert shown in text


def test_releases_come_from_git_where_they_were_not_written_down(site, world):
    content = section((site / "index.html").read_text("utf-8"), "releases")

    assert "#12 has AUC" in content
    assert "+0.010 against Start" in content
    assert "paired comparison: better" in content


def test_releases_that_were_written_down_override_what_git_knows(copy):
    metrics = json.loads((copy / "reports/metrics.json").read_text())["model"]
    release = {"name": "v1", "date": "2030-01-02", "commit": "abc", "metrics": metrics}
    (copy / "build/releases.json").write_text(json.dumps([release]))

    assert "One release so far, v1, with AUC" in section(html(), "releases")


def test_the_sentence_on_releases_counts_those_of_the_table(copy):
    metrics = json.loads((copy / "reports/metrics.json").read_text())["model"]
    releases = [
        {"name": "v1", "date": "2030-01-02", "metrics": {"rmse": metrics["auc"]}},
        {"name": "v2", "date": "2030-01-03", "metrics": metrics},
    ]
    (copy / "build/releases.json").write_text(json.dumps(releases))

    text = section(html(), "releases")

    assert "2 releases, of which v2 alone has AUC" in text
    assert text.count("<tr>") - 1 == 2


def test_a_page_states_how_many_models_of_another_target_are_no_releases(copy, monkeypatch):
    history = History(released_by_git(copy).releases[-1:], 9)
    monkeypatch.setattr(inputs, "read_history", lambda _root: history)

    text = section(html(), "releases")

    assert "One release so far, #12" in text
    assert "9 earlier models of another target are not listed." in text


def test_a_commit_whose_metrics_cannot_be_read_is_no_release(copy):
    (copy / "reports/metrics.json").write_text("not JSON")
    commit(copy, "Break the metrics")

    assert [release.name for release in released_by_git(Path()).releases] == ["Start", "#12"]


def test_drift_is_shown_with_what_moved(site):
    content = section((site / "index.html").read_text("utf-8"), "drift")

    assert "columns drifted" in content
    assert re.search(r"temp</span><small>drift, \d\.\d\d</small>", content)
    assert "higher)" in content


def test_a_drift_check_without_an_answer_is_shown_as_such(copy):
    path = copy / "build/drift.json"
    path.write_text(json.dumps(without_answer("no traffic: nothing came.").model_dump()))

    assert "The drift check is inconclusive: no traffic" in section(html(), "drift")


def test_metrics_from_labels_are_compared_with_the_holdout(site):
    content = section((site / "index.html").read_text("utf-8"), "performance")

    assert re.search(r"Labels have arrived for 2,\d{3} of 3,000 predictions", content)
    assert "from labels" in content
    assert "AUC week by week; higher is better. Dashed: on the holdout" in content
    assert "from the scores alone" not in content


def test_releases_are_marked_where_they_came_in_these_weeks(copy):
    metrics = json.loads((copy / "reports/metrics.json").read_text())["model"]
    releases = [
        {"name": "v1", "date": "2013-09-12T08:00:00Z", "commit": "abc", "metrics": metrics},
        {"name": "v2", "date": "2030-01-02T08:00:00Z", "commit": "def", "metrics": metrics},
    ]
    (copy / "build/releases.json").write_text(json.dumps(releases))

    content = section(html(), "performance")

    assert "released v1 on 2013-09-12" in content
    assert "released v2" not in content


def test_each_alarm_has_its_start_and_what_was_done(copy):
    report = json.loads((copy / "build/drift.json").read_text())
    temp = {"stream": "temp", "since": "2013-09-02", "at": "2013-09-03", "words": "`x` <b>"}
    report["alarms"] = [
        temp | {"until": None},
        {"stream": "auc", "since": "2013-09-04", "at": "2013-09-20", "until": "2013-09-27"}
        | {"words": "ranks worse"},
    ]
    (copy / "build/drift.json").write_text(json.dumps(report))
    metrics = json.loads((copy / "reports/metrics.json").read_text())["model"]
    release = {"name": "v7", "date": "2013-09-09", "commit": "abc", "metrics": metrics}
    (copy / "build/releases.json").write_text(json.dumps([release | {"event": "rolled back"}]))

    content = section(html(), "alarms")

    assert "2 alarms, 1 of them not over yet." in content
    assert content.index(">auc<") < content.index(">temp<")
    assert "rolled back v7 on 2013-09-09; not over yet" in content
    assert "since about 2013-09-02" in content
    assert ">over on 2013-09-27<" in content
    assert "x &lt;b&gt;" in content


def test_a_quiet_log_has_no_alarm(copy):
    path = copy / "build/drift.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"alarms": []}))

    assert "No alarm in these days." in section(html(), "alarms")


def test_a_release_without_metrics_has_those_of_its_commit(copy):
    sha = run(["git", "rev-parse", "HEAD"], copy).strip()
    release = {"name": "v1", "date": "2030-01-02", "commit": sha, "metrics": None}
    (copy / "build/releases.json").write_text(json.dumps([release]))

    assert "One release so far, v1, with AUC" in section(html(), "releases")


def test_a_release_that_was_not_measured_is_listed_all_the_same(copy):
    release = {"name": "v1", "date": "2030-01-02", "commit": "abc", "metrics": None}
    (copy / "build/releases.json").write_text(json.dumps([release | {"event": "rolled back"}]))

    content = section(html(), "releases")
    assert "v1" in content
    assert "rolled back" in content


def test_predictions_are_counted_by_the_day_of_the_event_and_labels_join_by_key(site):
    content = section((site / "index.html").read_text("utf-8"), "traffic")

    assert (
        "3,000 predictions, for 1 to 30 September 2013 (the day of the event, <code>UTC</code>)"
    ) in content
    assert re.search(
        r"Labels have arrived for 9\d% of the rows; of those the share late is 1\d\.\d%", content
    )


def test_a_log_longer_than_what_is_held_at_once_counts_the_same(copy, monkeypatch):
    known = known_labels([Path("data/2013-09.parquet")])
    whole = read_days("predictions", {"threshold": 0.5, "event_time": "scheduled_departure"}, known)
    monkeypatch.setattr(reader, "ROWS", 700)
    parts = read_days("predictions", {"threshold": 0.5, "event_time": "scheduled_departure"}, known)

    assert len(parts.days) == 30
    assert parts == whole


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York"])
def test_a_day_of_the_page_is_one_in_the_time_zone_of_the_model(tmp_path, zone):
    days = np.array(["2024-06-01"], "datetime64[D]")
    times = moments_of(days, 48, zone)
    write_log(tmp_path, {"score": np.full(len(times), 0.5)}, times)

    found = read_days(
        str(tmp_path), {"threshold": 0.5, "event_time": "asked_for", "time_zone": zone}, {}
    )

    assert [(each.day, each.rows) for each in found.days] == [("2024-06-01", 48)]


def test_without_labels_the_page_reports_that_none_have_arrived(copy):
    text = page(read_params(), Path("site"), labels=[]).read_text("utf-8")

    assert "No labels of these rows have arrived yet" in text
    assert "from labels" not in (copy / "site/rates.svg").read_text()


@pytest.mark.parametrize(
    ("key", "command"),
    [
        ("verdicts", "slipway judge --base main"),
        ("releases", "commit reports/metrics.json"),
        ("quality", "<code>dvc repro</code>"),
        ("slices", "<code>dvc repro</code>"),
        ("importance", "slipway judge --base main"),
        ("drift", "slipway drift --json build/drift.json"),
        ("performance", "<code>slipway labels import FILE</code>"),
        ("alarms", "slipway drift --json build/drift.json"),
        ("traffic", "<code>slipway serve</code>"),
    ],
)
def test_a_part_without_input_names_what_makes_it(empty, key, command):
    content = section(html(), key)

    assert command in content
    assert "<svg" not in content


def test_an_empty_repository_has_a_page_with_how_to_get_a_model(empty):
    assert "There is no model yet: build one with <code>dvc repro</code>" in html()


def test_one_part_without_input_leaves_the_others_alone(copy):
    (copy / "build/drift.json").unlink()

    text = html()

    assert "Drift was not checked yet" in section(text, "drift")
    assert set(re.findall(r'<figure id="([^"]+)-chart"', text)) == CHARTS - OF_DRIFT


def test_the_page_runs_nothing_and_fetches_nothing(site):
    for path in (site / "index.html", *site.glob("*.svg")):
        text = path.read_text("utf-8")
        assert "<script" not in text
        assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?\s*(https?:)?//", text)


def test_what_others_wrote_is_text_and_never_markup(site):
    text = (site / "index.html").read_text("utf-8")

    assert "Learn &lt;b&gt;faster&lt;/b&gt; (#12)" in text
    assert "<b>faster" not in text


def test_the_same_inputs_give_the_same_bytes(copy):
    first, second = html("one"), html("two")

    assert first == second
    for chart in CHARTS:
        assert (copy / f"one/{chart}.svg").read_bytes() == (copy / f"two/{chart}.svg").read_bytes()


def test_no_two_charts_of_a_page_share_an_id(site):
    ids = re.findall(r'\bid="([^"]+)"', (site / "index.html").read_text("utf-8"))

    assert len(ids) == len(set(ids))


def test_a_file_that_cannot_be_read_is_named(copy):
    (copy / "build/drift.json").write_text("{")

    with pytest.raises(SlipwayError, match=r"build/drift\.json: not JSON"):
        page(read_params(), Path("site"))


def test_the_verb_prints_where_the_page_is(copy):
    result = CliRunner().invoke(app, ["page", "--out", "here"])

    assert result.exit_code == 0, result.output
    assert result.output == "here/index.html\n"


def test_calibration_is_described_as_it_is():
    right = {"rows": 100, "mean_score": 0.2, "label_rate": 0.21, "low": 0.15, "high": 0.28}
    wrong = {"rows": 300, "mean_score": 0.6, "label_rate": 0.3, "low": 0.25, "high": 0.35}

    assert "within what chance explains" in calibration_of([right])
    assert calibration_of([right, wrong]).startswith(
        "Predicted 50.0% on average, observed 27.8%. The largest difference is in the bin with 60%"
    )


def test_a_span_of_days_reads_as_a_person_writes_it():
    assert span("2013-10-01", "2013-10-31") == "1 to 31 October 2013"
    assert span("2013-10-01", "2013-11-01") == "1 October to 1 November 2013"
    assert span("2013-12-30", "2014-01-02") == "30 December 2013 to 2 January 2014"
    assert span("2013-10-01", "2013-10-01") == "1 October 2013"


@pytest.mark.parametrize("theme", [charts.LIGHT, charts.DARK], ids=["light", "dark"])
def test_every_colour_of_text_can_be_read_on_every_ground(theme):
    for name in ("ink", "muted", "main", "other", "good", "warn", "bad"):
        for ground in ("paper", "card"):
            assert contrast(theme[name], theme[ground]) >= 4.5, (name, ground)


def contrast(first: str, second: str) -> float:
    """The contrast ratio of WCAG 2."""
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
