"""Made-up models and the report of judging them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from slipway.comparison.compare import ScoredModel
from slipway.comparison.core import Findings, judge
from slipway.comparison.report import Judgement, Rule
from slipway.comparison.slices import Group, Groups
from slipway.comparison.verdict import reliability
from slipway.metrics.registry import METRICS

RULE: dict[str, Any] = {
    "primary": "auc",
    "alpha": 0.025,
    "margins": {name: metric.margin for name, metric in METRICS.items()},
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
        "train": {"months": ["2030-01"], "rows": 100_000, "positives": 20_000},
    }
    return ScoredModel(scores, facts | manifest, name * 40, "restored by hash")


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
        "behaviours": [behaviour("a_holds", 1.0)],
        "cost": {
            "row_ms": {"champion": 0.02, "challenger": 0.03, "limit": rule.max_row_ms},
            "model_mb": {"champion": 0.5, "challenger": 0.6, "limit": rule.max_model_mb},
        },
        "permutation_importance": [{"feature": "distance", "auc_decrease": 0.1}],
        "data": None,
        "changes": {"params": [], "dependencies": [], "files": [], "judging_rules": []},
        "lock": "not checked",
        "notes": [],
    }
    return TypeAdapter(Findings).validate_python(facts | other)


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
    return judge(
        labels,
        groups(),
        side(champion, "c"),
        side(challenger, "e"),
        settings,
        findings(settings, uses, **found),
        best_champions=[] if best is None else [side(best, "b")],
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
    "auc_decrease": "auc_lost",
    "shifted": "moved",
    "judging_rules": "judges",
    "origin": "how",
}


def version_1(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report as the version before would have written it."""
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
