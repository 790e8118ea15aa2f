"""Protected groups in production: decisions without labels, errors once labels have arrived."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.monitoring.conftest import Look
from tests.monitoring.traffic import draw, write_log

from slipway.errors import SlipwayError
from slipway.monitoring.recommendations import recommendations
from slipway.predictions.labels.store import import_labels
from slipway.project import Columns

ROWS, SINCE = 9_800, 3_920  # 280 rows a day, and the first row of the third week


def colours(columns: Columns) -> dict[str, np.ndarray]:
    return {"colour": columns["colour"]}


@pytest.fixture
def traffic(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return draw(rng, ROWS)


def of_groups(report: Any) -> list[str]:
    return [alarm.stream for alarm in report.alarms if "colour=" in alarm.stream]


def arrived(place: Path, traffic: dict[str, np.ndarray], labels: np.ndarray) -> None:
    """Add the label of each row of the log to those that have arrived."""
    keys = [f"20240601-AA{number}-JFK" for number in range(len(traffic["score"]))]
    frame = pd.DataFrame({"flight_id": keys, "late": labels.astype("int8")})
    frame.to_csv(place / "arrived.csv", index=False)
    import_labels([place / "arrived.csv"], "labels")


def test_another_selection_rate_of_one_group_alarms_by_its_name(
    place: Path, look: Look, traffic: dict[str, np.ndarray]
) -> None:
    red = np.flatnonzero(traffic["colour"] == "red")
    moved = red[red >= SINCE]
    traffic["score"][moved] = np.clip(traffic["score"][moved] + 0.15, 0, 1)
    write_log(place / "predictions", traffic)

    report = look(slicer=colours)

    assert "selection rate of colour=red" in of_groups(report)
    (alarm,) = (each for each in report.alarms if each.stream == "selection rate of colour=red")
    assert alarm.until is None
    assert alarm.since >= "2024-06-10"
    (state,) = (each for each in report.groups if each.group == "red" and each.status == "drift")
    assert state.value > state.expected + 0.15
    assert "colour=red" in recommendations(report)[0].finding


def test_a_change_that_all_groups_share_is_no_shift_of_one(
    place: Path, look: Look, traffic: dict[str, np.ndarray]
) -> None:
    traffic["score"][SINCE:] = np.clip(traffic["score"][SINCE:] + 0.15, 0, 1)
    write_log(place / "predictions", traffic)

    report = look(slicer=colours)

    assert [alarm.stream for alarm in report.active()] == ["score"]
    assert of_groups(report) == []


def test_quiet_weeks_raise_no_alarm_and_state_the_rate_of_each_group(
    place: Path, look: Look, traffic: dict[str, np.ndarray]
) -> None:
    write_log(place / "predictions", traffic)

    report = look(slicer=colours)

    assert report.alarms == []
    assert {state.group for state in report.groups} == {"red", "green", "blue"}
    assert "groups" in report.as_json()
    assert "groups" not in look().as_json()


def test_labels_that_arrive_show_a_group_that_is_treated_worse(
    place: Path, look: Look, traffic: dict[str, np.ndarray], rng: np.random.Generator
) -> None:
    truth = rng.random(ROWS) < traffic["score"]
    red = np.flatnonzero(traffic["colour"] == "red")
    missed = red[red >= SINCE]
    truth[missed] = rng.random(len(missed)) < np.clip(traffic["score"][missed] + 0.25, 0, 1)
    write_log(place / "predictions", traffic)
    arrived(place, traffic, truth)

    report = look(slicer=colours)

    assert "mean score less label rate of colour=red" in of_groups(report)
    assert not [name for name in of_groups(report) if "selection" in name]


def test_groups_that_the_rows_of_the_model_do_not_have_are_a_fault_and_the_rest_is_watched(
    place: Path, look: Look, traffic: dict[str, np.ndarray]
) -> None:
    def unknown(_: Columns) -> dict[str, np.ndarray]:
        raise SlipwayError("src/model/slices.py stopped: KeyError: 'age'")

    write_log(place / "predictions", traffic)
    report = look(slicer=unknown)
    assert report.status == "quiet"
    assert any("Protected groups are not watched" in fault for fault in report.faults)
