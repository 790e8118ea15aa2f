"""From what a drift report shows to what a person should do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from slipway.report.document import quote

# A change of the share of empty cells, a share of new values or of ones that the schema does not
# allow, that has a cause of its own.
MANY_MISSING = 0.05
MANY_UNSEEN = 0.01
MANY_BROKEN = 0.01

NAMES_SHOWN = 5

GUIDE = "docs/watch.md"


@dataclass(frozen=True)
class Cause:
    """What happened, what to do about it, and where the guide says more."""

    what: str
    do: str
    anchor: str


def causes(report: Mapping[str, Any]) -> list[Cause]:
    """Return what a report shows, the most urgent first; a report in order shows nothing."""
    found = [
        *_of_the_log(report),
        *_of_the_labels(report),
        *_of_the_columns(report),
        *_of_the_volume(report),
    ]
    return found or list(_of_the_rest(report))


def moved(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the columns, and the score, that have drifted."""
    rows = [*report["columns"], *([report["score"]] if report.get("score") else [])]
    seen: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if row["status"] == "drift":
            seen.setdefault(row["name"], row)
    return list(seen.values())


def active(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the alarms that have not ended."""
    return [alarm for alarm in report.get("alarms") or [] if alarm.get("until") is None]


def streams(report: Mapping[str, Any]) -> list[str]:
    """Return the names of everything that has moved or raised an alarm, each once, sorted."""
    raised = {str(alarm["stream"]) for alarm in active(report)}
    return sorted(raised | {str(row["name"]) for row in moved(report)})


def status_of(report: Mapping[str, Any], part: str) -> str:
    """Return the status of a part of the report; empty if it has none."""
    return str((report.get(part) or {}).get("status", ""))


def _of_the_log(report: Mapping[str, Any]) -> Iterator[Cause]:
    if report.get("faults"):
        yield Cause(
            f"the log has {len(report['faults'])} faults",
            "look at what the service writes before you believe any number below",
            "the-log-has-faults",
        )


def _of_the_labels(report: Mapping[str, Any]) -> Iterator[Cause]:
    if status_of(report, "performance") == "worse":
        yield Cause(
            "the labels show that the model has become worse",
            "retrain on the newest labelled months; roll back if an older release would do better",
            "the-model-has-become-worse",
        )
    if status_of(report, "concept") == "drift":
        yield Cause(
            "rows with the same score end otherwise than they did",
            "look for a change of what is predicted, or of how it is recorded, before you retrain",
            "the-same-scores-end-otherwise",
        )


def _of_the_columns(report: Mapping[str, Any]) -> Iterator[Cause]:
    columns = [row for row in moved(report) if row["name"] != "score"]
    wrong = [row for row in columns if row.get("broken_share", 0.0) >= MANY_BROKEN]
    rest = [row for row in columns if row not in wrong]
    empty = [row for row in rest if row["missing_now"] - row["missing_before"] >= MANY_MISSING]
    rest = [row for row in rest if row not in empty]
    new = [row for row in rest if row["unseen_share"] >= MANY_UNSEEN]
    other = [row for row in rest if row not in new]
    if wrong:
        yield Cause(
            f"{_named(wrong, 'has', 'have')} values that the schema does not allow",
            "the service refuses such rows, so find out who else writes to the log",
            "values-that-break-the-schema",
        )
    if empty:
        yield Cause(
            f"{_named(empty, 'arrives', 'arrive')} empty more often",
            "ask whoever delivers it: this is usually a fault, and retraining would learn it",
            "a-column-arrives-empty",
        )
    if new:
        yield Cause(
            f"{_named(new, 'has', 'have')} values that the model never saw",
            "find out whether they are new in the world or new spellings of old ones",
            "values-never-seen",
        )
    if other:
        yield Cause(
            f"{_named(other, 'has', 'have')} other values than before",
            "decide whether the world moved or a unit or a source did; only the world is a "
            "reason to retrain",
            "the-values-have-moved",
        )


def _of_the_volume(report: Mapping[str, Any]) -> Iterator[Cause]:
    if any(alarm["stream"] == "volume" for alarm in active(report)):
        yield Cause(
            "there are far more or far fewer predictions than usual",
            "see who asks: a caller that stopped, or one that repeats itself",
            "more-or-fewer-predictions",
        )


def _of_the_rest(report: Mapping[str, Any]) -> Iterator[Cause]:
    if any(row["name"] == "score" for row in moved(report)):
        yield Cause(
            "the scores have moved and no single column has",
            "look at the slices on the page: a mix of rows has probably changed",
            "only-the-scores-or-only-the-whole",
        )
    elif report["status"] == "drift":
        yield Cause(
            "no single column shows it, all of them together do",
            "look for columns that no longer go together, such as a changed join upstream",
            "only-the-scores-or-only-the-whole",
        )


def _named(rows: list[Mapping[str, Any]], one: str, several: str) -> str:
    """Return the names of some columns and the verb that goes with them."""
    names = [quote(row["name"]) for row in rows]
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"{', '.join(names[:NAMES_SHOWN])}{more} {one if len(names) == 1 else several}"
