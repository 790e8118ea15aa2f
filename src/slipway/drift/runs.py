"""How often a stream without drift is found over its limits: the table behind the limits.

    python -m slipway.drift.runs

simulates it anew and writes `runs.json` (two minutes). A stream is looked at every day through
windows of `SPANS` days, which overlap, so its alarms come in bunches; only the first day of a
bunch counts. The table says how many bunches begin a day for each chance `alpha` that one window is
over its limit, in the worst of several worlds: days that are independent (the worst),
days that share the effect of their week, weeks that follow each other being alike, and shifts in
one or in twenty directions.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

from slipway.drift.detect import DAYS, QUIET_DAYS, SPANS
from slipway.exits import run_command

TABLE = Path(__file__).with_name("runs.json")

ALPHAS = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5)

WORLDS = ("independent days", "days that share their week", "weeks alike by 0.5")

DAYS_A_MONTH = 30.44

# Days simulated in each world: enough for a hundred bunches at the smallest alpha.
SIMULATED = 4_000_000


@cache
def table() -> dict[str, list[float]]:
    """Return `alpha` and, for each, `bunches`: how many begin a day; both rising."""
    known: dict[str, list[float]] = json.loads(TABLE.read_text("utf-8"))
    return known


def alpha_for(rate: float, streams: int) -> float:
    """Return the chance of a window over its limit that all streams together may have.

    Parameters
    ----------
    rate
        False alarms a month, of all streams together.

    Notes
    -----
    Alarms of streams add up on average, however the streams depend on each other. Below the
    table, bunches are proportional to alpha.
    """
    wanted = rate / DAYS_A_MONTH / streams
    alpha, bunches = (np.array(table()[name]) for name in ("alpha", "bunches"))
    if wanted <= bunches[0]:
        return float(alpha[0] * wanted / bunches[0])
    return float(np.exp(np.interp(np.log(wanted), np.log(bunches), np.log(alpha))))


def simulate(world: str, directions: int, days: int, seed: int) -> list[float]:
    """Return how many bunches begin a day at each of `ALPHAS`.

    Parameters
    ----------
    directions
        In which a day's effect can point, each with the same normal distribution.
    """
    from scipy.stats import chi2

    random = np.random.default_rng(seed)
    length = 2 * 365 + max(SPANS)
    found = np.zeros(len(ALPHAS))
    watched = 0
    while watched < days:
        wanted = 1 + int(days - watched) // (length - max(SPANS))
        series = max(1, min(wanted, 2_000_000 // (length * directions)))
        effects = _effects(random, world, (series, length, directions))
        sums = np.cumsum(np.pad(effects, ((0, 0), (1, 0), (0, 0))), axis=1)
        tails = np.ones((series, length))
        for span in SPANS:
            means = (sums[:, span:] - sums[:, :-span]) / span
            size = (means**2).sum(axis=-1) / _variance(world, span)
            tails[:, span - 1 :] = np.minimum(tails[:, span - 1 :], chi2.sf(size, directions))
        judged = tails[:, max(SPANS) :]
        found += [_bunches(judged < alpha) for alpha in ALPHAS]
        watched += judged.size
    return (found / watched).tolist()


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
    alike = 0.5 if world == WORLDS[2] else 0.0
    shared = sum((1 - apart / weeks) * alike**apart for apart in range(1, weeks))
    return (1 + 2 * shared) / weeks


def _bunches(over: np.ndarray) -> int:
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
    known = {"alpha": [ALPHAS[at] for at in order], "bunches": rounded}
    TABLE.write_text(json.dumps(known, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    run_command("slipway.drift.runs", main)
