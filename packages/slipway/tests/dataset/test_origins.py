"""Origins: the points in time at which models are compared, of which the split is the last."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from slipway import project
from slipway.dataset.origins import Origin
from slipway.dataset.split import Dataset
from slipway.dataset.tables import read_columns, write_columns
from slipway.errors import SlipwayError


def months(count: int) -> list[Path]:
    return [Path(f"data/2013-{month:02}.parquet") for month in range(1, count + 1)]


@pytest.fixture
def origin(starter_data: Path, tmp_path: Path) -> Origin:
    """An origin whose files a test may change."""
    files = [Path(shutil.copy(file, tmp_path)) for file in sorted(starter_data.iterdir())]
    return Origin(tuple(files[:2]), tuple(files[2:4]))


def again(origin: Origin) -> Origin:
    """Return the origin without what it has computed."""
    return Origin(origin.learned, origin.scored)


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
def test_each_origin_learns_from_half_of_the_training_months_or_more(
    training: int, holdout: int, count: int, learned: list[int]
) -> None:
    origins = Dataset(months(training + holdout), holdout).origins(count)
    assert [len(origin.learned) for origin in origins] == learned


@pytest.mark.parametrize("holdout", [1, 2])
def test_the_last_origin_is_the_split_and_each_scores_the_period_after_what_it_learned(
    holdout: int,
) -> None:
    dataset = Dataset(months(8), holdout)
    *_, last = origins = dataset.origins(4)
    assert [*last.learned] == dataset.train_files
    assert [*last.scored] == dataset.holdout_files
    for origin in origins:
        assert len(origin.scored) == holdout
        end = len(origin.learned)
        assert [*origin.learned, *origin.scored] == dataset.files[: end + holdout]


def test_an_origin_is_named_after_the_first_month_that_it_scores(origin: Origin) -> None:
    assert origin.name == "2013-06"
    assert origin.learned_months == ["2013-01", "2013-02"]
    assert origin.scored_months == ["2013-06", "2013-07"]


def test_the_same_files_have_the_same_digest_in_another_folder(
    origin: Origin, starter_data: Path
) -> None:
    elsewhere = Origin(
        tuple(starter_data / file.name for file in origin.learned),
        tuple(starter_data / file.name for file in origin.scored),
    )
    assert elsewhere.sha256 == origin.sha256


def test_the_digest_depends_on_content_names_roles_and_sequence(origin: Origin) -> None:
    first, second = origin.learned
    digests = {
        origin.sha256,
        Origin(origin.learned, origin.scored[:1]).sha256,
        Origin(origin.scored, origin.learned).sha256,
        Origin((*origin.learned, origin.scored[0]), origin.scored[1:]).sha256,
        Origin((second, first), origin.scored).sha256,
    }
    renamed = first.rename(first.with_name("2012-12.parquet"))
    digests.add(Origin((renamed, second), origin.scored).sha256)
    renamed.rename(first).write_bytes(second.read_bytes())
    digests.add(again(origin).sha256)
    assert len(digests) == 7


def test_the_scored_rows_are_those_with_a_label_in_the_order_of_the_files(origin: Origin) -> None:
    rows = origin.read_scored()
    columns = read_columns(origin.scored)
    known = ~np.isnan(project.label(columns))
    assert 0 < known.sum() < len(known)
    assert rows.columns["flight_id"].tolist() == columns["flight_id"][known].tolist()
    assert set(rows.labels.tolist()) == {0, 1}


def test_scored_rows_with_one_label_are_refused_by_the_name_of_the_month(origin: Origin) -> None:
    for file in origin.scored:
        columns = read_columns([file])
        write_columns(columns | {"arr_delay": np.zeros_like(columns["arr_delay"])}, file)
    with pytest.raises(SlipwayError, match="2013-06 rows have only the label 0"):
        origin.read_scored()
