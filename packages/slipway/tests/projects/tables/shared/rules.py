"""No checks across columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Rule = Callable[[Mapping[str, Any]], Any]

RULES: dict[str, Rule] = {}
