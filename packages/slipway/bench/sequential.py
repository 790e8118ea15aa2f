"""A report that is read daily for 90 days: how often it is wrong at any look, and how soon right.

Run it alone: `.venv/bin/python bench/sequential.py`. RUNS in the environment is the number of
series in each cell; 4,000 if it is not set. Everything is made up here, from a seed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import numpy as np
from support.measure import PACKAGE, machine, table

from slipway.metrics import influence, sequential
from slipway.metrics.clusters import Way

sys.path.insert(0, str(PACKAGE))
from tests.metrics.daily_looks import (
    DAYS,
    LEVEL,
    Series,
    clustered_rows,
    heavy_tailed_days,
    normal_days,
    one_look,
    signs,
    skewed_days,
    very_skewed_days,
)

ROWS_A_DAY = 30
RUNS_OF_AUC = 2000
MONTH = 30

Make = Callable[[int, np.random.Generator], Series]

CELLS: dict[str, Make] = {
    "independent days": normal_days,
    "heavy-tailed days (Student's t, 3 degrees of freedom)": heavy_tailed_days,
    "skewed days (exponential)": skewed_days,
    "20 to 200 rows a day, correlation 0.3 within a day": clustered_rows,
    "serial correlation 0.3": lambda runs, random: normal_days(runs, random, 0.3),
    "serial correlation 0.6": lambda runs, random: normal_days(runs, random, 0.6),
    "serial correlation 0.7": lambda runs, random: normal_days(runs, random, 0.7),
    "very skewed days (log-normal, sigma 1.2)": very_skewed_days,
}


def main() -> None:
    runs = int(os.environ.get("RUNS") or 4000)
    print(f"## A report that is read daily\n\n{machine()}\n")
    rows = [_row(name, make, runs) for name, make in CELLS.items()]
    print(table(rows), flush=True)
    runs_of_auc = min(runs, RUNS_OF_AUC)
    print(
        f"\nAUC, its pulls computed anew at each look, {ROWS_A_DAY} rows a day, scores with a "
        f"correlation of 0.3 within a day: {_share_called(runs_of_auc):.1%} of {runs_of_auc:,} "
        "series by the confidence sequence."
    )


def _row(name: str, make: Make, runs: int) -> dict[str, str]:
    series = make(runs, np.random.default_rng(12))
    found = signs(series.plus(2 * series.detectable)) == 1
    return {
        "days": name,
        "runs": f"{runs:,}",
        "one-look test at each look": _share(signs(series, one_look)),
        "confidence sequence": _share(signs(series)),
        f"found before day {MONTH}": _share(found[:, : MONTH - 1]),
        "median day": _median_day(found),
    }


def _share(signs: np.ndarray) -> str:
    return f"{signs.any(axis=1).mean():.1%}"


def _median_day(found: np.ndarray) -> str:
    first = np.where(found.any(axis=1), found.argmax(axis=1) + 1, np.inf)
    return f"{np.median(first):.0f}"


def _share_called(runs: int) -> float:
    """Return the share of series in which one of two equal models is called better by AUC."""
    random = np.random.default_rng(13)
    return sum(_is_called(*_equal_models(random)) for _ in range(runs)) / runs


def _equal_models(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels and the scores of two models, shape (days x rows a day,)."""
    shape = (2, DAYS, ROWS_A_DAY)
    labels = random.random(shape[1:]) < 0.3
    noise = np.sqrt(0.3) * random.standard_normal((2, DAYS, 1))
    noise = noise + np.sqrt(0.7) * random.standard_normal(shape)
    first, second = labels + noise
    return labels.ravel().astype("float64"), first.ravel(), second.ravel()


def _is_called(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether a model is called better at the look after any day."""
    codes = np.repeat(np.arange(DAYS, dtype="int32"), ROWS_A_DAY)
    for days in range(sequential.FEWEST, DAYS + 1):
        rows = slice(days * ROWS_A_DAY)
        before, after = (influence.auc(labels[rows], each[rows]) for each in (first, second))
        found = sequential.difference(before, after, Way(codes[rows], days, True), LEVEL)
        if not found.low <= 0 <= found.high:
            return True
    return False


if __name__ == "__main__":
    main()
