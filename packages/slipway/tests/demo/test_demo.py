from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console
from tests.services.projects import FLIGHTS, ROOT
from tests.services.repository import commit, edit_params

from slipway.docker import docker
from slipway.repository.worktrees import environment, run
from slipway.setup.demo.live import NAMES, remove_left_over, without_docker
from slipway.setup.demo.scenario import Scenario
from slipway.setup.demo.steps import above_the_fold


@pytest.fixture(scope="module")
def clone(base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a newcomer has cloned, but with images that the tests' engine has."""
    clone = tmp_path_factory.mktemp("newcomer") / "slipway"
    run(["git", "clone", "-q", str(ROOT), str(clone)], ROOT)
    edit_params(clone, deploy={"base_image": base_image, "proxy_image": base_image})
    commit(clone, "Take the tests' own images")
    return clone


@pytest.fixture(scope="module")
def printed(clone: Path) -> str:
    """What the demo prints to a newcomer who has just cloned the repository."""
    done = subprocess.run(
        [sys.executable, "-m", "slipway", "demo"],
        cwd=clone,
        env=environment(clone) | {"COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_better_model_is_let_through_and_a_worse_or_an_inconclusive_one_is_not(printed):
    before, _, after = printed.partition("\n4 A pull request")
    worse, _, inconclusive = after.partition("\n5 A pull request")

    assert "Better: " in before
    assert "Not merged: AUC gets worse" in worse
    assert "Inconclusive: about" in inconclusive


def test_a_broken_month_is_found_before_anything_is_trained_on_it(printed):
    assert "Invalid: 3 violations in 1 of 1 file" in printed


def test_the_first_change_that_may_be_merged_is(printed):
    assert "Merged: fewer-trees" in printed


def test_the_merged_model_is_released_to_docker_and_taken_off_again(printed):
    assert "deployed" in printed
    assert docker("ps", "-aq", "--filter", f"name=^{NAMES}") == ""
    assert docker("volume", "ls", "-q", "--filter", f"name=^{NAMES}") == ""


@pytest.fixture
def killed(base_image: str) -> Iterator[str]:
    """The prefix of a demo that was killed before its deployment had a proxy."""
    # Names of its own: demos of others may run on this engine.
    prefix = f"t{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:8]}"
    label = ("--label", f"slipway.service={prefix}")
    docker("network", "create", *label, prefix)
    docker("volume", "create", *label, f"{prefix}-log")
    options = ("--detach", "--init", *label, "--name", f"{prefix}-setup")
    docker("run", *options, "--network", "none", base_image, "sleep", "600")
    try:
        yield prefix
    finally:
        docker("rm", "--force", f"{prefix}-setup")
        for kind in ("network", "volume"):
            if found := labelled(kind, prefix):
                docker(kind, "rm", *found)


def labelled(kind: str, prefix: str) -> list[str]:
    every = ("--all",) if kind == "container" else ()
    label = ("--filter", f"label=slipway.service={prefix}")
    return docker(kind, "ls", "--quiet", *every, *label).split()


@pytest.mark.parametrize(
    "left", [{"container"}, {"network"}, {"volume"}, {"container", "network", "volume"}]
)
def test_whatever_a_killed_demo_has_left_is_removed_once_no_demo_can_be_so_old(
    killed: str, tmp_path: Path, left: set[str]
) -> None:
    shutil.copy(FLIGHTS / "params.yaml", tmp_path)
    scenario = Scenario(tmp_path, tmp_path / "site", Console())
    for kind in {"container", "network", "volume"} - left:
        docker(kind, "rm", *(["--force"] if kind != "network" else []), *labelled(kind, killed))

    names = killed.rpartition("-")[0]
    remove_left_over(scenario, names)
    assert all(labelled(kind, killed) for kind in left)
    remove_left_over(scenario, names, timedelta(0))
    assert not any(labelled(kind, killed) for kind in left)


def test_without_docker_the_model_is_served_as_a_process_and_that_is_reported(clone, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///missing/docker.sock")

    why = without_docker(Scenario(clone, clone / "site", Console()))

    assert "Served as a process" in why
    assert "start the engine" in why


def test_the_page_and_the_whole_reports_are_left_in_the_site_folder(printed, clone):
    assert str(clone / "site/index.html") in printed.replace("\n", "")
    reports = [
        f"reports/{name}.html"
        for name in ("fewer-trees", "learn-too-fast", "very-few-trees", "broken-october")
    ]
    for name in ("index.html", *reports):
        assert (clone / "site" / name).stat().st_size > 3_000


def test_the_tree_of_the_user_stays_as_it_was(printed, clone):
    assert run(["git", "status", "--porcelain"], clone) == ""
    assert run(["git", "branch", "--list"], clone).split() == ["*", "main"]
    assert sorted(path.name for path in clone.iterdir() if path.name in {"build", "data"}) == []


def test_only_what_is_read_before_unfolding_is_printed():
    report = "### Better\n\n| a |\n\n<details><summary>More</summary> … </details>"

    assert above_the_fold(report) == "### Better\n\n| a |"
