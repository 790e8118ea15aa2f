"""The files of data/ are ordered by the events in them, and nothing in it is passed over."""

from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path

import pandas as pd
import pytest
from tests.dataset.conftest import settings_of

from slipway.dataset.files import list_folder
from slipway.dataset.months import month_files
from slipway.dataset.validate import validate_files
from slipway.errors import SlipwayError

DAY = pd.Timedelta(days=1)


def write(path: Path, *times: str) -> Path:
    moments = pd.to_datetime(list(times), utc=True).astype("datetime64[us, UTC]")
    pd.DataFrame({"scheduled_departure": moments}).to_parquet(path, index=False)
    return path


def test_files_come_in_the_order_of_their_events(tmp_path: Path) -> None:
    late = write(tmp_path / "2013-10.parquet", "2013-10-02T00:00Z")
    early = write(tmp_path / "2012-11.PARQUET", "2012-11-30T23:00Z")
    assert month_files(tmp_path) == [early, late]


@pytest.mark.parametrize(
    "name",
    ["part-00000.parquet", "2013-9.parquet", "2013_09.parquet", "sep.parquet", "2013-13.parquet"],
)
def test_a_file_that_names_no_month_is_refused(name: str, tmp_path: Path) -> None:
    write(tmp_path / "2013-08.parquet", "2013-08-02T00:00Z")
    write(tmp_path / name, "2013-09-02T00:00Z")
    with pytest.raises(SlipwayError, match=name) as refused:
        month_files(tmp_path)
    assert "YYYY-MM.parquet" in refused.value.do


def test_a_file_whose_rows_are_of_another_month_than_its_name_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "2013-12.parquet", "2013-12-05T00:00Z", "2013-01-05T00:00Z")
    with pytest.raises(SlipwayError, match=r"2013-12\.parquet: 1 of its 2 rows .* row 1"):
        month_files(tmp_path)


def test_files_that_overlap_in_time_are_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path / "2013-08.parquet", "2013-08-02T00:00Z", "2013-09-01T12:00Z")
    write(tmp_path / "2013-09.parquet", "2013-09-01T04:00Z")
    with pytest.raises(SlipwayError, match=r"2013-08\.parquet and .*2013-09\.parquet overlap"):
        month_files(tmp_path)


def test_two_files_of_one_month_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("2013-09.parquet", "2013-09.PARQUET"):
        write(tmp_path / name, "2013-09-02T00:00Z")
    with pytest.raises(SlipwayError, match="same month") as error:
        month_files(tmp_path)
    assert "2013-09.PARQUET" in str(error.value)


def test_months_of_another_time_zone_than_utc_are_in_order(tmp_path: Path) -> None:
    times = pd.date_range("2013-01-01", "2013-06-30 23:00", freq="h", tz="America/New_York")
    for month, part in times.to_series().groupby(times.strftime("%Y-%m")):
        pd.DataFrame({"scheduled_departure": part.dt.as_unit("us")}).to_parquet(
            tmp_path / f"{month}.parquet", index=False
        )
    assert [path.stem for path in month_files(tmp_path)] == [f"2013-0{n}" for n in range(1, 7)]


@pytest.mark.parametrize("times", [["2013-09-01"], [None]])
def test_times_without_a_zone_or_a_value_have_no_order(times: list[str], tmp_path: Path) -> None:
    moments = pd.to_datetime(pd.Series(times)).astype("datetime64[us]")
    pd.DataFrame({"scheduled_departure": moments}).to_parquet(tmp_path / "2013-09.parquet")
    with pytest.raises(SlipwayError, match=r"2013-09\.parquet: column scheduled_departure"):
        month_files(tmp_path)


UNREAD = [
    "2013-10.csv",
    "2013-10.parq",
    "2013-10.parquet.gz",
    "day=1/part.parquet",
    "rows.zip",
    "rows.tar.gz",
    "2013-10.parquet.1",
    "2013-10.parquet.bak",
    "2013-10.parquet (1)",
    "2013-10.csv~",
]


@pytest.mark.parametrize("name", UNREAD)
def test_what_may_hold_rows_and_is_not_read_stops_the_split(name: str, tmp_path: Path) -> None:
    write(tmp_path / "2013-09.parquet", "2013-09-02T00:00Z")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("rows")
    with pytest.raises(SlipwayError, match=re.escape(name.partition("/")[0])):
        month_files(tmp_path)


def test_every_file_is_read_or_named_and_none_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "2013-11.parquet")
    (tmp_path / "2013-12.parquet").symlink_to("nowhere")
    (tmp_path / "2014-01.parquet").mkdir()
    (tmp_path / ".hidden.parquet").touch()
    (tmp_path / "notes.txt").touch()
    write(tmp_path / "2013-09.parquet", "2013-09-02T00:00Z")
    done = threading.Event()

    def look() -> None:
        found = list_folder(tmp_path)
        assert [path.name for path in found.read] == ["2013-09.parquet"]
        assert len(found.not_read) == 5
        done.set()

    threading.Thread(target=look, daemon=True).start()
    assert done.wait(10)


def test_validation_of_the_data_names_what_it_does_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good = Path(__file__).parents[1] / "dataset/good/2013-09.parquet"
    (tmp_path / "data").mkdir()
    shutil.copy(good, "data/2013-09.parquet")
    Path("data/README.md").touch()
    report = validate_files([], settings_of())
    assert report.exit_code == 0
    assert [text.partition(" ")[0] for text in report.not_read] == ["data/README.md"]
    Path("data/2013-10.csv").write_text("flight_id\n")
    report = validate_files([], settings_of())
    assert [(fault.file, fault.check) for fault in report.violations] == [
        ("data/2013-10.csv", "not_read")
    ]
