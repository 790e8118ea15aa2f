"""Boosted trees and a linear model: the one that predicts better in cross-validation is written."""

from __future__ import annotations

import runpy
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slipway.progress import track
from slipway.setup.adopt.model_code import render
from slipway.setup.adopt.plan import Plan
from slipway.training.evaluate import NEGLIGIBLE

if TYPE_CHECKING:
    import pandas as pd

# Rows that are enough to choose one of two.
TRIED_ROWS = 20_000

FOLDS = 3


@dataclass(frozen=True)
class Candidate:
    """An estimator as code, with its section `train` and other settings to try."""

    name: str
    text: str
    train: Mapping[str, float]
    others: tuple[Mapping[str, float], ...]

    def variants(self) -> list[Candidate]:
        """Return the candidate with each of its other settings."""
        return [replace(self, train={**self.train, **other}) for other in self.others]


class _Tried(NamedTuple):
    """A candidate, its loss in cross-validation, and its scores there."""

    loss: float
    candidate: Candidate
    scores: np.ndarray


@dataclass(frozen=True)
class Chosen:
    """The estimator that predicts better.

    Attributes
    ----------
    losses
        The loss of each candidate in cross-validation, and that of a constant.
    metric
        What the loss is.
    threshold
        The probability from which a row is positive; None if there is none.
    """

    candidate: Candidate
    losses: Mapping[str, float]
    metric: str
    threshold: float | None


def choose_estimator(plan: Plan, features: Mapping[str, np.ndarray]) -> Chosen:
    """Return the candidate with the lower loss in cross-validation.

    Its other settings are those that predict about as well as the baseline that models are compared
    with, which is the linear candidate, or better.

    Rows are divided as the holdout will be: later from earlier ones by time, else by entity or at
    random.
    """
    import pandas as pd

    rows = _tried(plan)
    frame = pd.DataFrame({name: values[rows] for name, values in features.items()})
    labels = plan.task.targets(plan.labels[rows])

    def attempt(variants: Sequence[Candidate], folds: int = FOLDS) -> list[_Tried]:
        found = []
        for each in track(variants, "Choosing an estimator"):
            scores = _predicted(each, plan, frame, labels, rows, folds)
            found.append(_Tried(_loss(plan, labels, scores), each, scores))
        return found

    trees, linear = candidates(plan)
    tried = attempt([trees, linear, *linear.variants()])
    baseline, constant = tried[1].scores, _constant(plan, labels)

    def passes(each: _Tried) -> bool:
        # As `slipway evaluate` compares a model with its baseline, on the rows that were predicted.
        blank = np.isnan(each.scores)
        theirs, least = (
            _loss(plan, labels, np.where(blank, np.nan, scores)) for scores in (baseline, constant)
        )
        return each.loss <= theirs + NEGLIGIBLE * max(least - theirs, 0)

    best = min(tried, key=lambda each: each.loss)
    tried.sort(key=lambda each: each.loss)
    losses = {each.candidate.name: each.loss for each in reversed(tried)}
    rest = [each for each in tried if each.candidate.name == best.candidate.name]
    if best.candidate is trees:
        rest += attempt(trees.variants(), folds=1)  # enough to see that they are as good
    passing = sorted(filter(passes, rest), key=lambda each: each.loss)
    others = [_changes(best.candidate, each.candidate) for each in passing if each is not best]
    return Chosen(
        replace(best.candidate, others=tuple(others)),
        losses | {"a constant": _loss(plan, labels, constant)},
        "log loss" if plan.task.is_classifier else "mean absolute error",
        _threshold(plan, labels, best.scores),
    )


def _changes(one: Candidate, other: Candidate) -> Mapping[str, float]:
    """Return the settings of a candidate that another one has changed."""
    return {name: value for name, value in other.train.items() if one.train[name] != value}


def candidates(plan: Plan) -> list[Candidate]:
    """Return boosted trees, with settings for the number of rows, and the linear model.

    The first settings of the linear model are those of the baseline.
    """
    is_classifier = plan.task.is_classifier
    kind = "Classifier" if is_classifier else "Regressor"
    parts = {"mixin": f"{kind}Mixin", "boosting": f"HistGradientBoosting{kind}"}
    rows = plan.table.rows
    trees = Candidate(
        "boosted trees",
        render("boosted_trees", parts),
        {
            "learning_rate": 0.1 if rows < 20_000 else 0.05,
            "iterations": 100 if rows < 20_000 else 300,
            "max_leaf_nodes": 15 if rows < 5_000 else 31,
            "min_samples_leaf": int(np.clip(rows // 50, 5, 100)),
            "l2": 1.0,
            "seed": 0,
        },
        ({"iterations": 50}, {"learning_rate": 0.03}, {"max_leaf_nodes": 7}),
    )
    arguments = 'C=params["c"], max_iter=2000' if is_classifier else 'alpha=params["alpha"]'
    regression = "LogisticRegression" if is_classifier else "Ridge"
    words = "a logistic regression" if is_classifier else "a ridge regression"
    linear = Candidate(
        words.removeprefix("a "),
        render(
            "linear",
            parts | {"linear": words, "regression": regression, "arguments": arguments},
        ),
        {"c": 1.0} if is_classifier else {"alpha": 1.0},
        ({"c": 0.01}, {"c": 0.1}, {"c": 0.5}, {"c": 10.0})
        if is_classifier
        else ({"alpha": 2.0}, {"alpha": 10.0}, {"alpha": 100.0}, {"alpha": 1000.0}),
    )
    return [trees, linear]


def _tried(plan: Plan) -> np.ndarray:
    """Return labelled rows, the newest last, at most `TRIED_ROWS`."""
    rows = np.flatnonzero(~np.isnan(plan.labels))
    if plan.time:
        moments = plan.table.columns[plan.time].values[rows]
        rows = rows[np.argsort(moments, kind="stable")]
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), TRIED_ROWS)).astype(int)]


