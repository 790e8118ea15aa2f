"""What every test may use, and the rule that CI skips nothing."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.services.projects import FLIGHTS, copy_project
from xdist.scheduler import LoadScopeScheduling

from slipway.__main__ import THRESHOLDS
from slipway.repository.git import KEPT

pytest_plugins = [
    "tests.services.repository",
    "tests.services.servers",
    "tests.services.dask",
    "tests.services.mlflow",
    "tests.services.engine",  # it imports the one above
]

# Processes that share the cores train no faster with threads or further processes, each of which
# imports scikit-learn, and wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")

# As in `slipway.__main__`: nearly all that is made here stays until the process ends.
gc.set_threshold(*THRESHOLDS)

# Folders whose tests need the Docker engine, with an image that takes a minute to make: the first
# of the second and the third group do not need it, so that no worker waits.
ENGINE = ("deploy fetch shadow", "workflows image", "demo kubernetes smoke_test")

# Others that take minutes, the longest first: what is begun last should be short.
LONG = "tasks pipeline verify comparison untimed serving privacy installation retraining controls"
LONG += " remotes monitoring dashboards adopt export notebook audit batch"

ROOT = Path(__file__).parents[3]
# git hands its variables to hooks and to `git rebase --exec`; the repositories of the tests are
# others.
for name in [name for name in os.environ if name.startswith("GIT_") and not KEPT.fullmatch(name)]:
    del os.environ[name]

IN_CI = os.environ.get("CI") == "true"


class ByFolder(LoadScopeScheduling):
    """Gives each process whole folders, so that what their tests share is made once or twice."""

    def _split_scope(self, nodeid: str) -> str:
        folder = _folder(nodeid)
        return next((group for group in ENGINE if folder in group.split()), folder)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFolder:
    return ByFolder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    order = " ".join([*ENGINE, LONG]).split()
    ranks = {folder: rank for rank, folder in enumerate(order)}
    items.sort(key=lambda item: ranks.get(_folder(item.nodeid), len(order)))


def _folder(nodeid: str) -> str:
    return Path(nodeid.partition("::")[0]).parent.name


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):
        return  # other processes may still use it
    from tests.services.engine import remove_service_image

    remove_service_image(session.config._tmp_path_factory.getbasetemp())  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    return _no_skip_in_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    return _no_skip_in_ci((yield))


def _no_skip_in_ci(report: Any) -> Any:
    """Fail what would be skipped: a check that CI never runs is not a check."""
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        path, line, reason = report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{path}:{line}: CI must not skip this. {reason}"
    return report


@pytest.fixture(scope="session", autouse=True)
def in_a_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Work where a person would, in a project with settings; never in this repository's own."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(FLIGHTS, folder)
    with contextlib.chdir(folder):
        yield


@pytest.fixture
def without_network() -> list[str]:
    """What to put before a command so that it has no network at all."""
    command = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("a network namespace cannot be made here: run the tests on Linux, as root")
    return command


@pytest.fixture
def no_buckets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let nothing answer where buckets would be."""
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    s3fs.S3FileSystem.clear_instance_cache()  # what an earlier test has reached
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="session")
def starter_data() -> Path:
    """Six months of real flights, 3,000 of each."""
    return FLIGHTS / "data"
