"""Which of two models is better, and how sure is that?

Comparisons are paired, row by row: two models agree on most rows, and what they agree on
is not noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np

from slipway import stats
from slipway.stats import NORMAL

# Below this many rows of a class, DeLong's interval is not to be trusted.
ENOUGH = 50

# A difference steadier than this between two probabilities is rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Difference:
    """What the second model has more than the first, on the same rows.

    Parameters
    ----------
    value, se, low, high
        The difference, its standard error and its interval, in the metric's own unit.
    p_up, p_down
        One-sided p-values: small `p_up` speaks for a true difference above zero, small
        `p_down` for one below. Models that do not differ at all have 1 and 1.
    rows
        How many rows the difference was measured on.
    doubt
        Why the numbers must not decide anything, in words; empty when they may.
    """

    value: float
    se: float
    low: float
    high: float
    p_up: float
    p_down: float
    rows: int
    doubt: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def flipped(self) -> Difference:
        """Return the same difference seen from the other model."""
        return Difference(
            -self.value,
            self.se,
            -self.high,
            -self.low,
            self.p_down,
            self.p_up,
            self.rows,
            self.doubt,
        )


def auc(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, confidence: float = 0.95
) -> Difference:
    """Return the AUC of `second` less that of `first`, by the paired DeLong test.

    Notes
    -----
    se² = var(d of positives) / positives + var(d of negatives) / negatives, where d is how
    much larger a share of the other class the second model ranks the row right against.
    """
    positive = labels == 1
    few = min(int(positive.sum()), int((~positive).sum()))
    if few < 2:
        return _unknown(len(labels), "fewer than 2 rows of a class")
    gained = stats.placements(positive, second)
    gained -= stats.placements(positive, first)
    value, se = float(gained[positive].mean()), sqrt(stats.delong_variance(gained, positive))
    doubt = "" if few >= ENOUGH else f"fewer than {ENOUGH} rows of a class"
    return _difference(value, se, len(labels), confidence, doubt)


def mean(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> Difference:
    """Return the mean of `second` less that of `first`, per-row values of shape (rows,)."""
    if len(first) < 2:
        return _unknown(len(first), "fewer than 2 rows")
    gained = second - first
    value, se = float(gained.mean(dtype="float64")), stats.standard_error(gained)
    doubt = "" if len(first) >= ENOUGH else f"fewer than {ENOUGH} rows"
    return _difference(value, se, len(first), confidence, doubt)


def precision(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, confidence: float = 0.95
) -> Difference:
    """Return the precision of the decisions `second` less that of `first` (both boolean).

    Notes
    -----
    A ratio of two sums: its error is that of its linear approximation (delta method),
    taken row by row, so that it is paired too.
    """
    count = len(labels)
    if min(first.sum(), second.sum()) < ENOUGH:
        return _unknown(count, f"fewer than {ENOUGH} rows called positive")
    precise = [float(labels[decided].mean()) for decided in (first, second)]
    pulls = [
        np.where(decided, labels - share, 0) / decided.mean()
        for decided, share in zip((first, second), precise, strict=True)
    ]
    return _difference(
        precise[1] - precise[0], stats.standard_error(pulls[1] - pulls[0]), count, confidence
    )


def calibration_error(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    bins: int = 10,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Return the calibration error of `second` less that of `first`; see `calibration_error`."""
    if len(labels) < ENOUGH:
        return _unknown(len(labels), f"fewer than {ENOUGH} rows")
    before, after, drawn_before, drawn_after = stats.drawn_errors(
        stats.bins_of(first, bins),
        labels - first,
        stats.bins_of(second, bins),
        labels - second,
        seed,
    )
    se = float((drawn_after - drawn_before).std())
    return _difference(after - before, se, len(labels), confidence)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value that two models are right equally often.

    Parameters
    ----------
    only_first, only_second
        Rows that only the first, or only the second model gets right.
    """
    from scipy.special import bdtr

    flips = only_first + only_second
    if flips == 0:
        return 1.0
    tail = float(bdtr(min(only_first, only_second), flips, 0.5))
    return min(1.0, 2 * tail)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values (1979): the chance of any below alpha by luck is alpha."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    raised = np.minimum(1, np.maximum.accumulate(np.asarray(p_values)[order] * factors))
    adjusted = np.empty(len(p_values))
    adjusted[order] = raised
    return [float(value) for value in adjusted]


def rows_to_see(effect: float, se: float, rows: int, alpha: float, power: float = 0.8) -> int:
    """Return the rows at which a true difference of `effect` is seen with this power.

    Parameters
    ----------
    effect
        Distance of the true difference from the value it is tested against, above 0.
    se, rows
        The standard error that was measured, and the rows that it was measured on.
    """
    reach = NORMAL.inv_cdf(1 - alpha) + NORMAL.inv_cdf(power)
    return ceil(rows * (reach * se / effect) ** 2)


def _difference(
    value: float, se: float, rows: int, confidence: float, doubt: str = ""
) -> Difference:
    if se <= ROUNDING:
        steady = 0.0 if abs(value) <= ROUNDING else value
        return Difference(
            steady, 0.0, steady, steady, float(steady <= 0), float(steady >= 0), rows, doubt
        )
    reach, z = stats.quantile(confidence) * se, value / se
    return Difference(
        value, se, value - reach, value + reach, NORMAL.cdf(-z), NORMAL.cdf(z), rows, doubt
    )


def _unknown(rows: int, doubt: str) -> Difference:
    return Difference(0.0, 0.0, 0.0, 0.0, 1.0, 1.0, rows, doubt)
