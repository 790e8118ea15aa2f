"""The reference history in a model's manifest: months for the seasons, and overdispersion.

A drift check needs no training data: the manifest has the counts of each month, and by how much
weeks and days vary more than chance explains. Weeks are the days 1 to 7, 8 to 14, 15 to 21 and 22
to 28 of a month. Each is compared with its own month, so that seasons do not count as
overdispersion.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import TypedDict  # pydantic needs it below Python 3.12

from slipway.reference.profile import bin_numbers

if TYPE_CHECKING:
    from slipway.project import Columns
    from slipway.reference.profile import Profile

DAYS, WEEKS = 7, 4

# A month with fewer days does not describe its season, such as hours due to another time zone.
FEWEST_DAYS = 21

# Limit of the autocorrelation of weeks.
MOST_AUTOCORRELATION = 0.7

# Added to the autocorrelation: half the standard error that thirty pairs of weeks leave. If it is
# estimated too low, there are false alarms; if too high, a shift is found days later.
MARGIN = 0.15

# Residuals that are needed to estimate degrees of freedom, and their lower limit: a fifth of a
# degree already has outliers fifty times the mean.
FEWEST_RESIDUALS, LEAST_FREEDOM = 4, 0.2

# An excess of fewer standard errors may be chance, and so may its degrees of freedom.
SIGNIFICANT = 2.0


class MonthCounts(TypedDict):
    """The counts of a series in a month: of each bin, or of each value of a category."""

    missing: int
    counts: list[int] | dict[str, int]


class Month(TypedDict):
    """A calendar month of the reference history, with the counts of each series."""

    rows: int
    days: int
    profiles: dict[str, MonthCounts]


class Volume(TypedDict):
    """The number of days, and the spread of the logarithm of a day's rows."""

    days: int
    spread: float


class PastWeeks(TypedDict):
    """How well the domain classifier separates past weeks from the rest of their month.

    `weeks` that were compared, their mean `auc` and its `spread`, and the median of the rows of
    both samples.
    """

    weeks: int
    auc: float
    spread: float
    rows: int
    reference_rows: int


class SeriesHistory(TypedDict):
    """The history of some series: months as ``YYYY-MM``, and the overdispersion of each."""

    months: dict[str, Month]
    wobble: dict[str, dict[str, float]]
    volume: Volume


class History(SeriesHistory):
    """The reference history of a manifest; `joint` is of the domain classifier."""

    joint: PastWeeks


@dataclass(frozen=True)
class Overdispersion:
    """The variation of a series beyond chance, measured on a number of `weeks`.

    `week` and `day` are excess variances (the mean squared difference over shares, less chance),
    `week_observed` and `day_observed` the same with chance, and `week_freedom` and `day_freedom`
    their degrees of freedom. `autocorrelation` is that of consecutive weeks, `most_missing` the
    largest share of missing values on a day. Numbers, or arrays that broadcast with the days.
    """

    weeks: Any
    week: Any
    week_observed: Any
    week_freedom: float
    day: Any
    day_observed: Any
    day_freedom: float
    autocorrelation: float
    most_missing: float = 0.0

    @classmethod
    def of(cls, entry: Mapping[str, float]) -> Overdispersion:
        """Read the entry of a manifest."""
        return cls(**{name: entry[key] for name, key in MANIFEST_KEYS.items() if key in entry})

    def as_entry(self) -> dict[str, float]:
        """Return the entry of a manifest."""
        fields = {key: getattr(self, name) for name, key in MANIFEST_KEYS.items()}
        return {
            key: each if isinstance(each, int) else rounded(each) for key, each in fields.items()
        }

    def variance_of_mean(self, weeks: np.ndarray) -> np.ndarray:
        """Return the variance of the mean of some weeks over that of one; shape of `weeks`.

        Weeks are a first-order autoregression.
        """
        apart = np.arange(1, 60)
        whole = np.asarray(weeks, dtype="float64")[..., None]
        shared = np.maximum(1 - apart / np.maximum(whole, 1e-9), 0) * self.autocorrelation**apart
        return (1 + 2 * shared.sum(axis=-1)) / np.maximum(whole[..., 0], 1e-9)


# Names of the fields in manifests, which are read by later versions.
MANIFEST_KEYS = {
    "weeks": "weeks",
    "week": "week",
    "week_observed": "week_seen",
    "week_freedom": "week_free",
    "day": "day",
    "day_observed": "day_seen",
    "day_freedom": "day_free",
    "autocorrelation": "alike",
    "most_missing": "most_missing",
}


