"""Rows without an event time: divided by a hash that no other row changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.services.projects import FLIGHTS

from model import schema
from slipway import project
from slipway.dataset.split import Dataset
from slipway.dataset.validate import validate_files
from slipway.errors import SlipwayError
from slipway.settings import Params, Prepare, Validate, read_params

YEAR = "plane_year"


@pytest.fixture(autouse=True)
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The project of the tests, without an event time."""
    monkeypatch.setattr(schema, "EVENT_TIME", None)
    monkeypatch.setattr(schema, "CLUSTERS", [], raising=False)


@pytest.fixture
def rows(starter_data: Path) -> pd.DataFrame:
    return pd.read_parquet(starter_data / "2013-09.parquet").head(2000)


def settings(**prepare: Any) -> Params:
    params = read_params(FLIGHTS / "params.yaml")
    given = {"prepare": Prepare.model_validate(prepare), "validate_": Validate()}
    return params.model_copy(update=given)


def dataset_of(folder: Path, frame: pd.DataFrame, **prepare: Any) -> Dataset:
    folder.mkdir(exist_ok=True)
    frame.iloc[:700].to_parquet(folder / "b.parquet", index=False)
    frame.iloc[700:].to_csv(folder / "a.csv", index=False)
    return Dataset.open(settings(**prepare), folder)


def held(dataset: Dataset, column: str = "flight_id") -> set[Any]:
    return values_of(dataset.holdout.columns[column])


def learned(dataset: Dataset, column: str = "flight_id") -> set[Any]:
    return values_of(dataset.read_train([column])[column])


def values_of(column: np.ndarray) -> set[Any]:
    """Return the values of a column that are not missing."""
    return set(pd.Series(column).dropna())


def test_a_fifth_is_held_out_by_default_and_a_share_that_is_set(
    rows: pd.DataFrame, tmp_path: Path
) -> None:
    for prepare, share in (({}, 0.2), ({"holdout": {"share": 0.4}}, 0.4)):
        dataset = dataset_of(tmp_path, rows, **prepare)
        assert len(dataset.holdout.labels) == pytest.approx(share * len(rows), abs=60)
        assert not held(dataset) & learned(dataset)


def test_rows_that_are_added_move_no_other_row(rows: pd.DataFrame, tmp_path: Path) -> None:
    few = dataset_of(tmp_path / "few", rows.iloc[500:])
    many = dataset_of(tmp_path / "many", rows.sample(frac=1, random_state=0))
    assert held(few) < held(many)
    assert learned(few) < learned(many)
    assert not held(few) & learned(many)


