"""Made-up models and the report of judging them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from slipway.comparison import verdict
from slipway.comparison.compare import Compared, Rows, ScoredBest, ScoredModel
from slipway.comparison.core import Findings, judge
from slipway.comparison.report import Judgement, Period, Rule
from slipway.comparison.verdict import reliability
from slipway.manifest import parse_manifest
from slipway.metrics import paired
from slipway.metrics.clusters import DAY, Clusters, Way
from slipway.metrics.groups import Group, Groups
from slipway.metrics.registry import METRICS, Sample
from slipway.settings import MARGINS

RULE: dict[str, Any] = {
    "primary": "auc",
    "alpha": 0.025,
    "margins": dict(MARGINS),
    "guards": ["log_loss"],
    "require": "not worse",
    "on_inconclusive": "stop",
    "min_slice_rows": 200,
    "budget": 50,
    "max_row_ms": 1.0,
    "max_model_mb": 20.0,
    "bins": 10,
}

ROWS = 20_000
_random = np.random.default_rng(11)
_signal = _random.standard_normal(ROWS) - 1.5
LABELS = (_random.random(ROWS) < 1 / (1 + np.exp(-1.5 * _signal))).astype("float64")
SHOPS = _random.integers(0, 20, ROWS)


def model(noise: float, seed: int = 0) -> np.ndarray:
    """Probabilities of a calibrated model that sees the truth through some noise."""
    drawn = np.random.default_rng(seed).standard_normal(ROWS)
    return np.asarray(1 / (1 + np.exp(-1.5 * (_signal + noise * drawn))))


CHAMPION = model(0.5)
BETTER = model(0.3)
SAME_BUT_NOT_IDENTICAL = np.clip(
    CHAMPION + 0.001 * np.random.default_rng(1).standard_normal(ROWS), 0, 1
)
WORSE = model(0.9)
UNSURE = model(0.5, seed=5)  # as good, but it errs on other rows
_logit = np.log(CHAMPION / (1 - CHAMPION)) + 0.012 * LABELS
_noise = 0.1 * np.random.default_rng(3).standard_normal(ROWS)
SLIGHTLY_BETTER = 1 / (1 + np.exp(-(_logit + _noise)))
SHUFFLED = np.random.default_rng(2).permutation(CHAMPION)

WORSE_IN_SHOP_7 = np.where(SHOPS == 7, WORSE, BETTER)


def groups(codes: np.ndarray = SHOPS) -> Groups:
    values = [f"shop {code}" for code in range(int(codes.max()) + 1)]
    return {"shop": Group(values, codes)}


def side(scores: np.ndarray | None, name: str, **manifest: Any) -> ScoredModel:
    facts = {
        "model": {"sha256": name * 64},
        "data": {"md5": "d" * 32 + ".dir"},
        "threshold": 0.3,
        "train": {"months": list(LEARNED), "rows": 100_000, "positives": 20_000},
    }
    return ScoredModel(
        scores, parse_manifest(json.dumps(facts | manifest).encode()), name * 40, "restored by hash"
    )


def rule_of(**changes: Any) -> Rule:
    return Rule.model_validate(RULE | changes)


def findings(rule: Rule | None = None, uses: int = 1, **other: Any) -> Findings:
    rule = rule or rule_of()
    facts: dict[str, Any] = {
        "holdout": {
            "keys_sha256": "0" * 64,
            "rows": ROWS,
            "positives": int(LABELS.sum()),
            "months": ["2030-02"],
            "first": "2030-02-01T00:00:00Z",
            "last": "2030-02-28T23:59:00Z",
            "moved": False,
            "uses": uses,
            "tampered": [],
            "reliability": reliability(rule, uses),
        },
        "periods": [period("0", ROWS, int(LABELS.sum()), uses)],
        "behaviours": [behaviour("a_holds", 1.0)],
        "cost": {
            "row_ms": {"champion": 0.02, "challenger": 0.03, "limit": rule.max_row_ms},
            "model_mb": {"champion": 0.5, "challenger": 0.6, "limit": rule.max_model_mb},
        },
        "permutation_importance": [{"feature": "distance", "decrease": 0.1}],
        "data": None,
        "changes": {"params": [], "dependencies": [], "files": [], "judging_rules": []},
        "lock": "not checked",
        "notes": [],
    }
    return TypeAdapter(Findings).validate_python(facts | other)


# Months that the models of the newest period have learned from.
LEARNED = ("2029-09", "2029-10", "2029-11", "2029-12", "2030-01")


def period(
    key: str, rows: int, positives: int, uses: int = 1, ends: int = len(LEARNED)
) -> dict[str, Any]:
    """Return a period whose models have learned from that many months."""
    return {
        "learned": list(LEARNED[:ends]),
        "months": [(*LEARNED, "2030-02")[ends]],
        "keys_sha256": key * 64,
        "rows": rows,
        "positives": positives,
        "uses": uses,
    }


def one_period(labels: np.ndarray = LABELS, codes: np.ndarray = SHOPS) -> Compared:
    """Return rows that do not depend on each other."""
    rows = Rows(Sample.of(labels), groups(codes))
    return Compared(rows, rows)


CUSTOMER = "customer"

# Four periods of thirty days each.
PERIODS, DAYS = 4, 120
_ends = [ROWS * number // PERIODS for number in range(PERIODS + 1)]
PERIOD_ROWS = tuple(slice(start, end) for start, end in pairwise(_ends))
NEWEST = PERIOD_ROWS[-1]


def four_periods(days: int = DAYS, customers: int = 0) -> Compared:
    """Return the same rows, on days in four periods; each day has rows of its own.

    If there are customers, each has rows on many days.
    """
    ways = [Way.of(np.arange(ROWS) * days // ROWS, ordered=True, name=DAY)]
    ways += [Way.of(np.arange(ROWS) % customers, name=CUSTOMER)] if customers else []
    rolling = Rows(Sample(LABELS, Clusters(tuple(ways)), PERIOD_ROWS), groups())
    newest = np.arange(ROWS)[NEWEST]
    return Compared(rolling, Rows(rolling.sample.take(newest), groups(SHOPS[NEWEST])))


def judged_on_periods(
    challenger: np.ndarray = BETTER,
    champion: np.ndarray = CHAMPION,
    *,
    newest: np.ndarray | None = None,
    days: int = DAYS,
    customers: int = 0,
    rule: dict[str, Any] | None = None,
    uses: tuple[int, ...] = (1, 1, 1, 1),
    best_champions: Sequence[ScoredBest] = (),
    **found: Any,
) -> dict[str, Any]:
    """Judge two procedures on four periods; `newest` are other scores of the newest challenger."""
    clusters = [DAY, CUSTOMER] if customers else [DAY]
    settings = rule_of(clusters=clusters, origins=PERIODS, **(rule or {}))
    facts = findings(settings, max(uses), **found)
    periods = [
        period(str(n), len(part), int(part.sum()), used, ends=len(LEARNED) + 1 - PERIODS + n)
        for n, (part, used) in enumerate(
            zip(map(LABELS.__getitem__, PERIOD_ROWS), uses, strict=True)
        )
    ]
    newest_period = {
        key: periods[-1][key] for key in ("keys_sha256", "rows", "positives", "months")
    }
    holdout = facts.holdout.model_copy(update=newest_period)
    facts = replace(
        facts, holdout=holdout, periods=[Period.model_validate(each) for each in periods]
    )
    ours = challenger[NEWEST] if newest is None else newest
    return judge(
        four_periods(days, customers),
        replace(side(champion[NEWEST], "c"), rolling=champion),
        replace(side(ours, "e"), rolling=challenger),
        settings,
        facts,
        best_champions=best_champions,
    ).as_json()


def best_of_all(scores: np.ndarray, name: str) -> ScoredBest:
    """Return a model that may be the best so far, scored on the only period."""
    return ScoredBest(side(scores, name), [0], scores)


def behaviour(name: str, share: float, at_least: float = 0.95) -> dict[str, Any]:
    return {
        "name": name,
        "description": "More of this does not mean less of that.",
        "rows": 1000,
        "share": share,
        "at_least": at_least,
        "holds": share >= at_least,
    }


def judgement(
    challenger: np.ndarray = BETTER,
    champion: np.ndarray = CHAMPION,
    *,
    rule: dict[str, Any] | None = None,
    labels: np.ndarray = LABELS,
    best: np.ndarray | None = None,
    accepted: dict[str, str] | None = None,
    uses: int = 1,
    **found: Any,
) -> Judgement:
    """Judge two models on the same rows; `rule` changes some settings, `found` some findings."""
    settings = rule_of(**(rule or {}))
    found = {"periods": []} | found if "incomparable" in found else found
    return judge(
        one_period(labels),
        side(champion, "c"),
        side(challenger, "e"),
        settings,
        findings(settings, uses, **found),
        best_champions=[] if best is None else [best_of_all(best, "b")],
        accepted=accepted,
    )


def judged(*models: np.ndarray, **options: Any) -> dict[str, Any]:
    """Return the report of `judgement` as JSON."""
    return judgement(*models, **options).as_json()


# Names of version 1 of the report, by those of version 2.
OLD_NAMES = {
    "inconclusive": "cannot tell",
    "no regression found": "no harm seen",
    "on_inconclusive": "on_cannot_tell",
    "insufficient_reason": "doubt",
    "best_champion": "anchor",
    "unavailable": "lost",
    "changed_decisions": "flips",
    "p_value": "p_equally_right",
    "changed": "flips",
    "description": "says",
    "permutation_importance": "leans_on",
    "decrease": "auc_lost",
    "shifted": "moved",
    "judging_rules": "judges",
    "origin": "how",
}


def version_2(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report as the version before would have written it: with normal intervals."""
    before: dict[str, Any] = json.loads(json.dumps(report)) | {"version": 2}
    del before["periods"], before["unit"], before["newest"], before["changes"]["procedure"]
    for setting in ("origins", "clusters", "time_zone"):
        del before["rule"][setting]
    before["metrics"] = [row for row in before["metrics"] if METRICS[row["name"]].since <= 2]
    before["rule"]["margins"] = {row["name"]: row["margin"] for row in before["metrics"]}
    rows, slices = before["metrics"], before["slices"]["rows"]
    measured = [entry for row in slices for entry in row["metrics"].values() if entry]
    for entry in [*rows, *measured, before["best_champion"]]:
        entry["difference"] = normal(entry)
    for row in rows:
        found = paired.Difference(None, None, **row["difference"])
        row["rows_needed"] = verdict.needed(
            row["name"], found, row["margin"], RULE["alpha"], row["verdict"]
        )
        del row["needed"]
    losses = [
        entry["difference"]["p_down" if METRICS[name].higher_is_better else "p_up"]
        for row in slices
        for name, entry in row["metrics"].items()
        if entry
    ]
    for entry, adjusted in zip(measured, paired.holm(losses), strict=True):
        entry["p_adjusted"] = adjusted
    return before


def normal(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the difference of an entry, by the normal distribution."""
    now = entry["difference"]
    values = entry["champion"], entry["challenger"], now["se"], now["rows"]
    found = paired.difference(*values, 1 - 2 * RULE["alpha"], now["insufficient_reason"])
    return {key: getattr(found, key) for key in now if key not in NEW_IN_DIFFERENCES}


NEW_IN_DIFFERENCES = {"dof", "clusters", "effective_rows"}


def version_1(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report of version 2 as the version before would have written it."""
    text = json.dumps(report)
    for new, old in OLD_NAMES.items():
        text = text.replace(f'"{new}"', f'"{old}"')
    before: dict[str, Any] = json.loads(text) | {"version": 1}
    if before["anchor"]:
        before["anchor"]["best"] = before["anchor"].pop("champion")
    if before["flips"]:
        before["flips"]["who"] = before["flips"].pop("slices")
    for row in before["slices"]["rows"]:
        row |= row.pop("metrics")
    return before


def metric(report: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in report["metrics"] if row["name"] == name)
    return found


def stops(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(stop["code"], stop["about"]) for stop in report["stops"]]
