"""Two models on the same rows: every metric, and the decisions that flip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from slipway import paired, stats
from slipway.judge import verdict
from slipway.judge.slices import Groups
from slipway.paired import Difference

# Flips are shown for the values of a slice that have at least this many of them.
SHOWN_FLIPS = 10


@dataclass(frozen=True)
class Side:
    """One of the two models, and what it says of the holdout.

    Parameters
    ----------
    scores
        Shape (rows,), float64; None where it could not read the rows.
    manifest
        What the model says of itself.
    commit
        Where it comes from; empty for files that are not committed.
    how
        How the model was had, in a few words.
    manifest_sha256
        Of the manifest's file; empty where it is not known.
    recorded
        sha256 of the model that ``dvc.lock`` names, where another one was rebuilt.
    """

    scores: np.ndarray | None
    manifest: Mapping[str, Any]
    commit: str = ""
    how: str = ""
    manifest_sha256: str = ""
    recorded: str = ""

    @property
    def sha256(self) -> str:
        return str(self.manifest["model"]["sha256"])


def difference(
    metric: str,
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    thresholds: tuple[float, float],
    level: float,
    bins: int,
) -> Difference:
    """Return what the second model has more than the first in one metric."""
    if metric == "auc":
        return paired.auc(labels, first, second, level)
    if metric == "calibration_error":
        return paired.calibration_error(labels, first, second, bins, level)
    if metric in ("log_loss", "brier"):
        losses = stats.log_losses if metric == "log_loss" else stats.brier
        return paired.mean(losses(labels, first), losses(labels, second), level)
    decide = paired.precision if metric == "precision" else paired.recall
    return decide(labels, first >= thresholds[0], second >= thresholds[1], level)


def metric_table(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    thresholds: tuple[float, float],
    rule: Mapping[str, Any],
    uses: int,
) -> list[dict[str, Any]]:
    """Return every metric of both models, their difference, and the word for it.

    Parameters
    ----------
    labels, first, second
        0 or 1, and two probabilities; each of shape (rows,).
    thresholds
        The probability from which each model decides for yes.
    rule
        The section `judge` of ``params.yaml``, and `bins`.
    uses
        Which judgement on this holdout this is, from 1.
    """
    level = 1 - 2 * rule["alpha"]
    table = []
    for name in verdict.METRICS:
        found = difference(name, labels, first, second, thresholds, level, rule["bins"]).as_dict()
        margin = rule["margins"][name]
        said = verdict.word(name, found, margin, rule["alpha"], verdict.alpha_better(rule, uses))
        needed = (
            verdict.rows_needed(name, found, margin, rule["alpha"])
            if said == "cannot tell" and not found["doubt"]
            else None
        )
        table.append(
            {
                "name": name,
                "champion": found.pop("first"),
                "challenger": found.pop("second"),
                "difference": found,
                "margin": margin,
                "verdict": said,
                "rows_needed": needed,
            }
        )
    return table


def against_best(
    labels: np.ndarray, best: Side, challenger: Side, rule: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the primary metric against the best champion so far, not only the last one.

    Many small losses, each within the margin of the last, add up; against one fixed model
    they cannot.
    """
    metric, alpha = rule["primary"], rule["alpha"]
    if best.scores is None or challenger.scores is None:
        raise ValueError("the best champion must have scored the rows")
    thresholds = (best.manifest["threshold"], challenger.manifest["threshold"])
    found = difference(
        metric, labels, best.scores, challenger.scores, thresholds, 1 - 2 * alpha, rule["bins"]
    ).as_dict()
    return {
        "best": found.pop("first"),
        "challenger": found.pop("second"),
        "difference": found,
        "verdict": holds_ground(found, rule),
    }


def holds_ground(difference: Mapping[str, Any], rule: Mapping[str, Any]) -> verdict.Word:
    """Return the word for the primary metric without *better*: a gain is claimed elsewhere."""
    metric = rule["primary"]
    return verdict.word(metric, difference, rule["margins"][metric], rule["alpha"], 0.0)


def flips(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    thresholds: tuple[float, float],
    groups: Groups,
) -> dict[str, Any]:
    """Return how many decisions change, in which direction, who was right, and for whom."""
    before, after = first >= thresholds[0], second >= thresholds[1]
    changed, positive = before != after, labels == 1
    up, down = changed & after, changed & before
    gained = int((up & positive).sum() + (down & ~positive).sum())
    count = int(changed.sum())
    return {
        "count": count,
        "share": count / len(labels),
        "to_positive": {"count": int(up.sum()), "positives": int((up & positive).sum())},
        "to_negative": {"count": int(down.sum()), "positives": int((down & positive).sum())},
        "now_right": gained,
        "now_wrong": count - gained,
        "p_equally_right": paired.mcnemar(count - gained, gained),
        "who": _who(changed, groups),
    }


def curves(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, bins: int
) -> dict[str, list[dict[str, float]]]:
    """Return both calibration curves."""
    return {
        "champion": stats.calibration_curve(labels, first, bins),
        "challenger": stats.calibration_curve(labels, second, bins),
    }


def _who(changed: np.ndarray, groups: Groups) -> list[dict[str, Any]]:
    """Return the slice values in which decisions flip most often, five at most."""
    found = []
    for name, group in groups.items():
        flipped = np.bincount(group.codes[changed], minlength=len(group.values))
        rows = np.bincount(group.codes, minlength=len(group.values))
        found += [
            {"slice": name, "value": value, "rows": count, "flips": flips, "share": flips / count}
            for value, count, flips in zip(
                group.values, rows.tolist(), flipped.tolist(), strict=True
            )
            if flips >= SHOWN_FLIPS and count < len(changed)
        ]
    return sorted(found, key=lambda row: -row["share"])[:5]