def test_no_entity_is_on_both_sides_nor_in_two_folds(
    rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_key = dataset_of(tmp_path, rows)
    assert held(by_key, YEAR) & learned(by_key, YEAR)
    monkeypatch.setattr(schema, "CLUSTERS", [YEAR])
    dataset = dataset_of(tmp_path, rows)
    parts = [part[YEAR] for part in dataset.table.read_each(range(len(dataset.periods)), [YEAR])]
    assert sum(len(values_of(part)) for part in parts) == rows[YEAR].nunique()
    assert sum(bool(np.isnan(part).any()) for part in parts) == len(parts)  # each is its own


def test_an_entity_is_held_out_where_rows_have_a_time_too(
    rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "EVENT_TIME", "scheduled_departure")
    by_entity = {"holdout": {"share": 0.2, "by": "entity"}}
    with pytest.raises(SlipwayError, match=r"`CLUSTERS` of .* names no column of one"):
        dataset_of(tmp_path, rows, **by_entity)
    monkeypatch.setattr(schema, "CLUSTERS", ["scheduled_departure", YEAR])
    by_time = dataset_of(tmp_path, rows, holdout={"share": 0.2})
    assert held(by_time, YEAR) & learned(by_time, YEAR)
    dataset = dataset_of(tmp_path, rows, **by_entity)
    assert not held(dataset, YEAR) & learned(dataset, YEAR)


def test_each_earlier_origin_scores_another_fold_and_learns_from_the_other_ones(
    rows: pd.DataFrame, tmp_path: Path
) -> None:
    dataset = dataset_of(tmp_path, rows)
    *earlier, last = dataset.origins(4)
    assert (last.learned, last.scored) == (dataset.learned, dataset.held_out)
    assert len({origin.name for origin in earlier}) == 3
    for origin in earlier:
        assert sorted([*origin.learned, *origin.scored]) == list(dataset.learned)
    scored = {part for origin in earlier for part in origin.scored}
    assert not scored & set(dataset.unseen(4))
    assert len(dataset.unseen(4)) >= 2


def test_a_column_has_one_origin_and_folds_for_a_search(rows: pd.DataFrame, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, rows, holdout={"column": "origin", "value": "JFK"})
    assert held(dataset, "origin") == {"JFK"}
    assert len(dataset.origins(4)) == 1
    assert len(dataset.unseen(4)) > 2


def test_rows_without_a_key_are_known_by_their_file_and_number(
    rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "KEY", None)
    monkeypatch.setattr(schema, "schema", schema.schema.update_column("flight_id", unique=False))
    few = dataset_of(tmp_path, rows.iloc[:1500])
    keys = project.row_keys(few.table.read(range(len(few.periods))))
    assert sorted(keys) == sorted(
        [f"b.parquet:{row}" for row in range(700)] + [f"a.csv:{row}" for row in range(800)]
    )
    before, was_held = learned(few), held(few)
    more = dataset_of(tmp_path, rows)  # appended to a.csv
    assert was_held < held(more)
    assert before < learned(more)
    report = validate_files([tmp_path / "b.parquet"], settings())
    assert not report.has_key


def test_repeated_rows_are_found_by_all_columns_of_the_key(
    rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = ["carrier", "flight_id"]
    columns = schema.schema.columns
    apart = schema.schema.update_column("flight_id", unique=False)
    apart.unique = together
    monkeypatch.setattr(schema, "schema", apart)
    monkeypatch.setattr(schema, "KEY", together)
    assert list(apart.columns) == list(columns)
    path = tmp_path / "rows.parquet"
    rows["carrier"] = rows["carrier"].astype(str)
    other = rows.head(1).assign(carrier="ZZ")
    for added, count in ((other, 0), (rows.iloc[[5, 9]], 2)):
        pd.concat([rows, added]).to_parquet(path, index=False)
        found = [
            each for each in validate_files([path], settings()).violations if each.check == "unique"
        ]
        assert sum(each.count for each in found) == count


@pytest.mark.parametrize(
    ("prepare", "name"),
    [
        ({"period": "week"}, "prepare.period"),
        ({"holdout_months": 1}, "prepare.holdout_months"),
        ({"holdout": {"periods": 2}}, "prepare.holdout.periods"),
        ({"holdout": {"from": "2013-09-01"}}, "prepare.holdout.from"),
    ],
)
def test_settings_of_periods_are_refused_by_name(
    prepare: dict[str, Any], name: str, rows: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(SlipwayError, match=f"`{name}` is set, and `EVENT_TIME`"):
        dataset_of(tmp_path, rows, **prepare)
    with pytest.raises(SlipwayError, match=f"`{name}` is set, and `EVENT_TIME`"):
        validate_files([tmp_path / "a.csv"], settings(**prepare))


@pytest.mark.parametrize("value", [{"share": 0.999999999}, {"share": 1e-9}])
def test_a_share_that_leaves_nothing_is_refused(
    value: dict[str, float], rows: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(SlipwayError, match="row is held out by the hash of flight_id"):
        dataset_of(tmp_path, rows, holdout=value)


@pytest.mark.parametrize("prepare", [{}, {"holdout": {"column": "origin", "value": "JFK"}}])
def test_files_without_rows_are_refused(
    prepare: dict[str, Any], rows: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(SlipwayError, match="no row"):
        dataset_of(tmp_path, rows.head(0), **prepare)


@pytest.mark.parametrize(("name", "value"), [("KEY", 3), ("KEY", []), ("EVENT_TIME", 3)])
def test_a_key_or_a_time_of_another_type_is_refused(
    name: str, value: object, rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, name, value)
    with pytest.raises(SlipwayError, match=f"`{name}` is "):
        dataset_of(tmp_path, rows)