def reference_history(
    columns: Columns,
    times: np.ndarray,
    reference: Mapping[str, Profile],
    whole: Collection[str] = (),
) -> SeriesHistory:
    """Return the reference history, the entry `past` of a manifest.

    Parameters
    ----------
    columns
        Rows of the training data, with the score.
    times
        Of the events, or their days, in the time zone of the model: datetime64, shape (rows,).
    reference
        The profile of each column, whose bins are used.
    whole
        Months that count even with few days, as ``YYYY-MM``: those of the periods of data/.
    """
    days, day = np.unique(times.astype("datetime64[D]"), return_inverse=True)
    known, length = np.unique(days.astype("datetime64[M]"), return_counts=True)
    counted = (length >= FEWEST_DAYS) | np.isin(known.astype(str), list(whole))
    months = {str(each): _month(days, day, each) for each in known[counted]}
    overdispersion = {}
    for name, profile in reference.items():
        names, cell = cells_of(columns[name], profile)
        size = len(names) + 1
        flat = np.bincount(day * size + cell, minlength=len(days) * size)
        counts = flat.reshape(len(days), size)
        overdispersion[name] = overdispersion_of(counts, days).as_entry()
        for month, entry in months.items():
            inside = days.astype("datetime64[M]") == np.datetime64(month)
            entry["profiles"][name] = _shorten(profile, names, counts[inside].sum(axis=0))
    return {
        "months": months,
        "wobble": overdispersion,
        "volume": _volume(np.bincount(day), days),
    }


def no_history(names: Iterable[str]) -> SeriesHistory:
    """Return the reference history of rows without a time: no month, and no known variation."""
    nothing = overdispersion_of(np.zeros((0, 1)), np.empty(0, "datetime64[D]")).as_entry()
    return {
        "months": {},
        "wobble": dict.fromkeys(names, nothing),
        "volume": _volume(np.empty(0), np.empty(0, "datetime64[D]")),
    }


def cells_of(values: np.ndarray, profile: Profile) -> tuple[list[str], np.ndarray]:
    """Return the names of a column's cells but the last, and the cell of each value.

    The last cell is for missing values.
    """
    if profile["type"] == "number":
        bins = [str(bin_) for bin_ in range(len(profile["edges"]) + 1)]
        cell = bin_numbers(values, profile["edges"])
        return bins, np.where(np.isnan(values), len(bins), cell)
    present = values != None  # noqa: E711
    known, codes = np.unique(values[present].astype(str), return_inverse=True)
    names = sorted({*profile["counts"], *known.tolist()})
    cell = np.full(len(values), len(names))
    cell[present] = np.searchsorted(names, known)[codes]
    return names, cell


def overdispersion_of(counts: np.ndarray, days: np.ndarray) -> Overdispersion:
    """Return the variation of a series beyond chance, from its counts of each day.

    Parameters
    ----------
    counts
        Shape (days, cells); the last cell is for missing values.
    days
        datetime64[D], shape (days,).
    """
    weeks, next_weeks, later_weeks, single_days = _differences(counts, days)
    month, daily = _Spread(weeks), _Spread(single_days)
    following, later = _Spread(next_weeks).excess, _Spread(later_weeks).excess
    # Autocorrelated weeks differ less from their own month than from another one.
    autocorrelation = (
        float(np.clip(1 - following / later + MARGIN, 0.0, MOST_AUTOCORRELATION)) if later else 0.0
    )
    whole = later / (1 - (2 * autocorrelation**2 + autocorrelation**3) / 3)
    rows = counts.sum(axis=1)
    return Overdispersion(
        weeks=len(weeks[0]),
        week=whole,
        week_observed=month.observed + whole - month.excess,
        week_freedom=month.freedom,
        day=max(daily.excess + whole - month.excess, 0.0),
        day_observed=daily.observed + whole - month.excess,
        day_freedom=daily.freedom,
        autocorrelation=autocorrelation,
        most_missing=float(np.max(counts[:, -1] / np.maximum(rows, 1), initial=0.0)),
    )


def rounded(number: float | np.floating[Any]) -> float:
    """Return a number with four digits: the last of sixteen depend on the machine."""
    return float(f"{number:.4g}")


