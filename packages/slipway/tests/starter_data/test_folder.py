"""Nothing in data/ is passed over."""

from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path

import pytest
from tests.dataset.conftest import settings_of

from slipway.dataset.files import READ, list_folder
from slipway.dataset.folder import list_data, refuse_unread
from slipway.dataset.validate import validate_files
from slipway.errors import SlipwayError
from slipway.repository import restore

UNREAD = [
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
    (tmp_path / "2013-09.parquet").touch()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("rows")
    with pytest.raises(SlipwayError, match=re.escape(name.partition("/")[0])):
        refuse_unread(list_data(tmp_path).not_read)


def test_every_file_is_read_or_named_and_none_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "2013-11.parquet")
    (tmp_path / "2013-12.parquet").symlink_to("nowhere")
    (tmp_path / "2014-01.parquet").mkdir()
    (tmp_path / ".hidden.parquet").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "2013-09.parquet").touch()
    (tmp_path / "2013-08.CSV").touch()
    done = threading.Event()

    def look() -> None:
        found = list_folder(tmp_path)
        assert [path.name for path in found.read] == ["2013-08.CSV", "2013-09.parquet"]
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
    Path("data/2013-10.csv.gz").write_text("flight_id\n")
    report = validate_files([], settings_of())
    assert [(fault.file, fault.check) for fault in report.violations] == [
        ("data/2013-10.csv.gz", "not_read")
    ]


def test_restore_names_the_same_files_as_are_not_read() -> None:
    assert restore.TABLES == READ
