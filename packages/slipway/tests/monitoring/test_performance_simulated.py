"""How often the label checks cry wolf, and how soon they see what labels alone can show.

Each year is 52 weekly looks, and a holdout of 10,000 rows is drawn anew for each. The seeds make
the numbers the same every time; `make bench BENCH=drift` counts more years.
"""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitoring.labelled import (
    CHANGES,
    RATE,
    THRESHOLD,
    calibration,
    draw,
    first_alarm,
    log_of,
    years_with_an_alarm,
)

from slipway.metrics import stats
from slipway.monitoring.estimate import estimate


@pytest.mark.parametrize("rest", [0.0, 0.2], ids=["calm days", "overdispersed days"])
@pytest.mark.parametrize(("rows", "years"), [(1_000, 10), (10_000, 4)])
def test_false_alarms_over_the_years_stay_below_the_setting(
    rows: int, years: int, rest: float
) -> None:
    allowed = 1 - np.exp(-RATE * 12)
    assert years_with_an_alarm(years, rows, rest) <= allowed * years


@pytest.mark.parametrize(
    ("change", "rows", "median", "all_within"),
    [
        ("AUC -0.045", 1_000, 2, 8),
        ("AUC -0.045", 10_000, 1, 2),
        ("AUC -0.20", 1_000, 1, 1),
        ("AUC -0.20", 10_000, 1, 1),
    ],
)
def test_other_labels_for_the_same_rows_are_found_within_weeks(
    change: str, rows: int, median: int, all_within: int
) -> None:
    weeks = [first_alarm(seed, rows, 12, change=change) for seed in range(100, 120)]
    assert np.median(weeks) <= median
    assert max(weeks) <= all_within


def test_an_estimate_is_right_when_the_rows_have_moved_and_blind_when_their_labels_have() -> None:
    """The reason why labels are asked for at all."""
    gaps: dict[str, list[float]] = {}
    for seed in range(10):
        rng = np.random.default_rng(seed)
        known = calibration(rng)
        cases = {"same": {}, "rows moved": {"moved": 0.7}} | {
            change: {"change": change} for change in CHANGES
        }
        for name, how in cases.items():
            labels, scores, days = draw(rng, 10_000, **how)
            arrived = log_of([(labels, scores, days)], [np.zeros(len(labels), dtype=bool)])
            found, _ = estimate(arrived, known, THRESHOLD, 0.95)
            gaps.setdefault(name, []).append(found["auc"].value - stats.auc(labels, scores).value)
            losses = stats.log_losses(labels, scores).mean()
            gaps.setdefault(f"{name}: loss", []).append(found["log_loss"].value - losses)
    means = {name: float(np.mean(values)) for name, values in gaps.items()}
    assert abs(means["same"]) < 0.004
    assert abs(means["rows moved"]) < 0.006
    assert abs(means["rows moved: loss"]) < 0.01
    assert means["AUC -0.045"] == pytest.approx(0.045, abs=0.01)
    assert means["AUC -0.20"] == pytest.approx(0.20, abs=0.02)
    assert means["AUC -0.20: loss"] < -0.1


@pytest.mark.parametrize("rest", [0.0, 0.5], ids=["calm days", "overdispersed days"])
def test_the_interval_of_an_estimate_holds_what_labels_later_show(rest: float) -> None:
    inside = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        known = calibration(rng, rows=5_000, rest=rest)
        labels, scores, days = draw(rng, 2_000, moved=0.3, rest=rest)
        arrived = log_of([(labels, scores, days)], [np.zeros(len(labels), dtype=bool)])
        found, _ = estimate(arrived, known, THRESHOLD, 0.95)
        positive, called = labels == 1, scores >= THRESHOLD
        truth = {
            "auc": stats.auc(labels, scores).value,
            "log_loss": float(stats.log_losses(labels, scores).mean()),
            "brier": float(stats.brier(labels, scores.copy()).mean()),
            "precision": float(positive[called].mean()),
            "recall": float(called[positive].mean()),
            "label_rate": float(labels.mean()),
        }
        inside.append([found[name].low <= truth[name] <= found[name].high for name in truth])
    assert np.mean(inside, axis=0) == pytest.approx(np.full(6, 0.95), abs=0.07)
