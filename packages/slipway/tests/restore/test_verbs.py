"""No verb writes what a commit names outside of the output: each refuses, with exit code 1."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.services.repository import commit

from slipway.repository.git import git
from slipway.repository.restore import restore
from slipway.repository.worktrees import environment

MODEL = "build/model"

CODE = b"raise SystemExit('code of a data file ran')\n"


@pytest.fixture
def clone(small_repository: Path, tmp_path: Path) -> Path:
    root = tmp_path / "clone"
    git(small_repository, "clone", "-q", "--no-hardlinks", str(small_repository), str(root))
    return root


def name_code(root: Path, pointer: str, relpath: str) -> None:
    """Let the listing that a file of DVC names have one more entry, as a pull request could."""
    outs = yaml.safe_load((root / pointer).read_text("utf-8"))
    named = outs["outs"] if pointer == "data.dvc" else outs["stages"]["train"]["outs"]
    old = named[0]["md5"]
    objects = root / "data-remote/files/md5"
    listing = json.loads((objects / old[:2] / old[2:]).read_text("utf-8"))
    listing.append({"md5": store(objects, CODE), "relpath": relpath})
    new = store(objects, json.dumps(listing, sort_keys=True).encode(), ".dir")
    text = (root / pointer).read_text("utf-8")
    (root / pointer).write_text(text.replace(old, new), "utf-8")
    git(root, "add", "--force", "data-remote")


def store(objects: Path, content: bytes, kind: str = "") -> str:
    name = hashlib.md5(content, usedforsecurity=False).hexdigest() + kind
    (objects / name[:2]).mkdir(parents=True, exist_ok=True)
    (objects / name[:2] / name[2:]).write_bytes(content)
    return name


def slipway(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slipway", *arguments],
        cwd=root,
        env=environment(root),
        capture_output=True,
        text=True,
        check=False,
    )


def data_that_is_code(root: Path) -> None:
    name_code(root, "data.dvc", "../src/sitecustomize.py")


def model_that_is_code(root: Path) -> None:
    name_code(root, "dvc.lock", "../../src/sitecustomize.py")


def build_is_a_link(root: Path) -> None:
    (root / "elsewhere").mkdir()
    (root / "build").symlink_to("elsewhere")
    git(root, "add", "--force", "build")


def pickles_of_the_commit(root: Path) -> None:
    path = root / ".dvc/config"
    text = path.read_text("utf-8").replace("[core]\n", "[core]\n    site_cache_dir = ../x\n", 1)
    path.write_text(text, "utf-8")


# Each attack, and each verb: all of them restore with one function.
TRIES: list[tuple[Callable[[Path], None], tuple[str, ...]]] = [
    (data_that_is_code, ("restore",)),
    (data_that_is_code, ("verify-lock",)),
    (data_that_is_code, ("reproduce", "--base", "HEAD")),
    (data_that_is_code, ("verify",)),
    (model_that_is_code, ("restore", MODEL)),
    (model_that_is_code, ("judge", "--base", "HEAD")),
    (model_that_is_code, ("log", "simulate")),
    (build_is_a_link, ("restore", MODEL)),
    (pickles_of_the_commit, ("restore",)),
    (pickles_of_the_commit, ("reproduce", "--base", "HEAD~1")),
]


@pytest.mark.parametrize(
    ("attack", "arguments"),
    TRIES,
    ids=[f"{attack.__name__}-{arguments[0]}" for attack, arguments in TRIES],
)
def test_a_verb_refuses_what_a_commit_must_not_write(clone, attack, arguments):
    if arguments[0] == "judge":  # the challenger is sound; its base is not
        restore(clone, "data.dvc", MODEL)
        shutil.rmtree(clone / ".dvc/cache")
    attack(clone)
    commit(clone, "Data of this month")
    before = {path for path in clone.rglob("*") if "__pycache__" not in path.parts}

    done = slipway(clone, *arguments)

    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    after = {path for path in clone.rglob("*") if "__pycache__" not in path.parts}
    assert not {path for path in after - before if path.suffix == ".py"}
    assert not list((clone / "elsewhere").glob("*"))
    assert len(git(clone, "worktree", "list").splitlines()) == 1


def test_retraining_and_the_demo_refuse_too(clone):
    data_that_is_code(clone)
    commit(clone, "Data of this month")

    slipway(clone, "retrain")

    answer = json.loads((clone / "build/retrain.json").read_text("utf-8"))
    assert answer["status"] == "inconclusive"
    assert "sitecustomize" in answer["words"]
    assert slipway(clone, "demo").returncode == 1
    assert not (clone / "src/sitecustomize.py").exists()


def test_a_file_that_is_no_data_is_fetched_and_named(clone):
    name_code(clone, "data.dvc", "sitecustomize.py")

    done = slipway(clone, "restore")

    assert done.returncode == 0, done.stderr
    assert "sitecustomize.py" in done.stdout
    assert (clone / "data/sitecustomize.py").read_bytes() == CODE
