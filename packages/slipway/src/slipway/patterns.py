r"""Patterns of the schema end where the text ends: in them, `$` means `\Z`.

In Python `$` also matches before a line break at the end, so `[A-Z]{3}$` would let "EWR\n" pass.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandera.pandas import Check, DataFrameSchema

CHECKS = ("str_matches", "str_contains")

OPTIONS = (
    "error",
    "name",
    "ignore_na",
    "raise_warning",
    "n_failure_cases",
    "title",
    "description",
    "element_wise",
    "groupby",
)

TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$|.", re.DOTALL)
"""An escape, a whole character class, or one character."""

MULTILINE = re.compile(r"\(\?[aiLsux]*m[aiLmsux]*(?:-[imsx]+)?[:)]")


def end_at_the_end(pattern: str) -> str:
    r"""Return a pattern whose `$` matches at the end of the text only, as `\Z` does.

    One that asks for lines, with the flag ``m``, is left as it is.
    """
    if "$" not in pattern or MULTILINE.search(pattern):
        return pattern
    return TOKEN.sub(lambda token: r"\Z" if token[0] == "$" else token[0], pattern)


def with_true_ends(schema: DataFrameSchema) -> DataFrameSchema:
    """Return a schema with the patterns of its columns as `end_at_the_end` makes them."""
    if not any(_changes(check) for column in schema.columns.values() for check in column.checks):
        return schema
    other = copy.copy(schema)
    other.columns = {name: _column(column) for name, column in schema.columns.items()}
    return other


def _column(column: Any) -> Any:
    other = copy.copy(column)
    other.checks = [_check(check) if _changes(check) else check for check in column.checks]
    return other


def _changes(check: Check) -> bool:
    pattern = _pattern(check)
    return pattern is not None and _ended(pattern) != pattern


def _pattern(check: Check) -> str | re.Pattern[str] | None:
    if getattr(check, "registry_name", None) not in CHECKS:
        return None
    pattern = (check.statistics or {}).get("pattern")
    return pattern if isinstance(pattern, (str, re.Pattern)) else None


def _ended(pattern: str | re.Pattern[str]) -> str | re.Pattern[str]:
    if isinstance(pattern, str):
        return end_at_the_end(pattern)
    if pattern.flags & re.MULTILINE:
        return pattern
    return re.compile(end_at_the_end(pattern.pattern), pattern.flags)


def _check(check: Any) -> Check:
    from pandera.pandas import Check

    options = {name: getattr(check, name) for name in OPTIONS}
    make = getattr(Check, check.registry_name)
    return make(_ended(check.statistics["pattern"]), **options)
