"""The holdout as the reference of labelled rows: calibration of its scores, and day effects.

Both are measured on rows that the model was not trained on. Everything here is about *shifts*:
means of per-row values that are zero on the holdout, so that a later mean is the shift.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from slipway.metrics import stats

# Scores are clipped to this distance from 0 and 1, so that they have a logarithm.
EDGE = 1e-6

# A day with fewer labelled rows is left out of the estimate of day effects.
FEWEST_ROWS = 20

# Limit of the autocorrelation of days.
MOST_AUTOCORRELATION = 0.7


@dataclass(frozen=True)
class Calibration:
    """Maps a score of the model to the share of positives that the holdout has at such scores.

    Parameters
    ----------
    weights
        Of ln s, -ln(1 - s) and 1, shape (3,).
    covariance
        Of the weights, shape (3, 3); zero for the identity.

    Notes
    -----
    Beta calibration (Kull, Silva Filho and Flach 2017): a logistic regression on ln s and
    ln(1 - s). On the holdout the label rate and the log loss are then exactly as expected.
    """

    weights: np.ndarray
    covariance: np.ndarray

    @classmethod
    def fit(cls, labels: np.ndarray, scores: np.ndarray) -> Calibration:
        """Fit on labelled rows of both classes, each array of shape (rows,)."""
        from sklearn.linear_model import LogisticRegression

        table = _table(scores)
        # A negligible penalty, for weights that the rows do not determine.
        fitted = LogisticRegression(C=1e4, solver="newton-cholesky", tol=1e-8, fit_intercept=False)
        weights = fitted.fit(table, labels).coef_[0]
        expected = _sigmoid(table @ weights)
        information = (table * (expected * (1 - expected))[:, None]).T @ table + np.eye(3) * 1e-4
        return cls(weights, np.linalg.inv(information))

    @classmethod
    def identity(cls) -> Calibration:
        """Return the calibration that leaves scores unchanged."""
        return cls(np.array([1.0, 1.0, 0.0]), np.zeros((3, 3)))

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Return the expected share of positives at each score, shape (rows,)."""
        return _sigmoid(_table(scores) @ self.weights)

    def with_days(self, scores: np.ndarray, days: np.ndarray, variance: float) -> Calibration:
        """Return the calibration with the error that its days add.

        Parameters
        ----------
        scores, days
            Of the rows that it is fitted on, shape (rows,).
        variance
            Of the log odds of a day, as `HoldoutCalibration.odds_of_a_day`.

        Notes
        -----
        The sandwich of a random effect: a shift of the log odds of a day moves the weights by the
        inverse information times the sum of q (1 - q) x over its rows.
        """
        table, day = _table(scores), np.unique(days, return_inverse=True)[1]
        expected = _sigmoid(table @ self.weights)
        pull = table * (expected * (1 - expected))[:, None]
        sums = np.stack([np.bincount(day, weights=column) for column in pull.T], axis=1)
        moved = sums @ self.covariance
        return replace(self, covariance=self.covariance + variance * moved.T @ moved)

    def drawn(self, scores: np.ndarray, draws: int) -> np.ndarray:
        """Return the shares that other holdouts of this size would give, shape (draws, rows)."""
        random = np.random.default_rng(0)
        weights = random.multivariate_normal(self.weights, self.covariance, draws)
        return _sigmoid(weights @ _table(scores).T)


