"""Label selection bias: whether labelled rows have other scores than those without a label."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from slipway.metrics.stats import NORMAL
from slipway.monitoring.labelled import week_of
from slipway.monitoring.report import Selection

if TYPE_CHECKING:
    from slipway.monitoring.labelled import WeeklyPredictions

# Probability of a warning without selection bias.
ALPHA = 0.01

# Smallest difference from 0.5 of the probability that a labelled row has the higher score.
MATTERS = 0.05


def selection_bias(predictions: WeeklyPredictions, tolerated: float) -> Selection:
    """Compare the scores of labelled predictions with those of the others, within each week.

    Across weeks they always differ, because the newest labels have not predictions.

    Parameters
    ----------
    tolerated
        Share of rows that may lack a label without a test, as in the training data.

    Notes
    -----
    Van Elteren's test (1960): Wilcoxon's rank sums of the weeks, each weighted by 1 / (rows + 1).
    Scores in one cell count as ties.
    """
    if len(predictions.labelled.labels) >= (1 - tolerated) * predictions.rows:
        return _selection("nearly all labelled")
    week = week_of(predictions.labelled.days)
    total, variance, pairs, won = 0.0, 0.0, 0.0, 0.0
    for first, counts in zip(predictions.weeks, predictions.counts, strict=True):
        known = np.minimum(
            predictions.in_cells(predictions.labelled.watched[week == first]), counts
        )
        other = counts - known
        n, m = float(known.sum()), float(other.sum())
        if min(n, m) < 1:
            continue
        below = np.cumsum(other) - other / 2
        wins = float((known * below).sum())
        ties = float((counts.astype(float) ** 3 - counts).sum())
        spread = n * m / 12 * ((n + m + 1) - ties / max((n + m) * (n + m - 1), 1))
        total += (wins - n * m / 2) / (n + m + 1)
        variance += spread / (n + m + 1) ** 2
        pairs, won = pairs + n * m, won + wins
    if pairs == 0:
        return _selection("inconclusive")
    p_value = 1.0 if variance <= 0 else 2 * (1 - NORMAL.cdf(abs(total) / sqrt(variance)))
    higher = won / pairs
    if p_value > ALPHA or abs(higher - 0.5) < MATTERS:
        return _selection("like the rest", higher, p_value)
    way = "higher" if higher > 0.5 else "lower"
    words = (
        f"the labelled rows are not like the rest: their scores are {way} (in {higher:.0%} of "
        "pairs the labelled row has the higher score), so the metrics describe these rows only"
    )
    return _selection("not like the rest", higher, p_value, words)


def _selection(
    status: Literal["nearly all labelled", "like the rest", "not like the rest", "inconclusive"],
    higher: float | None = None,
    p_value: float | None = None,
    words: str = "",
) -> Selection:
    return Selection(status=status, higher=higher, p_value=p_value, words=words)
