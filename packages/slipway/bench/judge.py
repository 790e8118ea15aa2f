"""What judging costs beyond scoring: all metrics, slices and intervals on rows of any number.

Run it alone: `.venv/bin/python bench/judge.py`. Everything is made up here, from a seed.
"""

from __future__ import annotations

import os
import platform
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.metrics import roc_auc_score

from slipway.comparison import compare
from slipway.comparison.compare import Rows
from slipway.comparison.report import Rule
from slipway.comparison.slices import slice_table
from slipway.metrics.clusters import DAY, Clusters, Way
from slipway.metrics.groups import Group
from slipway.metrics.registry import Predictions, Sample
from slipway.settings import read_params

ROWS = 50_000
SIZES = (50_000, 500_000, 5_000_000)
ROUNDS_OF_A_BOOTSTRAP = 2_000
ROUNDS_MEASURED = 20
SLICES = {"plan": 16, "region": 3, "hour_band": 5, "month": 3}

DAYS, PERIODS = 122, 4

Case = tuple[Rows, np.ndarray, np.ndarray]


def main() -> None:
    settings = read_params(Path(__file__).parents[3] / "params.yaml").judge
    rule = Rule(**settings.model_dump(exclude={"accept"}), bins=10)
    print(f"## Judging, on {os.cpu_count()} cores ({processor()})\n")
    print_bootstrap(rule)
    print_sizes(rule)


def print_bootstrap(rule: Rule) -> None:
    case = made_up(ROWS)
    compared, first, second = case
    labels = compared.sample.labels
    draw = np.random.default_rng(0)
    judging, rounds = [], []
    judge(case, rule)  # imports and warms up
    for _ in range(ROUNDS_MEASURED):
        judging.append(seconds(lambda: judge(case, rule)))
        rows = draw.integers(0, ROWS, ROWS)
        rounds.append(
            seconds(
                lambda rows=rows: (  # type: ignore[misc]
                    roc_auc_score(labels[rows], second[rows]),
                    roc_auc_score(labels[rows], first[rows]),
                )
            )
        )
    ours, bootstrap = np.median(judging), np.median(rounds) * ROUNDS_OF_A_BOOTSTRAP
    print(f"| {ROWS:,} rows | seconds | limit |\n|---|---:|---:|")
    print(f"| all metrics, slices, intervals, flips, curves | {ours:.3f} | 1 |")
    print(
        f"| {ROUNDS_OF_A_BOOTSTRAP:,} bootstrap rounds of `roc_auc_score` on both models "
        f"({ROUNDS_MEASURED} measured, scaled up) | {bootstrap:.1f} | |"
    )
    print(f"| ratio, interleaved in one run | {bootstrap / ours:.0f} x | at least 50 x |\n")


def print_sizes(rule: Rule) -> None:
    print("| rows | seconds | microseconds a row | peak memory / inputs |\n|---:|---:|---:|---:|")
    for rows in SIZES:
        case = made_up(rows)
        taken = min(seconds(lambda case=case: judge(case, rule)) for _ in range(2))  # type: ignore[misc]
        tracemalloc.start()
        judge(case, rule)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        share = peak / inputs(case)
        print(f"| {rows:,} | {taken:.2f} | {taken / rows * 1e6:.2f} | {share:.2f} (limit 3) |")
    print("\nInputs: the two score vectors and the slice codes.")


def judge(case: Case, rule: Rule) -> None:
    """Do all that `slipway judge` does with two score vectors."""
    compared, *scores = case
    first, second = (Predictions.at(each, 0.3) for each in scores)
    compare.metric_table(compared.sample, first, second, rule, uses=1)
    slice_table(compared.sample, first, second, compared.groups, rule, {})
    compare.changed_decisions(compared, first, second)
    compare.curves(compared.sample, first, second, rule.bins)


def made_up(rows: int) -> Case:
    random = np.random.default_rng(1)
    signal = random.standard_normal(rows)
    labels = (random.random(rows) < 1 / (1 + np.exp(1.4 - signal))).astype("float32")
    first, second = (
        1 / (1 + np.exp(1.4 - signal + noise * random.standard_normal(rows)))
        for noise in (0.50, 0.49)
    )
    groups = {
        name: Group(
            [str(value) for value in range(count)],
            random.integers(0, count, rows, dtype=np.uint8),
        )
        for name, count in SLICES.items()
    }
    ends = [rows * number // PERIODS for number in range(PERIODS + 1)]
    days = Way.of(np.arange(rows) * DAYS // rows, ordered=True, name=DAY)
    periods = tuple(slice(start, end) for start, end in pairwise(ends))
    return Rows(Sample(labels, Clusters((days,)), periods), groups), first, second


def inputs(case: Case) -> int:
    compared, first, second = case
    codes = sum(group.codes.nbytes for group in compared.groups.values())
    return first.nbytes + second.nbytes + codes


def seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
