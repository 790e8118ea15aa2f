"""Nothing is required of the predictions."""

from __future__ import annotations

from typing import Any

BEHAVIOURS: dict[str, Any] = {}
