"""The difference between a column and its reference, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from slipway.monitoring.distances import LARGE, MODERATE
from slipway.reference.reference import MISSING, UNSEEN
from slipway.untrusted import printable, shorten

VALUE_LETTERS = 40

# Smallest share of unseen values that is described; the report counts them all.
FEW_UNSEEN = 0.005

MONTHS = [
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]


@dataclass(frozen=True)
class Difference:
    """A column in the reference (before) and in a window of the log (now).

    `before` and `now` are shares of the cells called `names`, shape (cells,); the last cell is for
    missing values. The means and the `spread` are of a number that is compared with the holdout.
    `unseen` has the values that the reference does not have, the most frequent first.
    """

    names: Sequence[str]
    before: np.ndarray
    now: np.ndarray
    is_number: bool
    unseen: Mapping[str, int]
    mean_before: float | None = None
    mean_now: float | None = None
    spread: float = 0.0

    @property
    def unseen_share(self) -> float:
        return float(self.now[self.names.index(UNSEEN)]) if UNSEEN in self.names else 0.0


def describe(difference: Difference) -> str:
    """Return changes of missing and unseen values and of the mean, or of the shares of cells."""
    parts = [_missing(difference), _unseen(difference), _mean(difference)]
    return "; ".join(filter(None, parts)) or _cells(difference)


def sized(psi: float) -> str:
    """Return a PSI and its size in words."""
    size = "large" if psi >= LARGE else "moderate" if psi >= MODERATE else "small"
    return f"PSI {psi:.2f} ({size})"


def value(name: str) -> str:
    """Return an untrusted value as a code span; `quote_text` escapes the sentence around it."""
    return f"`{shorten(printable(name, without='`'), VALUE_LETTERS) or '(empty)'}`"


def percent(share: float) -> str:
    return f"{share:.1%}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return the first names and the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def season(months: Sequence[int]) -> str:
    """Return the names of calendar months."""
    return listed([MONTHS[month - 1] for month in months], 12)


def ends(months: Sequence[str]) -> str:
    """Return the first and the last of some months; of none, the name of the holdout."""
    if not months:
        return "the holdout"
    return months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"


def _missing(difference: Difference) -> str:
    before, now = float(difference.before[-1]), float(difference.now[-1])
    if abs(now - before) < max(0.01, 0.1 * before):
        return ""
    return f"missing in {percent(before)} → {percent(now)} of rows"


def _unseen(difference: Difference) -> str:
    if UNSEEN not in difference.names or not difference.unseen:
        return ""
    share = difference.unseen_share
    if share < FEW_UNSEEN:
        return ""
    shown = ", ".join(value(name) for name in list(difference.unseen)[:3])
    more = ", …" if len(difference.unseen) > 3 else ""
    return f"unseen values: {shown}{more} ({percent(share)} of rows)"


def _mean(difference: Difference) -> str:
    if difference.mean_before is None or difference.mean_now is None:
        return ""
    by = difference.mean_now - difference.mean_before
    if not by or abs(by) < 0.1 * difference.spread:
        return ""
    way = "higher" if by > 0 else "lower"
    size = f" ({abs(by) / difference.spread:.1f} sd {way})" if difference.spread else ""
    return f"mean {difference.mean_before:.4g} → {difference.mean_now:.4g}{size}"


def _cells(difference: Difference) -> str:
    most = np.argsort(-np.abs(difference.now - difference.before), kind="stable")[:2]
    plain = (MISSING, UNSEEN)
    return ", ".join(
        f"{name if difference.is_number or name in plain else value(name)}: "
        f"{percent(float(difference.before[cell]))} → {percent(float(difference.now[cell]))}"
        for cell, name in ((int(cell), difference.names[int(cell)]) for cell in most)
    )
