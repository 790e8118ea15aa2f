"""Each file of ``rejected/`` is rejected for its own reason only; the good ones pass."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from tests.dataset.conftest import GOOD, HERE
from tests.dataset.make_rejected import make
from tests.services.projects import FLIGHTS, STARTER_PATH

from slipway.dataset.validate import validate_files
from slipway.errors import SlipwayError
from slipway.settings import Params

REJECTED = sorted(path.name for path in (HERE / "rejected").iterdir())
UNREADABLE = sorted(path.name for path in (HERE / "unreadable").iterdir())


@pytest.mark.parametrize("folder", ["good", "good/csv"])
def test_a_good_file_passes(folder: str, params: Params) -> None:
    report = validate_files([HERE / folder], params)
    assert report.violations == []
    assert [file.rows for file in report.files] == [200]


@pytest.mark.parametrize("name", REJECTED)
def test_a_broken_file_is_rejected_for_its_own_reason_only(name: str, params: Params) -> None:
    (fault,) = validate_files([HERE / "rejected" / name], params).violations
    column, check = name.partition("@")[0].split(".")
    assert fault.check == check
    assert fault.rule == (column == "rule")
    if not fault.rule:
        assert fault.column == column.replace("file", "")


def test_the_shipped_files_are_those_that_the_script_makes(tmp_path: Path) -> None:
    make(tmp_path)
    for folder in ("good", "rejected", "unreadable"):
        made = sorted(path.relative_to(tmp_path) for path in (tmp_path / folder).rglob("*.*"))
        shipped = sorted(path.relative_to(HERE) for path in (HERE / folder).rglob("*.*"))
        assert made == shipped
    for path in (tmp_path / "rejected").rglob("*.parquet"):
        shipped_rows = pq.ParquetFile(HERE / path.relative_to(tmp_path)).read()
        assert pq.ParquetFile(path).read().equals(shipped_rows), path


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(name: str, params: Params) -> None:
    with pytest.raises(
        SlipwayError, match=f"{name}: (cannot be read: .{{10}}|none of|its text is not)"
    ):
        validate_files([HERE / "unreadable" / name], params)


# --- the command line -------------------------------------------------------------------


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with settings for small months and a data folder with a good one."""
    folder = tmp_path_factory.mktemp("workspace")
    settings = yaml.safe_load((FLIGHTS / "params.yaml").read_text("utf-8"))
    settings["validate"]["rows_per_month"] = [100, 300]
    (folder / "params.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    (folder / "data").mkdir()
    shutil.copy(GOOD, folder / "data")
    return folder


def slipway(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "slipway", "validate", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": STARTER_PATH, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_it_exits_0_when_the_data_folder_is_in_order(workspace: Path) -> None:
    done = slipway(workspace)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Valid: 1 file, 200 rows, 1 period (2013-09)\n"


def test_it_exits_1_when_a_file_is_not_and_writes_the_report(workspace: Path) -> None:
    broken = HERE / "rejected/carrier.isin/2013-09.parquet"
    done = slipway(workspace, broken, "--json", "out/a.json")
    assert (done.returncode, done.stderr) == (1, "")
    assert "carrier = 'ZZ' in 2 rows (1.0%; first: 2, 50); expected one of 9E" in done.stdout
    report = json.loads((workspace / "out/a.json").read_text("utf-8"))
    assert (report["version"], report["valid"]) == (1, False)
    assert report["faults"][0] | {"file": "", "expected": ""} == {
        "file": "",
        "column": "carrier",
        "check": "isin",
        "rule": False,
        "count": 2,
        "share": 0.01,
        "rows": [2, 50],
        "examples": ["'ZZ'"],
        "expected": "",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([HERE / "unreadable/cut.parquet"], "cut.parquet: cannot be read"),
        (["nowhere.parquet"], "nowhere.parquet: no such file"),
        ([GOOD, HERE / "unreadable/damaged.parquet"], "damaged.parquet: cannot be read"),
    ],
)
def test_it_exits_2_when_it_cannot_read(
    workspace: Path, arguments: list[object], message: str
) -> None:
    done = slipway(workspace, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "→" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_exits_2_when_there_is_no_data(workspace: Path, tmp_path: Path) -> None:
    shutil.copy(workspace / "params.yaml", tmp_path)
    done = slipway(tmp_path)
    assert done.returncode == 2
    assert "no parquet or CSV file" in done.stderr
