"""Whether protected groups are still treated as on the holdout, week by week.

Each rate of a group is compared with the one that follows from the other groups: a change that all
groups share, such as a season with more positive rows, is no shift. Decisions are compared without
labels; error rates and calibration once labels have arrived.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field, replace
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq

from slipway.dataset.tables import read_columns
from slipway.errors import SlipwayError
from slipway.fairness.registry import SELECTION, Rate, rates_of
from slipway.metrics.groups import group_of
from slipway.monitoring.group_codes import Coder, Slicer
from slipway.monitoring.holdout_calibration import MOST_AUTOCORRELATION, Shift
from slipway.monitoring.labelled import WEEK, Labelled, WeeklyPredictions, week_of
from slipway.monitoring.performance import days_of_rows, scores_of
from slipway.monitoring.report import Alarm, GroupStatus
from slipway.monitoring.sequential_test import accumulate, episodes, windows_between_alarms
from slipway.monitoring.weeks import weeks_of
from slipway.reference.profile import series_name
from slipway.tasks import Task, task_of

if TYPE_CHECKING:
    from slipway.manifest import Manifest
    from slipway.monitoring.columns import Calendar
    from slipway.project import Columns
    from slipway.settings import Params

# Of a group, or of the other groups together, in a week; with fewer the week is left out.
FEWEST_ROWS = 50

# Rows by which the rate of a day of the other groups is drawn to that of their other days.
PRIOR_ROWS = 10

EDGE = 1e-9

# The median of the square of a standard normal; steps between weeks that show how much they vary.
MEDIAN_SQUARE, FEWEST_STEPS = 0.4549, 6


@dataclass(frozen=True)
class Sums:
    """Rows that count, and the sum of their values and squares, by day; each of shape (days,)."""

    rows: np.ndarray
    total: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, counts: np.ndarray, day: np.ndarray, days: int) -> Sums:
        """Sum the values of the rows that count; `day` is the position of each row's day."""
        values, day = values[counts].astype("float64"), day[counts]
        parts = (np.ones(len(values)), values, values**2)
        return cls(*(np.bincount(day, weights=part, minlength=days) for part in parts))

    def __sub__(self, other: Sums) -> Sums:
        return Sums(self.rows - other.rows, self.total - other.total, self.squares - other.squares)

    def days(self, days: np.ndarray | slice) -> Sums:
        return Sums(self.rows[days], self.total[days], self.squares[days])

    @property
    def count(self) -> float:
        return float(self.rows.sum())

    @property
    def mean(self) -> float:
        return float(self.total.sum()) / max(self.count, 1.0)

    @property
    def variance(self) -> float:
        return max(float(self.squares.sum()) / max(self.count, 1.0) - self.mean**2, 0.0)


@dataclass(frozen=True)
class DayEffect:
    """The variation of days beyond chance, in log odds or in the unit of a mean."""

    variance: float = 0.0
    autocorrelation: float = 0.0

    def adds(self, reach: np.ndarray) -> float:
        """Return its part of the variance of a sum, given what it changes each day; (days,)."""
        follows = (1 + self.autocorrelation) / (1 - self.autocorrelation)
        return self.variance * float((reach**2).sum()) * follows


