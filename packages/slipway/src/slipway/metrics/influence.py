"""Metrics as a value and the pull of every row on it.

The pull of a row is what it adds to the error of the value: its influence function, divided by the
number of rows. The pulls of all rows sum to 0. Variances, intervals, paired differences and slices
follow from them in `slipway.metrics.inference`.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np

from slipway.metrics.stats import placements

# With fewer rows of a class the normal approximation is unreliable.
ENOUGH = 50

# With fewer rows the variance does not exist.
FEWEST = 2


class Influence(NamedTuple):
    """A metric on some rows.

    Attributes
    ----------
    value
        None if the metric does not exist for these rows.
    pull
        Shape (rows,), float64; the sum is 0.
    support
        Number of rows that the value rests on, such as those of the rarer class.
    support_name
        What these rows are called.
    """

    value: float | None
    pull: np.ndarray
    support: int
    support_name: str

    @property
    def has_spread(self) -> bool:
        """Whether there are enough rows for a standard error."""
        return self.value is not None and self.support >= FEWEST

    @property
    def insufficient_reason(self) -> str:
        """Why the value must not decide anything; empty if it may."""
        if self.has_spread and self.support >= ENOUGH:
            return ""
        return f"fewer than {ENOUGH if self.has_spread else FEWEST} {self.support_name}"


def mean(losses: np.ndarray) -> Influence:
    """Return the mean of per-row values, shape (rows,)."""
    count = len(losses)
    if not count:
        return _unknown(0, 0, "rows")
    value = float(losses.mean(dtype="float64"))
    if count < FEWEST:
        return Influence(value, np.zeros(count), count, "rows")
    pull = np.subtract(losses, value, dtype="float64")
    pull *= _share_of_a_row(count)
    return Influence(value, pull, count, "rows")


def auc(labels: np.ndarray, scores: np.ndarray) -> Influence:
    """Return the area under the ROC curve; ties count half.

    Notes
    -----
    A row pulls by its placement, the share of the other class that it is ranked correctly
    against (DeLong, DeLong and Clarke-Pearson 1988; in clusters: Obuchowski 1997).
    """
    positive = labels == 1
    few = min(int(positive.sum()), int((~positive).sum()))
    if not few:
        return _unknown(len(labels), few, "rows of a class")
    placed = placements(positive, scores)
    value = float(placed[positive].mean())
    if few < FEWEST:
        return Influence(value, np.zeros(len(labels)), few, "rows of a class")
    placed -= value
    of_class = [_share_of_a_row(int(rows.sum())) for rows in (~positive, positive)]
    placed *= np.array(of_class)[positive.view("int8")]
    return Influence(value, placed, few, "rows of a class")


def root_mean_square(errors: np.ndarray) -> Influence:
    """Return the root of the mean square of per-row errors, shape (rows,) (delta method)."""
    square = mean(np.square(errors, dtype="float64"))
    if square.value is None or not square.value:
        return square
    root = sqrt(square.value)
    return square._replace(value=root, pull=square.pull / (2 * root))


def distance_from_zero(errors: np.ndarray) -> Influence:
    """Return the absolute value of the mean of per-row errors, shape (rows,)."""
    found = mean(errors)
    if found.value is None or found.value >= 0:
        return found
    return found._replace(value=-found.value, pull=-found.pull)


def r2(labels: np.ndarray, scores: np.ndarray) -> Influence:
    """Return the share of the labels' variance that is explained: 1 - mean square error / variance.

    A ratio of two means, by its linear approximation (delta method).
    """
    square = mean(np.square(labels - scores, dtype="float64"))
    center = labels.mean(dtype="float64") if len(labels) else 0.0
    variance = mean(np.square(labels - center, dtype="float64"))
    if square.value is None or not variance.value:
        return _unknown(len(labels), 0, "rows with different labels")
    ratio = square.value / variance.value
    return square._replace(
        value=1 - ratio, pull=(ratio * variance.pull - square.pull) / variance.value
    )


def macro_f1(labels: np.ndarray, decisions: np.ndarray) -> Influence:
    """Return the mean of F1 over the classes that are labels or decisions.

    F1 of a class is 2 x hits / (rows of the class + rows decided so), a ratio of two sums, by its
    linear approximation (delta method).
    """
    rows = len(labels)
    found = np.union1d(labels, decisions)
    if rows < FEWEST:
        return _unknown(rows, rows, "rows")
    value, pull = 0.0, np.zeros(rows)
    for each in found:
        is_label, is_decision = labels == each, decisions == each
        total = int(is_label.sum()) + int(is_decision.sum())
        f1 = 2 * int((is_label & is_decision).sum()) / total
        value += f1 / len(found)
        parts = 2.0 * (is_label & is_decision) - f1 * is_label - f1 * is_decision
        pull += parts / total / len(found)
    return Influence(value, pull * sqrt(rows / (rows - 1)), rows, "rows")


def macro_auc(labels: np.ndarray, scores: np.ndarray) -> Influence:
    """Return the mean over the classes of the AUC of a class against all others.

    Parameters
    ----------
    labels, scores
        Codes of classes, shape (rows,), and probabilities, shape (rows, classes). A class
        without a row is left out.
    """
    found = [int(each) for each in np.unique(labels)]
    parts = [auc((labels == each).astype("float64"), scores[:, each]) for each in found]
    if len(found) < 2:
        return _unknown(len(labels), 0, "rows of a class")
    value = float(np.mean([part.value for part in parts]))
    pull = np.mean([part.pull for part in parts], axis=0)
    return Influence(value, pull, min(part.support for part in parts), "rows of a class")


def average_precision(labels: np.ndarray, scores: np.ndarray) -> Influence:
    """Return the mean over the positive rows of the precision at their score; ties are one step.

    Notes
    -----
    With A(s) = P(Y=1, S≥s), B(s) = P(S≥s) and p = P(Y=1), the value is E[Y A(S) / B(S)] / p. A row
    pulls by Y (A/B)(s) - Y value + Y C(s) - D(s), divided by p, where C(s) = E[Y' 1(S'≤s) / B(S')]
    and D(s) = E[Y' 1(S'≤s) A(S') / B(S')²]: a row is counted in the precision of all rows below it.
    """
    positive = labels == 1
    rows, support = len(labels), int(positive.sum())
    few = min(support, rows - support)
    if not support:
        return _unknown(rows, 0, "rows of a class")
    _, step = np.unique(scores, return_inverse=True)
    hits = np.bincount(step, weights=positive)
    chosen = np.cumsum(np.bincount(step)[::-1])[::-1]
    precisions = np.cumsum(hits[::-1])[::-1] / chosen
    value = float(hits @ precisions) / support
    if few < FEWEST:
        return Influence(value, np.zeros(rows), few, "rows of a class")
    gains = np.cumsum(hits / chosen)
    costs = np.cumsum(hits * precisions / chosen)
    pull = np.where(positive, (precisions - value + gains)[step], 0.0)
    pull -= costs[step]
    pull *= sqrt(rows / (rows - 1)) / support
    return Influence(value, pull, few, "rows of a class")


# Rows around a threshold, of those above it, that show the precision at it.
NEAR, FEWEST_NEAR = 0.2, 50


def recall_at_precision(labels: np.ndarray, scores: np.ndarray, level: float) -> Influence:
    """Return the largest recall of a threshold whose precision is `level` or more; 0 if none is.

    Notes
    -----
    With A(s) = P(Y=1, S≥s), B(s) = P(S≥s) and p = P(Y=1), the threshold t solves A(t) = level B(t)
    and the value is A(t) / p. By implicit differentiation a row pulls by
    1(S≥t) (Y - c (Y - level)) - Y value, divided by p, where c = q / (q - level) and
    q = P(Y=1 | S=t) is the share of positive rows among those with scores near t.
    """
    positive = labels == 1
    rows, support = len(labels), int(positive.sum())
    if not support:
        return _unknown(rows, 0, "positive rows")
    values, step = np.unique(scores, return_inverse=True)
    hits = np.cumsum(np.bincount(step, weights=positive)[::-1])[::-1]
    chosen = np.cumsum(np.bincount(step)[::-1])[::-1]
    reached = np.flatnonzero(hits >= level * chosen)
    if not len(reached) or chosen[reached[0]] < FEWEST:
        value = float(hits[reached[0]]) / support if len(reached) else 0.0
        return Influence(value, np.zeros(rows), 0, "rows at that precision")
    first = reached[0]
    value, count = float(hits[first]) / support, int(chosen[first])
    near = _near(scores, float(values[first]), max(FEWEST_NEAR, round(NEAR * count)))
    share = min(float(positive[near].mean()), level * 0.98)
    slope = share / (share - level)
    pull = np.where(step >= first, positive - slope * (positive - level), 0.0) - positive * value
    pull -= pull.mean()
    pull *= sqrt(rows / (rows - 1)) / support
    return Influence(value, pull, min(support, count), "rows called positive")


def _near(scores: np.ndarray, threshold: float, count: int) -> np.ndarray:
    """Return the positions of the rows next to a threshold in the order of scores."""
    order = np.argsort(scores, kind="stable")
    middle = int(np.searchsorted(scores[order], threshold))
    return order[max(0, middle - count // 2) : middle + count // 2]


def precision(labels: np.ndarray, decisions: np.ndarray) -> Influence:
    """Return the share of positive labels among the rows that are decided positive.

    Notes
    -----
    A ratio of two sums, by its linear approximation (delta method).
    """
    count, chosen = len(labels), int(decisions.sum())
    if not chosen:
        return _unknown(count, chosen, "rows called positive")
    value = float(labels[decisions].mean(dtype="float64"))
    if chosen < FEWEST:
        return Influence(value, np.zeros(count), chosen, "rows called positive")
    pull = np.subtract(labels, value, dtype="float64")
    pull *= decisions
    pull *= sqrt(count / (count - 1)) / chosen
    return Influence(value, pull, chosen, "rows called positive")


def recall(labels: np.ndarray, decisions: np.ndarray) -> Influence:
    """Return the share of the positive rows that are decided positive."""
    return mean_among(decisions, labels == 1, "positive rows")


def mean_among(values: np.ndarray, among: np.ndarray, name: str) -> Influence:
    """Return the mean of per-row values over some of the rows.

    Parameters
    ----------
    values, among
        Shape (rows,); `among` marks the rows that count.
    name
        What these rows are called.
    """
    count = int(among.sum())
    if not count:
        return _unknown(len(values), count, name)
    value = float(values[among].sum(dtype="float64")) / count
    if count < FEWEST:
        return Influence(value, np.zeros(len(values)), count, name)
    pull = np.subtract(values, value, dtype="float64")
    pull *= among
    pull *= _share_of_a_row(count)
    return Influence(value, pull, count, name)


def _share_of_a_row(count: int) -> float:
    """Return 1 / count, with the finite-sample factor of independent rows, √(n / (n - 1))."""
    return sqrt(1 / (count * (count - 1)))


def _unknown(rows: int, support: int, name: str) -> Influence:
    return Influence(None, np.zeros(rows), support, name)
