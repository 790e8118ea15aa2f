"""Which rows depend on each other: by day, unless `src/model/schema.py` names something else."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipway.dataset.dependence import Dependence
from slipway.dataset.periods import Span
from slipway.errors import SlipwayError
from slipway.repository.worktrees import run

TIMES = np.array(["2030-03-01T23:30", "2030-03-02T00:30", "2030-03-02T12:00"], "datetime64[us]")
ROWS: dict[str, np.ndarray] = {
    "at": TIMES,
    "customer": np.array(["b", None, None], object),
    "machine": np.array([7, 7, 3]),
}


def dependence(**settings: Any) -> Dependence:
    return Dependence.of({"EVENT_TIME": "at"} | settings)


def codes(*, rows: Mapping[str, np.ndarray] = ROWS, **settings: Any) -> list[list[int]]:
    return [way.codes.tolist() for way in dependence(**settings).clusters(rows).ways]


def test_rows_of_a_calendar_day_depend_on_each_other_by_default() -> None:
    (way,) = dependence().clusters(ROWS).ways
    assert way.codes.tolist() == [0, 1, 1]
    assert (way.name, way.ordered) == ("day", True)


def test_a_day_begins_at_midnight_of_the_time_zone() -> None:
    assert codes(TIME_ZONE="America/New_York") == [[0, 0, 1]]
    assert codes(TIME_ZONE="Europe/Berlin") == [[0, 0, 0]]


def test_rows_of_a_customer_depend_on_each_other_and_missing_ones_on_none() -> None:
    assert codes(CLUSTERS=["machine"]) == [[0, 0, 1]]
    (customers,) = codes(CLUSTERS=["customer"])
    assert len(set(customers)) == 3


def test_days_and_an_entity_are_two_ways() -> None:
    assert codes(CLUSTERS=["at", "machine"]) == [[0, 1, 1], [0, 0, 1]]
    assert codes(CLUSTERS=[]) == []


def test_one_time_a_period_shows_nothing_about_which_rows_are_alike() -> None:
    snapshot = ROWS | {"at": TIMES[0] + np.arange(3).astype("timedelta64[s]")}
    both = dependence(CLUSTERS=["at", "machine"])
    for unit in ("month", "week"):
        assert dependence().within(snapshot, Span(1, unit)).columns == ()
        assert both.within(snapshot, Span(1, unit)).columns == ("machine",)
        assert dependence().within(ROWS, Span(3, unit)).columns == ()
    for rows, found in ((ROWS, dependence()), (snapshot, dependence(CLUSTERS=["machine"]))):
        assert found.within(rows, Span(1, "month")) == found


def test_the_rows_of_a_period_that_is_a_day_depend_on_each_other_also_if_times_are_dates() -> None:
    dates = ROWS | {"at": np.repeat(TIMES[:1], 3)}
    times = ROWS | {"at": TIMES[0] + np.arange(3).astype("timedelta64[s]")}
    for rows in (dates, times):
        assert dependence().within(rows, Span(1, "day")).columns == ("at",)
        assert dependence().within(rows, Span(1, None)).columns == ("at",)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"CLUSTERS": "customer"}, "CLUSTERS"),
        ({"CLUSTERS": ["at", 3]}, "CLUSTERS"),
        ({"CLUSTERS": ["at", "at"]}, "CLUSTERS"),
        ({"CLUSTERS": ["at", "customer", "machine"]}, "at most 2"),
        ({"CLUSTERS": ["day"]}, "rename"),
        ({"TIME_ZONE": "Mars/Base"}, "Mars/Base"),
        ({"TIME_ZONE": "../../etc/passwd"}, "TIME_ZONE"),
        ({"TIME_ZONE": 3}, "TIME_ZONE"),
    ],
)
def test_a_setting_that_is_not_valid_is_refused_by_name(
    settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(SlipwayError) as refused:
        dependence(**settings)
    assert named in f"{refused.value} {refused.value.do}"


def test_a_column_that_does_not_exist_is_named() -> None:
    with pytest.raises(SlipwayError, match="shop"):
        codes(CLUSTERS=["shop"])


@pytest.mark.parametrize(
    ("text", "columns", "zone"),
    [
        ('EVENT_TIME = "at"', ("at",), "UTC"),
        ('EVENT_TIME: str = "at"\nCLUSTERS = [EVENT_TIME, "tail"]', ("at", "tail"), "UTC"),
        ('ID = "who"\nEVENT_TIME = "at"\nCLUSTERS = (ID,)', ("who",), "UTC"),
        ('EVENT_TIME = "at"\nCLUSTERS: list[str] = []', (), "UTC"),
        ('EVENT_TIME = "at"\nTIME_ZONE = "Asia/Tokyo"\n1 / 0', ("at",), "Asia/Tokyo"),
        ('EVENT_TIME = "at"\nTIME_ZONE = "Asia/Tokyo"\nZoneInfo(TIME_ZONE)', ("at",), "Asia/Tokyo"),
    ],
)
def test_the_text_of_a_commit_is_read_without_running_it(
    text: str, columns: tuple[str, ...], zone: str
) -> None:
    found = Dependence.of_source(text.encode())
    assert (found.columns, found.time_zone) == (columns, zone)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "EVENT_TIME = (",
        'CLUSTERS = ["who"]',
        'EVENT_TIME = ["at"]\nCLUSTERS = ["who"]',
        'EVENT_TIME = "at"\nCLUSTERS = which()',
        'EVENT_TIME = "at"\nCLUSTERS = ["who"]\nCLUSTERS += ["what"]',
        'EVENT_TIME = "at"\nif True:\n    CLUSTERS = ["who"]',
        'EVENT_TIME = "at"\nCLUSTERS, x = ["who"], 1',
        'EVENT_TIME = "at"\nTIME_ZONE = "Mars/Base"',
        'EVENT_TIME = "at"\nfrom model.columns import CLUSTERS',
        'EVENT_TIME = "at"\nfrom model.columns import *',
        'EVENT_TIME = "at"\nimport columns as CLUSTERS',
        'EVENT_TIME = "at"\nCLUSTERS = ["who"]\nCLUSTERS.append("what")',
        'EVENT_TIME = "at"\nCLUSTERS = ["who"]\nCLUSTERS = ["what"]',
        'EVENT_TIME = "at"\nglobals()["CLUSTERS"] = ["who"]',
        'EVENT_TIME = "at"\nCLUSTERS = ["who"]\ndel CLUSTERS',
        'EVENT_TIME = "at"\nCLUSTERS = other = ["who"]\nother.append("what")',
        'A = "x"\nif True:\n    A = "who"\nEVENT_TIME = "at"\nCLUSTERS = [A]',
    ],
)
def test_a_text_that_does_not_state_its_settings_plainly_is_not_read(text: str) -> None:
    with pytest.raises(SlipwayError, match=r"schema\.py"):
        Dependence.of_source(text.encode())


def test_a_file_is_read_by_its_own_encoding() -> None:
    text = '# coding: latin-1\nEVENT_TIME = "gültig"'
    assert Dependence.of_source(text.encode("latin-1")).columns == ("gültig",)
    assert Dependence.of_source('EVENT_TIME = "at"'.encode("utf-8-sig")).columns == ("at",)


def test_the_setting_that_cannot_be_read_is_named() -> None:
    for text, name in (
        ('EVENT_TIME = "a" + "t"\nCLUSTERS = [EVENT_TIME]', "`EVENT_TIME` is not"),
        ('from .names import CLUSTERS\nEVENT_TIME = "at"', "`CLUSTERS` is imported"),
        ('EVENT_TIME = "at"\nEVENT_TIME = "on"', "`EVENT_TIME` is assigned"),
        ('EVENT_TIME = "at"\nCLUSTERS = ["who"]\nCLUSTERS.sort()', "line 3 may change `CLUSTERS`"),
    ):
        with pytest.raises(SlipwayError, match=name):
            Dependence.of_source(text.encode())


def test_a_change_whose_settings_no_later_change_could_be_judged_by_is_refused(
    small_repository: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(small_repository, project, symlinks=True)
    with (project / "src/model/schema.py").open("a", encoding="utf-8") as schema:
        schema.write("\nCLUSTERS = [EVENT_TIME] + []\n")
    with pytest.raises(SlipwayError, match=r"schema\.py.*CLUSTERS"):
        run([sys.executable, "-m", "slipway", "prepare"], project)
