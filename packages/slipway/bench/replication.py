"""Whether verdicts on the starter data replicate: the differences found, and those of later months.

Run it alone: `.venv/bin/python bench/replication.py`. Scores are kept in `build/replication`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, combinations
from math import hypot, inf

import numpy as np
from support.measure import ROOT, machine, table
from support.rolling import ORIGINS, ScoredRows, Setting, scored

from slipway.comparison import verdict
from slipway.comparison.compare import metric_table
from slipway.comparison.report import Rule
from slipway.metrics.clusters import Clusters
from slipway.metrics.inference import t_quantile
from slipway.metrics.paired import Difference
from slipway.metrics.registry import METRICS, Options, Predictions, Sample
from slipway.settings import read_params
from slipway.setup.demo.plan import STARTER

PARAMS = ROOT / "params.yaml"

# The months that are scored.
SCORED = ("June", "July", "August", "September", "October", "November", "December")
ROLLING, HOLDOUT, LATER = range(4), range(3, 4), range(4, 7)  # of SCORED

OPTIONS = Options(confidence=0.95)

RAIN = ("precip", "visib")

BASE = {
    "learning_rate": 0.015,
    "iterations": 1000,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 100,
    "l2": 1.0,
    "seed": 0,
}

SETTINGS = {
    "learning rate 0.015, 1,000 trees of 15 leaves with 100 rows or more, l2 1": Setting(BASE),
    "learning rate 0.012": Setting(BASE | {"learning_rate": 0.012}),
    "learning rate 0.02": Setting(BASE | {"learning_rate": 0.02}),
    "21 leaves": Setting(BASE | {"max_leaf_nodes": 21}),
    "50 rows or more": Setting(BASE | {"min_samples_leaf": 50}),
    "200 rows or more": Setting(BASE | {"min_samples_leaf": 200}),
    "l2 10": Setting(BASE | {"l2": 10.0}),
    "400 trees": Setting(BASE | {"iterations": 400}),
    "250 trees": Setting(BASE | {"iterations": 250}),
    "without rain and visibility": Setting(BASE, RAIN),
    "without weather": Setting(BASE, (*RAIN, "temp", "humid", "wind_speed", "pressure")),
    "without aircraft": Setting(BASE, ("plane_age", "plane_seats")),
}


def main() -> None:
    params = read_params(PARAMS)
    judge = params.judge.model_dump(exclude={"accept"})
    rule = Rule(**judge, bins=params.evaluate.bins, origins=len(ORIGINS))
    changes = {
        change.edits(params.train).replace("\n\n", ", "): Setting({**params.train, **change.train})
        for change in STARTER.changes
    }
    settings = SETTINGS | {"starter": Setting(params.train)} | changes
    data, scores = scored(settings)
    models = {name: Predictions.at(scores[name], params.evaluate.threshold) for name in settings}
    print(f"## Do verdicts replicate on the starter data?\n\n{machine()}\n")
    print_pairs(data, [models[name] for name in SETTINGS], rule)
    print_halves(data, [models[name] for name in SETTINGS])
    print_changes(data, models["starter"], {name: models[name] for name in changes}, rule)


def differences(
    metric: str, sample: Sample, rows: np.ndarray, models: Sequence[Predictions]
) -> list[Difference]:
    """Return the difference of each pair of models on some rows, as the judge computes it."""
    part, parts = sample.take(rows), [model.take(rows) for model in models]
    of = METRICS[metric].difference
    return [of(part, *pair, OPTIONS) for pair in combinations(parts, 2)]


def print_pairs(data: ScoredRows, models: Sequence[Predictions], rule: Rule) -> None:
    rolling, holdout = data.rows(ROLLING), data.rows(HOLDOUT)
    days = data.by_day.take(rolling).clusters.count(len(rolling))
    print(
        f"{len(models)} settings of the starter's estimator: {'; '.join(SETTINGS)}. Each is "
        "fitted on January to May, June, July and August 2013, and scores the month after. *Later* "
        "is October to December, scored by the fit on January to August. A pair is different at "
        "95 % if its interval is on one side of 0, and at the judge's level if a one-sided p-value "
        f"is below {rule.alpha} / {rule.budget}. For the last column each of a pair is the "
        "champion once.\n\nAims for the four origins: 90 % keep their sign, and 10 of 55 pairs "
        "(18 %) are different at the judge's level."
    )
    by_judge = f"four origins (June to September, {days} days), by day"
    ways = {
        "September, independent rows": (data.alone, holdout),
        "September, by day": (data.by_day, holdout),
        by_judge: (data.by_day, rolling),
        "the same, if days did not depend on each other": (in_no_sequence(data.by_day), rolling),
    }
    for metric in ("auc", "log_loss"):
        later = differences(metric, data.by_day, data.rows(LATER), models)
        signs = np.sign([each.value for each in later])
        lines: list[dict[str, str]] = []
        of_judge: list[Difference] = []
        for way, (sample, rows) in ways.items():
            found = differences(metric, sample, rows, models)
            of_judge = found if way == by_judge else of_judge
            turned = differences(metric, sample, rows, models[::-1])
            share_decided = {
                "verdict other than inconclusive": decided(metric, found + turned, rule)
            }
            lines.append({"": way, **called(found, signs, rule), **share_decided})
        print(f"\n{METRICS[metric].label}, margin {rule.margins[metric]:g}:\n\n{table(lines)}")
        levels = {"at 95 %": 0.025, "at the judge's level": verdict.alpha_better(rule, uses=1)}
        shared = [f"{where}, {most_frequent(of_judge, level)}" for where, level in levels.items()]
        print(f"\nPairs share settings. Of those different by four origins {'; '.join(shared)}.")


def in_no_sequence(sample: Sample) -> Sample:
    """Return a sample whose days do not depend on the days before them: CR2 instead of EWC."""
    ways = tuple(replace(way, ordered=False) for way in sample.clusters.ways)
    return replace(sample, clusters=Clusters(ways))


def called(found: list[Difference], later: np.ndarray, rule: Rule) -> dict[str, str]:
    """Return how many pairs are called different, and how many of them keep their sign."""
    outside = np.array([not each.low <= 0 <= each.high for each in found])
    level = verdict.alpha_better(rule, uses=1)
    certain = np.array([min(each.p_up, each.p_down) < level for each in found])
    same = np.sign([each.value for each in found]) == later
    return {
        "half width, median": f"{np.median([each.high - each.low for each in found]) / 2:.4f}",
        "different at 95 %": share(outside),
        "same sign later": share(same[outside]),
        "different at the judge's level": share(certain),
        "of these, same sign later": share(same[certain]),
    }


def most_frequent(found: list[Difference], level: float) -> str:
    """Return the setting that most of the pairs have whose difference is significant."""
    pairs = [
        pair
        for pair, each in zip(combinations(SETTINGS, 2), found, strict=True)
        if min(each.p_up, each.p_down) < level
    ]
    name, count = Counter(chain.from_iterable(pairs)).most_common(1)[0] if pairs else ("none", 0)
    return f"{count} of {len(pairs)} have *{name}*"


def decided(metric: str, found: list[Difference], rule: Rule) -> str:
    levels = rule.alpha, verdict.alpha_better(rule, uses=1)
    verdicts = [verdict.classify(metric, each, rule.margins[metric], *levels) for each in found]
    return share(np.array(verdicts) != "inconclusive")


def share(hits: np.ndarray) -> str:
    return f"{hits.sum()} of {len(hits)} ({hits.mean():.0%})" if len(hits) else ""


def print_halves(data: ScoredRows, models: Sequence[Predictions]) -> None:
    print(
        "\nOdd against even days of a month, June to December: pairs whose two differences are "
        "apart by more than the 95 % interval. Aim: at most 7 % by day.\n"
    )
    ways = {"independent rows": data.alone, "by day": data.by_day}
    print(
        table(
            {"": METRICS[metric].label}
            | {way: share(apart(metric, data, ways[way], models)) for way in ways}
            for metric in ("auc", "log_loss")
        )
    )


def apart(
    metric: str, data: ScoredRows, sample: Sample, models: Sequence[Predictions]
) -> np.ndarray:
    """Return for each month and pair whether odd and even days differ, by Welch's interval."""
    found = []
    for month in range(len(SCORED)):
        rows = data.rows(range(month, month + 1))
        is_odd = data.is_odd[rows]
        halves = [differences(metric, sample, rows[half], models) for half in (is_odd, ~is_odd)]
        for odd, even in zip(*halves, strict=True):
            se = hypot(odd.se, even.se)
            dof = se**4 / sum(each.se**4 / (each.dof or inf) for each in (odd, even))
            found.append(abs(odd.value - even.value) > t_quantile(OPTIONS.confidence, dof) * se)
    return np.array(found)


