"""What every test may use, and the rule that CI skips nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator
from typing import Any

import pytest

pytest_plugins = ["tests.services.servers"]

IN_CI = os.environ.get("CI") == "true"


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


@pytest.fixture
def without_network() -> list[str]:
    """What to put before a command so that it has no network at all."""
    command = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("a network namespace cannot be made here: run the tests on Linux, as root")
    return command