@dataclass(frozen=True)
class Baseline:
    """The rate of a group on the holdout, next to that of all other groups.

    Attributes
    ----------
    offset
        Of a share, the difference in log odds; else the difference.
    error
        Its standard error, in the unit of the rate.
    effect
        The variation of its days beyond chance.

    Notes
    -----
    Each day of a group is compared with the same day of the other groups: its rows may be of other
    days than theirs.
    """

    rate: Rate
    offset: float
    value: float
    error: float = 0.0
    effect: DayEffect = field(default_factory=DayEffect)

    @classmethod
    def all_of(cls, rate: Rate, week: _Week, *, dated: bool) -> dict[int, Baseline]:
        """Measure each group that has enough rows, by its place; `dated` if the days are known.

        The days of a group vary at least as much as those of all groups together do on average:
        of one group the days may have too few rows to show it.
        """
        parts = {
            place: (own, week.whole - own)
            for place, own in enumerate(week.groups)
            if _enough(own, week.whole - own)
        }
        known = {
            place: cls(rate, _offset(rate, *each), each[0].mean) for place, each in parts.items()
        }
        if dated:
            moments = {p: known[p].moments(*parts[p], week.days) for p in parts}
            shared = sum(moments.values(), Moments()).effect()
            effects = {p: max(each.effect(), shared, key=_variance) for p, each in moments.items()}
            known = {p: replace(each, effect=effects[p]) for p, each in known.items()}
        return {p: replace(each, error=each.shift(*parts[p]).sd) for p, each in known.items()}

    def expected(self, group: Sums, rest: Sums) -> float:
        """Return the rate that follows from that of the other groups on the same days."""
        by_day = _from_rest(self.rate, _shrunk(rest), self.offset)
        return float(group.rows @ by_day) / max(group.count, 1.0)

    def shift(self, group: Sums, rest: Sums) -> Shift:
        """Return how much higher the rate of a group is than expected."""
        gaps, chance, reach = self._by_day(group, rest)
        variance = (float(chance.sum()) + self.effect.adds(reach)) / group.count**2
        value = float(gaps.sum()) / group.count
        return Shift(value, sqrt(variance) or np.finfo("float64").tiny ** 0.25)

    def _by_day(self, group: Sums, rest: Sums) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the sum of values less the expected one of each day, and what it varies by.

        Its variance by chance, by the linear approximation in the rate of the other groups (delta
        method); and how much a difference of 1 in the log odds of the day, or in the mean, changes
        the sum.
        """
        others = _shrunk(rest)
        expected = _from_rest(self.rate, others, self.offset)
        if self.rate.is_share:
            own, of_rest = expected * (1 - expected), others * (1 - others)
            slope, reach = own / np.maximum(of_rest, 1e-9), group.rows * own
        else:
            own, of_rest, slope = group.variance, rest.variance, 1.0
            reach = group.rows
        chance = group.rows * own + (group.rows * slope) ** 2 * of_rest / (rest.rows + PRIOR_ROWS)
        return group.total - group.rows * expected, np.asarray(chance), np.asarray(reach)

    def moments(self, group: Sums, rest: Sums, days: np.ndarray) -> Moments:
        """Return how much the days of the holdout differ from what the other groups lead to."""
        gaps, chance, reach = self._by_day(group, rest)
        follows = np.diff(days.astype("int64")) == 1
        return Moments(
            float((gaps**2).sum()),
            float(chance.sum()),
            float((reach**2).sum()),
            float((gaps[1:] * gaps[:-1])[follows].sum()),
            float((reach[1:] * reach[:-1])[follows].sum()),
        )


@dataclass(frozen=True)
class Moments:
    """Sums over days: squared gaps, their variance by chance, squared reach; of neighbours."""

    squares: float = 0.0
    chance: float = 0.0
    weights: float = 0.0
    follows: float = 0.0
    pairs: float = 0.0

    def __add__(self, other: Moments) -> Moments:
        both = zip(astuple(self), astuple(other), strict=True)
        return Moments(*(mine + theirs for mine, theirs in both))

    def effect(self) -> DayEffect:
        """Return the variation beyond chance (method of moments), also of days with few rows."""
        if self.squares <= self.chance or not self.weights:
            return DayEffect()
        variance = (self.squares - self.chance) / self.weights
        together = self.follows / self.pairs if self.pairs else 0.0
        return DayEffect(variance, float(np.clip(together / variance, 0.0, MOST_AUTOCORRELATION)))


def _variance(effect: DayEffect) -> float:
    return effect.variance


def _shrunk(rest: Sums) -> np.ndarray:
    """Return the rate of each day, drawn to that of all days as by `PRIOR_ROWS` more rows of it."""
    whole = (float(rest.total.sum()) + 0.5) / (rest.count + 1)
    return np.asarray((rest.total + PRIOR_ROWS * whole) / (rest.rows + PRIOR_ROWS))


def _from_rest(rate: Rate, others: np.ndarray, offset: float) -> np.ndarray:
    """Return the rate of a group on each day from that of the other groups."""
    if not rate.is_share:
        return others + offset
    inside = np.clip(others, EDGE, 1 - EDGE)
    return np.asarray(1 / (1 + (1 - inside) / inside * np.exp(-offset)))


def _offset(rate: Rate, group: Sums, rest: Sums) -> float:
    """Return the offset with which the expected rate of the holdout is that of the group."""
    others = _shrunk(rest)
    if not rate.is_share:
        return float(group.total.sum() - group.rows @ others) / group.count
    total, rows = float(group.total.sum()), group.rows
    wanted = min(max(total, 0.5), group.count - 0.5)  # a rate of 0 or 1 has no finite offset
    return float(
        brentq(lambda offset: float(rows @ _from_rest(rate, others, offset)) - wanted, -50, 50)
    )


@dataclass(frozen=True)
class _Week:
    """The sums of a week for all rows and for each group, the days, and the week's ends."""

    first: str
    last: str
    days: np.ndarray
    whole: Sums
    groups: Sequence[Sums]


