"""The report of `slipway judge`, ``report.json``: fields, limits and versions.

A report may come from an untrusted run. Unknown keys, numbers that are not finite, and lists and
texts longer than a real report has are refused.

Version 1 has other names for some fields, which are the aliases here, and for some values
(`RENAMED`). Versions 1 and 2 took rows to be independent and compared models on one holdout; what
they lack has a default. All versions are read; version 3 is written.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from slipway.dataset.periods import days_of
from slipway.fairness.registry import DISPARITIES
from slipway.metrics import paired
from slipway.metrics.registry import ALL, Options, headline_of, primary_of, reported_of
from slipway.schemas import check_version, parse
from slipway.tasks.predictions import PREDICTIONS, Predictions

VERSION: Final = 3

# Values of version 1, and what they are called since.
RENAMED = {"cannot tell": "inconclusive", "no harm seen": "no regression found"}


def current(value: Any) -> Any:
    """Return a value by its name of this version."""
    return RENAMED.get(value, value) if isinstance(value, str) else value


def _known_metric(name: str) -> str:
    if name not in ALL:
        raise ValueError(f"is not one of {', '.join(ALL)}")
    return name


def _may_be_primary(name: str) -> str:
    if name not in ALL or not ALL[name].may_be_primary:
        raise ValueError("is no metric that may be primary")
    return name


def _known_task(name: str) -> str:
    if name not in PREDICTIONS:
        raise ValueError(f"is not one of {', '.join(PREDICTIONS)}")
    return name


def _known_disparity(name: str) -> str:
    if name not in DISPARITIES:
        raise ValueError(f"is not one of {', '.join(DISPARITIES)}")
    return name


def many(most: int) -> Any:
    """Return a limit for a list, whose first invalid item ends its validation."""
    return Field(max_length=most, fail_fast=True)


LONGEST_NAME, LONGEST_TEXT = 500, 2000

Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
Name = Annotated[str, Field(max_length=LONGEST_NAME)]
Number = Annotated[float, Field(ge=-1e15, le=1e15)]
Positive = Annotated[float, Field(ge=0, le=1e15)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Share = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
OptionalSha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
Commit = Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")]
Md5 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}(\.dir)?$")]
Names = Annotated[list[Name], many(1000)]
PeriodNames = Annotated[list[Name], many(100_000)]
MetricName = Annotated[str, AfterValidator(_known_metric)]
DisparityName = Annotated[str, AfterValidator(_known_disparity)]

read_renamed = BeforeValidator(current)

Verdict = Annotated[Literal["better", "not worse", "worse", "inconclusive"], read_renamed]
SliceVerdict = Annotated[Literal["worse", "no regression found"], read_renamed]
StopCode = Annotated[
    Literal[
        "worse",
        "worse than the best",
        "guard",
        "slice",
        "inconclusive",
        "not better",
        "behaviour",
        "cost",
        "lock",
        "record",
        "newest",
        "unfair",
        "fairness inconclusive",
    ],
    read_renamed,
]
LockStatus = Literal["identical", "equivalent", "different", "stale", "not checked"]


class Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_by_name=True,
        defer_build=True,  # most commands import the models of reports and read none
    )


class Stop(Part):
    """Something that stops the change, and the metric, slice or behaviour that it is about."""

    code: StopCode
    about: Name

    @property
    def is_stale_lock(self) -> bool:
        """Whether it ends when the lock is updated, which needs no decision."""
        return self.code == "lock" and self.about == "stale"


class Rule(Part):
    """The rule of the base commit.

    Attributes
    ----------
    precision
        At which the recall counts, in the metric of that name.
    origins
        The most points in time at which procedures are compared.
    clusters
        What makes rows dependent: *day*, or a column. Empty: nothing.
    time_zone
        Of the days.
    """

    primary: Annotated[str, AfterValidator(_may_be_primary)]
    alpha: Annotated[float, Field(gt=0, le=0.2)]
    margins: dict[MetricName, Positive]
    guards: Annotated[list[MetricName], many(20)]
    require: Literal["better", "not worse"]
    on_inconclusive: Literal["stop", "go"] = Field(validation_alias="on_cannot_tell")
    min_slice_rows: Annotated[int, Field(ge=50, le=10**12)]
    budget: Annotated[int, Field(ge=1, le=10**12)]
    max_row_ms: Positive
    max_model_mb: Positive
    bins: Annotated[int, Field(ge=2, le=100)]
    precision: Annotated[float, Field(gt=0, lt=1)] = 0.9
    origins: Annotated[int, Field(ge=1, le=1000)] = 1
    clusters: Names = []
    time_zone: Name = "UTC"

    @property
    def options(self) -> Options:
        """How metrics are computed: their intervals hold 1 - 2 x alpha."""
        return Options(1 - 2 * self.alpha, self.bins, self.precision)


class Holdout(Part):
    """The rows of the comparison.

    Attributes
    ----------
    moved
        Whether the champion's holdout has other rows.
    uses
        Which judgement on these rows this is, from 1.
    tampered
        Records of judgements that the change has edited or deleted, and files it adds to them that
        are none.
    """

    keys_sha256: Sha256
    rows: Annotated[int, Field(ge=1, le=10**12)]
    positives: Count = 0
    months: PeriodNames
    first: Name
    last: Name
    moved: bool
    uses: Count
    tampered: Names
    reliability: Share


class Period(Part):
    """A period that models are compared on, each fitted on the periods before it.

    Attributes
    ----------
    learned
        The periods that were learned.
    months
        The periods that were scored.
    uses
        Which judgement on these rows this is, from 1.
    """

    learned: PeriodNames
    months: PeriodNames
    keys_sha256: Sha256
    rows: Annotated[int, Field(ge=1, le=10**12)]
    positives: Count = 0
    uses: Count


class Training(Part):
    months: PeriodNames
    rows: Count
    positives: Count = 0


class ModelEntry(Part):
    """One of the two models.

    Attributes
    ----------
    manifest
        sha256 of its manifest; empty if it is not known.
    recorded
        sha256 of the model that ``dvc.lock`` names, if another one was rebuilt; else empty.
    origin
        How the model was obtained, such as *restored by hash*.
    """

    commit: Commit
    model: Sha256
    manifest: OptionalSha256 = ""
    recorded: OptionalSha256 = ""
    data: Md5
    threshold: Share | None
    train: Training
    origin: Name = Field(validation_alias="how")


class Incomparable(Part):
    code: Literal[
        "no champion",
        "erased",
        "unreadable",
        "another target",
        "learned from the holdout",
        "replaces the starter",
    ]
    detail: Text


class Difference(Part):
    """Challenger less champion, with its interval and one-sided p-values.

    Attributes
    ----------
    dof
        Degrees of freedom of Student's t; None for the normal distribution.
    clusters
        Number of clusters of rows that depend on each other.
    effective_rows
        How many independent rows would give the same standard error; 0 if that is not known.
    insufficient_reason
        Why the numbers must not decide anything; empty if they may.
    """

    value: Number
    se: Positive
    low: Number
    high: Number
    p_up: Share
    p_down: Share
    rows: Count
    dof: Annotated[float, Field(ge=1, le=1e12)] | None = None
    clusters: Count = 0
    effective_rows: Positive = 0.0
    insufficient_reason: Annotated[str, Field(max_length=100, pattern=r"^[a-z0-9 ]*$")] = Field(
        validation_alias="doubt"
    )

    @classmethod
    def of(cls, difference: paired.Difference) -> Difference:
        """Return a difference without the values of the two models."""
        return cls(
            value=difference.value,
            se=difference.se,
            low=difference.low,
            high=difference.high,
            p_up=difference.p_up,
            p_down=difference.p_down,
            rows=difference.rows,
            dof=difference.dof,
            clusters=difference.clusters,
            effective_rows=min(difference.effective_rows, 1e9),
            insufficient_reason=difference.insufficient_reason,
        )


class MetricRow(Part):
    """A metric of both models.

    Attributes
    ----------
    needed
        Clusters that would decide if the estimated difference were true, such as days; rows if
        they are independent. None if it is decided, or if no number would decide.
    """

    name: MetricName
    champion: Number | None
    challenger: Number | None
    difference: Difference
    margin: Positive
    verdict: Verdict
    needed: Count | None = Field(validation_alias="rows_needed")


class BestChampion(Part):
    """The primary metric against the best champion so far.

    Attributes
    ----------
    unavailable
        Why other best champions could not be scored; empty if all were.
    """

    model: Sha256
    commit: Commit
    champion: Number | None = Field(validation_alias="best")
    challenger: Number | None
    difference: Difference
    verdict: Verdict
    unavailable: Text = Field(validation_alias="lost")


class SliceMetric(Part):
    champion: Number
    challenger: Number
    difference: Difference
    p_adjusted: Share


class SliceRow(Part):
    slice: Name
    value: Name
    rows: Count
    positives: Count = 0
    metrics: dict[MetricName, SliceMetric | None]
    verdict: SliceVerdict
    accepted: Text

    @property
    def name(self) -> str:
        return f"{self.slice}={self.value}"

    @property
    def measured(self) -> dict[str, SliceMetric]:
        """The metrics that could be tested on this slice."""
        return {name: entry for name, entry in self.metrics.items() if entry}

    @model_validator(mode="before")
    @classmethod
    def _gather_metrics(cls, row: Any) -> Any:
        """Read version 1, where the metrics of a slice are among its other fields."""
        if not isinstance(row, dict) or "metrics" in row:
            return row
        metrics = {name: entry for name, entry in row.items() if name in ALL}
        others = {name: entry for name, entry in row.items() if name not in ALL}
        return others | {"metrics": metrics}


class Slices(Part):
    """The slices that are large enough to be tested, and the number of those that are not."""

    tests: Count
    small: Count
    rows: Annotated[list[SliceRow], many(2000)]


class FairnessRule(Part):
    """The section `fairness` of the base commit."""

    limits: dict[DisparityName, Positive] = {}
    on_inconclusive: Literal["stop", "go"] = "go"


class GroupRate(Part):
    """A rate of a group; `is_tested` if it is compared with that of other groups."""

    value: Number
    low: Number
    high: Number
    is_tested: bool


class GroupRow(Part):
    """A protected group that is large enough to be tested."""

    group: Name
    rows: Count
    clusters: Count
    rates: Annotated[dict[Name, GroupRate], Field(max_length=300)]


class Gap(Part):
    """A disparity between groups; see `slipway.fairness.measure.Gap`.

    Attributes
    ----------
    champion
        That of the champion on the same rows.
    p_adjusted
        `p_beyond`, corrected for all limits and attributes (Holm).
    """

    name: DisparityName
    champion: Number | None = None
    value: Number | None
    low: Number | None
    high: Number | None
    rate: Name
    smallest: Name
    largest: Name
    limit: Positive | None
    p_beyond: Share
    p_within: Share
    p_adjusted: Share = 1.0
    verdict: Literal["within", "beyond", "inconclusive", "no limit"] = "no limit"


class ProtectedGroups(Part):
    """The groups of one slice that is protected."""

    attribute: Name
    groups: Annotated[list[GroupRow], many(1000)]
    small: Annotated[dict[Name, Count], Field(max_length=100_000)]
    gaps: Annotated[list[Gap], many(100)]


class Fairness(Part):
    """Whether the challenger treats protected groups alike (docs/fairness.md)."""

    rule: FairnessRule
    attributes: Annotated[list[ProtectedGroups], many(100)]

    def limited(self) -> list[tuple[str, Gap]]:
        """Return the disparities that have a limit, each with its attribute."""
        return [
            (part.attribute, gap)
            for part in self.attributes
            for gap in part.gaps
            if gap.limit is not None
        ]


class Direction(Part):
    count: Count
    positives: Count


class SliceChange(Part):
    slice: Name
    value: Name
    rows: Count
    changed: Count = Field(validation_alias="flips")
    share: Share


class ChangedDecisions(Part):
    """Rows with another decision now.

    Attributes
    ----------
    to_positive, to_negative
        Of a binary model, those that are on the other side of the threshold; else None.
    p_value
        McNemar's, of both models being right equally often.
    slices
        The slices in which decisions change most often.
    """

    count: Count
    share: Share
    to_positive: Direction | None = None
    to_negative: Direction | None = None
    now_right: Count
    now_wrong: Count
    p_value: Share = Field(validation_alias="p_equally_right")
    slices: Annotated[list[SliceChange], many(5)] = Field(validation_alias="who")


class Behaviour(Part):
    name: Name
    description: Text = Field(validation_alias="says")
    rows: Count
    share: Share
    at_least: Share
    holds: bool


class CostEntry(Part):
    champion: Positive | None
    challenger: Positive
    limit: Positive


class Cost(Part):
    row_ms: CostEntry
    model_mb: CostEntry

    def entries(self) -> dict[str, CostEntry]:
        return {"row_ms": self.row_ms, "model_mb": self.model_mb}


class Loss(Part):
    """What a metric loses, with its interval; without one, the rows are too few for it."""

    value: Number
    low: Number | None = None
    high: Number | None = None


class Importance(Part):
    """What the task's first headline metric loses when a feature is shuffled.

    Attributes
    ----------
    low, high
        Ends of the interval.
    champion
        The loss of the champion on the same rows; None if it does not have the feature, or its
        features are not those of this commit's code.
    """

    feature: Name
    decrease: Number = Field(validation_alias=AliasChoices("decrease", "auc_decrease", "auc_lost"))
    low: Number | None = None
    high: Number | None = None
    champion: Loss | None = None

    @property
    def loss(self) -> Loss:
        return Loss(value=self.decrease, low=self.low, high=self.high)


class FileChanges(Part):
    added: Annotated[list[Name], many(5000)]
    deleted: Annotated[list[Name], many(5000)]
    modified: Annotated[list[Name], many(5000)]


class Rates(Part):
    champion: Share
    challenger: Share


class MonthNames(Part):
    champion: PeriodNames
    challenger: PeriodNames


class RowCounts(Part):
    champion: Count
    challenger: Count


class LabelRate(Part):
    train: Rates
    holdout: Rates


class ColumnChanges(Part):
    added: Annotated[list[Name], many(2000)]
    removed: Annotated[list[Name], many(2000)]


class MissingShare(Part):
    column: Name
    champion: Share
    challenger: Share


class Shift(Part):
    """A column whose distribution differs: `distance` is 0 if it is the same, at most 1."""

    column: Name
    distance: Share


class DataChanges(Part):
    champion: Md5
    challenger: Md5
    months: MonthNames
    files: FileChanges
    rows: RowCounts
    label_rate: LabelRate | None
    columns: ColumnChanges
    missing: Annotated[list[MissingShare], many(2000)]
    shifted: Annotated[list[Shift], many(2000)] = Field(validation_alias="moved")

    @property
    def same(self) -> bool:
        return self.champion == self.challenger


class Change(Part):
    name: Name
    champion: Text
    challenger: Text


class Changes(Part):
    """What the change edits.

    Attributes
    ----------
    judging_rules
        Files and settings by which a model is judged.
    protected
        Protected files, the most dangerous first.
    procedure
        Whether the model is made in another way: code, parameters of training or packages.
    """

    params: Annotated[list[Change], many(2000)]
    dependencies: Annotated[list[Change], many(5000)]
    files: Annotated[list[Name], many(10_000)]
    judging_rules: Annotated[list[Name], many(2000)] = Field(validation_alias="judges")
    protected: Annotated[list[Name], many(10_000)] = []
    procedure: bool = False


class Note(Part):
    code: Literal[
        "own rule",
        "own clusters",
        "one holdout",
        "few periods",
        "period left out",
        "snapshots",
        "unreadable records",
    ]
    about: Text


class Bin(Part):
    rows: Count
    mean_score: Share
    label_rate: Share
    low: Share
    high: Share


class Curves(Part):
    """Both calibration curves."""

    champion: Annotated[list[Bin], many(100)]
    challenger: Annotated[list[Bin], many(100)]


class CostPoint(Part):
    threshold: Share
    cost: Positive
    low: Positive
    high: Positive


class CostCurve(Part):
    """The expected cost of a row of the holdout by threshold, of a binary challenger.

    Attributes
    ----------
    threshold
        That of the costs; `now` is the cost at the threshold of the model.
    lowest_from, lowest_to
        The ends of the thresholds that are not shown to cost more than the lowest.
    """

    threshold: Share
    now: CostPoint
    lowest_threshold: Share
    lowest_from: Share
    lowest_to: Share
    points: Annotated[list[CostPoint], many(101)]


class Judgement(Part):
    """The whole report; docs/verdicts.md explains it.

    Attributes
    ----------
    periods
        What `metrics` and `slices` are about, oldest first. The last one is the holdout, and the
        only one if the models are compared on it alone.
    unit
        What a cluster of rows is: *day*, a column, or *row*.
    newest
        The metrics that the holdout alone must pass too: the primary one if there are several
        periods, and the guards if data and procedure differ.
    newest_slices
        The slices of the holdout alone, if data and procedure differ.
    fairness
        None if no groups are protected.
    """

    version: Literal[1, 2, 3]
    verdict: Verdict
    may_merge: bool
    stops: Annotated[list[Stop], many(2000)]
    rule: Rule
    holdout: Holdout
    champion: ModelEntry | None
    challenger: ModelEntry
    incomparable: Incomparable | None
    periods: Annotated[list[Period], many(1000)] = []
    unit: Name = "row"
    metrics: Annotated[list[MetricRow], many(20)]
    newest: Annotated[list[MetricRow], many(20)] = []
    newest_slices: Slices = Field(default_factory=lambda: Slices(tests=0, small=0, rows=[]))
    best_champion: BestChampion | None = Field(validation_alias="anchor")
    slices: Slices
    fairness: Fairness | None = None
    changed_decisions: ChangedDecisions | None = Field(validation_alias="flips")
    behaviours: Annotated[list[Behaviour], many(200)]
    cost: Cost
    permutation_importance: Annotated[list[Importance], many(2000)] = Field(
        validation_alias="leans_on"
    )
    data: DataChanges | None
    changes: Changes
    lock: LockStatus
    notes: Annotated[list[Note], many(20)]
    curves: Curves | None
    cost_curve: CostCurve | None = None
    task: Annotated[str, AfterValidator(_known_task)] = Predictions.task

    @model_validator(mode="after")
    def _has_each_metric(self) -> Judgement:
        if not set(self.metric_names) <= self.rule.margins.keys():
            raise ValueError("must have a margin for each metric")
        if self.metrics and self.rule.primary not in primary_of(self.task):
            raise ValueError(f"`primary` is not one of {', '.join(primary_of(self.task))}")
        headline = headline_of(self.task)
        if any(row.metrics.keys() != set(headline) for row in self.slice_rows):
            raise ValueError(f"slices must have the metrics {', '.join(headline)}")
        return self

    @classmethod
    def of(cls, report: Any) -> Judgement:
        """Return a report in version 1, 2 or 3.

        Raises
        ------
        Newer
            It has a later version.
        Refused
            It is not a report; names the first place that differs.
        """
        if isinstance(report, dict):
            check_version(report, VERSION)
        return parse(cls, report, f"a report of `slipway judge` (version {VERSION})")

    def as_json(self) -> dict[str, object]:
        added = ("fairness", "cost_curve")  # versions without them have no such key
        without = {name for name in added if getattr(self, name) is None}
        return self.model_dump(exclude=without) | {"version": VERSION}

    @property
    def replaces_starter(self) -> bool:
        """Whether the base has the model that Slipway comes with, and this one is of other rows."""
        return self.incomparable is not None and self.incomparable.code == "replaces the starter"

    @property
    def waits_for_lock(self) -> bool:
        """Whether a stale lock stops the change, and nothing else."""
        return bool(self.stops) and all(stop.is_stale_lock for stop in self.stops)

    @property
    def metric_names(self) -> list[str]:
        """The metrics of a report of this task, rule and version."""
        found = reported_of(self.task, self.rule.primary, self.rule.guards)
        return [name for name in found if ALL[name].since <= self.version]

    @property
    def primary(self) -> MetricRow:
        """The metric that decides; there is one if the models could be compared."""
        return next(row for row in self.metrics if row.name == self.rule.primary)

    @property
    def rows(self) -> int:
        """Rows that `metrics` and `slices` are about."""
        return sum(period.rows for period in self.periods) or self.holdout.rows

    @cached_property
    def days(self) -> int | None:
        """The number of days that these periods have; None if they are no periods."""
        days = days_of(self.months)
        return None if days is None else len(days)

    @property
    def months(self) -> list[str]:
        """The periods of these rows."""
        return [month for period in self.periods for month in period.months] or self.holdout.months

    @property
    def slice_rows(self) -> list[SliceRow]:
        """All slices that were tested, those of the holdout alone last."""
        return [*self.slices.rows, *self.newest_slices.rows]

    @property
    def newest_must_pass(self) -> bool:
        """Whether data and procedure differ, so that both comparisons must pass."""
        return bool(self.changes.procedure and self.data and not self.data.same)
