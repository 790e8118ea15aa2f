"""Are the rows whose label has come like the rows whose label has not?"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.drift.arrived import week_of
from slipway.stats import NORMAL

if TYPE_CHECKING:
    from slipway.drift.arrived import Arrived

# Chance that labelled rows like the rest are called unlike it.
ALPHA = 0.01

# A labelled row's score beats an unlabelled one's with chance 0.5; so much more or less matters.
MATTERS = 0.05


def selection(arrived: Arrived, spared: float) -> dict[str, Any]:
    """Compare the scores of labelled predictions with those of the others, within each week.

    Within a week, because the newest labels are always still to come: that alone makes them
    no other kind of row.

    Parameters
    ----------
    spared
        Share of rows that may lack a label without a word, as in the training data.

    Returns
    -------
    dict
        `status` (``nearly all labelled``, ``like the rest``, ``not like the rest``,
        ``cannot tell``), `higher` (chance that a labelled row has the higher score), `p_value`
        and `words`.

    Notes
    -----
    Van Elteren's test (1960): Wilcoxon's rank sums of the weeks, each weighted by 1 / (rows + 1).
    Scores in one cell count as ties.
    """
    if len(arrived.labelled.labels) >= (1 - spared) * arrived.rows:
        return _found("nearly all labelled")
    week = week_of(arrived.labelled.days)
    total, variance, pairs, won = 0.0, 0.0, 0.0, 0.0
    for first, counts in zip(arrived.weeks, arrived.counts, strict=True):
        known = np.minimum(arrived.in_cells(arrived.labelled.scores[week == first]), counts)
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
        return _found("cannot tell")
    p_value = 1.0 if variance <= 0 else 2 * (1 - NORMAL.cdf(abs(total) / sqrt(variance)))
    higher = won / pairs
    if p_value > ALPHA or abs(higher - 0.5) < MATTERS:
        return _found("like the rest", higher, p_value)
    way = "higher" if higher > 0.5 else "lower"
    return _found("not like the rest", higher, p_value) | {
        "words": f"the rows whose label came are not like the rest: their scores are {way} "
        f"(in {higher:.0%} of pairs the labelled one is higher), so the metrics are theirs alone"
    }


def _found(
    status: str, higher: float | None = None, p_value: float | None = None
) -> dict[str, Any]:
    return {"status": status, "higher": higher, "p_value": p_value, "words": ""}