@dataclass(frozen=True)
class GroupChecks:
    """The state of each group that is watched, and the alarms."""

    groups: Sequence[GroupStatus] = ()
    alarms: Sequence[Alarm] = ()


class GroupMonitor:
    """The protected groups of the holdout, as later rows are compared with them.

    Parameters
    ----------
    path
        The stored rows of the holdout.
    slicer
        Returns the groups.
    """

    def __init__(self, manifest: Manifest, params: Params, path: Path, slicer: Slicer) -> None:
        self._task, self._params = task_of(manifest), params
        self._threshold = manifest.get("threshold")
        columns = _stored(path, manifest)
        found = {name: group_of(texts) for name, texts in slicer(columns).items()}
        fewest = params.judge.min_slice_rows
        names = {
            name: [value for value, rows in group.members() if len(rows) >= fewest]
            for name, group in found.items()
        }
        self.coder = Coder(slicer, names, self._threshold)
        self._rates, self._mean_absolute_error = _watched(self._task), 0.0
        self._baselines = self._measure(columns, path, manifest)

    @property
    def series(self) -> int:
        """Number of monitored series: the rates of each attribute."""
        return len(self.coder.names) * len({_key(rate) for rate in self._rates})

    def check(
        self, calendar: Calendar, predictions: WeeklyPredictions, false_alarms_per_month: float
    ) -> GroupChecks:
        """Return the state of each group and the alarms.

        Parameters
        ----------
        false_alarms_per_month
            Of all groups and rates together.
        """
        tests = 2 * sum(len(each) for each in self._baselines.values())
        if not tests:
            return GroupChecks()
        windows = windows_between_alarms(false_alarms_per_month, tests, 7)
        judged = [
            week
            for week in weeks_of(predictions, self._params.drift.min_rows)
            if week.status == "judged"
        ]
        states, alarms = [], []
        for (attribute, rate), baselines in self._baselines.items():
            weeks = (
                [self._labelled(week.labelled, attribute, rate, week) for week in judged]
                if rate.needs_labels
                else self._decided(calendar, attribute, rate)
            )
            watched = [
                _Watch(attribute, self.coder.names[attribute][place], baseline, place)
                for place, baseline in baselines.items()
            ]
            shifts = _widened([watch.shifts(weeks) for watch in watched])
            for watch, own in zip(watched, shifts, strict=True):
                state, raised = watch.run(weeks, own, windows, self._floor(rate))
                states += [state] if state else []
                alarms += raised
        return GroupChecks(states, alarms)

    def _floor(self, rate: Rate) -> float:
        """Return the smallest shift that matters."""
        settings = self._params.monitoring
        if not rate.in_label_units:
            return settings.group_gap
        return settings.bias_gap * self._mean_absolute_error

    def _measure(
        self, columns: Columns, path: Path, manifest: Manifest
    ) -> dict[tuple[str, Rate], dict[int, Baseline]]:
        import pandas as pd

        rows = pd.read_parquet(path)
        scores = scores_of(rows, self._task)
        labels = np.full(len(rows), np.nan)  # those of earlier versions may have none
        if "label" in rows:
            labels = rows["label"].to_numpy("float64")
        when = days_of_rows(rows, manifest)
        days = np.zeros(len(rows), "datetime64[D]") if when is None else when
        codes = self.coder.codes(columns)
        part = Labelled(labels, scores, days, scores, codes)
        if self._task.quantile is None and not self._task.is_classifier:
            self._mean_absolute_error = float(np.nanmean(np.abs(scores - labels)))
        found: dict[tuple[str, Rate], dict[int, Baseline]] = {}
        for attribute in self.coder.names:
            for rate in self._rates:
                known = part.rows(~np.isnan(labels)) if rate.needs_labels else part
                week = self._labelled(known, attribute, rate)
                found[attribute, rate] = Baseline.all_of(rate, week, dated=when is not None)
        return found

    def _labelled(self, part: Labelled, attribute: str, rate: Rate, week: Any = None) -> _Week:
        """Return the sums of some rows, all of which have what the rate needs."""
        model = self._task.predictions(part.scores, self._threshold)
        values, counts = rate.values(part.labels, model), rate.counts(part.labels)
        days, day = np.unique(part.days.astype("datetime64[D]"), return_inverse=True)
        position = list(self.coder.names).index(attribute)
        codes = np.asarray(part.groups)[:, position]
        groups = [
            Sums.of(values, counts & (codes == place), day, len(days))
            for place in range(len(self.coder.names[attribute]))
        ]
        first, last = (week.first, week.last) if week else ("", "")
        return _Week(first, last, days, Sums.of(values, counts, day, len(days)), groups)

    def _decided(self, calendar: Calendar, attribute: str, rate: Rate) -> list[_Week]:
        """Return the sums of decisions of each week that is over, of all rows of the log."""
        code = next(n for n, each in enumerate(self._rates) if each is rate)
        decision = code if self._task.classes else 1
        shape = (len(self.coder.names[attribute]) + 1, max(len(self._task.classes), 2))
        empty = np.zeros(shape)
        counts = np.array(
            [empty if day is None else day.groups.get(attribute, empty) for day in calendar.days]
        )
        monday = week_of(calendar.dates)
        weeks = []
        for first in np.unique(monday):
            inside, last = monday == first, first + WEEK - np.timedelta64(1, "D")
            if last > calendar.dates[-1]:
                continue
            rows, decided = counts[inside].sum(axis=2), counts[inside][:, :, decision]
            sums = [Sums(n, s, s) for n, s in zip(rows.T, decided.T, strict=True)]
            n, s = rows.sum(axis=1), decided.sum(axis=1)
            whole = Sums(n, s, s)
            weeks.append(_Week(str(first), str(last), calendar.dates[inside], whole, sums[:-1]))
        return weeks


