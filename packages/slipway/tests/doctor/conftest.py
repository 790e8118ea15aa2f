from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.services.projects import FLIGHTS
from tests.workflows.conftest import api, github

from slipway.settings import Params, read_params
from slipway.setup.doctor.finding import Finding
from slipway.setup.doctor.registry import CHECKS, Context, examine
from slipway.setup.doctor.run import MODULES

__all__ = ["api", "github"]

assert MODULES  # they have registered their checks

NOW = datetime(2026, 3, 20, tzinfo=UTC)


@pytest.fixture
def params() -> Params:
    return read_params(FLIGHTS / "params.yaml")


@pytest.fixture
def at(params: Params) -> Callable[[Path], Context]:
    """Return the context of a folder without a repository on GitHub."""
    return lambda root: Context(root, params, NOW, None)


def finding(name: str, context: Context) -> Finding:
    """Return what one check finds."""
    (found,) = examine(context, [each for each in CHECKS if each.id == name])
    return found
