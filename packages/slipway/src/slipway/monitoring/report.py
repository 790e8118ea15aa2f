"""The report of `slipway drift`, ``drift.json``: fields, limits and versions.

A report may come from an untrusted run. Unknown keys, numbers that are not finite, and lists and
texts longer than a real report has are refused.

Version 1 has other names for some values (`RENAMED`). It is still read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from slipway.comparison.report import Count, OptionalSha256, Part, Share, many
from slipway.errors import INCONCLUSIVE, NO, YES
from slipway.schemas import check_version, parse

VERSION = 2

# Values of version 1, and what they are called since.
RENAMED = {"no answer": "inconclusive", "cannot tell": "inconclusive"}

Text = Annotated[str, Field(max_length=100_000)]
Name = Annotated[str, Field(max_length=1000)]
Number = Annotated[float, Field(ge=-1e300, le=1e300)]
Positive = Annotated[float, Field(ge=0, le=1e300)]
Month = Annotated[int, Field(ge=1, le=12)]
DayName = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


def _current(value: Any) -> Any:
    return RENAMED.get(value, value) if isinstance(value, str) else value


Renamed = BeforeValidator(_current)

Status = Literal["quiet", "drift", "inconclusive"]


class ReferenceRows(Part):
    """The holdout that the log is compared with."""

    months: Annotated[list[Name], many(100_000)] = Field(default_factory=list)
    rows: Count = 0


class Season(Part):
    """The calendar months of the reference history, and those of the log that it lacks."""

    have: Annotated[list[Month], many(12)]
    missing: Annotated[list[Month], many(12)]
    words: Text


class Column(Part):
    """An input, or the score.

    Attributes
    ----------
    p_value
        Probability of a distance this large without drift.
    ratio
        Distance of the newest windows over the limit that the reference history explains.
    days, rows
        Of the window that the other numbers are about.
    unseen
        Values that the reference does not have, the most frequent first.
    outside_share, broken_share
        Rows outside of the range of the reference, and rows that break the schema.
    """

    name: Name
    status: Literal["ok", "notice", "drift"]
    psi: Positive
    p_value: Share
    ratio: Positive
    days: Count
    rows: Count
    missing_before: Share
    missing_now: Share
    unseen: dict[Text, Count]
    unseen_share: Share
    outside_share: Share
    broken_share: Share
    words: Text


class Joint(Part):
    """All inputs together: the AUC of a classifier that separates the log from the holdout."""

    name: Name
    status: Annotated[Literal["ok", "drift", "inconclusive"], Renamed]
    auc: Share | None
    limit: Number | None
    words: Text


class Volume(Part):
    """The number of predictions of the newest day, and the usual number."""

    name: Name
    status: Annotated[Literal["ok", "drift", "inconclusive"], Renamed]
    usual: Positive | None
    rows: Count
    words: Text


class Day(Part):
    """A day, and the strength of each series on it: from 1 on there is an alarm."""

    day: DayName
    rows: Count
    streams: dict[Name, Number]


class Alarm(Part):
    """An alarm of a series; `until` is None while it lasts."""

    stream: Name
    since: Name
    at: Name
    until: Name | None
    strength: Number = 0.0
    words: Text


class Interval(Part):
    value: Number
    low: Number
    high: Number


class Metric(Interval):
    """A metric of the labelled rows, with that of the holdout and the difference."""

    holdout: Interval | None
    difference: Interval | None


class Shift(Part):
    """The difference between a week and the holdout, and its standard deviation by chance."""

    value: Number
    sd: Positive


class Week(Part):
    """The labelled rows of a week; weeks with few labels are merged with the next.

    Attributes
    ----------
    expected_rate
        Label rate that the calibrated scores predict.
    evidence
        Of the sequential test, by series: from 1 on there is an alarm.
    """

    first: Name
    last: Name
    rows: Count
    labelled: Count
    status: Literal["judged", "not over", "labels still coming", "too few labels"]
    coverage: Share
    label_rate: Share | None
    expected_rate: Share | None
    metrics: dict[Name, Interval]
    shifts: dict[Name, Shift]
    evidence: dict[Name, Number]


class Selection(Part):
    """Whether labelled rows have other scores than the rest (label selection bias)."""

    status: Annotated[
        Literal["nearly all labelled", "like the rest", "not like the rest", "inconclusive"],
        Renamed,
    ]
    higher: Share | None
    p_value: Share | None
    words: Text


class Performance(Part):
    """The performance on the labels that have arrived.

    Attributes
    ----------
    headline
        The metric that is shown first.
    rate
        What the label rates of the weeks are called; empty if the task has none.
    """

    words: Text
    status: Annotated[Literal["worse", "not worse", "inconclusive"], Renamed]
    headline: Name = "auc"
    rate: Text = "label rate"
    rows: Count
    labelled: Count
    coverage: Share
    metrics: dict[Name, Metric]
    selection: Selection
    weeks: Annotated[list[Week], many(5000)]


class Concept(Part):
    """Concept drift: whether rows with the same score have other labels than on the holdout."""

    status: Annotated[Literal["quiet", "drift", "inconclusive"], Renamed]
    words: Text
    label_rate: Share | None = None
    expected_rate: Share | None = None
    excess_loss: Number | None = None
    weeks_judged: Count = 0


class EstimateWeek(Part):
    first: Name
    rows: Count
    metrics: dict[Name, Interval]


class Estimate(Part):
    """The performance expected from the scores alone, if the calibration has not changed.

    The task may have no such method; then there are no metrics.
    """

    status: Literal["estimate", "no method"]
    words: Text
    assumes: Text
    rows: Count
    metrics: dict[Name, Interval]
    weeks: Annotated[list[EstimateWeek], many(5000)]


class GroupStatus(Part):
    """A rate of a protected group in the newest week that has enough rows.

    Attributes
    ----------
    expected
        The rate that follows from the other groups and the holdout.
    """

    attribute: Name
    group: Name
    rate: Name
    week: Name
    rows: Count
    value: Number
    expected: Number
    holdout: Number
    status: Literal["ok", "drift"]


class DriftReport(Part):
    """The whole report; docs/drift.md explains it."""

    version: Literal[1, 2]
    status: Annotated[Status, Renamed]
    words: Annotated[str, Field(min_length=1, max_length=100_000)]
    model: OptionalSha256
    log: Text
    rows: Count
    first: Name
    last: Name
    other_models: dict[Text, Count]
    reference: ReferenceRows
    season: Season | None
    settings: dict[Name, bool | int | float | str]
    columns: Annotated[list[Column], many(10_000)]
    score: Column | None
    joint: Joint | None
    volume: Volume | None
    days: Annotated[list[Day], many(100_000)]
    alarms: Annotated[list[Alarm], many(100_000)]
    performance: Performance | None
    estimate: Estimate | None
    concept: Concept | None
    groups: Annotated[list[GroupStatus], many(10_000)] = Field(default_factory=list)
    faults: Annotated[list[Text], many(10_000)]

    @classmethod
    def of(cls, content: Mapping[str, object]) -> DriftReport:
        """Return a report of any version.

        Raises
        ------
        Refused
            It is not such a report, or a newer slipway wrote it; names the first place.
        """
        check_version(content, VERSION)
        return parse(cls, content, "a report of `slipway drift`")

    def as_json(self) -> dict[str, object]:
        """Return the report; without protected groups, as versions that have none write it."""
        return self.model_dump(exclude=set() if self.groups else {"groups"})

    @property
    def exit_code(self) -> int:
        return {"quiet": YES, "drift": NO, "inconclusive": INCONCLUSIVE}[self.status]

    @property
    def is_inconclusive(self) -> bool:
        return self.status == "inconclusive"

    def active(self) -> list[Alarm]:
        """Return the alarms that are not over."""
        return [alarm for alarm in self.alarms if alarm.until is None]

    def drifted(self) -> list[Column]:
        """Return the columns, and the score, that have drifted, each once."""
        rows = [*self.columns, *([self.score] if self.score else [])]
        return list({row.name: row for row in rows if row.status == "drift"}.values())

    def series(self) -> list[str]:
        """Return the names of everything that has drifted or raised an alarm, sorted."""
        raised = {alarm.stream for alarm in self.active()}
        return sorted(raised | {row.name for row in self.drifted()})


def without_answer(words: str, model: str = "", log: str = "") -> DriftReport:
    """Return the report of a check that could not be made, with the reason."""
    return make_report("inconclusive", words, model, log)


def make_report(status: Status, words: str, model: str, log: str, **parts: object) -> DriftReport:
    """Return a report with some parts; the others are empty."""
    empty: dict[str, object] = {
        "rows": 0,
        "first": "",
        "last": "",
        "other_models": {},
        "reference": ReferenceRows(),
        "season": None,
        "settings": {},
        "columns": [],
        "score": None,
        "joint": None,
        "volume": None,
        "days": [],
        "alarms": [],
        "performance": None,
        "estimate": None,
        "concept": None,
        "faults": [],
    }
    known = {"version": VERSION, "status": status, "words": words, "model": model, "log": log}
    return DriftReport.model_validate(known | empty | parts)


def schema() -> dict[str, Any]:
    """Return the JSON schema of a report."""
    return DriftReport.model_json_schema()