@dataclass(frozen=True)
class _Watch:
    """A rate of one group, over the weeks."""

    attribute: str
    group: str
    baseline: Baseline
    place: int

    @property
    def name(self) -> str:
        return f"{self.baseline.rate.label} of {self.attribute}={self.group}"

    def parts(self, weeks: Sequence[_Week]) -> list[tuple[Sums, Sums]]:
        """Return the sums of the group and of all other groups, of each week."""
        own = [week.groups[self.place] for week in weeks]
        return [(each, week.whole - each) for each, week in zip(own, weeks, strict=True)]

    def shifts(self, weeks: Sequence[_Week]) -> list[Shift | None]:
        """Return the shift of each week; None if it has too few rows."""
        return [
            self.baseline.shift(*part) if _enough(*part) else None for part in self.parts(weeks)
        ]

    def run(
        self,
        weeks: Sequence[_Week],
        shifts: Sequence[Shift | None],
        windows: float,
        floor: float,
    ) -> tuple[GroupStatus | None, list[Alarm]]:
        """Return the newest state and the alarms, given the shift of each week."""
        parts = self.parts(weeks)
        alarms = list(self._alarms(shifts, weeks, parts, windows, floor))
        known = [number for number, shift in enumerate(shifts) if shift]
        if not known:
            return None, alarms
        own, rest = parts[known[-1]]
        state = GroupStatus(
            attribute=self.attribute,
            group=self.group,
            rate=self.baseline.rate.label,
            week=weeks[known[-1]].first,
            rows=int(own.count),
            value=own.mean,
            expected=self.baseline.expected(own, rest),
            holdout=self.baseline.value,
            status="drift" if any(alarm.until is None for alarm in alarms) else "ok",
        )
        return state, alarms

    def _alarms(
        self,
        shifts: Sequence[Shift | None],
        weeks: Sequence[_Week],
        parts: Sequence[tuple[Sums, Sums]],
        windows: float,
        floor: float,
    ) -> Iterator[Alarm]:
        error = self.baseline.error
        for sign in (1, -1):
            turned = [shift and Shift(sign * shift.value, shift.sd) for shift in shifts]
            # All weeks share the error of the holdout, which is large for a small group.
            evidence = accumulate(turned, floor + 2 * error, error, windows)
            for since, at, until in episodes(evidence):
                yield Alarm(
                    stream=self.name,
                    since=weeks[since].first,
                    at=weeks[at].last,
                    until=None if until is None else weeks[until].last,
                    strength=round(float(evidence.values[at]), 2),
                    words=self._words(weeks[since].first, parts[since : at + 1]),
                )

    def _words(self, since: str, parts: Sequence[tuple[Sums, Sums]]) -> str:
        known = [part for part in parts if _enough(*part)]
        rows = [own.count for own, _ in known]
        now = float(np.average([own.mean for own, _ in known], weights=rows))
        usual = float(np.average([self.baseline.expected(*part) for part in known], weights=rows))
        shown = self.baseline.rate.shown
        return (
            f"since the week of {since}, the {self.name} is {shown(now)}; from the other groups "
            f"and the holdout follows {shown(usual)}"
        )


