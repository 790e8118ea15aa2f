"""Calibration of the limits: the rate of false alarms of a series, as a table.

    python -m slipway.monitoring.alarm_calibration

simulates it again and writes `alarm_rates.json` (two minutes). A series is tested every day with
windows of `SPANS` days, which overlap, so its alarms are clustered; only the first day of a cluster
counts. For each probability `alpha` that one window exceeds its limit, the table has the number of
clusters that start per day, in the worst of several worlds: independent days (the worst), days
that share the effect of their week, autocorrelated weeks, and shifts in one or twenty directions.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

from slipway.exits import run_command
from slipway.monitoring.detect import DAYS, QUIET_DAYS, SPANS

TABLE = Path(__file__).with_name("alarm_rates.json")

ALPHAS = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5)

WORLDS = ("independent days", "days that share their week", "weeks with autocorrelation 0.5")

DAYS_A_MONTH = 30.44

# Days simulated in each world: enough for a hundred clusters at the smallest alpha.
SIMULATED = 4_000_000


@cache
def table() -> dict[str, list[float]]:
    """Return `alpha` and, for each, `clusters`: how many start per day; both ascending."""
    rates: dict[str, list[float]] = json.loads(TABLE.read_text("utf-8"))
    return rates


def alpha_for(rate: float, series: int) -> float:
    """Return the probability that one window of one series may exceed its limit.

    Parameters
    ----------
    rate
        False alarms a month, of all series together.

    Notes
    -----
    Alarms of series add up on average, however the series depend on each other. Below the table,
    clusters are proportional to alpha.
    """
    wanted = rate / DAYS_A_MONTH / series
    alpha, clusters = (np.array(table()[name]) for name in ("alpha", "clusters"))
    if wanted <= clusters[0]:
        return float(alpha[0] * wanted / clusters[0])
    return float(np.exp(np.interp(np.log(wanted), np.log(clusters), np.log(alpha))))


def simulate(world: str, directions: int, days: int, seed: int) -> list[float]:
    """Return the number of clusters that start per day at each of `ALPHAS`.

    Parameters
    ----------
    directions
        Number of dimensions of a day's effect, each with the same normal distribution.
    """
    from scipy.stats import chi2

    random = np.random.default_rng(seed)
    length = 2 * 365 + max(SPANS)
    clusters = np.zeros(len(ALPHAS))
    simulated = 0
    while simulated < days:
        wanted = 1 + int(days - simulated) // (length - max(SPANS))
        series = max(1, min(wanted, 2_000_000 // (length * directions)))
        effects = _effects(random, world, (series, length, directions))
        sums = np.cumsum(np.pad(effects, ((0, 0), (1, 0), (0, 0))), axis=1)
        tails = np.ones((series, length))
        for span in SPANS:
            means = (sums[:, span:] - sums[:, :-span]) / span
            size = (means**2).sum(axis=-1) / _variance(world, span)
            tails[:, span - 1 :] = np.minimum(tails[:, span - 1 :], chi2.sf(size, directions))
        tested = tails[:, max(SPANS) :]
        clusters += [_clusters(tested < alpha) for alpha in ALPHAS]
        simulated += tested.size
    return (clusters / simulated).tolist()


def _effects(random: np.random.Generator, world: str, shape: tuple[int, int, int]) -> np.ndarray:
    if world == WORLDS[0]:
        return random.standard_normal(shape)
    series, length, directions = shape
    weeks = random.standard_normal((series, length // DAYS + 1, directions))
    for week in range(1, weeks.shape[1] if world == WORLDS[2] else 0):
        weeks[:, week] = 0.5 * weeks[:, week - 1] + np.sqrt(0.75) * weeks[:, week]
    return np.repeat(weeks, DAYS, axis=1)[:, :length]


def _variance(world: str, span: int) -> float:
    if world == WORLDS[0]:
        return 1 / span
    weeks = max(span // DAYS, 1)
    correlation = 0.5 if world == WORLDS[2] else 0.0
    shared = sum((1 - apart / weeks) * correlation**apart for apart in range(1, weeks))
    return (1 + 2 * shared) / weeks


def _clusters(over: np.ndarray) -> int:
    counts = np.cumsum(np.pad(over, ((0, 0), (QUIET_DAYS + 1, 0))), axis=1)
    before = counts[:, QUIET_DAYS:-1] - counts[:, : -QUIET_DAYS - 1]
    return int((over & (before == 0)).sum())


def main() -> None:
    worst = np.zeros(len(ALPHAS))
    for world in WORLDS:
        for directions, days in ((1, SIMULATED), (20, SIMULATED // 4)):
            worst = np.maximum(worst, simulate(world, directions, days, seed=1))
    order = np.argsort(ALPHAS)
    rounded = [float(f"{worst[at]:.3g}") for at in order]
    rates = {"alpha": [ALPHAS[at] for at in order], "clusters": rounded}
    TABLE.write_text(json.dumps(rates, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    run_command("slipway.monitoring.alarm_calibration", main)
