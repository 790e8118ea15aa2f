"""Drift is found: how often, and how soon, for shifts of every size and kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.monitoring.worlds import Variation, World, category, draw_counts, number

from slipway.monitoring import alarm_calibration
from slipway.monitoring.alarms import episodes, onset
from slipway.monitoring.detect import Rule
from slipway.reference.domain_classifier import auc, design, kinds_of, limit
from slipway.reference.history import PastWeeks

# As `slipway drift` has it for a model with fifteen columns.
ALPHA = alarm_calibration.alpha_for(0.1, 22)
RULE = Rule(ALPHA, 0.03, 200)

# Days before the shift begins, and after it.
START = 60
AFTER = 60


def delays(kind, rows, shares=None, by=0.0, variation=None, tries=8, then=None):
    """Return after how many days a lasting shift was found, one for each try; NaN if it was not.

    The past had `then` rows a day, as many as now if not given.
    """
    rng = np.random.default_rng(8)
    found = []
    for _ in range(tries):
        world = replace(World.draw(rng, kind, then or rows, variation), rows=rows)
        calm = world.future(rng, START)
        if shares is not None:
            moved = rng.multinomial(rows, shares, AFTER).astype(float)
        else:
            own = (variation.week if variation else 0.0) * np.repeat(
                rng.standard_normal(AFTER // 7 + 1), 7
            )[:AFTER]
            moved = draw_counts(rng, kind, rows, by + own)
        hits = world.detect(np.concatenate([calm, moved])[None], RULE).hit[0].any(axis=1)
        after = np.flatnonzero(hits[START:])
        found.append(after[0] + 1 if len(after) else np.nan)
    return np.array(found)


@pytest.mark.parametrize(
    ("rows", "by", "days"),
    [(1_000, 0.25, 7), (1_000, 0.5, 1), (1_000, 1.0, 1), (10_000, 0.25, 1), (10_000, 0.5, 1)],
)
def test_a_number_that_moves_by_some_sd_is_found_within_days(rows, by, days):
    assert np.nanmax(delays(number(), rows, by=by)) <= days
    assert not np.isnan(delays(number(), rows, by=by)).any()


@pytest.mark.parametrize("rows", [1_000, 10_000, 100_000])
def test_more_rows_than_the_past_had_a_day_never_hide_what_fewer_show(rows):
    found = delays(number(), rows, by=0.6, then=300)

    assert np.median(found) == 1
    assert found.max() <= 2


@pytest.mark.parametrize("rows", [1_000, 10_000])
def test_a_move_too_small_to_matter_is_left_alone(rows):
    assert np.isnan(delays(number(), rows, by=0.05)).all()


@pytest.mark.parametrize(("points", "days"), [(0.1, 3), (0.2, 1)])
@pytest.mark.parametrize("rows", [1_000, 10_000])
def test_categories_that_change_places_are_found_within_days(rows, points, days):
    kind = category(3)
    shares = kind.shares + np.array([-points, 0.0, points, 0.0, 0.0])

    assert delays(kind, rows, shares).max() <= days


def test_a_new_value_and_more_missing_ones_are_found_within_days():
    fresh = category(12).shares * 0.98
    fresh[-2] = 0.02
    lacking = np.append(number(0.1).shares[:-1] * 0.8 / 0.9, 0.2)

    assert delays(category(12), 1_000, fresh).max() <= 3
    assert delays(number(0.1), 1_000, lacking).max() <= 3


@pytest.mark.parametrize(("by", "share"), [(0.6, 0.6), (1.0, 0.9)])
def test_a_shift_is_found_among_overdispersed_weeks_too(by, share):
    """Weeks that move by 0.1 sd by themselves: what is left to find is larger."""
    found = delays(number(), 1_000, by=by, variation=Variation(week=0.1), tries=20)

    assert np.mean(found <= 28) >= share


def test_a_shift_that_lasts_is_found_though_no_day_shows_it():
    """What one day of 200 rows cannot show, four weeks can."""
    found = delays(number(), 200, by=0.3)

    assert np.median(found) > 1
    assert found.max() <= 28


def test_an_alarm_estimates_when_the_shift_began():
    rng = np.random.default_rng(3)
    guesses = []
    for _ in range(10):
        world = World.draw(rng, number(), 300)
        counts = np.concatenate(
            [world.future(rng, START), draw_counts(rng, world.kind, 300, np.full(AFTER, 0.5))]
        )
        (alarm, *_) = episodes(world.detect(counts[None], RULE).hit[0].any(axis=1))
        total = world.holdout.sum()
        expected = (
            np.tile(world.holdout / total, (len(counts), 1)),
            np.full(len(counts), total),
            np.full(len(counts), 31 / 7),
        )
        guesses.append(onset(counts, expected, world.overdispersion, alarm.at) - START)

    assert abs(np.median(guesses)) <= 2
    assert np.max(np.abs(guesses)) <= 14


def rows_of(rng, rows, together):
    x = rng.normal(size=rows)
    rest = {f"n{i}": rng.normal(size=rows) for i in range(8)}
    y = together * x + np.sqrt(1 - together**2) * rng.normal(size=rows)
    return {"x": x, "y": y} | rest | {f"c{k}": rng.integers(0, k, rows) for k in (2, 3, 5, 12, 40)}


@pytest.mark.parametrize(("rows", "together"), [(1_000, 0.3), (2_100, 0.3), (1_000, 0.0)])
def test_columns_that_go_together_otherwise_are_found_though_none_has_moved(rows, together):
    rng = np.random.default_rng(5)
    missing = {f"c{k}": k for k in (2, 3, 5, 12, 40)}
    kept = rows_of(rng, 6_000, 0.6)
    kinds = kinds_of(kept, missing)
    old = design(kept, kinds)
    memory: PastWeeks = {
        "weeks": 36,
        "auc": 0.5,
        "spread": 0.01,
        "rows": rows,
        "reference_rows": 6_000,
    }
    top = max(limit(memory, rows, 6_000, ALPHA), 0.55)

    found = [auc(old, design(rows_of(rng, rows, together), kinds), kinds) > top for _ in range(5)]

    assert sum(found) >= 3
