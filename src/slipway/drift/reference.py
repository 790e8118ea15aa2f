"""What a model's manifest remembers: what to expect of a day, and how restless days are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.errors import SlipwayError
from slipway.past import DAYS, WEEKS

if TYPE_CHECKING:
    from slipway.profile import Profile

SCORE = "score"
MISSING = "missing"
UNSEEN = "never seen before"


@dataclass(frozen=True)
class Wobble:
    """How restless a column is beyond chance; see `slipway.past.wobble_of`.

    Numbers, or arrays that broadcast with the days watched.
    """

    weeks: Any
    week: Any
    week_seen: Any
    week_free: float
    day: Any
    day_seen: Any
    day_free: float
    alike: float
    most_missing: float = 0.0

    def spread(self, weeks: np.ndarray) -> np.ndarray:
        """Return the variance of the mean of so many weeks, over that of one; shape of `weeks`.

        Weeks are a first-order autoregression: neighbours are `alike`.
        """
        apart = np.arange(1, 60)
        whole = np.asarray(weeks, dtype="float64")[..., None]
        shared = np.maximum(1 - apart / np.maximum(whole, 1e-9), 0) * self.alike**apart
        return (1 + 2 * shared.sum(axis=-1)) / np.maximum(whole[..., 0], 1e-9)


@dataclass(frozen=True)
class Stream:
    """One column of the log, or the score.

    Parameters
    ----------
    names
        Of its cells: bins or values, then `UNSEEN` for a category, then `MISSING`.
    holdout
        Counts of the holdout, shape (cells,).
    months
        Counts of each calendar month of the past, 1 to 12, and how many weeks they cover.
    """

    name: str
    profile: Profile
    names: Sequence[str]
    holdout: np.ndarray
    holdout_weeks: float
    months: Mapping[int, tuple[np.ndarray, float]]
    by_month: Mapping[str, np.ndarray]
    wobble: Wobble

    @cached_property
    def index(self) -> dict[str, int]:
        """Return the cell of each value of a category."""
        return {name: cell for cell, name in enumerate(self.names[:-2])}

    def expect(self, days: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what to compare each day with: its own month's past, else the holdout.

        Returns
        -------
        tuple
            Shares, shape (days, cells); rows and weeks that they come from, shape (days,).
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
    """Everything in a manifest that drift is measured against."""

    model: str
    event_time: str
    holdout: Sequence[str]
    months: frozenset[int]
    starts: str
    volume: Mapping[str, float]
    joint: Mapping[str, Any]
    inputs: Sequence[Mapping[str, Any]]
    streams: Mapping[str, Stream]

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Reference:
        """Read a manifest.

        Raises
        ------
        SlipwayError
            It was written before manifests remembered the past.
        """
        past = manifest.get("past")
        if past is None:
            raise SlipwayError(
                "the model's manifest says nothing of the past, so what is usual is not known",
                "build the model again with `dvc repro`",
            )
        months = sorted(past["months"])
        missing = sorted(set(manifest["holdout"]["months"]) - set(months))
        if missing:
            raise SlipwayError(
                f"the model's manifest does not remember {', '.join(missing)}, the holdout: it has "
                "too few days",
                "build the model again with `dvc repro`",
            )
        return cls(
            model=manifest["model"]["sha256"],
            event_time=manifest["event_time"],
            holdout=manifest["holdout"]["months"],
            months=frozenset(int(month[5:]) for month in months),
            starts=months[0],
            volume=past["volume"],
            joint=past["joint"],
            inputs=manifest["inputs"],
            streams={
                name: _stream(name, profile, manifest, past)
                for name, profile in manifest["reference"].items()
            },
        )

    def without_season(self, days: np.ndarray) -> list[int]:
        """Return the calendar months of some days that the past does not have."""
        return [int(each) for each in np.unique(calendar_month(days)) if each not in self.months]


def calendar_month(days: np.ndarray) -> np.ndarray:
    """Return 1 to 12 for each day, shape (days,)."""
    return days.astype("datetime64[M]").astype(int) % 12 + 1


def _stream(
    name: str, profile: Profile, manifest: Mapping[str, Any], past: Mapping[str, Any]
) -> Stream:
    known = {month: about["profiles"][name] for month, about in past["months"].items()}
    names = _names(profile, known.values())
    by_month = {month: _counts(part, names) for month, part in known.items()}
    seasons: dict[int, tuple[np.ndarray, float]] = {}
    for month, counts in by_month.items():
        before, covered = seasons.get(int(month[5:]), (np.zeros(len(names)), 0.0))
        weeks = past["months"][month]["days"] / DAYS
        seasons[int(month[5:])] = (before + counts, covered + weeks)
    held = [past["months"][month]["days"] for month in manifest["holdout"]["months"]]
    return Stream(
        name=name,
        profile=profile,
        names=names,
        holdout=_counts(profile, names),
        holdout_weeks=sum(held) / DAYS if held else float(WEEKS),
        months=seasons,
        by_month=by_month,
        wobble=Wobble(**past["wobble"][name]),
    )


def _names(profile: Profile, months: Any) -> list[str]:
    if profile["type"] == "number":
        return [*bin_names(profile["edges"]), MISSING]
    values = set(profile["counts"]).union(*(month["counts"] for month in months))
    return [*sorted(values), UNSEEN, MISSING]


def _counts(part: Mapping[str, Any], names: Sequence[str]) -> np.ndarray:
    counts = part["counts"]
    if isinstance(counts, list):
        return np.array([*counts, part["missing"]], dtype="float64")
    values = [counts.get(name, 0) for name in names[:-2]]
    return np.array([*values, 0, part["missing"]], dtype="float64")


def bin_names(edges: Sequence[float]) -> list[str]:
    """Return what to call the bins between some edges."""
    ends = [f"{edge:.5g}" for edge in edges]
    if not ends:
        return ["any value"]
    between = [f"above {low} to {high}" for low, high in pairwise(ends)]
    return [f"up to {ends[0]}", *between, f"above {ends[-1]}"]
