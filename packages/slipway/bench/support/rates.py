"""What the false-alarm rate costs: alarms a year on unchanged traffic, and days until a shift."""

from __future__ import annotations

import numpy as np
from tests.monitoring.worlds import SERIES, Variation, World, count_alarms, draw_counts, number

from slipway.monitoring.alarm_calibration import alpha_for
from slipway.monitoring.detect import Rule

from .measure import table

RATES = (0.03, 0.1, 0.3, 1.0)

YEARS = 40

ROWS = 1_000

CALM = {
    "no overdispersion": Variation(),
    "overdispersed weeks": Variation(week=0.2, day=0.05),
    "heavy tails": Variation(week=0.2, day=0.1, tails=5),
}

SHIFTS = (0.2, 0.3, 0.5)

# Days before a shift begins, and days in which it has to be found.
WAIT = 60

TRIES = 25

OVERDISPERSED = Variation(week=0.1)


def tables() -> str:
    """Return one row for each rate as Markdown."""
    worlds = {name: calm(variation) for name, variation in CALM.items()}
    rows = []
    for rate in RATES:
        rule = Rule(alpha_for(rate, len(SERIES)), 0.03, 200)
        row = {"`false_alarms_per_month`": f"{rate:g}"}
        row |= {
            f"alarms a year, {name}": f"{alarms(drawn, rule) / YEARS:.2f}"
            for name, drawn in worlds.items()
        }
        row["at most"] = f"{12 * rate:.2f}"
        row |= {f"+{by} sd: day": found(rule, by, Variation()) for by in SHIFTS}
        row["+0.5 sd, overdispersed weeks: day"] = found(rule, 0.5, OVERDISPERSED)
        rows.append(row)
    return table(rows)


def calm(variation: Variation) -> list[list[tuple[World, np.ndarray]]]:
    """Draw years of each stream in which nothing changes."""
    rng = np.random.default_rng(21)
    years = []
    for _ in range(YEARS):
        drawn = [World.draw(rng, kind, ROWS, variation) for kind in SERIES]
        years.append([(world, world.future(rng, 365)) for world in drawn])
    return years


def alarms(years: list[list[tuple[World, np.ndarray]]], rule: Rule) -> int:
    return sum(
        count_alarms(world.detect(counts[None], rule).hit[0].any(axis=1))
        for streams in years
        for world, counts in streams
    )


def found(rule: Rule, by: float, variation: Variation) -> str:
    """Return the median day on which a number that moves for good alarms."""
    rng = np.random.default_rng(22)
    kind, days = number(), []
    for _ in range(TRIES):
        world = World.draw(rng, kind, ROWS, variation)
        pushes = by + variation.week * np.repeat(rng.standard_normal(WAIT // 7 + 1), 7)[:WAIT]
        moved = draw_counts(rng, kind, ROWS, pushes)
        counts = np.concatenate([world.future(rng, WAIT), moved])
        hits = world.detect(counts[None], rule).hit[0].any(axis=1)[WAIT:]
        days.append(float(np.argmax(hits)) + 1 if hits.any() else np.inf)
    median = float(np.median(days))
    return f"{median:.0f}" if np.isfinite(median) else f"not in {WAIT}"
