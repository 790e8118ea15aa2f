"""A table of one's own becomes a model that is judged, served and monitored, by one command."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.adopt.six_tables import TABLES, write
from tests.services.repository import commit, edit_params

from slipway.reference.profile import series_name
from slipway.repository.worktrees import environment, run
from slipway.serving.start import serving
from slipway.setup.adopt import UNDO

ROWS = 250


def slipway(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slipway", *arguments],
        cwd=root,
        env=environment(root),
        capture_output=True,
        text=True,
        check=False,
    )


# `make bench BENCH=adopt` takes all six tables.
@pytest.fixture(scope="module", params=["wine"])
def adopted(
    request: pytest.FixtureRequest, small_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A repository whose model was replaced, committed, and the name of the table."""
    folder = tmp_path_factory.mktemp("adopted")
    root = Path(shutil.copytree(small_repository, folder / "repository", symlinks=True))
    without_starter(root)
    name = str(request.param)
    table = write(name, folder)
    done = slipway(root, "adopt", str(table), "--target", TABLES[name].target, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "curl" in done.stdout
    run(["git", "checkout", "-q", "-b", "mine"], root)
    commit(root, "Adopt my table")
    return root, name


def without_starter(root: Path) -> None:
    """Remove the package of the starter, so that no lock is compiled."""
    path = root / "pyproject.toml"
    path.write_text(re.sub(r"(?m)^.*# starter.*\n", "", path.read_text("utf-8")), "utf-8")
    commit(root, "Do without the package of the starter")


def test_the_task_is_found_and_the_model_is_better_than_guessing(
    adopted: tuple[Path, str],
) -> None:
    root, name = adopted
    manifest = json.loads((root / "build/model/manifest.json").read_text("utf-8"))
    assert manifest["target"]["task"] == TABLES[name].task
    assert manifest["target"]["name"] == TABLES[name].target


def test_all_files_are_committed_and_the_files_of_the_starter_are_kept_aside(
    adopted: tuple[Path, str],
) -> None:
    root, name = adopted
    assert not run(["git", "status", "--porcelain"], root)
    assert [path.name for path in (root / "data").iterdir()] == [f"{name}.csv"]
    assert list((root / "build").glob("replaced-data-*/*"))
    assert run(["dvc", "status", "--cloud"], root).strip().endswith("in sync.")


def test_a_table_that_the_pipeline_refuses_changes_no_file(
    adopted: tuple[Path, str], tmp_path: Path
) -> None:
    root, _ = adopted
    # One positive: the rows to train on or the held-out rows have none.
    lines = [f"{row % 70 / 10},{row % 50 / 7:.3f},{int(row == 0)}" for row in range(200)]
    table = tmp_path / "rare.csv"
    table.write_text("\n".join(["speed,weight,failed", *lines]), "utf-8")
    done = slipway(root, "adopt", str(table), "--target", "failed", "--yes")
    assert done.returncode == 2
    assert "`failed`" in done.stderr.splitlines()[0]
    assert not run(["git", "status", "--porcelain"], root)
    assert not (root / "data" / table.name).exists()


def test_the_command_that_undoes_it_restores_data_and_model(
    adopted: tuple[Path, str], tmp_path: Path
) -> None:
    root, name = adopted
    copy = Path(shutil.copytree(root, tmp_path / "repository", symlinks=True))
    run(["git", "checkout", "-q", "main"], copy)
    done = slipway(copy, *re.findall("`slipway (.*?)`", UNDO)[-1].split())
    assert done.returncode == 0, done.stderr
    manifest = json.loads((copy / "build/model/manifest.json").read_text("utf-8"))
    assert manifest["target"]["name"] != TABLES[name].target
    assert not (copy / "data" / f"{name}.csv").exists()


def test_card_and_canvas_are_to_be_filled_in_and_nothing_contradicts_the_model(
    adopted: tuple[Path, str],
) -> None:
    root, _ = adopted
    for command in ("card", "canvas"):
        done = slipway(root, command, "--check")
        assert done.returncode == 1, done.stderr
        assert all("to be filled in" in line for line in done.stdout.splitlines())


def test_a_change_of_it_is_judged(adopted: tuple[Path, str], tmp_path: Path) -> None:
    root = Path(shutil.copytree(adopted[0], tmp_path / "repository", symlinks=True))
    edit_params(root, train={"c": 0.5})
    run(["dvc", "repro", "-q"], root)
    commit(root, "Change a parameter")
    done = slipway(root, "judge", "--base", "HEAD~1")
    assert done.returncode in (0, 1), done.stderr
    report = json.loads((root / "build/report.json").read_text("utf-8"))
    assert report["incomparable"] is None
    assert len(report["periods"]) > 1


@pytest.fixture
def client(adopted: tuple[Path, str], tmp_path: Path) -> Iterator[httpx.Client]:
    variables = environment(adopted[0]) | {"SLIPWAY_LOG": str(tmp_path / "log")}
    with (
        serving(adopted[0], environment=variables) as running,
        httpx.Client(base_url=running.url, trust_env=False) as client,
    ):
        yield client


def test_it_is_served_and_monitored(
    adopted: tuple[Path, str], client: httpx.Client, tmp_path: Path
) -> None:
    root, _ = adopted
    manifest = json.loads((root / "build/model/manifest.json").read_text("utf-8"))
    rows = [example["row"] for example in manifest["golden"]]
    for at in range(ROWS):
        client.post("/predict", json=rows[at % len(rows)]).raise_for_status()
    out = tmp_path / "drift.json"
    done = slipway(root, "drift", "--log", str(tmp_path / "log"), "--json", str(out))
    assert done.returncode in (0, 1, 2), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout
    report = json.loads(out.read_text("utf-8"))
    series = {row["name"]: row for row in report["columns"]}
    inputs = {each["name"] for each in manifest["inputs"]}
    assert {"score", series_name("score"), series_name("label")} <= series.keys()
    assert len(series) == len(inputs) + 2  # the probability and the class that is decided
