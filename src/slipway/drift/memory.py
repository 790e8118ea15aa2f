"""What the holdout says of labelled rows: how its scores are calibrated, and how restless days are.

Both come from rows that the model never learned from. Everything here is about *shifts*: means
of per-row values that are zero on the holdout, so that what is not zero later has moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from slipway import stats

# Scores are taken to lie this far from 0 and 1, so that a logarithm of them is one of a number.
EDGE = 1e-6

# A day with fewer labelled rows says nothing about how restless days are.
FEWEST_ROWS = 20

# Days that follow each other are never taken to be more alike than this.
MOST_ALIKE = 0.7


@dataclass(frozen=True)
class Calibration:
    """From the model's score to the share of positives that the holdout had at such scores.

    Parameters
    ----------
    weights
        Of ln s, -ln(1 - s) and 1, shape (3,).
    covariance
        Of the weights, shape (3, 3); zero where the scores are taken as they are.

    Notes
    -----
    Beta calibration (Kull, Silva Filho and Flach 2017): a logistic regression on ln s and
    ln(1 - s). On the holdout the label rate, and the log loss, then are exactly as expected.
    """

    weights: np.ndarray
    covariance: np.ndarray

    @classmethod
    def fit(cls, labels: np.ndarray, scores: np.ndarray) -> Calibration:
        """Learn from labelled rows, each array of shape (rows,), both labels among them."""
        from sklearn.linear_model import LogisticRegression

        table = _table(scores)
        # Next to no penalty: it only decides where the rows do not.
        fitted = LogisticRegression(C=1e4, solver="newton-cholesky", tol=1e-8, fit_intercept=False)
        weights = fitted.fit(table, labels).coef_[0]
        expected = _sigmoid(table @ weights)
        bend = (table * (expected * (1 - expected))[:, None]).T @ table + np.eye(3) * 1e-4
        return cls(weights, np.linalg.inv(bend))

    @classmethod
    def as_they_are(cls) -> Calibration:
        """Take scores for what they say."""
        return cls(np.array([1.0, 1.0, 0.0]), np.zeros((3, 3)))

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Return the expected share of positives at each score, shape (rows,)."""
        return _sigmoid(_table(scores) @ self.weights)

    def drawn(self, scores: np.ndarray, draws: int) -> np.ndarray:
        """Return what other holdouts of the same size would expect, shape (draws, rows).

        Where the scores are taken as they are, that is what they say.
        """
        random = np.random.default_rng(0)
        weights = random.multivariate_normal(self.weights, self.covariance, draws)
        return _sigmoid(weights @ _table(scores).T)


@dataclass(frozen=True)
class Rest:
    """How restless the days of the holdout were beyond chance.

    Parameters
    ----------
    variance
        Of a day's mean, beyond what its rows explain.
    alike
        Correlation of days that follow each other, 0 to `MOST_ALIKE`.
    """

    variance: float = 0.0
    alike: float = 0.0

    @classmethod
    def of(cls, days: np.ndarray, values: np.ndarray, variances: np.ndarray) -> Rest:
        """Measure it on per-row values and their variances under chance, each shape (rows,).

        Notes
        -----
        DerSimonian and Laird (1986): days are studies. How alike neighbours are is their
        covariance over that variance, so that the noise of single rows does not hide it.
        """
        names, day = np.unique(days, return_inverse=True)
        rows = np.bincount(day)
        enough = rows >= FEWEST_ROWS
        if enough.sum() < 3:
            return cls()
        means = (np.bincount(day, weights=values) / rows)[enough]
        squared = np.maximum((np.bincount(day, weights=variances) / rows**2)[enough], 1e-12)
        weights = 1 / squared
        middle = float(np.average(means, weights=weights))
        spread = float((weights * (means - middle) ** 2).sum())
        scale = float(weights.sum() - (weights**2).sum() / weights.sum())
        variance = max(0.0, (spread - (len(means) - 1)) / scale)
        if variance == 0:
            return cls()
        follows = np.diff(names[enough].astype("datetime64[D]").astype(int)) == 1
        gaps = means - middle
        together = float((gaps[1:] * gaps[:-1])[follows].mean()) if follows.any() else 0.0
        return cls(variance, float(np.clip(together / variance, 0.0, MOST_ALIKE)))

    def adds(self, days: np.ndarray) -> float:
        """Return what it adds to the variance of the mean of some rows, given their days."""
        rows = np.unique(days, return_counts=True)[1]
        shares = rows / rows.sum()
        return float(self.variance * (shares**2).sum() * (1 + self.alike) / (1 - self.alike))