def _widened(shifts: Sequence[Sequence[Shift | None]]) -> list[list[Shift | None]]:
    """Return the shifts of some groups with at least the variation of the log's own weeks.

    It is measured between consecutive weeks, never against the holdout: a group that has shifted,
    and stays there, adds one of many differences, and their median counts.
    """
    squares: list[float] = []
    widened: list[list[Shift | None]] = [[] for _ in shifts]
    for week in range(len(shifts[0]) if shifts else 0):
        for group in shifts:
            before, now = group[week - 1] if week else None, group[week]
            if before and now:
                squares.append((now.value - before.value) ** 2 / (now.sd**2 + before.sd**2))
        enough = len(squares) >= FEWEST_STEPS
        factor = sqrt(max(1.0, float(np.median(squares)) / MEDIAN_SQUARE)) if enough else 1.0
        for group, own in zip(shifts, widened, strict=True):
            now = group[week]
            own.append(now and Shift(now.value, now.sd * factor))
    return widened


def _watched(task: Task) -> list[Rate]:
    found = [rate for each in rates_of(task.name, task.classes).values() for rate in each]
    return [rate for rate in found if rate.is_watched]


def _key(rate: Rate) -> str:
    """Return the key of a rate; those of all classes are one series."""
    return SELECTION if rate.key.startswith(f"{SELECTION}[") else rate.key


def _enough(group: Sums, rest: Sums) -> bool:
    return min(group.count, rest.count) >= FEWEST_ROWS


def _stored(path: Path, manifest: Manifest) -> Columns:
    """Return the inputs of the stored rows of the holdout, in the types of the data files."""
    import pyarrow.parquet as pq

    if not path.is_file():
        raise SlipwayError(
            f"{path}: no such file, so groups cannot be compared with the holdout",
            "train the model again with `dvc repro`",
        )
    names = {series_name(each["name"]): each["name"] for each in manifest["inputs"]}
    # Each input, but of earlier versions.
    names = {name: names[name] for name in pq.read_schema(path).names if name in names}
    return {names[name]: values for name, values in read_columns([path], list(names)).items()}
