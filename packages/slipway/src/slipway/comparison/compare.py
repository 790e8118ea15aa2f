"""Two models, or two procedures, on the same rows: every metric, and the decisions that change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

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
from slipway.manifest import Manifest
from slipway.metrics import inference, influence, paired
from slipway.metrics.calibration import rate_curve
from slipway.metrics.clusters import Spread, spread_of
from slipway.metrics.groups import Groups
from slipway.metrics.registry import ALL, Predictions, Sample, reported_of
from slipway.tasks import Task, task_of

# Changed decisions are shown for the values of a slice that have at least this many of them.
FEWEST_CHANGED, MOST_SLICES = 10, 5

# A period without the metric, such as one without a row called positive, must not be passed over.
LEFT_OUT = "a period has too few rows for this metric"


@dataclass(frozen=True)
class Rows:
    """Labelled rows, and their slices."""

    sample: Sample
    groups: Groups


@dataclass(frozen=True)
class Compared:
    """The rows of a comparison.

    Attributes
    ----------
    rolling
        The rows of all periods; those of the holdout come last.
    newest
        The rows of the holdout; `rolling` itself if there is one period.
    """

    rolling: Rows
    newest: Rows

    @property
    def has_periods(self) -> bool:
        return self.rolling is not self.newest


@dataclass(frozen=True)
class ScoredModel:
    """A model and its scores on the holdout.

    Parameters
    ----------
    scores
        Shape (rows,), float64; None if it could not read the rows.
    rolling
        The scores of its procedure on the rows of all periods, each fitted on those before
        it; None if only the holdout is compared.
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
    manifest: Manifest
    commit: str = ""
    origin: str = ""
    manifest_sha256: str = ""
    recorded: str = ""
    rolling: np.ndarray | None = None

    @property
    def sha256(self) -> str:
        return str(self.manifest["model"]["sha256"])

    @property
    def task(self) -> Task:
        return task_of(self.manifest)

    @property
    def threshold(self) -> float | None:
        """Of a binary model."""
        return self.manifest.get("threshold")

    def decide(self, scores: np.ndarray) -> Predictions:
        """Return some scores with the model's decisions."""
        return self.task.predictions(scores, self.threshold)

    @property
    def predictions(self) -> Predictions:
        """Scores and decisions on all periods; raises ValueError if the rows were not scored."""
        return self.newest if self.rolling is None else self.decide(self.rolling)

    @property
    def newest(self) -> Predictions:
        """Scores and decisions on the holdout; raises ValueError if it was not scored."""
        if self.scores is None:
            raise ValueError("a model that did not score the rows cannot be compared")
        return self.decide(self.scores)


@dataclass(frozen=True)
class ScoredBest:
    """A model that may be the best champion so far, and the periods that it has scores for.

    Attributes
    ----------
    periods
        Their numbers, from 0 for the oldest.
    scores
        Its scores on the rows of these periods.
    """

    model: ScoredModel
    periods: Sequence[int]
    scores: np.ndarray

    @property
    def predictions(self) -> Predictions:
        return self.model.decide(self.scores)


def newest_metrics(rule: Rule, *, must_pass: bool) -> list[str]:
    """Return the metrics that are compared on the holdout alone too."""
    names = [rule.primary]
    return [*names, *(name for name in rule.guards if name not in names)] if must_pass else names


def metric_table(
    sample: Sample,
    champion: Predictions,
    challenger: Predictions,
    rule: Rule,
    uses: int,
    names: Iterable[str] | None = None,
) -> list[MetricRow]:
    """Return some metrics of both models, their difference, and its verdict.

    Parameters
    ----------
    uses
        Which judgement on these rows this is, from 1.
    names
        Default: all of the task.
    """
    options, alpha_better = rule.options, verdict.alpha_better(rule, uses)
    table = []
    found = reported_of(champion.task, rule.primary, rule.guards) if names is None else names
    for name in found:
        difference = ALL[name].difference(sample, champion, challenger, options)
        if difference.rows < sample.rows and not difference.insufficient_reason:
            difference = replace(difference, insufficient_reason=LEFT_OUT)
        margin = rule.margins[name]
        found = verdict.classify(name, difference, margin, rule.alpha, alpha_better)
        table.append(
            MetricRow(
                name=name,
                champion=difference.first,
                challenger=difference.second,
                difference=Difference.of(difference),
                margin=margin,
                verdict=found,
                needed=verdict.needed(name, difference, margin, rule.alpha, found),
            )
        )
    return table


def against_best(
    sample: Sample, best: ScoredModel, best_scores: Predictions, challenger: Predictions, rule: Rule
) -> BestChampion:
    """Return the primary metric against the best champion so far, not only the last one.

    Many small losses, each within the margin of the last, add up; against one fixed model
    they cannot.
    """
    difference = ALL[rule.primary].difference(sample, best_scores, challenger, rule.options)
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
    rows: Rows, champion: Predictions, challenger: Predictions
) -> ChangedDecisions:
    """Return how many decisions change, in which direction and slices, and which were right."""
    labels = rows.sample.labels
    before, after = champion.decisions == labels, challenger.decisions == labels
    changed = champion.decisions != challenger.decisions
    now_right, count = int((changed & after).sum()), int(changed.sum())
    return ChangedDecisions(
        count=count,
        share=count / len(labels),
        **{
            name: Direction(count=int(part.sum()), positives=int(labels[part].sum()))
            for name, part in challenger.directions(changed).items()
        },
        now_right=now_right,
        now_wrong=int((changed & before).sum()),
        p_value=_p_value_equally_right(rows.sample, before, after),
        slices=_most_changed(changed, rows.groups),
    )


def _p_value_equally_right(sample: Sample, before: np.ndarray, after: np.ndarray) -> float:
    """Return the two-sided p-value that both models are right equally often.

    Notes
    -----
    Independent rows: McNemar's exact test. Clusters: the test of Durkalski et al. (2003), which
    compares the clusters' sums of rows won less rows lost.
    """
    won = after.astype("float64") - before
    if not sample.clusters.ways:
        return paired.mcnemar(int((won < 0).sum()), int((won > 0).sum()))
    found = inference.by_t(0.0, float(won.mean()), _spread_of_mean(won, sample), sample.rows, 0.95)
    return min(1.0, 2 * min(found.p_up, found.p_down))


def _spread_of_mean(values: np.ndarray, sample: Sample) -> Spread:
    return spread_of(influence.mean(values).pull, sample.clusters)


def curves(
    sample: Sample, champion: Predictions, challenger: Predictions, bins: int
) -> Curves | None:
    """Return both calibration curves; None if the scores are no probabilities."""
    found = []
    for model in (champion, challenger):
        if (claims := model.claims(sample.labels)) is None:
            return None
        found.append([Bin.model_validate(each) for each in rate_curve(sample, *claims, bins)])
    return Curves(champion=found[0], challenger=found[1])


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