@dataclass(frozen=True)
class Shift:
    """How far a window is from what the holdout promises, and how far chance would take it."""

    value: float
    sd: float


@dataclass(frozen=True)
class Memory:
    """What is remembered of the holdout.

    Parameters
    ----------
    auc
        Of the holdout; None if it is not known.
    rest
        By stream.
    error
        Standard error of each stream's zero: what the holdout itself may be wrong by.
    """

    calibration: Calibration
    auc: float | None
    rest: dict[str, Rest]
    error: dict[str, float]

    @classmethod
    def of(cls, labels: np.ndarray, scores: np.ndarray, days: np.ndarray | None) -> Memory:
        """Learn it from the labelled rows of the holdout, each array of shape (rows,).

        Parameters
        ----------
        days
            datetime64[D]; without them every day is taken to be as restless as chance makes it.
        """
        calibration = Calibration.fit(labels, scores)
        parts = _per_row(calibration, labels, scores) | {"auc": _ranking(labels, scores)}
        rest = {
            name: Rest() if days is None else Rest.of(days, values, variances)
            for name, (values, variances) in parts.items()
        }
        when = np.zeros(len(labels), "datetime64[D]") if days is None else days
        error = {
            name: sqrt(float(variances.sum()) / len(labels) ** 2 + rest[name].adds(when))
            for name, (_, variances) in parts.items()
        }
        return cls(calibration, stats.auc(labels, scores).value, rest, error)

    def shifts(self, labels: np.ndarray, scores: np.ndarray, days: np.ndarray) -> dict[str, Shift]:
        """Return how far a window of labelled rows is off, by stream.

        ``loss``: its log loss over what the calibrated scores lead one to expect, nats a row.
        ``rate``: its label rate less the mean calibrated score.
        ``auc``: the holdout's AUC less the window's; only where there are rows enough.
        """
        found = {}
        for name, (values, variances) in _per_row(self.calibration, labels, scores).items():
            spread = float(variances.sum()) / len(labels) ** 2 + self.rest[name].adds(days)
            found[name] = Shift(float(values.mean()), sqrt(spread))
        positive = labels == 1
        enough = min(positive.sum(), (~positive).sum()) >= FEWEST_ROWS
        if enough and self.auc is not None:
            placed = stats.placements(positive, scores)
            value = self.auc - float(placed[positive].mean())
            spread = stats.delong_variance(placed, positive) + self.rest["auc"].adds(days)
            found["auc"] = Shift(value, sqrt(spread))
        return found


def _per_row(
    calibration: Calibration, labels: np.ndarray, scores: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return per-row values whose mean is expected to be zero, and their variances.

    Notes
    -----
    With q the calibrated score, log loss less what is expected is -(y - q) logit(s), of
    variance q (1 - q) logit(s)^2: what the labels add, once the scores are given.
    """
    expected = calibration.apply(scores)
    gap, variance = labels - expected, expected * (1 - expected)
    weight = -_logit(scores)
    return {"loss": (gap * weight, variance * weight**2), "rate": (gap, variance)}


def _ranking(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what each row contributes to the AUC, around zero, and its variance."""
    positive = labels == 1
    placed = stats.placements(positive, scores)
    values, variances = np.empty(len(labels)), np.empty(len(labels))
    for rows in (positive, ~positive):
        share = rows.mean()
        values[rows] = (placed[rows] - placed[rows].mean()) / share
        variances[rows] = (placed[rows].var() / share**2) if rows.any() else 0.0
    return values, variances


def _table(scores: np.ndarray) -> np.ndarray:
    inside = np.clip(scores, EDGE, 1 - EDGE)
    return np.column_stack([np.log(inside), -np.log1p(-inside), np.ones(len(inside))])


def _logit(scores: np.ndarray) -> np.ndarray:
    inside = np.clip(scores, EDGE, 1 - EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-values)))
