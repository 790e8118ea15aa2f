"""Intervals and verdicts on simulated rows that depend on each other: coverage, errors and power.

RUNS in the environment is the number of runs of a cell (2,000 if it is not set).
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.fft import dct
from support.measure import PACKAGE, machine, table

sys.path.insert(0, str(PACKAGE))
from tests.metrics.dependent import (
    Case,
    Rates,
    power_of,
    rate_of_levels,
    rates_of,
    refused_as_worse,
    series,
)

from slipway.metrics.clusters import Clusters, Way, ewc_dof
from slipway.metrics.inference import t_quantile
from slipway.metrics.registry import ALL, METRICS, Options, Sample
from slipway.tasks.regression import Regression

CLUSTERS = (25, 30, 60, 122, 200)
CORRELATIONS = (0.0, 0.1, 0.3)
ORDERS = ((False, 0.0), (True, 0.0), (True, 0.3), (True, 0.6))  # whether in time, serial
LEVELS = (0.025, 0.0005)  # of one comparison; of the judge, 0.025 / 50
GAINS = {"auc": 0.1, "log_loss": 0.1, "brier": 0.1}

# Two kinds of clusters, one cluster with a large part of all rows, and rare positives.
LOW = 0.02  # a threshold for rare positives
OTHERS = {
    "122 days and 30 customers": Case(122, 0.15, rows=25, entities=30),
    "60 days and 26 customers": Case(60, 0.15, rows=50, entities=26),
    "40 shops and 40 customers": Case(40, 0.15, rows=75, entities=40, ordered=False),
    "101 customers, one with 5 % of the rows": Case(101, 0.2, largest=0.05, ordered=False),
    "101 customers, one with 20 % of the rows": Case(101, 0.2, largest=0.2, ordered=False),
    "101 customers, one with 50 % of the rows": Case(101, 0.2, largest=0.5, ordered=False),
    "60 customers, 0.8 % positive: 49": Case(
        60, 0.2, rows=100, base=-3.4, threshold=LOW, ordered=False
    ),
    "30 days, 0.8 % positive: 73": Case(30, 0.2, rows=300, base=-3.4, threshold=LOW),
    "122 days, 0.4 % positive: 88": Case(122, 0.2, rows=200, base=-3.8, threshold=LOW),
}

# Holdouts with fewer days than a verdict needs, on which a model is compared with baselines.
FEW = (Case(7, 0.1, rows=500), Case(7, 0.05, rows=2000), Case(12, 0.1, rows=500))

Cell = tuple[Case, dict[str, Rates]]


class Group(NamedTuple):
    """Cells that one row of the table shows."""

    ordered: bool
    serial: float
    clusters: int


def main(runs: int, parts: list[str]) -> None:
    """Run all parts, or some of rates, levels, power and others."""
    print(f"## Intervals of dependent rows: {runs:,} runs a cell\n")
    print(f"On {machine()}\n")
    with ProcessPoolExecutor() as pool:
        if not parts or "rates" in parts:
            print_rates(list(pool.map(partial(simulate, runs), cases())))
        if not parts or "levels" in parts:
            print_levels(pool, 30 * runs)
            print_estimators(10 * runs)
        if not parts or "power" in parts:
            print_power(pool, runs)
        if not parts or "others" in parts:
            print_others(pool, runs)
            print_folds(pool, runs)


def print_estimators(runs: int) -> None:
    """Print how two estimators of serial dependence hold a mean, and how wide their intervals are.

    Newey and West's with Bartlett's kernel over 1.3 √T clusters and the critical values of fixed-b
    asymptotics (Kiefer and Vogelsang 2005).
    """
    rows = []
    for clusters, serial in product((30, 122), (0.0, 0.3, 0.6)):
        values = series(np.random.default_rng(0), (runs, clusters), serial)
        means = values.mean(1)
        sums = (values - means[:, None]) / clusters
        dof = ewc_dof(clusters)
        transforms = dct(sums, norm="ortho")[:, 1 : dof + 1]
        ewc = t_quantile(0.95, dof) * np.sqrt(clusters * np.square(transforms).mean(1))
        lags = math.ceil(1.3 * math.sqrt(clusters))
        variance = np.square(sums).sum(1)
        for lag in range(1, lags):
            variance += 2 * (1 - lag / lags) * (sums[:, lag:] * sums[:, :-lag]).sum(1)
        b = lags / clusters
        newey_west = (1.96 + 2.9694 * b + 0.416 * b**2 - 0.5324 * b**3) * np.sqrt(variance)
        rows.append(
            {
                "clusters in time": str(clusters),
                "serial correlation": f"{serial:g}",
                "EWC holds": f"{100 * (np.abs(means) <= ewc).mean():.1f} %",
                "Newey-West holds": f"{100 * (np.abs(means) <= newey_west).mean():.1f} %",
                "width, EWC to Newey-West": f"{ewc.mean() / newey_west.mean():.2f}",
            }
        )
    print(f"\nIntervals of a mean by two estimators, {runs:,} runs:\n")
    print(table(rows))


def print_others(pool: ProcessPoolExecutor, runs: int) -> None:
    cells = pool.map(partial(simulate, runs), OTHERS.values())
    rates = [list(found.values()) for _, found in cells]
    print(table({"rows": name, **summary(each)} for name, each in zip(OTHERS, rates, strict=True)))
    print("\nModels as good as their baseline that are refused as worse:\n")
    by_days, by_rows = (
        [pool.submit(refused_as_worse, case, runs, by_rows=alone) for case in FEW]
        for alone in (False, True)
    )
    print(
        table(
            {
                "days": str(case.clusters),
                "rows a day": str(case.rows),
                "correlation": f"{case.correlation:g}",
                "by days": f"{100 * clustered.result():.1f} %",
                "by rows": f"{100 * alone.result():.1f} %",
            }
            for case, clustered, alone in zip(FEW, by_days, by_rows, strict=True)
        )
    )


# Tables without a time: entities, rows, features of each of two procedures that are equally good.
FOLDED = ((60, 3000, 5), (200, 3000, 5), (60, 600, 20))


def print_folds(pool: ProcessPoolExecutor, runs: int) -> None:
    """Print how often two least-squares fits on other, equally good features are called different.

    As of a table without a time: a holdout of a fifth of the entities and three of eight folds.
    """
    rates = pool.map(partial(rate_called_different, runs=runs), *zip(*FOLDED, strict=True))
    print("\nEqual procedures on folds that are called different at 95 %:\n")
    print(
        table(
            {
                "entities": str(entities),
                "rows": f"{rows:,}",
                "features": str(features),
                "called different": f"{100 * rate:.1f} %",
            }
            for (entities, rows, features), rate in zip(FOLDED, rates, strict=True)
        )
    )


def rate_called_different(entities: int, rows: int, features: int, runs: int) -> float:
    random = np.random.default_rng(entities + rows)
    return sum(_are_called_different(random, entities, rows, features) for _ in range(runs)) / runs


def _are_called_different(
    random: np.random.Generator, entities: int, rows: int, features: int
) -> bool:
    entity = random.integers(0, entities, rows)
    x = random.normal(size=(rows, 2 * features))
    x += random.normal(size=(entities, 2 * features))[entity] / 2
    noise = random.normal(size=entities)[entity] + random.normal(size=rows)
    y = 0.3 * x.sum(1) / np.sqrt(features) + noise
    part = (random.permutation(entities) % 10)[entity]  # 0 and 1 are the holdout
    scored = [np.flatnonzero(np.isin(part, each)) for each in ((7,), (8,), (9,), (0, 1))]
    models = [
        np.concatenate([_fitted(x[:, half], y, rest, at) for at, rest in _learned(part, scored)])
        for half in (slice(features), slice(features, None))
    ]
    order = np.concatenate(scored)
    ends = np.cumsum([len(at) for at in scored]).tolist()
    periods = tuple(slice(start, end) for start, end in zip([0, *ends], ends, strict=False))
    sample = Sample(y[order], Clusters((Way.of(entity[order]),)), periods)
    first, second = (Regression().predictions(scores, None) for scores in models)
    found = ALL["mae"].difference(sample, first, second, Options())
    return min(found.p_up, found.p_down) <= 0.025


def _learned(part: np.ndarray, scored: list[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for at in scored:
        yield at, np.setdiff1d(np.flatnonzero(part > 1), at)


def _fitted(x: np.ndarray, y: np.ndarray, learned: np.ndarray, scored: np.ndarray) -> np.ndarray:
    with_mean = np.column_stack([np.ones(len(x)), x])
    weights = np.linalg.lstsq(with_mean[learned], y[learned], rcond=None)[0]
    return np.asarray(with_mean[scored] @ weights)


def cases() -> Iterator[Case]:
    for count, correlation, (ordered, serial) in product(CLUSTERS, CORRELATIONS, ORDERS):
        for unequal in (False, True):
            if correlation or not serial:
                yield Case(count, correlation, serial, unequal, ordered)


def simulate(runs: int, case: Case) -> Cell:
    return case, rates_of(case, runs, seed=hash(case) % 2**32)


def print_rates(cells: list[Cell]) -> None:
    groups: dict[Group, list[Rates]] = {}
    for case, rates in cells:
        group = Group(case.ordered, case.serial, case.clusters)
        groups.setdefault(group, []).extend(rates.values())
    print(table(line(*each) for each in sorted(groups.items())))
    print()
    print(
        table(
            {"metric": metric, **summary([rates[metric] for _, rates in cells])}
            for metric in METRICS
        )
    )


def line(group: Group, rates: list[Rates]) -> dict[str, str]:
    return {
        "clusters": "in time" if group.ordered else "unordered",
        "serial correlation": f"{group.serial:g}",
        "number": str(group.clusters),
        **summary(rates),
    }


def summary(rates: list[Rates]) -> dict[str, str]:
    """Return the range over cells of each rate, in percent."""
    return {
        "equal models called better": span([each.better for each in rates]),
        "interval of a difference holds it": span([1 - 2 * each.better for each in rates]),
        "interval of a value holds it": span([each.held for each in rates]),
    }


def span(shares: list[float]) -> str:
    mean = sum(shares) / len(shares)
    return f"{100 * min(shares):.1f} to {100 * max(shares):.1f}, mean {100 * mean:.1f}"


def print_levels(pool: ProcessPoolExecutor, runs: int) -> None:
    made = list(product((25, 122), (0.0, 0.3, 0.6), (False, True)))
    rates = pool.map(partial(rate_of_levels, levels=LEVELS, runs=runs), *zip(*made, strict=True))
    print(f"\nOne-sided tests at the level of one comparison and of the judge, {runs:,} runs:\n")
    print(table(level_line(case, found) for case, found in zip(made, rates, strict=True)))


def level_line(case: tuple[int, float, bool], rates: list[float]) -> dict[str, str]:
    clusters, serial, skewed = case
    return {
        "clusters in time": str(clusters),
        "serial correlation": f"{serial:g}",
        "means of clusters": "log-normal" if skewed else "normal",
        **{f"{100 * LEVELS[at]:g} %": f"{100 * rates[at]:.3g} %" for at in range(len(LEVELS))},
    }


def print_power(pool: ProcessPoolExecutor, runs: int) -> None:
    lines = []
    for (ordered, serial), (metric, gain) in product(ORDERS, GAINS.items()):
        case = Case(60, 0.1, serial, ordered=ordered, gain=gain)
        lines.append((case, metric, pool.submit(power_of, case, metric, runs, runs)))
    for metric, gain in GAINS.items():
        case = Case(60, 0.1, gain=gain, entities=200)
        lines.append((case, metric, pool.submit(power_of, case, metric, runs, runs)))
    print()
    print(table(power_line(case, metric, *job.result()) for case, metric, job in lines))


def power_line(case: Case, metric: str, needed: int, power: float) -> dict[str, str]:
    return {
        "metric": metric,
        "clusters": ("in time" if case.ordered else "unordered")
        + (f", and {case.entities} customers" if case.entities else ""),
        "serial correlation": f"{case.serial:g}",
        "needed for a power of 80 %": str(needed),
        "power with that number": f"{100 * power:.1f} %",
    }


if __name__ == "__main__":
    main(int(os.environ.get("RUNS", "2000")), sys.argv[1:])
