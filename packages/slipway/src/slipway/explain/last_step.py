"""How a prediction follows from the raw value of its estimator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from slipway.explain.explanation import NotAdditive
from slipway.training.formats.choose import PARITY

if TYPE_CHECKING:
    from slipway.explain.explanation import LastStep

# Of raw values and predictions of the background rows, if the function between them is not read.
# The probability of one of several classes also depends on the others, so that it is not 1.
LEAST_RANK_CORRELATION = 0.8

Raws = Sequence[np.ndarray]
"""Raw values of each member of an ensemble, each of shape (rows, outputs)."""

Apply = Callable[[np.ndarray], np.ndarray]

UNITS: dict[LastStep, str] = {
    "logistic": "log-odds",
    "softmax": "score before the softmax",
    "exponential": "logarithm of the prediction",
    "calibration": "score before the calibration",
    "mean of members": "mean score of the members",
}


@dataclass(frozen=True)
class Link:
    """The last step of an estimator.

    Parameters
    ----------
    apply
        Raw values of the members to predictions, shape (rows, outputs); None of a calibration,
        whose function is not read: it is known to be monotone.
    scale
        By which differences of predictions are measured.
    """

    name: LastStep
    apply: Callable[[Raws], np.ndarray] | None
    scale: float = 1.0

    def differs(self, raws: Raws, predicted: np.ndarray) -> bool:
        """Return whether predictions are not those of raw values."""
        if self.apply is None:
            return False
        with np.errstate(over="ignore"):
            applied = self.apply(raws)
        return not _worst(applied, predicted) <= PARITY * self.scale


def link_of(raws: Raws, predicted: np.ndarray, *, classes: bool, calibrated: bool) -> Link:
    """Return the last step that gives these predictions from these raw values.

    Parameters
    ----------
    raws, predicted
        Of the background rows, shape (rows, outputs).
    classes
        Whether predictions are probabilities.
    calibrated
        Whether several members are the folds of a calibration. Otherwise the prediction has to be
        the mean of their predictions: a median or weights are no function of the mean raw value.

    Raises
    ------
    NotAdditive
        The predictions do not follow from the raw values.
    """
    scale = 1.0 if classes else float(predicted.std()) or 1.0
    raw, members = np.mean(raws, axis=0), len(raws)
    for name, apply in _applied(_functions(classes, raw.shape[1]), members):
        link = Link(name, apply, scale)
        if not link.differs(raws, predicted):
            return link
    one = members == 1 and raw.shape[1] == 1
    if one and _is_monotone(raw[:, 0], predicted[:, 0], PARITY * scale):
        return Link("calibration", None)
    lowest = min(map(_rank_correlation, _margins(raw).T, predicted.T))
    if not lowest >= LEAST_RANK_CORRELATION or (members > 1 and not calibrated):
        raise NotAdditive("the predictions do not follow from the trees or the linear model alone")
    return Link("calibration" if members == 1 else "mean of members", None)


def _applied(
    functions: dict[LastStep, Apply], members: int
) -> Iterator[tuple[LastStep, Callable[[Raws], np.ndarray]]]:
    """Yield each function of the mean raw value, and the mean of the function of each member."""
    for name, function in functions.items():
        yield name, partial(_of_mean, function)
    for function in functions.values() if members > 1 else ():
        yield "mean of members", partial(_mean_of, function)


def _of_mean(function: Apply, raws: Raws) -> np.ndarray:
    return function(np.mean(raws, axis=0))


def _mean_of(function: Apply, raws: Raws) -> np.ndarray:
    return np.asarray(np.mean([function(raw) for raw in raws], axis=0))


def _functions(classes: bool, outputs: int) -> dict[LastStep, Apply]:
    if not classes:
        return {"none": lambda raw: raw, "exponential": np.exp}
    if outputs == 1:
        return {"none": lambda raw: raw, "logistic": _logistic}
    return {"none": lambda raw: raw, "softmax": _softmax}


def _logistic(raw: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-np.logaddexp(0, -raw)))


def _softmax(raw: np.ndarray) -> np.ndarray:
    powers = np.exp(raw - raw.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _margins(raw: np.ndarray) -> np.ndarray:
    """Return by how much the score of a class exceeds the highest of the others."""
    if raw.shape[1] == 1:
        return raw
    highest = [np.delete(raw, at, axis=1).max(1) for at in range(raw.shape[1])]
    return np.asarray(raw - np.stack(highest, axis=1))


def _worst(one: np.ndarray, other: np.ndarray) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.abs(one - other).max())


def _is_monotone(raw: np.ndarray, predicted: np.ndarray, tolerance: float) -> bool:
    steps = np.diff(predicted[np.argsort(raw, kind="stable")])
    return bool((steps >= -tolerance).all())


def _rank_correlation(raw: np.ndarray, predicted: np.ndarray) -> float:
    """Return Spearman's correlation; 1 if the predictions of all rows are the same."""
    from scipy.stats import rankdata

    if np.ptp(predicted) == 0 or np.ptp(raw) == 0:
        return 1.0
    return float(np.corrcoef(rankdata(raw), rankdata(predicted))[0, 1])
