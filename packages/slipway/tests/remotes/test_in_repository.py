"""The DVC remote that ships with the repository: no account, no network, no silent change."""

from __future__ import annotations

from fsspec.implementations.local import LocalFileSystem
from tests.remotes.conftest import DATA, DVC, Clone, tamper


def test_a_fresh_clone_pulls_its_data_without_a_network(
    clone: Clone, without_network: list[str]
) -> None:
    pulled = clone.run(*without_network, DVC, "pull")
    assert pulled.returncode == 0, pulled.stderr
    assert clone.data() == DATA


def test_line_endings_of_the_remote_survive_a_clone_on_windows(windows_clone: Clone) -> None:
    windows_clone.do("pull")
    assert windows_clone.data() == DATA
    assert windows_clone.run("git", "status", "--porcelain").stdout == ""


def test_an_object_that_was_tampered_with_is_refused(clone: Clone) -> None:
    tamper(LocalFileSystem(), str(clone.folder / "data-remote"), "2024-01.csv")
    assert clone.dvc("pull").returncode != 0
    assert "2024-01.csv" not in clone.data()
