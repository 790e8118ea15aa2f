"""The rows of a folder are one table: how they are divided into files changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.services.projects import FLIGHTS

from slipway.dataset import table as table_module
from slipway.dataset.csv_format import FOUND
from slipway.dataset.folder import list_data
from slipway.dataset.holdout import divide
from slipway.dataset.split import Dataset
from slipway.dataset.table import Table, by_time
from slipway.errors import SlipwayError
from slipway.settings import Params, Prepare, read_params


@pytest.fixture(scope="module")
def rows(starter_data: Path) -> pd.DataFrame:
    """Every hundredth flight of six months."""
    parts = [pd.read_parquet(path).iloc[::100] for path in sorted(starter_data.iterdir())]
    return pd.concat(parts, ignore_index=True).astype({"flight_id": str})


def one_file(rows: pd.DataFrame, folder: Path) -> None:
    rows.to_parquet(folder / "all.parquet", index=False)


def shuffled_parts(rows: pd.DataFrame, folder: Path) -> None:
    """As Spark writes them: a period is in several files, which hold several periods."""
    mixed = rows.sample(frac=1, random_state=0)
    for number, start in enumerate(range(0, len(mixed), 50)):
        mixed.iloc[start : start + 50].to_parquet(
            folder / f"part-{99 - number:05}.parquet", index=False
        )


def csv_files(rows: pd.DataFrame, folder: Path) -> None:
    rows.iloc[::2].to_csv(folder / "even.csv", index=False)
    rows.iloc[1::2].to_csv(folder / "odd.tsv", index=False, sep="\t", encoding="utf-16")


def mixed_formats(rows: pd.DataFrame, folder: Path) -> None:
    rows.head(70).to_csv(folder / "old.csv", index=False, sep=";", decimal=",")
    rows.iloc[70:].astype({"carrier": "category"}).to_parquet(folder / "new.parquet", index=False)


def months(rows: pd.DataFrame, folder: Path) -> None:
    local = rows["scheduled_departure"].dt.tz_convert("America/New_York").dt.strftime("%Y-%m")
    for name, part in rows.groupby(local):
        part.to_parquet(folder / f"{name}.parquet", index=False)


WAYS = [one_file, shuffled_parts, csv_files, mixed_formats, months]


def settings(**prepare: Any) -> Params:
    params = read_params(FLIGHTS / "params.yaml")
    return params.model_copy(update={"prepare": Prepare.model_validate(prepare)})


def table_of(folder: Path, **prepare: Any) -> Table:
    return divide(list_data(folder).read, settings(**prepare))[0]


@pytest.mark.parametrize("write", WAYS)
def test_periods_rows_and_digests_do_not_depend_on_the_files(
    write: Callable[[pd.DataFrame, Path], None], rows: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one_file(rows, tmp_path / "a")
    write(rows, tmp_path / "b")
    expected, found = (table_of(tmp_path / name) for name in "ab")
    assert found.names == ("2013-01", "2013-02", "2013-06", "2013-07", "2013-08", "2013-09")
    assert found.rows.tolist() == expected.rows.tolist()
    assert found.digests == expected.digests
    for part in (range(6), range(2, 4)):
        ours, theirs = found.read(part), expected.read(part)
        assert ours.keys() == theirs.keys() or set(ours) == set(theirs)
        for name, values in theirs.items():
            assert ours[name].dtype == values.dtype
            assert pd.Series(ours[name]).equals(pd.Series(values)), name


def test_rows_come_in_the_order_of_time_and_key(rows: pd.DataFrame, tmp_path: Path) -> None:
    shuffled_parts(rows, tmp_path)
    found = table_of(tmp_path).read(range(6), ["flight_id"])
    expected = rows.sort_values(["scheduled_departure", "flight_id"])["flight_id"]
    assert list(found) == ["flight_id"]
    assert found["flight_id"].tolist() == expected.tolist()


def test_a_digest_changes_with_every_value_and_name(rows: pd.DataFrame, tmp_path: Path) -> None:
    one_file(rows, tmp_path)
    before = table_of(tmp_path).digests
    for name, value in {"temp": np.nan, "dest": "ABC", "distance": 999, "arr_delay": 0.5}.items():
        one_file(rows.assign(**{name: rows[name].mask(rows.index == 0, value)}), tmp_path)
        changed = table_of(tmp_path).digests
        assert [a == b for a, b in zip(before, changed, strict=True)] == [False] + [True] * 5
    one_file(rows.rename(columns={"temp": "heat"}), tmp_path)
    assert not set(before) & set(table_of(tmp_path).digests)


@pytest.mark.parametrize("at_once", [1, 6000, 9000])
def test_digests_do_not_depend_on_how_many_rows_are_read_at_once(
    at_once: int, rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shuffled_parts(rows, tmp_path)
    expected = table_of(tmp_path).digests
    monkeypatch.setattr(table_module, "ROWS_AT_ONCE", at_once)
    assert table_of(tmp_path).digests == expected


def test_texts_that_join_alike_have_other_digests(rows: pd.DataFrame, tmp_path: Path) -> None:
    digests = set()
    for texts in (["ab", "c"], ["a", "bc"], ["abc", ""], ["abc", None]):
        pair = rows.head(2).assign(dest=pd.array(texts, dtype="str"))
        one_file(pair, tmp_path)
        digests.add(by_time(list_data(tmp_path).read, "month", FOUND).digests[0])
    assert len(digests) == 4


def test_each_part_is_read_as_alone(rows: pd.DataFrame, tmp_path: Path) -> None:
    shuffled_parts(rows, tmp_path)
    table = table_of(tmp_path)
    for part, found in enumerate(table.read_each(range(6), ["flight_id"])):
        alone = table.read(range(part, part + 1), ["flight_id"])
        assert found["flight_id"].tolist() == alone["flight_id"].tolist()


@pytest.mark.parametrize(
    ("prepare", "held_out"),
    [
        ({}, ["2013-09"]),
        ({"holdout_months": 2}, ["2013-08", "2013-09"]),
        ({"holdout": {"periods": 2}}, ["2013-08", "2013-09"]),
        ({"holdout": {"share": 0.1}}, ["2013-09"]),
        ({"holdout": {"share": 0.3}}, ["2013-08", "2013-09"]),
        ({"holdout": {"from": "2013-07-01"}}, ["2013-07", "2013-08", "2013-09"]),
        ({"period": "day", "holdout": {"from": "2013-09-28"}}, ["2013-09-28", "2013-09-29"]),
        ({"period": "week"}, ["2013-W39"]),
    ],
)
def test_the_newest_periods_are_held_out(
    prepare: dict[str, Any], held_out: list[str], rows: pd.DataFrame, tmp_path: Path
) -> None:
    shuffled_parts(rows, tmp_path)
    dataset = Dataset.open(settings(**prepare), tmp_path)
    assert [dataset.periods[part] for part in dataset.held_out] == held_out
    first = dataset.holdout.columns["scheduled_departure"].min()
    assert dataset.read_train()["scheduled_departure"].max() < first


def test_rows_may_be_held_out_by_a_column(rows: pd.DataFrame, tmp_path: Path) -> None:
    shuffled_parts(rows, tmp_path)
    prepare = {"holdout": {"column": "origin", "value": "JFK"}}
    dataset = Dataset.open(settings(**prepare), tmp_path)
    assert set(dataset.holdout.columns["origin"]) == {"JFK"}
    assert set(dataset.read_train()["origin"]) == {"EWR", "LGA"}
    assert len(dataset.origins(4)) == 1


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        ({"holdout_months": 6}, "6 month.s. of data .* holds out 6"),
        ({"holdout": {"from": "2013-09-02"}}, "not the first day of a month"),
        ({"holdout": {"from": "2014-01-01"}}, "no row is of 2014-01-01 or later"),
        ({"holdout": {"from": "2012-01-01"}}, "holds out 6"),
        ({"holdout": {"column": "origin", "value": "XXX"}}, "in no row"),
        ({"holdout": {"column": "wings", "value": "XXX"}}, "column wings is missing"),
    ],
)
def test_a_holdout_that_leaves_nothing_is_refused(
    prepare: dict[str, Any], message: str, rows: pd.DataFrame, tmp_path: Path
) -> None:
    one_file(rows, tmp_path)
    with pytest.raises(SlipwayError, match=message):
        Dataset.open(settings(**prepare), tmp_path)


@pytest.mark.parametrize(
    "prepare",
    [
        {"holdout": {"periods": 1}, "holdout_months": 1},
        {"holdout": {"periods": 1, "share": 0.1}},
        {"holdout": {"column": "a"}},
        {"holdout": {}},
        {"holdout": {"periods": 1, "by": "entity"}},
        {"holdout_months": 1, "period": "week"},
    ],
)
def test_settings_that_contradict_each_other_are_refused(prepare: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"holdout|expected one of"):
        Prepare.model_validate(prepare)


@pytest.mark.parametrize(("hours", "refused"), [(20, True), (24 * 3, False)])
def test_a_newest_period_that_has_only_begun_is_not_the_holdout(
    hours: int, refused: bool, tmp_path: Path
) -> None:
    times = pd.date_range("2013-05-01", periods=92 * 24 + hours, freq="h", tz="UTC")
    keys = [f"{number:05}" for number in range(len(times))]
    frame = pd.DataFrame({"flight_id": keys, "scheduled_departure": times.as_unit("us")})
    frame.to_parquet(tmp_path / "rows.parquet")
    params = settings(holdout_months=1)
    if refused:
        with pytest.raises(SlipwayError, match="would be held out: 20, of 2013-08"):
            divide([tmp_path / "rows.parquet"], params)
    else:
        assert divide([tmp_path / "rows.parquet"], params)[1] == 1


@pytest.mark.parametrize("times", [["2013-09-01"], [None], []])
def test_times_without_a_zone_or_a_value_have_no_order(times: list[str], tmp_path: Path) -> None:
    moments = pd.to_datetime(pd.Series(times, dtype=object)).astype("datetime64[us]")
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"scheduled_departure": moments}).to_parquet(path)
    with pytest.raises(SlipwayError, match=r"rows\.parquet: column scheduled_departure"):
        by_time([path], None, settings().data)
