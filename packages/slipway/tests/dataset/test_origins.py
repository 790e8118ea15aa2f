"""Origins: the points in time at which models are compared, of which the split is the last."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from slipway import project
from slipway.dataset.csv_format import FOUND
from slipway.dataset.origins import Origin
from slipway.dataset.split import Dataset
from slipway.dataset.table import Table, by_time
from slipway.errors import SlipwayError


def table_of_months(count: int) -> Table:
    names = tuple(f"2013-{month:02}" for month in range(1, count + 1))
    return Table((), names, (), "month", FOUND)


@pytest.fixture
def origin(starter_data: Path, tmp_path: Path) -> Origin:
    """An origin whose files a test may change."""
    files = [Path(shutil.copy(file, tmp_path)) for file in sorted(starter_data.iterdir())]
    return Origin(by_time(files, "month", FOUND), range(2), range(2, 4))


@pytest.mark.parametrize(
    ("training", "holdout", "count", "learned"),
    [
        (8, 1, 4, [5, 6, 7, 8]),
        (8, 1, 9, [4, 5, 6, 7, 8]),
        (8, 1, 1, [8]),
        (8, 2, 4, [4, 6, 8]),
        (5, 1, 4, [3, 4, 5]),
        (3, 1, 4, [2, 3]),
        (2, 1, 4, [2]),
        (1, 1, 4, [1]),
        (3, 3, 4, [3]),
    ],
)
def test_each_origin_learns_from_half_of_the_training_periods_or_more(
    training: int, holdout: int, count: int, learned: list[int]
) -> None:
    origins = Dataset(table_of_months(training + holdout), holdout).origins(count)
    assert [len(origin.learned) for origin in origins] == learned


@pytest.mark.parametrize("holdout", [1, 2])
def test_the_last_origin_is_the_split_and_each_scores_the_period_after_what_it_learned(
    holdout: int,
) -> None:
    dataset = Dataset(table_of_months(8), holdout)
    *_, last = origins = dataset.origins(4)
    assert (last.learned, last.scored) == (dataset.learned, dataset.held_out)
    for origin in origins:
        end = len(origin.learned)
        assert (origin.learned, origin.scored) == (range(end), range(end, end + holdout))


def test_rows_that_are_not_divided_by_time_have_one_origin() -> None:
    dataset = Dataset(replace(table_of_months(8), unit=None), 1)
    assert len(dataset.origins(4)) == 1


def test_an_origin_is_named_after_the_first_period_that_it_scores(origin: Origin) -> None:
    assert origin.name == "2013-06"
    assert origin.learned_periods == ["2013-01", "2013-02"]
    assert origin.scored_periods == ["2013-06", "2013-07"]


def test_the_digest_depends_on_rows_and_roles_and_not_on_the_names_of_files(
    origin: Origin, tmp_path: Path
) -> None:
    table = origin.table
    digests = {
        origin.sha256,
        Origin(table, range(2), range(2, 3)).sha256,
        Origin(table, range(1), range(1, 4)).sha256,
        Origin(table, range(1, 2), range(2, 4)).sha256,
    }
    assert len(digests) == 4
    files = [
        file.rename(file.with_name(f"{99 - at}.parquet")) for at, file in enumerate(table.files)
    ]
    renamed = Origin(by_time(files, "month", FOUND), origin.learned, origin.scored)
    assert renamed.sha256 == origin.sha256
    rows = pd.read_parquet(files[0])
    rows["distance"] = rows["distance"].mask(rows.index == 7, 999)
    rows.to_parquet(files[0], index=False)
    changed = Origin(by_time(files, "month", FOUND), origin.learned, origin.scored)
    assert changed.sha256 not in digests


def test_the_scored_rows_are_those_with_a_label_in_the_order_of_time(origin: Origin) -> None:
    rows = origin.read_scored()
    columns = origin.table.read(origin.scored)
    known = ~np.isnan(project.label(columns))
    assert 0 < known.sum() < len(known)
    assert rows.columns["flight_id"].tolist() == columns["flight_id"][known].tolist()
    assert (np.diff(rows.columns["scheduled_departure"]) >= np.timedelta64(0)).all()
    assert set(rows.labels.tolist()) == {0, 1}


def test_scored_rows_with_one_label_are_refused_by_the_name_of_the_period(origin: Origin) -> None:
    for file in origin.table.files[2:4]:
        pd.read_parquet(file).assign(arr_delay=np.float32(0)).to_parquet(file, index=False)
    with pytest.raises(SlipwayError, match="2013-06 rows have only the label 0"):
        origin.read_scored()
