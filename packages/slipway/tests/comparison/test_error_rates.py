"""How often the judge is wrong, by simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.comparison.cases import RULE, groups, rule_of, side
from tests.metrics.models import two_models

from slipway.comparison import verdict
from slipway.comparison.compare import against_best
from slipway.comparison.slices import slice_table
from slipway.metrics.paired import Difference
from slipway.metrics.registry import METRICS, Options, Predictions, Sample

ALPHA = RULE["alpha"]


def auc(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> Difference:
    models = Predictions.at(first, 0.5), Predictions.at(second, 0.5)
    return METRICS["auc"].difference(Sample.of(labels), *models, Options(1 - 2 * ALPHA))


def verdicts(rows: int, gap: float, times: int, seed: int, budget: int = 1) -> list[str]:
    """Return the verdicts of the judge on the AUC of many pairs of models."""
    random = np.random.default_rng(seed)
    classes: list[str] = []
    for _ in range(times):
        found = auc(*two_models(random, rows, gap))
        classes.append(verdict.classify("auc", found, 0.02, ALPHA, ALPHA / budget))
    return classes


def test_equal_models_are_called_better_or_worse_at_most_as_often_as_the_rule_allows() -> None:
    classes = verdicts(rows=1500, gap=0, times=600, seed=1)
    spread = 3 * np.sqrt(ALPHA * (1 - ALPHA) / 600)
    assert classes.count("better") / 600 <= ALPHA + spread
    assert classes.count("worse") / 600 <= ALPHA + spread


def test_over_the_whole_budget_better_is_wrong_at_most_as_often_as_the_rule_allows() -> None:
    holdouts, budget = 60, 20
    wrong = 0
    for holdout in range(holdouts):
        classes = verdicts(rows=400, gap=0, times=budget, seed=1000 + holdout, budget=budget)
        wrong += "better" in classes
    assert wrong / holdouts <= ALPHA + 3 * np.sqrt(ALPHA / holdouts)


def test_a_model_worse_by_the_whole_margin_passes_at_most_as_often_as_the_rule_allows() -> None:
    random = np.random.default_rng(2)
    gap = 0.12
    margin = -auc(*two_models(random, 400_000, gap)).value
    passed = 0
    for _ in range(400):
        found = auc(*two_models(random, 1500, gap))
        passed += verdict.classify("auc", found, margin, ALPHA, ALPHA) in ("better", "not worse")
    assert passed / 400 <= ALPHA + 3 * np.sqrt(ALPHA / 400)


def test_the_rows_asked_for_decide_four_times_in_five() -> None:
    random = np.random.default_rng(3)
    small = auc(*two_models(random, 1000, 0.0))
    half = (small.high - small.low) / 2
    centred = replace(small, low=-half, high=half)
    rows = verdict.needed("auc", centred, 0.01, ALPHA, "inconclusive")
    assert rows is not None
    decided = 0
    for _ in range(200):
        found = auc(*two_models(random, rows, 0.0))
        decided += verdict.classify("auc", found, 0.01, ALPHA, ALPHA) in ("better", "not worse")
    assert 0.7 <= decided / 200 <= 0.92


def test_twenty_slices_of_equal_models_stop_a_change_at_most_as_often_as_the_rule_allows() -> None:
    random = np.random.default_rng(4)
    rule = rule_of(margins=dict.fromkeys(RULE["margins"], 0.0))  # every loss matters
    rows, times = 20 * 250, 80
    codes = np.arange(rows) % 20
    stopped = 0
    for _ in range(times):
        labels, *logits = two_models(random, rows)
        first, second = (Predictions.at(1 / (1 + np.exp(1.5 - each)), 0.5) for each in logits)
        table = slice_table(Sample.of(labels), first, second, groups(codes), rule, {})
        stopped += any(row.verdict == "worse" for row in table.rows)
    assert stopped / times <= ALPHA + 3 * np.sqrt(ALPHA / times)


def test_twenty_small_losses_in_a_row_are_stopped_before_they_add_up() -> None:
    random = np.random.default_rng(5)
    rows, margin, step = 20_000, 0.01, 0.003
    labels = (random.random(rows) < 0.3).astype("float64")
    shared = random.standard_normal(rows)

    def release(number: int) -> np.ndarray:
        # In this range a gap of 0.011 costs about 0.003 of AUC.
        return shared + 0.05 * random.standard_normal(rows) + (1.2 - 0.011 * number) * labels

    rule = rule_of(margins=RULE["margins"] | {"auc": margin})
    best, champion = release(0), release(0)
    merged_anchored = merged_last_only = 0
    last_only = champion
    for number in range(1, 21):
        challenger = release(number)
        models = Predictions.at(best, 0.5), Predictions.at(challenger, 0.5)
        against = against_best(Sample.of(labels), side(best, "b"), *models, rule)
        if merged_anchored == number - 1 and against.verdict == "not worse":
            merged_anchored, champion = number, challenger
        last_step = auc(labels, last_only, challenger)
        if verdict.non_inferiority(last_step, rule) == "not worse":
            merged_last_only, last_only = merged_last_only + 1, challenger
    lost = auc(labels, best, champion).value
    assert merged_last_only == 20  # judged against the last one only, all of them pass
    assert 1 <= merged_anchored <= 4
    assert lost >= -margin - step
