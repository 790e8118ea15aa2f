"""A fork that takes a released machine: one line in pyproject.toml, `make lock`, no folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.services.projects import ROOT
from tests.services.repository import AUTHOR, commit

from slipway.dataset.tables import digest
from slipway.repository.layout import MACHINE
from slipway.repository.worktrees import run
from slipway.stages import FILE, text

MYPY = ".mypy_cache"

SCRIPT = [".github/scripts/run-module", "slipway.github.placeholder", "--help"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        ROOT / MACHINE)  # fmt: skip
    return next(folder.glob("slipway_ml-*.whl"))


@pytest.fixture(scope="module")
def url(wheel: Path):
    """Where the release can be downloaded."""
    handler = partial(SimpleHTTPRequestHandler, directory=wheel.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{wheel.name}"
        server.shutdown()


@pytest.fixture(scope="module")
def fork(small_repository: Path, url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fork that has taken the release as docs/upgrade.md describes."""
    root = tmp_path_factory.mktemp("fork") / "repository"
    shutil.copytree(small_repository, root, symlinks=True)
    copy_environment(root)
    pyproject = root / "pyproject.toml"
    lines = pyproject.read_text("utf-8").splitlines()
    changed = [f'slipway-ml = {{ url = "{url}" }}' if _is_source(it) else it for it in lines]
    pyproject.write_text("\n".join(changed) + "\n", "utf-8")
    shutil.rmtree(root / "packages")
    (root / FILE).write_text("train: 0\n", "utf-8")
    make(root, "lock")
    commit(root, "Take the released machine")
    make(root, "setup")
    pass_over_workflows(root)
    return root


def test_the_lock_names_the_wheel_by_its_hash_for_the_pipeline_and_for_the_image(fork, wheel, url):
    entry = f"slipway-ml @ {url} \\\n    --hash=sha256:{digest(wheel)}\n"
    assert entry in (fork / "requirements.lock").read_text("utf-8")
    assert entry in (fork / "requirements-serve.lock").read_text("utf-8")


def test_the_digests_of_the_stages_are_those_of_the_wheel(fork):
    assert (fork / FILE).read_text("utf-8") == text()


def test_the_checks_of_the_fork_pass_without_the_folder(fork):
    run([fork / ".venv/bin/dvc", "repro", "-q"], fork, str(fork / ".venv/bin/python"))
    run([*AUTHOR, "commit", "-qam", "Build the model with it"], fork)
    assert "failed" not in make(fork, "check")


def test_a_champion_of_the_folder_is_judged_by_the_code_that_it_had(fork):
    done = _slipway(fork, "judge", "--base", "main~1", "--out", "build/report.json")

    assert done.returncode == 0, done.stderr
    report = json.loads((fork / "build/report.json").read_text("utf-8"))
    assert report["verdict"] == "not worse"


def test_what_is_built_holds_the_files_of_the_wheel_and_names_it(fork, wheel):
    python = str(fork / ".venv/bin/python")
    code = (
        "from slipway.release.build import build; it = build(); print(it.path, it.machine.sha256)"
    )

    bento, sha256 = run([python, "-c", code], fork, python).split()

    assert sha256 == digest(wheel)
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith("slipway/"):
                assert (fork / bento / "src" / name).read_bytes() == archive.read(name)


def test_a_job_without_an_environment_runs_it_from_the_wheel(fork):
    done = _run_module(fork)
    assert done.returncode == 0, done.stderr
    assert "{outdated,failed}" in done.stdout


def test_a_wheel_that_is_not_the_one_in_the_lock_is_not_run(fork, wheel):
    lock = fork / "requirements.lock"
    kept = lock.read_text("utf-8")
    lock.write_text(kept.replace(digest(wheel), "0" * 64), "utf-8")
    try:
        done = _run_module(fork)
    finally:
        lock.write_text(kept, "utf-8")
    assert done.returncode != 0


def _run_module(fork: Path) -> subprocess.CompletedProcess[str]:
    """Run a module as a workflow does before anything is installed."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        SCRIPT, cwd=fork, env=environment, capture_output=True, text=True, check=False
    )


def _is_source(line: str) -> bool:
    return line.startswith("slipway-ml = ") and "path" in line


def copy_environment(fork: Path) -> None:
    """Copy .venv: 250 packages that `make setup` need not fetch again, nor mypy read again.

    What mypy has kept of this repository's own code is of other content, and so not used.
    """
    if (ROOT / MYPY).is_dir():
        shutil.copytree(ROOT / MYPY, fork / MYPY)
    own = Path(sys.prefix)
    try:
        shutil.copytree(own, fork / ".venv", symlinks=True, copy_function=os.link)
    except (OSError, shutil.Error):  # not on the same disk
        shutil.rmtree(fork / ".venv", ignore_errors=True)
        shutil.copytree(own, fork / ".venv", symlinks=True)
    scripts = [
        path for path in (fork / ".venv/bin").iterdir() if path.is_file() and not path.is_symlink()
    ]
    for path in [*scripts, fork / ".venv/pyvenv.cfg"]:
        text = path.read_bytes()
        if bytes(own) in text:
            mode = path.stat().st_mode
            path.unlink()
            path.write_bytes(text.replace(bytes(own), bytes(fork / ".venv")))
            path.chmod(mode)
    (fork / ".venv/ready").touch()


def pass_over_workflows(fork: Path) -> None:
    """Let `make lint` take `.github` for checked: it is that of this repository, checked there."""
    stamp = fork / "build/checked-github"
    stamp.parent.mkdir(exist_ok=True)
    stamp.touch()


def make(fork: Path, target: str) -> str:
    return run(["make", target], fork, str(fork / ".venv/bin/python"))


def _slipway(fork: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [fork / ".venv/bin/slipway", *command],
        cwd=fork,
        capture_output=True,
        text=True,
        check=False,
    )