def _predicted(
    candidate: Candidate,
    plan: Plan,
    frame: pd.DataFrame,
    labels: np.ndarray,
    rows: np.ndarray,
    folds: int,
) -> np.ndarray:
    """Return the scores of each row by a fit without it; NaN for one that no fold predicts.

    Parameters
    ----------
    folds
        Of all, the last ones that are predicted.
    """
    build = _builder(candidate.text)
    categories = plan.named("category")
    shape = (len(labels), len(plan.task.classes)) if plan.task.classes else (len(labels),)
    scores = np.full(shape, np.nan)
    for learned, predicted in list(_folds(plan, rows, labels))[-folds:]:
        if plan.task.is_classifier and len(np.unique(labels[learned])) < 2:
            continue  # the oldest rows may have one class
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = build(candidate.train, categories).fit(frame.iloc[learned], labels[learned])
            name = "predict_proba" if plan.task.is_classifier else "predict"
            raw = getattr(fitted, name)(frame.iloc[predicted])
        seen = [int(each) for each in getattr(fitted, "classes_", ())]
        scores[predicted] = plan.task.scores(raw, seen)
    return scores


def _builder(text: str) -> Callable[..., Any]:
    """Return `build` of the code of an estimator."""
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        path = Path(folder) / "estimator.py"
        path.write_text(text, "utf-8")
        build: Callable[..., Any] = runpy.run_path(str(path))["build"]
        return build


def _folds(plan: Plan, rows: np.ndarray, labels: np.ndarray) -> Any:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit

    if plan.time:
        return TimeSeriesSplit(FOLDS).split(rows)
    if plan.entity:
        groups = plan.table.columns[plan.entity].values[rows].astype(str)
        folds = min(FOLDS, len(np.unique(groups)))
        return GroupKFold(folds).split(rows, labels, groups)
    if plan.task.is_classifier and np.bincount(labels).max() >= FOLDS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a class with fewer rows than folds
            return list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(rows, labels))
    return KFold(FOLDS, shuffle=True, random_state=0).split(rows)


def _constant(plan: Plan, labels: np.ndarray) -> np.ndarray:
    """Return the scores of a constant: the rates of the classes, or the median."""
    if not plan.task.is_classifier:
        return np.full(len(labels), np.median(labels))
    if not plan.task.classes:
        return np.full(len(labels), labels.mean())
    rates = np.bincount(labels, minlength=len(plan.task.classes)) / len(labels)
    return np.tile(rates, (len(labels), 1))


def _loss(plan: Plan, labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the log loss, or the mean absolute error, of the rows with scores."""
    scored = ~np.isnan(scores if scores.ndim == 1 else scores[:, 0])
    if not scored.any():
        return float("inf")
    if not plan.task.is_classifier:
        return float(np.abs(scores[scored] - labels[scored]).mean())
    predictions = plan.task.predictions(plan.task.rounded(scores[scored]), 0.5)
    return float(-np.log(predictions.of_truth(labels[scored])).mean())


THRESHOLDS = np.arange(1, 100) / 100

# Below this share of positives, the AUC hardly shows what happens among the rows at the top, and
# all probabilities may be below a hundredth.
RARE = 0.05

SMALL = np.array([digit / size for size in (10_000, 1_000) for digit in range(1, 10)])


def _threshold(plan: Plan, labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Return the threshold with the highest F1; None without a decision rule."""
    if not plan.task.rule(0.5):
        return None
    scored = ~np.isnan(scores)
    truth, values = labels[scored] == 1, scores[scored]
    thresholds = THRESHOLDS if truth.mean() >= RARE else np.union1d(SMALL, THRESHOLDS)
    hits = np.array([(truth & (values >= each)).sum() for each in thresholds])
    called = np.array([(values >= each).sum() for each in thresholds])
    f1 = 2 * hits / np.maximum(called + truth.sum(), 1)
    best = np.flatnonzero(f1 == f1.max())
    return float(thresholds[best[len(best) // 2]])
