"""The profile of a column: counts by value or bin, stored in the model's manifest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal, NotRequired

import numpy as np
from pydantic import Field
from typing_extensions import TypedDict  # pydantic needs it below Python 3.12

if TYPE_CHECKING:
    from slipway.project import Columns


class CategoryProfile(TypedDict):
    """The counts of a category, by value."""

    type: Literal["category"]
    rows: int
    missing: int
    counts: dict[str, int]


class NumberProfile(TypedDict):
    """The counts of a number, by the bins between `edges`, and its moments."""

    type: Literal["number"]
    rows: int
    missing: int
    edges: list[float]
    counts: list[int]
    mean: float
    sd: NotRequired[float]
    min: float
    max: float


Profile = Annotated[CategoryProfile | NumberProfile, Field(discriminator="type")]


def number_profile(profile: Profile) -> NumberProfile:
    """Return the profile of a number; raises TypeError for a category."""
    if profile["type"] != "number":
        raise TypeError("a category has no bins")
    return profile


SCORE = "score"
DECIDED = "decided class"

PREDICTED = (SCORE, DECIDED)
"""The series that are not inputs: the watched number, and the class that was decided."""

INPUT = "input:"
"""What the series of an input begins with whose column has a name of the predictions."""

OF_PREDICTIONS = re.compile(rf"label|{SCORE}(_\d+)?|{DECIDED}|{INPUT}.*", re.DOTALL)

BINS = 20

# Of a category. A column of text with more is not monitored: most of its values are never repeated.
MOST_VALUES = 1000

# Significant digits of a mean: a large one with a small spread, such as a year, needs more than 6.
MOMENT_DIGITS = 9


def series_name(column: str) -> str:
    """Return the name of the series of an input, which no prediction and no other input has."""
    return f"{INPUT}{column}" if OF_PREDICTIONS.fullmatch(column) else column


def profile_columns(columns: Columns) -> dict[str, Profile]:
    """Return the profile of every column: text by value, numbers by quantile bins."""
    return {name: profile(values) for name, values in columns.items()}


def profile(values: np.ndarray) -> Profile:
    """Return the profile of one column, shape (rows,)."""
    return _of_text(values) if values.dtype.kind in "OU" else _of_numbers(values)


def bin_numbers(values: np.ndarray, edges: list[float]) -> np.ndarray:
    """Return the bin of each number, shape (rows,): how many edges lie below it; 0 if missing.

    A pass for each edge is ten times faster than a search for each number.
    """
    # JSON has the shortest decimal of a float32.
    numbers = values.astype("float32", copy=False)
    bins = np.zeros(len(numbers), dtype="int16")
    for edge in np.asarray(edges, dtype="float32"):
        bins += numbers > edge
    return bins


def _of_text(values: np.ndarray) -> CategoryProfile:
    present = values[values != None]  # noqa: E711
    names, counts = np.unique(present.astype(str), return_counts=True)
    return {
        "type": "category",
        "rows": len(values),
        "missing": len(values) - len(present),
        "counts": {str(name): int(count) for name, count in zip(names, counts, strict=True)},
    }


def _of_numbers(values: np.ndarray) -> NumberProfile:
    present = values[~np.isnan(values)].astype("float64")
    missing = len(values) - len(present)
    if not len(present):
        return NumberProfile(
            type="number",
            rows=len(values),
            missing=missing,
            edges=[],
            counts=[0],
            mean=0,
            sd=0,
            min=0,
            max=0,
        )
    edges = np.unique(np.quantile(present, np.arange(1, BINS) / BINS, method="inverted_cdf"))
    counts = np.bincount(np.searchsorted(edges, present, side="left"), minlength=len(edges) + 1)
    return NumberProfile(
        type="number",
        rows=len(values),
        missing=missing,
        edges=edges.tolist(),
        counts=counts.tolist(),
        mean=float(f"{present.mean():.{MOMENT_DIGITS}g}"),
        sd=float(f"{present.std():.{MOMENT_DIGITS}g}"),
        min=float(present.min()),
        max=float(present.max()),
    )