@dataclass(frozen=True)
class DayEffect:
    """Variation of the holdout's days beyond chance: of a day's mean, and between days."""

    variance: float = 0.0
    autocorrelation: float = 0.0

    @classmethod
    def of(cls, days: np.ndarray, values: np.ndarray, variances: np.ndarray) -> DayEffect:
        """Estimate it from per-row values and their variances by chance, each shape (rows,).

        Notes
        -----
        DerSimonian and Laird (1986): days are studies. The autocorrelation is the covariance of
        consecutive days over that variance, so that the noise of single rows does not reduce it.
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
        return cls(variance, float(np.clip(together / variance, 0.0, MOST_AUTOCORRELATION)))

    @property
    def long_run(self) -> float:
        """The variance of the sum over many days, for each day."""
        return self.variance * (1 + self.autocorrelation) / (1 - self.autocorrelation)

    def adds(self, days: np.ndarray) -> float:
        """Return its part of the variance of the mean of some rows, given their days."""
        rows = np.unique(days, return_counts=True)[1]
        shares = rows / rows.sum()
        return float(self.long_run * (shares**2).sum())


@dataclass(frozen=True)
class Shift:
    """The difference between a window and the holdout, and its standard deviation by chance."""

    value: float
    sd: float


@dataclass(frozen=True)
class HoldoutCalibration:
    """The holdout, as labelled rows are compared with it.

    `auc` is None if it is not known. `error` is the standard error of the holdout, by series.
    `odds_of_a_day` is the variance of the log odds of a day, for each day of many.
    """

    calibration: Calibration
    auc: float | None
    day_effects: dict[str, DayEffect]
    error: dict[str, float]
    odds_of_a_day: float = 0.0

    @classmethod
    def of(
        cls, labels: np.ndarray, scores: np.ndarray, days: np.ndarray | None
    ) -> HoldoutCalibration:
        """Measure the labelled rows of the holdout, each array of shape (rows,).

        Parameters
        ----------
        days
            datetime64[D]; without them there are no day effects.
        """
        calibration = Calibration.fit(labels, scores)
        parts = _per_row(calibration, labels, scores) | {"auc": _ranking(labels, scores)}
        effects = {
            name: DayEffect() if days is None else DayEffect.of(days, values, variances)
            for name, (values, variances) in parts.items()
        }
        when = np.zeros(len(labels), "datetime64[D]") if days is None else days
        error = {
            name: sqrt(float(variances.sum()) / len(labels) ** 2 + effects[name].adds(when))
            for name, (_, variances) in parts.items()
        }
        # A shift of the log odds moves the label rate by the mean of q (1 - q).
        slope = float(parts["rate"][1].mean())
        odds = effects["rate"].long_run / max(slope, EDGE) ** 2
        if odds and days is not None:
            calibration = calibration.with_days(scores, days, odds)
        return cls(calibration, stats.auc(labels, scores).value, effects, error, odds)

    def shifts(self, labels: np.ndarray, scores: np.ndarray, days: np.ndarray) -> dict[str, Shift]:
        """Return the shifts of a window of labelled rows, by series.

        ``loss``: its log loss less the expectation by the calibrated scores, nats a row.
        ``rate``: its label rate less the mean calibrated score.
        ``auc``: the holdout's AUC less the window's; only if there are enough rows.
        """
        shifts = {}
        for name, (values, variances) in _per_row(self.calibration, labels, scores).items():
            spread = float(variances.sum()) / len(labels) ** 2 + self.day_effects[name].adds(days)
            shifts[name] = Shift(float(values.mean()), sqrt(spread))
        positive = labels == 1
        enough = min(positive.sum(), (~positive).sum()) >= FEWEST_ROWS
        if enough and self.auc is not None:
            placed = stats.placements(positive, scores)
            value = self.auc - float(placed[positive].mean())
            spread = stats.delong_variance(placed, positive) + self.day_effects["auc"].adds(days)
            if spread > 0:  # not if the scores separate all labels
                shifts["auc"] = Shift(value, sqrt(spread))
        return shifts


def _per_row(
    calibration: Calibration, labels: np.ndarray, scores: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return per-row values with an expected mean of zero, and their variances.

    Notes
    -----
    With q the calibrated score, log loss less its expectation is -(y - q) logit(s), with the
    variance q (1 - q) logit(s)^2 given the scores.
    """
    expected = calibration.apply(scores)
    gap, variance = labels - expected, expected * (1 - expected)
    weight = -_logit(scores)
    return {"loss": (gap * weight, variance * weight**2), "rate": (gap, variance)}


def _ranking(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the contribution of each row to the AUC, around zero, and its variance."""
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
