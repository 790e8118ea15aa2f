"""Two branches that each change the data: DVC merges `data.dvc`, or git shows both sides."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.remotes.conftest import DATA, Clone, _clone

from slipway.repository.git import git
from slipway.repository.merge_driver import DRIVER, configured, install, program
from slipway.repository.pointers import InConflict, check_conflicts, data_revision
from slipway.repository.restore import restore

BRANCHES = {
    "march": DATA | {"2024-03.csv": "id,late\n5,0\n"},
    "april": DATA | {"2024-04.csv": "id,late\n6,1\n"},
    "another-march": DATA | {"2024-03.csv": "id,late\n7,0\n"},
    "corrected": DATA | {"2024-01.csv": "id,late\n1,0\n2,0\n"},
    "removed": {"2024-02.csv": DATA["2024-02.csv"]},
    "removed-with-april": {
        "2024-02.csv": DATA["2024-02.csv"],
        "2024-04.csv": "id,late\n6,1\n",
    },
}


@pytest.fixture(scope="module")
def branches(
    origin: Path, apart: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Clone:
    """A clone with a branch for each change, and no merge driver."""
    clone = _clone(origin, tmp_path_factory.mktemp("branches") / "clone", apart)
    clone.do("pull --quiet data.dvc")
    start = clone.run("git", "rev-parse", "HEAD").stdout.strip()
    for name, files in BRANCHES.items():
        clone.run("git", "switch", "--quiet", "--create", name, start)
        for path in (clone.folder / "data").glob("*.csv"):
            path.unlink()
        for file, text in files.items():
            (clone.folder / "data" / file).write_bytes(text.encode())
        clone.do("add --quiet data")
        clone.do("push --quiet data.dvc")
        clone.run("git", "add", "--all")
        assert clone.run("git", "commit", "--quiet", "--message", name).returncode == 0
    return clone


@pytest.fixture
def merging(branches: Clone, tmp_path: Path) -> Clone:
    """A clone of it on another machine, whose cache has the data of every branch."""
    clone = _clone(branches.folder, tmp_path / "clone", branches.environment)
    clone.run("cp", "-r", str(branches.folder / ".dvc/cache"), ".dvc/cache")
    install(clone.folder)
    return clone


def merge(clone: Clone, ours: str, theirs: str) -> subprocess.CompletedProcess[str]:
    clone.run("git", "switch", "--quiet", ours)
    return clone.run("git", "merge", "--quiet", "--no-edit", f"origin/{theirs}")


def files(clone: Clone) -> set[str]:
    """Return the names in the listing that `data.dvc` names."""
    listing = data_revision(clone.folder / "data.dvc")
    path = clone.folder / ".dvc/cache/files/md5" / listing[:2] / listing[2:]
    return {entry["relpath"] for entry in json.loads(path.read_bytes())}


def test_two_branches_that_each_add_a_file_are_merged_with_both_files(merging: Clone) -> None:
    assert merge(merging, "march", "april").returncode == 0
    restore(merging.folder, "data.dvc")

    assert merging.data() == BRANCHES["march"] | BRANCHES["april"]
    assert json.loads(merging.dvc("status", "--json").stdout) == {}


def test_without_the_driver_the_same_merge_is_a_conflict(merging: Clone) -> None:
    merging.run("git", "config", "--remove-section", "merge.dvc")

    assert merge(merging, "march", "april").returncode == 1
    with pytest.raises(InConflict):
        check_conflicts(merging.folder)


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ("corrected", {"2024-01.csv", "2024-02.csv", "2024-03.csv"}),
        ("removed", {"2024-02.csv", "2024-03.csv"}),
    ],
)
def test_a_file_changed_or_removed_in_one_branch_is_so_after_the_merge(
    merging: Clone, theirs: str, expected: set[str]
) -> None:
    assert merge(merging, "march", theirs).returncode == 0
    assert files(merging) == expected


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("march", "another-march"),
        ("corrected", "removed"),
        ("removed", "removed-with-april"),
    ],
)
def test_what_dvc_does_not_merge_is_a_conflict_that_is_seen(
    merging: Clone, ours: str, theirs: str
) -> None:
    assert merge(merging, ours, theirs).returncode == 1
    with pytest.raises(InConflict):
        check_conflicts(merging.folder)


def test_data_that_was_never_fetched_here_is_a_conflict_until_it_is(
    branches: Clone, tmp_path: Path
) -> None:
    clone = _clone(branches.folder, tmp_path / "clone", branches.environment)
    install(clone.folder)
    assert merge(clone, "march", "april").returncode == 1
    clone.run("git", "merge", "--abort")

    base = clone.run("git", "merge-base", "march", "origin/april").stdout.strip()
    for commit in (base, "origin/april", "march"):
        clone.run("git", "switch", "--quiet", "--detach", commit)
        restore(clone.folder, "data.dvc")
    assert merge(clone, "march", "april").returncode == 0
    assert files(clone) == {*BRANCHES["march"], *BRANCHES["april"]}


class TestInstall:
    @pytest.fixture
    def repository(self, tmp_path: Path) -> Path:
        git(tmp_path, "init", "--quiet")
        return tmp_path

    def test_it_names_the_dvc_of_this_environment_and_is_repeatable(self, repository: Path) -> None:
        install(repository)
        first = (repository / ".git/config").read_bytes()
        install(repository)

        assert Path(program(configured(repository))).is_file()
        assert (repository / ".git/config").read_bytes() == first

    def test_a_driver_of_the_user_is_kept(self, repository: Path) -> None:
        git(repository, "config", DRIVER, "dvc git-hook merge-driver --our %A")
        install(repository)

        assert configured(repository) == "dvc git-hook merge-driver --our %A"

    def test_that_of_a_folder_that_was_moved_is_renewed(self, repository: Path) -> None:
        install(repository)
        command = configured(repository)
        git(repository, "config", DRIVER, command.replace(program(command), "/moved/dvc"))
        install(repository)

        assert configured(repository) == command

    def test_a_folder_without_a_repository_or_within_another_one_is_left_alone(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "inner").mkdir()
        assert "not the top folder" in install(tmp_path / "inner")
        git(tmp_path, "init", "--quiet")
        assert "not the top folder" in install(tmp_path / "inner")
        assert configured(tmp_path) == ""
