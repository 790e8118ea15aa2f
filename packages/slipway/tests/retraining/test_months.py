"""Which months can be added: over, labelled as far as training needs, and where their rows are."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest
from tests.services.projects import FLIGHTS

from model import schema, source
from slipway import project
from slipway.dataset.make import write_month
from slipway.dataset.tables import as_rows, read_columns, take
from slipway.errors import SlipwayError
from slipway.predictions.labels.store import import_labels
from slipway.predictions.record import VERSION
from slipway.retraining.months import Places, add_months
from slipway.retraining.pipeline import set_train
from slipway.settings import Params, read_params

NAMES = ["dep_delay", "arr_delay"]


@pytest.fixture(scope="module")
def september(starter_data: Path) -> pd.DataFrame:
    """A month of few flights, whose times are those of the month in UTC as well."""
    rows = pd.read_parquet(starter_data / "2013-09.parquet").astype({"flight_id": str})
    inside = rows["scheduled_departure"].dt.strftime("%Y-%m") == "2013-09"
    return rows[inside].iloc[::20].reset_index(drop=True)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(str(tmp_path / "log"), str(tmp_path / "labels"))


@pytest.fixture
def data(starter_data: Path, tmp_path: Path) -> Path:
    """A data folder that ends with August."""
    write_month(pd.read_parquet(starter_data / "2013-08.parquet"), made(tmp_path / "data/2013-08"))
    return tmp_path / "data"


@pytest.fixture
def nothing_at_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the files are put into data/ by hand."""
    monkeypatch.setattr(source, "MONTHS", ())


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_suffix(".parquet")


def log(rows: pd.DataFrame, places: Places, *, again: int = 0) -> None:
    """Write what the service would have, for rows in the columns of the schema."""
    folder = Path(places.log)
    folder.mkdir(exist_ok=True)
    write_month(rows.drop(columns=NAMES), folder.parent / "rows.parquet")
    sent = as_rows(read_columns([folder.parent / "rows.parquet"]))
    wrong = [row | {"distance": 99} for row in sent[:again]]
    with (folder / "2026-01-01_a.jsonl").open("wb") as file:
        for number, row in enumerate([*wrong, *sent]):
            record = {
                "version": VERSION,
                "id": f"{number:06d}",
                "time": "2026-01-01T00:00:00.000000Z",
                "key": row["flight_id"],
                "input": row,
                "probability": 0.5,
                "decision": False,
                "model": "a" * 64,
            }
            file.write(orjson.dumps(record) + b"\n")


def label(rows: pd.DataFrame, places: Places, tmp_path: Path, names: list[str] = NAMES) -> None:
    file = tmp_path / f"outcomes-{len(rows)}-{len(names)}.parquet"
    rows[["flight_id", *names]].to_parquet(file)
    import_labels([file], places.labels)


def settings() -> Params:
    return read_params(FLIGHTS / "params.yaml")


def test_a_month_from_log_and_labels_is_the_month_that_the_source_would_have_given(
    september: pd.DataFrame, data: Path, places: Places, tmp_path: Path, nothing_at_source: None
) -> None:
    log(september, places, again=5)
    label(september, places, tmp_path)
    (added,), why = add_months(data, settings(), places, "")
    assert why == []
    assert added.origin == "the prediction log and the labels"
    assert added.rows == len(september)
    assert added.unlabelled == september["arr_delay"].isna().sum()
    write_month(september, tmp_path / "expected.parquet")
    found, expected = (
        read_columns([path]) for path in (data / "2013-09.parquet", tmp_path / "expected.parquet")
    )
    labelled = ~np.isnan(expected["arr_delay"])
    assert found.keys() == expected.keys()
    for name, values in take(expected, labelled).items():
        assert found[name].dtype == values.dtype
        assert pd.Series(found[name][labelled]).equals(pd.Series(values)), name


def test_the_source_comes_before_the_log(
    september: pd.DataFrame, data: Path, places: Places, tmp_path: Path
) -> None:
    log(september, places)
    label(september, places, tmp_path)
    (added,), _ = add_months(data, settings(), places, "2013-09")
    assert added.origin == "src/model/source.py"
    assert added.rows > 20_000


