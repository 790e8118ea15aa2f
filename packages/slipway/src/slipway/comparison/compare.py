"""Two models on the same rows: every metric, and the decisions that change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from slipway.comparison import verdict
from slipway.comparison.report import (
    BestChampion,
    Bin,
    ChangedDecisions,
    Curves,
    Difference,
    Direction,
    MetricRow,
    Rule,
    SliceChange,
)
from slipway.comparison.slices import Groups
from slipway.metrics import paired, stats
from slipway.metrics.registry import METRICS, Options, Predictions

# Changed decisions are shown for the values of a slice that have at least this many of them.
FEWEST_CHANGED, MOST_SLICES = 10, 5


@dataclass(frozen=True)
class ScoredModel:
    """A model and its scores on the holdout.

    Parameters
    ----------
    scores
        Shape (rows,), float64; None if it could not read the rows.
    manifest
        The model's manifest.
    commit
        Where it comes from; empty for files that are not committed.
    origin
        How the model was obtained, such as *restored by hash*.
    manifest_sha256
        Of the manifest's file; empty if it is not known.
    recorded
        sha256 of the model that ``dvc.lock`` names, if another one was rebuilt.
    """

    scores: np.ndarray | None
    manifest: Mapping[str, Any]
    commit: str = ""
    origin: str = ""
    manifest_sha256: str = ""
    recorded: str = ""

    @property
    def sha256(self) -> str:
        return str(self.manifest["model"]["sha256"])

    @property
    def threshold(self) -> float:
        return float(self.manifest["threshold"])

    @property
    def predictions(self) -> Predictions:
        """Scores and decisions; raises ValueError if the model did not score the rows."""
        if self.scores is None:
            raise ValueError("a model that did not score the rows cannot be compared")
        return Predictions.at(self.scores, self.threshold)


def options_of(rule: Rule) -> Options:
    """Return level and bins of a rule: its intervals hold 1 - 2 x alpha."""
    return Options(1 - 2 * rule.alpha, rule.bins)


def metric_table(
    labels: np.ndarray,
    champion: Predictions,
    challenger: Predictions,
    rule: Rule,
    uses: int,
) -> list[MetricRow]:
    """Return every metric of both models, their difference, and its verdict.

    Parameters
    ----------
    labels
        0 or 1, shape (rows,).
    uses
        Which judgement on this holdout this is, from 1.
    """
    options, alpha_better = options_of(rule), verdict.alpha_better(rule, uses)
    table = []
    for name, metric in METRICS.items():
        difference = metric.difference(labels, champion, challenger, options)
        margin = rule.margins[name]
        found = verdict.classify(name, difference, margin, rule.alpha, alpha_better)
        needed = (
            verdict.rows_needed(name, difference, margin, rule.alpha)
            if found == "inconclusive" and not difference.insufficient_reason
            else None
        )
        table.append(
            MetricRow(
                name=name,
                champion=difference.first,
                challenger=difference.second,
                difference=Difference.of(difference),
                margin=margin,
                verdict=found,
                rows_needed=needed,
            )
        )
    return table


def against_best(
    labels: np.ndarray, best: ScoredModel, challenger: ScoredModel, rule: Rule
) -> BestChampion:
    """Return the primary metric against the best champion so far, not only the last one.

    Many small losses, each within the margin of the last, add up; against one fixed model
    they cannot.
    """
    difference = METRICS[rule.primary].difference(
        labels, best.predictions, challenger.predictions, options_of(rule)
    )
    return BestChampion(
        model=best.sha256,
        commit=best.commit,
        champion=difference.first,
        challenger=difference.second,
        difference=Difference.of(difference),
        verdict=verdict.non_inferiority(difference, rule),
        unavailable="",
    )


def changed_decisions(
    labels: np.ndarray, champion: Predictions, challenger: Predictions, groups: Groups
) -> ChangedDecisions:
    """Return how many decisions change, in which direction and slices, and which were right."""
    before, after = champion.decisions, challenger.decisions
    changed, positive = before != after, labels == 1
    up, down = changed & after, changed & before
    now_right = int((up & positive).sum() + (down & ~positive).sum())
    count = int(changed.sum())
    return ChangedDecisions(
        count=count,
        share=count / len(labels),
        to_positive=Direction(count=int(up.sum()), positives=int((up & positive).sum())),
        to_negative=Direction(count=int(down.sum()), positives=int((down & positive).sum())),
        now_right=now_right,
        now_wrong=count - now_right,
        p_value=paired.mcnemar(count - now_right, now_right),
        slices=_most_changed(changed, groups),
    )


def curves(labels: np.ndarray, champion: Predictions, challenger: Predictions, bins: int) -> Curves:
    """Return both calibration curves."""
    before, after = (
        [Bin.model_validate(point) for point in stats.calibration_curve(labels, model.scores, bins)]
        for model in (champion, challenger)
    )
    return Curves(champion=before, challenger=after)


def _most_changed(changed: np.ndarray, groups: Groups) -> list[SliceChange]:
    """Return the slice values in which decisions change most often."""
    shown = []
    for name, group in groups.items():
        changes = np.bincount(group.codes[changed], minlength=len(group.values))
        rows = np.bincount(group.codes, minlength=len(group.values))
        shown += [
            SliceChange(slice=name, value=value, rows=count, changed=number, share=number / count)
            for value, count, number in zip(
                group.values, rows.tolist(), changes.tolist(), strict=True
            )
            if number >= FEWEST_CHANGED and count < len(changed)
        ]
    return sorted(shown, key=lambda row: -row.share)[:MOST_SLICES]
