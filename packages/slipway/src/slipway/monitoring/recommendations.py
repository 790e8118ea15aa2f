"""Recommendations: the next step for each finding of a drift report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slipway.monitoring.report import Column, DriftReport
from slipway.numbers import counted
from slipway.reference.profile import PREDICTED
from slipway.untrusted import quote

# Increase of the share of missing values, share of unseen values, and share of values that break
# the schema, from which they are a finding of their own.
MANY_MISSING = 0.05
MANY_UNSEEN = 0.01
MANY_BROKEN = 0.01

NAMES_SHOWN = 5

GUIDE = "docs/watch.md"


@dataclass(frozen=True)
class Recommendation:
    """A finding, the next step, and the heading of the guide."""

    finding: str
    step: str
    anchor: str


def recommendations(report: DriftReport) -> list[Recommendation]:
    """Return the recommendations of a report, the most urgent first."""
    found = [*_of_the_log(report), *_of_the_labels(report), *_of_the_columns(report)]
    found += [*_of_the_groups(report), *_of_the_volume(report)]
    return found or list(_of_the_rest(report))


def _of_the_log(report: DriftReport) -> Iterator[Recommendation]:
    if report.faults:
        yield Recommendation(
            f"the log has {counted(len(report.faults), 'fault')}",
            "fix them first: check what the service writes; the numbers below depend on it",
            "the-log-has-faults",
        )


def _of_the_labels(report: DriftReport) -> Iterator[Recommendation]:
    if report.performance and report.performance.status == "worse":
        yield Recommendation(
            "performance has degraded, measured by labels",
            "retrain on the newest labelled rows; roll back if an older release is better",
            "performance-has-degraded",
        )
    if report.concept and report.concept.status == "drift":
        yield Recommendation(
            "rows with the same score have other labels than before (concept drift)",
            "check for a change of the target, or of how it is recorded, before you retrain",
            "concept-drift",
        )


def _of_the_columns(report: DriftReport) -> Iterator[Recommendation]:
    columns = [row for row in report.drifted() if row.name not in PREDICTED]
    broken = [row for row in columns if row.broken_share >= MANY_BROKEN]
    rest = [row for row in columns if row not in broken]
    empty = [row for row in rest if row.missing_now - row.missing_before >= MANY_MISSING]
    rest = [row for row in rest if row not in empty]
    unseen = [row for row in rest if row.unseen_share >= MANY_UNSEEN]
    other = [row for row in rest if row not in unseen]
    if broken:
        yield Recommendation(
            f"{_named(broken, 'has', 'have')} values that the schema does not allow",
            "find the other program that writes to the log: the service refuses such rows",
            "invalid-values",
        )
    if empty:
        yield Recommendation(
            f"{_named(empty, 'is', 'are')} missing far more often than before",
            "ask the owner of the source: this is usually an error, and retraining would learn it",
            "missing-values",
        )
    if unseen:
        yield Recommendation(
            f"{_named(unseen, 'has', 'have')} values that are not in the training data",
            "find out whether they are new categories or new spellings of known ones",
            "unseen-values",
        )
    if other:
        yield Recommendation(
            f"{_named(other, 'has', 'have')} another distribution than before",
            "find out whether this is real change or a data error (unit, source). Retrain only "
            "for real change",
            "data-drift",
        )


def _of_the_groups(report: DriftReport) -> Iterator[Recommendation]:
    names = dict.fromkeys(
        quote(f"{row.attribute}={row.group}") for row in report.groups if row.status == "drift"
    )
    if names:
        shown = ", ".join(list(names)[:NAMES_SHOWN])
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        yield Recommendation(
            f"{shown}{more}: protected groups are not treated as on the holdout",
            "find out whether the group, its data or its labels have changed; judge a model of the "
            "newest rows by your limits",
            "a-protected-group-is-treated-differently",
        )


def _of_the_volume(report: DriftReport) -> Iterator[Recommendation]:
    if any(alarm.stream == "volume" for alarm in report.active()):
        yield Recommendation(
            "there are far more or far fewer predictions than usual",
            "check the clients: one may have stopped, or may repeat its requests",
            "more-or-fewer-predictions",
        )


def _of_the_rest(report: DriftReport) -> Iterator[Recommendation]:
    if any(row.name in PREDICTED for row in report.drifted()):
        yield Recommendation(
            "the scores have drifted and no single column has",
            "check the slices on the page: the mix of rows has probably changed",
            "multivariate-drift",
        )
    elif report.status == "drift":
        yield Recommendation(
            "no single column has drifted, but their dependence has (multivariate drift)",
            "check for columns whose relation has changed, such as by a changed join upstream",
            "multivariate-drift",
        )


def _named(rows: Sequence[Column], one: str, several: str) -> str:
    """Return the names of some columns and the verb for them."""
    names = [quote(row.name) for row in rows]
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"{', '.join(names[:NAMES_SHOWN])}{more} {one if len(names) == 1 else several}"
