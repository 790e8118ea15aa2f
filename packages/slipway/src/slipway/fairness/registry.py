"""What is measured of protected groups: rates of each group, and disparities between groups.

A new rate is one entry of `RATES`, a new disparity one of `DISPARITIES`; evaluation, comparison,
monitoring, reports and settings read these tables. Definitions and names are those of fairlearn,
where it has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from slipway.metrics.influence import Influence, mean_among
from slipway.metrics.registry import BINARY, MULTICLASS, QUANTILE, REGRESSION
from slipway.numbers import plain
from slipway.tasks.predictions import Predictions

Values = Callable[[np.ndarray, Predictions], np.ndarray]


@dataclass(frozen=True)
class Rate:
    """A mean of per-row values over rows of a group.

    Attributes
    ----------
    values
        From labels and predictions to the value of each row, shape (rows,).
    among
        From labels to the rows that count; None: all.
    rows_name
        What the rows that count are called.
    needs_labels
        Whether it is known only after the label is.
    is_share
        Whether it is a share of rows, whose interval is Wilson's.
    in_label_units
        Whether its unit is that of the labels.
    is_watched
        Whether the drift check watches it.
    """

    key: str
    label: str
    values: Values
    tasks: tuple[str, ...]
    among: Callable[[np.ndarray], np.ndarray] | None = None
    rows_name: str = "rows"
    needs_labels: bool = True
    is_share: bool = True
    in_label_units: bool = False
    is_watched: bool = True
    smallest: float = 0.0
    largest: float = 1.0

    def counts(self, labels: np.ndarray) -> np.ndarray:
        """Return the rows that count, shape (rows,), bool."""
        return np.ones(len(labels), bool) if self.among is None else self.among(labels)

    def influence(self, labels: np.ndarray, model: Predictions) -> Influence:
        return mean_among(self.values(labels, model), self.counts(labels), self.rows_name)

    def shown(self, value: float) -> str:
        """Return a value as a text."""
        if self.in_label_units:
            return plain(value, 4)
        return f"{value:.1%}" if self.is_share else f"{100 * value:+.1f} points"


@dataclass(frozen=True)
class Disparity:
    """A distance between the groups of rows that differ most in some rates.

    Attributes
    ----------
    rates
        Keys of `RATES`; the largest disparity of them counts.
    is_ratio
        Whether it is the smallest rate over the largest, so that 1 is equal; else the difference,
        so that 0 is.
    """

    key: str
    label: str
    rates: tuple[str, ...]
    is_ratio: bool = False

    @property
    def largest(self) -> float:
        """The largest value that a limit may have."""
        return 1.0 if self.is_ratio or all(RATES[key].is_share for key in self.rates) else math.inf

    def tasks(self) -> set[str]:
        """Return the tasks that have each of its rates."""
        return set.intersection(*(set(RATES[key].tasks) for key in self.rates))

    def shown(self, value: float) -> str:
        """Return a value as a text."""
        return plain(value, 4 if RATES[self.rates[0]].in_label_units else 3)

    def beyond(self, limit: float) -> str:
        """Return the limit as a part of a sentence."""
        return f"{'below' if self.is_ratio else 'above'} {limit:g}"


def _decided(_labels: np.ndarray, model: Predictions) -> np.ndarray:
    return model.decisions


def _right(labels: np.ndarray, model: Predictions) -> np.ndarray:
    return np.asarray(model.decisions == labels)


def _wrong(labels: np.ndarray, model: Predictions) -> np.ndarray:
    return np.asarray(model.decisions != labels)


def _error(labels: np.ndarray, model: Predictions) -> np.ndarray:
    return np.asarray(model.scores - labels)


def _size(labels: np.ndarray, model: Predictions) -> np.ndarray:
    return np.abs(model.scores - labels)


def _covered(labels: np.ndarray, model: Predictions) -> np.ndarray:
    return np.asarray(labels <= model.scores)


def _positive(labels: np.ndarray) -> np.ndarray:
    return np.asarray(labels == 1)


def _negative(labels: np.ndarray) -> np.ndarray:
    return np.asarray(labels == 0)


SELECTION = "selection_rate"

_RATES = (
    Rate(SELECTION, "selection rate", _decided, (BINARY,), needs_labels=False),
    Rate(
        "true_positive_rate",
        "true positive rate",
        _right,
        (BINARY,),
        _positive,
        "positive rows",
        is_watched=False,  # it is 1 less the next one
    ),
    Rate(
        "false_negative_rate", "false negative rate", _wrong, (BINARY,), _positive, "positive rows"
    ),
    Rate(
        "false_positive_rate", "false positive rate", _wrong, (BINARY,), _negative, "negative rows"
    ),
    Rate(
        "calibration",
        "mean score less label rate",
        _error,
        (BINARY,),
        is_share=False,
        smallest=-1.0,
    ),
    Rate("accuracy", "accuracy", _right, (MULTICLASS,)),
    Rate("error_rate", "error rate", _wrong, (MULTICLASS,), is_watched=False),
    Rate(
        "mean_error",
        "mean error",
        _error,
        (REGRESSION,),
        is_share=False,
        in_label_units=True,
        smallest=-math.inf,
        largest=math.inf,
    ),
    Rate(
        "mean_absolute_error",
        "mean absolute error",
        _size,
        (REGRESSION,),
        is_share=False,
        in_label_units=True,
        largest=math.inf,
    ),
    Rate("coverage", "coverage", _covered, (QUANTILE,)),
)

RATES: dict[str, Rate] = {rate.key: rate for rate in _RATES}

_DISPARITIES = (
    Disparity("demographic_parity_difference", "demographic parity difference", (SELECTION,)),
    Disparity("demographic_parity_ratio", "demographic parity ratio", (SELECTION,), is_ratio=True),
    Disparity(
        "equalized_odds_difference",
        "equalized odds difference",
        ("true_positive_rate", "false_positive_rate"),
    ),
    Disparity(
        "equal_opportunity_difference", "equal opportunity difference", ("true_positive_rate",)
    ),
    Disparity("calibration_difference", "difference in calibration", ("calibration",)),
    Disparity("accuracy_difference", "difference in accuracy", ("accuracy",)),
    Disparity("mean_error_difference", "difference in mean error", ("mean_error",)),
    Disparity(
        "mean_absolute_error_difference",
        "difference in mean absolute error",
        ("mean_absolute_error",),
    ),
    Disparity("coverage_difference", "difference in coverage", ("coverage",)),
)

DISPARITIES: dict[str, Disparity] = {each.key: each for each in _DISPARITIES}


def rates_of(task: str, classes: Sequence[object]) -> dict[str, list[Rate]]:
    """Return the rates of a task by key: one for each key, but of classes one for each class."""
    rates = {key: [rate] for key, rate in RATES.items() if task in rate.tasks}
    if task == MULTICLASS:
        rates = {SELECTION: list(_selection_of(classes))} | rates
    return rates


def _selection_of(classes: Sequence[object]) -> Iterator[Rate]:
    """Yield the selection rate of each class."""
    for code, name in enumerate(classes):
        yield Rate(
            f"{SELECTION}[{name}]",
            f"selection rate of {name}",
            partial(_decided_class, code),
            (MULTICLASS,),
            needs_labels=False,
        )


def _decided_class(code: int, _labels: np.ndarray, model: Predictions) -> np.ndarray:
    return np.asarray(model.decisions == code)


def disparities_of(task: str) -> list[Disparity]:
    """Return the disparities of a task."""
    found = []
    for each in _DISPARITIES:
        of_classes = task == MULTICLASS and each.rates == (SELECTION,)
        if of_classes or task in each.tasks():
            found.append(each)
    return found