class _Spread:
    """Observed variance of residuals, its excess over chance, and its degrees of freedom."""

    def __init__(self, parts: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        residuals, chance, degrees = parts
        used = max(float(degrees.sum()), 1.0)
        self.observed = float((residuals**2).sum() / used)
        self.excess = max(0.0, self.observed - float((chance * degrees).sum() / used))
        self.freedom = self._freedom(residuals, used)

    def _freedom(self, residuals: np.ndarray, used: float) -> float:
        """Return (sum of variances)^2 / sum of squared variances, over the principal directions.

        Estimated from the covariance of the residuals, and from the variance of their lengths,
        which is larger where tails are heavy. The smaller estimate is used. With few samples the
        first one is too small, which is the safe side.
        """
        cells = max(residuals.shape[1] - 1, 1)
        if self.excess <= 0 or len(residuals) < FEWEST_RESIDUALS:
            return 1.0
        noise = max(0.0, self.observed - self.excess) / cells
        if self.excess < SIGNIFICANT * noise * np.sqrt(2 * cells / used):
            return 1.0
        chance = cells * noise**2 + 2 * noise * self.excess
        gram = residuals @ residuals.T / used
        lengths = (residuals**2).sum(axis=1) * len(residuals) / used
        estimates = [float((gram**2).sum()) - chance, float(lengths.var(ddof=1)) / 2 - chance]
        squares = max(*estimates, self.excess**2 / cells)
        return float(np.clip(self.excess**2 / squares, LEAST_FREEDOM, cells))


def _differences(counts: np.ndarray, days: np.ndarray) -> tuple[Any, Any, Any, Any]:
    """Return standardised residuals, each with its chance variance and degrees of freedom.

    They are of weeks from their month, of weeks from the next week, of weeks from a later week of
    the month, and of days from their month.
    """
    weeks, near, far, single = [], [], [], []
    month = days.astype("datetime64[M]")
    block = (days - month.astype("datetime64[D]")).astype(int) // DAYS
    for each in np.unique(month):
        inside = np.flatnonzero((month == each) & (block < WEEKS))
        blocks = [counts[inside[block[inside] == number]].sum(axis=0) for number in range(WEEKS)]
        present = np.array([part for part in blocks if part.sum()])
        if len(present) < 2:
            continue
        mean = (present / present.sum(axis=1, keepdims=True)).mean(axis=0)
        weeks.append(_residuals(present, mean))
        near.append(_steps(present, mean, 1))
        far += [_steps(present, mean, apart) for apart in range(2, len(present))]
        daily = counts[inside]
        single.append(_residuals(daily[daily.sum(axis=1) > 0], mean))
    cells = counts.shape[1]
    return _stack(weeks, cells), _stack(near, cells), _stack(far, cells), _stack(single, cells)


def _residuals(parts: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = parts.sum(axis=1, keepdims=True)
    scale = np.sqrt(np.where(mean > 0, mean, 1.0))
    freedom = max(int((mean > 0).sum()) - 1, 0)
    degrees = np.full(len(parts), (len(parts) - 1) / len(parts))
    return (parts / rows - mean) / scale, freedom / rows[:, 0], degrees


def _steps(
    parts: np.ndarray, mean: np.ndarray, apart: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = parts.sum(axis=1, keepdims=True)
    shares = parts / rows / np.sqrt(np.where(mean > 0, mean, 1.0))
    freedom = max(int((mean > 0).sum()) - 1, 0)
    chance = freedom * (1 / rows[apart:, 0] + 1 / rows[:-apart, 0]) / 2
    return (shares[apart:] - shares[:-apart]) / np.sqrt(2), chance, np.ones(len(parts) - apart)


def _stack(parts: Sequence[tuple[np.ndarray, ...]], cells: int) -> tuple[np.ndarray, ...]:
    if not parts:
        return np.zeros((0, cells)), np.zeros(0), np.zeros(0)
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _shorten(profile: Profile, names: list[str], counts: np.ndarray) -> MonthCounts:
    present = counts[:-1].tolist()
    if profile["type"] == "number":
        return {"missing": int(counts[-1]), "counts": present}
    some = {name: count for name, count in zip(names, present, strict=True) if count}
    return {"missing": int(counts[-1]), "counts": some}


def _month(days: np.ndarray, day: np.ndarray, month: np.datetime64) -> Month:
    inside = days.astype("datetime64[M]") == month
    return {"rows": int(inside[day].sum()), "days": int(inside.sum()), "profiles": {}}


def _volume(rows: np.ndarray, days: np.ndarray) -> Volume:
    """Return the spread of the logarithm of a day's rows, given its month and weekday."""
    groups = days.astype("datetime64[M]").astype(int) * DAYS + days.astype(int) % DAYS
    logs, squares, degrees = np.log(rows), 0.0, 0
    for group in np.unique(groups):
        inside = logs[groups == group]
        squares += float(((inside - inside.mean()) ** 2).sum())
        degrees += len(inside) - 1
    return {"days": len(days), "spread": rounded(np.sqrt(squares / max(degrees, 1)))}
