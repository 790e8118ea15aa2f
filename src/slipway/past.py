"""What the past looked like: each month for its season, and how much weeks differ anyway.

A model's manifest carries this, so that a drift check knows what is usual without the data.
Weeks are the days 1 to 7, 8 to 14, 15 to 21 and 22 to 28 of a month. Each is compared with its
own month, so that the seasons do not pass for restlessness.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.profile import bin_numbers

if TYPE_CHECKING:
    from slipway.contract import Columns
    from slipway.profile import Profile

DAYS, WEEKS = 7, 4

# A month with fewer days says nothing of its season: the hours that another time zone lends it.
FEWEST_DAYS = 21

# Weeks that follow each other are never taken to be more alike than this.
MOST_ALIKE = 0.7

# What is added to it: half the standard error that thirty pairs of weeks leave. Taken for less
# alike than they are, weeks make false alarms; taken for more, a shift is found days later.
DOUBT = 0.15

# From so many residuals on it can be said in how many directions they differ; never in fewer than
# the second: a fifth of a direction already has storms fifty times the mean.
FEWEST_LENGTHS, LEAST_FREE = 4, 0.2

# An excess of fewer standard errors may be chance, and then its directions and tails are.
SURE = 2.0


def past(
    columns: Columns,
    times: np.ndarray,
    reference: Mapping[str, Profile],
    whole: Collection[str] = (),
) -> dict[str, Any]:
    """Return the memory of the past that a manifest carries.

    Parameters
    ----------
    columns
        Rows of the past, among them the score.
    times
        Of the events, datetime64, shape (rows,).
    reference
        The profile of each column, whose bins are used.
    whole
        Months that count however few days they have, as ``YYYY-MM``: those that the data has files
        of.
    """
    days, day = np.unique(times.astype("datetime64[D]"), return_inverse=True)
    known, length = np.unique(days.astype("datetime64[M]"), return_counts=True)
    counted = (length >= FEWEST_DAYS) | np.isin(known.astype(str), list(whole))
    months = {str(each): _about(days, day, each) for each in known[counted]}
    wobble = {}
    for name, profile in reference.items():
        names, cell = cells_of(columns[name], profile)
        size = len(names) + 1
        flat = np.bincount(day * size + cell, minlength=len(days) * size)
        counts = flat.reshape(len(days), size)
        wobble[name] = wobble_of(counts, days)
        for month, about in months.items():
            inside = days.astype("datetime64[M]") == np.datetime64(month)
            about["profiles"][name] = _shorten(profile, names, counts[inside].sum(axis=0))
    return {"months": months, "wobble": wobble, "volume": _volume(np.bincount(day), days)}


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


def wobble_of(counts: np.ndarray, days: np.ndarray) -> dict[str, float]:
    """Return how restless a column is beyond chance, from its counts of each day.

    Parameters
    ----------
    counts
        Shape (days, cells); the last cell is for missing values.
    days
        datetime64[D], shape (days,).

    Returns
    -------
    dict
        `weeks`: how many were compared. `week`, `day`: mean squared difference, over shares,
        from what one can expect, less chance. `week_seen`, `day_seen`: the same with chance.
        `week_free`, `day_free`: in how many directions they differ. `alike`: correlation
        of weeks that follow each other. `most_missing`: of the worst day.
    """
    weeks, near, far, single = _differences(counts, days)
    month, daily = _Spread(weeks), _Spread(single)
    following, later = _Spread(near).excess, _Spread(far).excess
    # Weeks that follow each other may be alike, and then differ less from their own month than from
    # another one.
    alike = float(np.clip(1 - following / later + DOUBT, 0.0, MOST_ALIKE)) if later else 0.0
    whole = later / (1 - (2 * alike**2 + alike**3) / 3)
    rows = counts.sum(axis=1)
    found = {
        "weeks": len(weeks[0]),
        "week": whole,
        "week_seen": month.seen + whole - month.excess,
        "week_free": month.free,
        "day": max(daily.excess + whole - month.excess, 0.0),
        "day_seen": daily.seen + whole - month.excess,
        "day_free": daily.free,
        "alike": alike,
        "most_missing": float(np.max(counts[:, -1] / np.maximum(rows, 1), initial=0.0)),
    }
    return rounded(found)


def rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    """Return numbers to four digits: the last of sixteen depend on the machine."""
    return {
        name: number if isinstance(number, int) else float(f"{number:.4g}")
        for name, number in numbers.items()
    }


class _Spread:
    """Mean square of residuals, what of it is beyond chance, and in how many directions."""

    def __init__(self, parts: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        residuals, chance, degrees = parts
        used = max(float(degrees.sum()), 1.0)
        self.seen = float((residuals**2).sum() / used)
        self.excess = max(0.0, self.seen - float((chance * degrees).sum() / used))
        self.free = self._free(residuals, used)

    def _free(self, residuals: np.ndarray, used: float) -> float:
        """Return (sum of variances)^2 / sum of squared variances, over the principal directions.

        Found twice: from the covariance of the residuals, and from how unequal their lengths
        are, which is more than their directions explain where tails are heavy. The
        smaller one counts. Few samples make the first too small, which is the safe side.
        """
        cells = max(residuals.shape[1] - 1, 1)
        if self.excess <= 0 or len(residuals) < FEWEST_LENGTHS:
            return 1.0
        noise = max(0.0, self.seen - self.excess) / cells
        if self.excess < SURE * noise * np.sqrt(2 * cells / used):
            return 1.0
        chance = cells * noise**2 + 2 * noise * self.excess
        gram = residuals @ residuals.T / used
        lengths = (residuals**2).sum(axis=1) * len(residuals) / used
        found = [float((gram**2).sum()) - chance, float(lengths.var(ddof=1)) / 2 - chance]
        squares = max(*found, self.excess**2 / cells)
        return float(np.clip(self.excess**2 / squares, LEAST_FREE, cells))


def _differences(counts: np.ndarray, days: np.ndarray) -> tuple[Any, Any, Any, Any]:
    """Return standardised residuals with their chance and degrees.

    Of weeks from their month, of weeks from the next one, of weeks from a later one of the
    month, and of days from their month.
    """
    weeks, near, far, single = [], [], [], []
    month = days.astype("datetime64[M]")
    block = (days - month.astype("datetime64[D]")).astype(int) // DAYS
    for each in np.unique(month):
        inside = np.flatnonzero((month == each) & (block < WEEKS))
        blocks = [counts[inside[block[inside] == number]].sum(axis=0) for number in range(WEEKS)]
        found = np.array([part for part in blocks if part.sum()])
        if len(found) < 2:
            continue
        mean = (found / found.sum(axis=1, keepdims=True)).mean(axis=0)
        weeks.append(_residuals(found, mean))
        near.append(_steps(found, mean, 1))
        far += [_steps(found, mean, apart) for apart in range(2, len(found))]
        daily = counts[inside]
        single.append(_residuals(daily[daily.sum(axis=1) > 0], mean))
    cells = counts.shape[1]
    return _stack(weeks, cells), _stack(near, cells), _stack(far, cells), _stack(single, cells)


def _residuals(parts: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = parts.sum(axis=1, keepdims=True)
    scale = np.sqrt(np.where(mean > 0, mean, 1.0))
    free = max(int((mean > 0).sum()) - 1, 0)
    degrees = np.full(len(parts), (len(parts) - 1) / len(parts))
    return (parts / rows - mean) / scale, free / rows[:, 0], degrees


def _steps(
    parts: np.ndarray, mean: np.ndarray, apart: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = parts.sum(axis=1, keepdims=True)
    shares = parts / rows / np.sqrt(np.where(mean > 0, mean, 1.0))
    free = max(int((mean > 0).sum()) - 1, 0)
    chance = free * (1 / rows[apart:, 0] + 1 / rows[:-apart, 0]) / 2
    return (shares[apart:] - shares[:-apart]) / np.sqrt(2), chance, np.ones(len(parts) - apart)


def _stack(parts: Sequence[tuple[np.ndarray, ...]], cells: int) -> tuple[np.ndarray, ...]:
    if not parts:
        return np.zeros((0, cells)), np.zeros(0), np.zeros(0)
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _shorten(profile: Profile, names: list[str], counts: np.ndarray) -> dict[str, Any]:
    present = counts[:-1].tolist()
    if profile["type"] == "number":
        return {"missing": int(counts[-1]), "counts": present}
    some = {name: count for name, count in zip(names, present, strict=True) if count}
    return {"missing": int(counts[-1]), "counts": some}


def _about(days: np.ndarray, day: np.ndarray, month: Any) -> dict[str, Any]:
    inside = days.astype("datetime64[M]") == month
    return {"rows": int(inside[day].sum()), "days": int(inside.sum()), "profiles": {}}


def _volume(rows: np.ndarray, days: np.ndarray) -> dict[str, float]:
    """Return how much a day's rows differ from other such weekdays of its month, as a logarithm."""
    groups = days.astype("datetime64[M]").astype(int) * DAYS + days.astype(int) % DAYS
    logs, squares, degrees = np.log(rows), 0.0, 0
    for group in np.unique(groups):
        inside = logs[groups == group]
        squares += float(((inside - inside.mean()) ** 2).sum())
        degrees += len(inside) - 1
    return rounded({"days": len(days), "spread": float(np.sqrt(squares / max(degrees, 1)))})
