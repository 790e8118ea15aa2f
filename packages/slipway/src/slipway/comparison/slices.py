"""Tests for a regression on each slice, whatever the change on all rows."""

from __future__ import annotations

from collections.abc import Mapping

from slipway import project
from slipway.comparison import verdict
from slipway.comparison.report import Difference, Rule, SliceMetric, SliceRow, Slices
from slipway.metrics import paired
from slipway.metrics.groups import Group, Groups, group_of
from slipway.metrics.registry import ALL, Predictions, Sample, headline_of
from slipway.project import Columns


def groups_of(columns: Columns) -> dict[str, Group]:
    """Return every slice of `src/model/slices.py` for these rows."""
    return {name: group_of(texts) for name, texts in project.slices(columns).items()}


def slice_table(
    sample: Sample,
    champion: Predictions,
    challenger: Predictions,
    groups: Groups,
    rule: Rule,
    accepted: Mapping[str, str],
) -> Slices:
    """Return both models on every slice that is large enough, and which slices are worse.

    Parameters
    ----------
    accepted
        Slices that may get worse, as ``name=value``, and the reason given.

    Notes
    -----
    One-sided tests of a loss in the headline metrics: the log loss shows a shifted probability,
    AUC a worse ranking. All slices and metrics together are corrected by Holm: with no true
    difference anywhere, the probability that any slice is called worse is alpha at most.
    """
    rows, small = [], 0
    options = rule.options
    for name, group in groups.items():
        for value, members in group.members():
            if len(members) == sample.rows:
                continue  # all rows: not a slice
            if len(members) < rule.min_slice_rows:
                small += 1
                continue
            here = sample.take(members)
            models = champion.take(members), challenger.take(members)
            rows.append(
                SliceRow(
                    slice=name,
                    value=value,
                    rows=len(members),
                    positives=champion.positives(here.labels),
                    metrics={
                        metric: _entry(ALL[metric].difference(here, *models, options))
                        for metric in headline_of(champion.task)
                    },
                    verdict="no regression found",
                    accepted="",
                )
            )
    tests = sum(len(row.measured) for row in rows)
    judged = [_judged(row, rule, accepted) for row in _corrected(rows)]
    return Slices(tests=tests, small=small, rows=judged)


def _entry(difference: paired.Difference) -> SliceMetric | None:
    """Return the numbers of one metric, not corrected yet; None if they are too few."""
    first, second = difference.first, difference.second
    if first is None or second is None or difference.insufficient_reason:
        return None
    numbers = Difference.of(difference)
    return SliceMetric(champion=first, challenger=second, difference=numbers, p_adjusted=1.0)


def _corrected(rows: list[SliceRow]) -> list[SliceRow]:
    """Return the rows with the p-values of a loss corrected for all tests (Holm)."""
    losses = [
        verdict.oriented_interval(metric, entry.difference).p_loss
        for row in rows
        for metric, entry in row.measured.items()
    ]
    adjusted = iter(paired.holm(losses))
    return [
        row.model_copy(
            update={
                "metrics": {
                    metric: entry and entry.model_copy(update={"p_adjusted": next(adjusted)})
                    for metric, entry in row.metrics.items()
                }
            }
        )
        for row in rows
    ]


def _judged(row: SliceRow, rule: Rule, accepted: Mapping[str, str]) -> SliceRow:
    if not verdict.is_worse(row, rule):
        return row
    return row.model_copy(update={"verdict": "worse", "accepted": accepted.get(row.name, "")})