def test_what_the_source_lacks_is_taken_from_the_log(
    september: pd.DataFrame,
    data: Path,
    places: Places,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(name: str) -> pd.DataFrame:
        raise LookupError("warehouse")

    monkeypatch.setattr(source, "month", broken)
    log(september, places)
    label(september, places, tmp_path)
    (added,), _ = add_months(data, settings(), places, "2013-09")
    assert added.origin == "the prediction log and the labels"


def test_a_month_waits_until_its_labels_have_come(
    september: pd.DataFrame, data: Path, places: Places, tmp_path: Path, nothing_at_source: None
) -> None:
    log(september, places)
    label(september.head(len(september) // 2), places, tmp_path)
    added, (why,) = add_months(data, settings(), places, "")
    assert added == []
    assert re.search(r"2013-09: 5\d\.\d% of the rows from the prediction log .* no label yet", why)
    assert not (data / "2013-09.parquet").exists()
    label(september, places, tmp_path)
    (added_now,), _ = add_months(data, settings(), places, "")
    assert added_now.month == "2013-09"


def test_rows_whose_outcome_is_a_whole_number_that_has_not_come_get_no_label(
    september: pd.DataFrame,
    data: Path,
    places: Places,
    tmp_path: Path,
    nothing_at_source: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = september.dropna(subset=NAMES).astype({"arr_delay": "int16"})
    whole = project.schema().update_column("arr_delay", dtype="int16", nullable=False)
    monkeypatch.setattr(schema, "schema", whole)
    write_month(
        pd.read_parquet(data / "2013-08.parquet")
        .dropna(subset=NAMES)
        .astype({"arr_delay": "int16"}),
        data / "2013-08.parquet",
    )
    log(rows, places)
    label(rows.head(len(rows) // 2), places, tmp_path)
    added, (why,) = add_months(data, settings(), places, "")
    assert added == []
    assert re.search(r"2013-09: 5\d\.\d% of the rows .* no label yet", why)
    label(rows.iloc[:-7], places, tmp_path)
    (added_now,), _ = add_months(data, settings(), places, "")
    assert (added_now.rows, added_now.waiting) == (len(rows) - 7, 7)


def test_labels_without_what_they_are_made_of_cannot_make_a_month(
    september: pd.DataFrame, data: Path, places: Places, tmp_path: Path, nothing_at_source: None
) -> None:
    log(september, places)
    plain = september[["flight_id"]].assign(late=september["arr_delay"] >= 15)
    label(plain, places, tmp_path, ["late"])
    added, (why,) = add_months(data, settings(), places, "")
    assert added == []
    assert "has labels without the columns that they are derived from (`arr_delay`)" in why


def test_rows_that_are_in_the_data_already_are_not_added_again(
    september: pd.DataFrame, data: Path, places: Places, tmp_path: Path, nothing_at_source: None
) -> None:
    """Months of local time overlap with months of UTC at their edges."""
    august = pd.read_parquet(data / "2013-08.parquet").astype({"flight_id": str}).tail(3)
    moved = august.assign(scheduled_departure=september["scheduled_departure"][0])
    log(pd.concat([september, moved]), places)
    label(september, places, tmp_path)
    (added,), _ = add_months(data, settings(), places, "")
    assert added.rows == len(september)


def test_no_further_month_is_reported_with_the_places_searched(
    data: Path, places: Places, nothing_at_source: None
) -> None:
    added, why = add_months(data, settings(), places, "")
    assert added == []
    assert "neither src/model/source.py nor the prediction log" in why[0]
    assert "no such folder" in why[1]


def test_a_log_that_cannot_be_read_is_no_answer_where_no_other_month_is(
    september: pd.DataFrame, data: Path, places: Places, tmp_path: Path, nothing_at_source: None
) -> None:
    log(september, places)
    (Path(places.log) / "2026-01-02_a.jsonl").write_bytes(b"not a record\n" * len(september))

    with pytest.raises(SlipwayError, match="are not records") as error:
        add_months(data, settings(), places, "")
    assert error.value.exit_code == 2


def test_settings_are_changed_and_every_other_line_is_kept(tmp_path: Path) -> None:
    before = (FLIGHTS / "params.yaml").read_text("utf-8").splitlines()
    path = tmp_path / "params.yaml"
    path.write_text("\n".join(before) + "\n", "utf-8")
    set_train(path, {"learning_rate": 0.5, "l2": 2.5})
    after = path.read_text("utf-8").splitlines()
    changed = [
        new.split("#")[0].strip() for old, new in zip(before, after, strict=True) if old != new
    ]
    assert changed == ["learning_rate: 0.5", "l2: 2.5"]
    assert all(line in after for line in before if line.strip().startswith("#"))


def test_rows_of_an_older_schema_and_of_no_time_are_left_out_and_named(
    september: pd.DataFrame, data: Path, places: Places, tmp_path: Path, nothing_at_source: None
) -> None:
    log(september, places)
    label(september, places, tmp_path)
    path = Path(places.log) / "2026-01-01_a.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    older, untimed = (orjson.loads(lines[at]) for at in (4, 5))
    del older["input"]["carrier"]
    untimed["input"]["scheduled_departure"] = "9999-12-31T23:59:59-05:00"
    lines[4:6] = [orjson.dumps(older) + b"\n", orjson.dumps(untimed) + b"\n"]
    path.write_bytes(b"".join(lines))

    added, why = add_months(data, settings(), places, "2013-09")

    (month,) = added
    assert (month.rows, month.refused) == (len(september) - 2, 1)
    assert "1 row does not fit the schema" in month.text()
    assert "line 5: `carrier`" in month.text()
    assert any("no readable event time" in reason and "line 6" in reason for reason in why)


@pytest.mark.parametrize(
    "zone", ["Pacific/Auckland", "Asia/Kolkata", "Asia/Tokyo", "UTC", "America/Los_Angeles"]
)
def test_months_from_the_log_follow_files_of_any_time_zone_without_a_row_lost_or_twice(
    zone: str,
    september: pd.DataFrame,
    data: Path,
    places: Places,
    tmp_path: Path,
    nothing_at_source: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schema, "TIME_ZONE", zone, raising=False)
    hours = pd.date_range("2013-08-01", "2013-10-31 23:30", freq="30min", tz=zone).as_unit("us")
    rows = september.sample(len(hours), replace=True, random_state=1, ignore_index=True)
    rows["scheduled_departure"] = hours.tz_convert("UTC")
    rows["flight_id"] = [f"{number:08d}-AA1-EWR" for number in range(len(rows))]
    month = hours.strftime("%Y-%m")
    write_month(rows[month == "2013-08"].reset_index(drop=True), data / "2013-08.parquet")
    log(rows[month != "2013-08"], places)
    label(rows, places, tmp_path)

    added, why = add_months(data, settings(), places, "")

    assert ([each.month for each in added], why) == (["2013-09", "2013-10"], [])
    found = [read_columns([data / f"{each.month}.parquet"])["flight_id"].tolist() for each in added]
    assert sorted(chain(*found)) == rows["flight_id"][month != "2013-08"].tolist()
    for each, ids in zip(added, found, strict=True):
        assert sorted(ids) == rows["flight_id"][month == each.month].tolist()


def test_rows_before_the_last_event_in_the_data_are_counted(
    september: pd.DataFrame, data: Path, places: Places, tmp_path: Path, nothing_at_source: None
) -> None:
    late = september.head(3).assign(
        flight_id=["late-1", "late-2", "late-3"],
        scheduled_departure=pd.Timestamp("2013-08-20 12:00", tz="UTC").as_unit("us"),
    )
    log(pd.concat([september, late]), places)
    label(september, places, tmp_path)

    (added,), _ = add_months(data, settings(), places, "")

    assert (added.rows, added.late) == (len(september), 3)
    assert "3 more are not in data/" in added.text()
