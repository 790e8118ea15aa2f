"""The choice of a format: the first one that predicts what the fitted estimator predicts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.dataset.tables import row_count, take
from slipway.errors import SlipwayError, first_line
from slipway.training.formats.format import (
    Exported,
    Format,
    NotExported,
    Predict,
    Types,
    predictions,
)
from slipway.training.formats.registry import FORMATS
from slipway.training.formats.remedies import remedies
from slipway.user_code import user_code

if TYPE_CHECKING:
    from slipway.project import Columns

# A file may compute in float32, the estimator computes in float64: they differ by about 2e-7.
PARITY = 1e-5

# Training rows that both predict, and further ones with a missing value.
COMPARED_ROWS, MISSING_ROWS = 20_000, 5_000

# Rows with values that are in no training row.
UNSEEN_ROWS, UNSEEN = 100, "(a value that no row has)"

TIMED_ROWS, TIMED_SECONDS = 100, 1.0

ESTIMATOR = "the estimator of src/model/estimator.py"


@dataclass(frozen=True)
class Rejected:
    """A format that does not hold an estimator: why, and what would change that."""

    format: Format
    reason: str
    remedies: list[str]


@dataclass(frozen=True)
class Choice:
    """A fitted estimator as a file.

    Attributes
    ----------
    rejected
        The formats that were tried before.
    row_ms
        Median time to predict one row, in milliseconds.
    """

    format: Format
    exported: Exported
    predict: Predict
    rejected: list[Rejected]
    row_ms: float


Expected = Sequence[tuple["Columns", np.ndarray]]
"""Rows of features, and what the estimator predicts for them."""


def choose(fitted: Any, features: Columns, types: Types) -> Choice:
    """Return an estimator in the first format that has its predictions.

    Raises
    ------
    SlipwayError
        No format has them, or it is a classifier without probabilities.
    """
    _require_probabilities(fitted)
    expected = expected_predictions(fitted, features, types)
    rejected: list[Rejected] = []
    for each in FORMATS.values():
        try:
            exported = each.export(fitted, types)
            predict = each.load(exported.content, types, exported.types)
            check_parity(predict, expected)
        except (NotExported, SlipwayError) as error:
            found = [error.do] if isinstance(error, NotExported) and error.do else []
            advice = found or remedies(fitted, missing=bool(_missing(features).any()))
            rejected.append(Rejected(each, str(error), advice))
        else:
            return Choice(each, exported, predict, rejected, row_ms(predict, expected[0][0]))
    raise SlipwayError(
        f"{ESTIMATOR} cannot be written: "
        + "; ".join(f"as {each.format.name}, {each.reason}" for each in rejected),
        "; ".join(dict.fromkeys(text for each in rejected for text in each.remedies))
        or "use another estimator (docs/model.md#estimators has a table)",
    )


def expected_predictions(fitted: Any, features: Columns, types: Types) -> Expected:
    """Return rows on which files are compared with an estimator, and its predictions for them.

    These are training rows, evenly spaced, more of those with a missing value, and, if the
    estimator takes them, rows with an unknown value in each category.
    """
    rows = take(features, _sampled(features))
    with user_code(f"{ESTIMATOR} cannot predict the rows that it was fitted on"):
        expected = [(rows, predictions(fitted, _frame(rows)))]
    some = take(rows, slice(0, UNSEEN_ROWS))
    count = row_count(some)
    unseen = {name: np.full(count, UNSEEN, object) for name in types if types[name] == "category"}
    if unseen:
        unknown = {name: unseen.get(name, values) for name, values in some.items()}
        with suppress(Exception):  # raised by one that takes known values only
            expected.append((unknown, predictions(fitted, _frame(unknown))))
    return expected


def check_parity(predict: Predict, expected: Expected) -> None:
    """Refuse a file whose predictions differ from those of its estimator by more than `PARITY`.

    Differences of values are relative to the standard deviation of the estimator's predictions.

    Raises
    ------
    NotExported
        Names the largest difference, or why there is no prediction.
    """
    first = expected[0][1]
    scale = 1.0 if first.ndim > 1 else float(first.std()) or 1.0
    try:
        worst = max(_difference(predict(rows), values) for rows, values in expected) / scale
    except Exception as error:
        raise NotExported(f"the file cannot predict: {first_line(error)}") from error
    if not worst <= PARITY:
        unit = "" if first.ndim > 1 else " standard deviations"
        raise NotExported(
            f"its predictions differ from the estimator's by up to {worst:.2g}{unit} "
            f"(allowed: {PARITY:g})"
        )


def row_ms(predict: Predict, rows: Columns) -> float:
    """Return the median time to predict one row, in milliseconds."""
    times: list[float] = []
    for number in range(min(TIMED_ROWS, row_count(rows))):
        if sum(times) > TIMED_SECONDS * 1000:
            break
        row = take(rows, slice(number, number + 1))
        start = perf_counter()
        predict(row)
        times.append((perf_counter() - start) * 1000)
    return median(times)


def _require_probabilities(fitted: Any) -> None:
    # A fitted classifier has classes; the regressor of CatBoost has none of them.
    if len(getattr(fitted, "classes_", ())) and not hasattr(fitted, "predict_proba"):
        raise SlipwayError(
            f"{ESTIMATOR} is a classifier without `predict_proba`, and predictions are "
            "probabilities",
            "put it into a CalibratedClassifierCV, or set voting='soft' in a VotingClassifier",
        )


def _sampled(features: Columns) -> np.ndarray:
    """Return the numbers of the rows to compare."""
    every, missing = np.arange(row_count(features)), np.flatnonzero(_missing(features))
    spaced = every[:: max(1, len(every) // COMPARED_ROWS)]
    return np.union1d(spaced, missing[:: max(1, len(missing) // MISSING_ROWS)])


def _missing(features: Columns) -> np.ndarray:
    """Return which rows have a missing value."""
    found = np.zeros(row_count(features), bool)
    for values in features.values():
        found |= np.isnan(values) if values.dtype.kind == "f" else values == ""
    return found


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference; infinite for another shape or a missing prediction."""
    if found.shape != expected.shape:
        return np.inf
    worst = np.abs(found - expected).max()
    return np.inf if np.isnan(worst) else float(worst)


def _frame(rows: Columns) -> Any:
    import pandas as pd

    return pd.DataFrame(dict(rows))