def print_changes(
    data: ScoredRows, starter: Predictions, changes: Mapping[str, Predictions], rule: Rule
) -> None:
    print(
        "\n### The demo's changes\n\nAgainst the starter: over the four origins, by day, with "
        "the verdict on this metric at the judge's level; and in each month, scored by the fit on "
        "January to August.\n"
    )
    rows = data.rows(ROLLING)
    sample, champion = data.by_day.take(rows), starter.take(rows)
    names = dict.fromkeys([rule.primary, *rule.guards])
    lines = []
    for change, model in changes.items():
        for row in metric_table(sample, champion, model.take(rows), rule, uses=1, names=names):
            difference, line = row.difference, {"change": change}
            line["metric"] = METRICS[row.name].label
            line["difference"] = f"{difference.value:+.4f}"
            line["interval"] = f"{difference.low:+.4f} to {difference.high:+.4f}"
            line["verdict"] = row.verdict
            line["days that would decide"] = f"{row.needed:,}" if row.needed else ""
            for month in range(HOLDOUT[0], len(SCORED)):
                of = data.rows(range(month, month + 1))
                (by_month,) = differences(row.name, data.by_day, of, [starter, model])
                line[SCORED[month]] = f"{by_month.value:+.4f}"
            lines.append(line)
    print(table(lines))


if __name__ == "__main__":
    main()
