"""The reference data in a model's manifest: what a day of the log is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from slipway.dataset.periods import days_of, whole_months
from slipway.errors import SlipwayError
from slipway.reference.history import DAYS, WEEKS, Overdispersion
from slipway.reference.profile import series_name

if TYPE_CHECKING:
    from slipway.manifest import Manifest
    from slipway.reference.history import History, MonthCounts, PastWeeks, Volume
    from slipway.reference.profile import Profile
    from slipway.schema.checks import ColumnSpec

MISSING = "missing"
UNSEEN = "never seen before"

# Without a history, no record is too early.
EARLIEST = "1970-01"


@dataclass(frozen=True)
class Series:
    """A monitored series: one input of the model, or one of `PREDICTED`.

    `names` are those of its cells: bins or values, then `UNSEEN` for a category, then `MISSING`.
    `holdout` has counts of shape (cells,); `months` those of each calendar month of the reference
    history (1 to 12) with the weeks they cover, and `by_month` those of each ``YYYY-MM``.
    """

    name: str
    profile: Profile
    names: Sequence[str]
    holdout: np.ndarray
    holdout_weeks: float
    months: Mapping[int, tuple[np.ndarray, float]]
    by_month: Mapping[str, np.ndarray]
    overdispersion: Overdispersion

    @property
    def is_number(self) -> bool:
        return bool(self.profile["type"] == "number")

    @property
    def missing(self) -> int:
        """The cell of missing values."""
        return len(self.names) - 1

    @property
    def unseen(self) -> int:
        """The cell of values of a category that the reference does not have."""
        return len(self.names) - 2

    @cached_property
    def index(self) -> dict[str, int]:
        """The cell of each value of a category."""
        return {name: cell for cell, name in enumerate(self.names[:-2])}

    def expect(self, days: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the reference of each day: its calendar month in the history, or the holdout.

        Returns
        -------
        tuple
            Shares, shape (days, cells); rows and weeks that they are measured on, shape (days,).
        """
        month = calendar_month(days)
        shares = np.empty((len(days), len(self.names)))
        rows, weeks = np.empty(len(days)), np.empty(len(days))
        for each in np.unique(month):
            counts, covered = self.months.get(int(each), (self.holdout, self.holdout_weeks))
            at = month == each
            total = max(float(counts.sum()), 1.0)
            shares[at], rows[at], weeks[at] = counts / total, total, covered
        return shares, rows, weeks


@dataclass(frozen=True)
class Reference:
    """Everything in a manifest that a log is compared with.

    Without an event time it has no months: each day of the log is compared with the holdout.
    """

    model: str
    event_time: str | None
    time_zone: str
    holdout: Sequence[str]
    months: frozenset[int]
    starts: str
    volume: Volume
    joint: PastWeeks
    inputs: Sequence[ColumnSpec]
    series: Mapping[str, Series]

    @classmethod
    def of(cls, manifest: Manifest) -> Reference:
        """Read a manifest.

        Raises
        ------
        SlipwayError
            The manifest has no reference history.
        """
        past = manifest.get("past")
        if past is None:
            raise SlipwayError(
                "the model's manifest has no reference history (`past`), so drift cannot be "
                "measured",
                "train the model again with `dvc repro`",
            )
        months = sorted(past["months"])
        held = _held_months(manifest)
        missing = sorted(set(held) - set(months))
        if missing:
            raise SlipwayError(
                f"the reference history of the model's manifest lacks {', '.join(missing)}, the "
                "holdout: it has too few days",
                "train the model again with `dvc repro`",
            )
        return cls(
            model=manifest["model"]["sha256"],
            event_time=manifest["event_time"],
            time_zone=zone_of(manifest),
            holdout=held,
            months=frozenset(int(month[5:]) for month in months),
            starts=months[0] if months else EARLIEST,
            volume=past["volume"],
            joint=past["joint"],
            inputs=manifest["inputs"],
            series={
                name: _series(name, profile, manifest, past)
                for name, profile in manifest["reference"].items()
            },
        )

    @cached_property
    def columns(self) -> dict[str, str]:
        """The column of each series that is an input."""
        return {series_name(each["name"]): each["name"] for each in self.inputs}

    def without_season(self, days: np.ndarray) -> list[int]:
        """Return the calendar months of some days that the history does not have."""
        return [int(each) for each in np.unique(calendar_month(days)) if each not in self.months]


def zone_of(manifest: Manifest) -> str:
    """Return the time zone of a model's days; those of earlier versions do not name it."""
    return str(manifest.get("time_zone", "UTC"))


def _held_months(manifest: Manifest) -> list[str]:
    """Return the calendar months of the holdout; all of the history if it has no periods."""
    names, past = manifest["holdout"]["months"], manifest["past"]["months"]
    if days_of(names) is None:
        return sorted(past)
    months = whole_months(names)
    # A week at the end of a month may have no row in the next.
    return sorted(months if months <= set(names) else months & set(past) or months)


def _held_days(manifest: Manifest) -> int:
    """Return the number of days that the holdout has."""
    days, months = days_of(manifest["holdout"]["months"]), _held_months(manifest)
    in_months = sum(manifest["past"]["months"][month]["days"] for month in months)
    return in_months if days is None else min(in_months, len(days))


def calendar_month(days: np.ndarray) -> np.ndarray:
    """Return 1 to 12 for each day, shape (days,)."""
    return days.astype("datetime64[M]").astype(int) % 12 + 1


def _series(name: str, profile: Profile, manifest: Manifest, past: History) -> Series:
    profiles = {month: entry["profiles"][name] for month, entry in past["months"].items()}
    names = _names(profile, profiles.values())
    by_month = {month: _counts(part, names) for month, part in profiles.items()}
    months: dict[int, tuple[np.ndarray, float]] = {}
    for month, counts in by_month.items():
        before, covered = months.get(int(month[5:]), (np.zeros(len(names)), 0.0))
        weeks = past["months"][month]["days"] / DAYS
        months[int(month[5:])] = (before + counts, covered + weeks)
    days = _held_days(manifest)
    return Series(
        name=name,
        profile=profile,
        names=names,
        holdout=_counts(profile, names),
        holdout_weeks=days / DAYS if days else float(WEEKS),
        months=months,
        by_month=by_month,
        overdispersion=Overdispersion.of(past["wobble"][name]),
    )


def _names(profile: Profile, months: Iterable[MonthCounts]) -> list[str]:
    if profile["type"] == "number":
        return [*bin_names(profile["edges"]), MISSING]
    values = {*profile["counts"]}.union(*(_values(month) for month in months))
    return [*sorted(values), UNSEEN, MISSING]


def _values(month: MonthCounts) -> Iterable[str]:
    counts = month["counts"]
    return counts if isinstance(counts, dict) else ()


def _counts(part: Profile | MonthCounts, names: Sequence[str]) -> np.ndarray:
    counts = part["counts"]
    if isinstance(counts, list):
        return np.array([*counts, part["missing"]], dtype="float64")
    values = [counts.get(name, 0) for name in names[:-2]]
    return np.array([*values, 0, part["missing"]], dtype="float64")


def bin_names(edges: Sequence[float]) -> list[str]:
    """Return the names of the bins between some edges."""
    ends = [f"{edge:.5g}" for edge in edges]
    if not ends:
        return ["any value"]
    between = [f"above {low} to {high}" for low, high in pairwise(ends)]
    return [f"up to {ends[0]}", *between, f"above {ends[-1]}"]
