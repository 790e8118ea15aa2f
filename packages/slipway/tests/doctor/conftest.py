from __future__ import annotations

from tests.workflows.conftest import api, github

__all__ = ["api", "github"]
