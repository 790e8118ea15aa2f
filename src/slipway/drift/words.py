"""What moved, in words a person can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from slipway.drift.effect import LARGE, MODERATE
from slipway.drift.reference import MISSING, UNSEEN

VALUE_LETTERS = 40

# Rows with values never seen before are told from this share on; the report counts them all.
FEW_UNSEEN = 0.005

MONTHS = [
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]


@dataclass(frozen=True)
class Moved:
    """A column before and now.

    Parameters
    ----------
    names
        Of the cells; the last is for missing values.
    before, now
        Shares of the cells, shape (cells,).
    mean_before, mean_now, spread
        Of a number that is compared with the holdout; None else.
    unseen
        Values never seen before, the most frequent first.
    """

    names: Sequence[str]
    before: np.ndarray
    now: np.ndarray
    is_number: bool
    unseen: Mapping[str, int]
    mean_before: float | None = None
    mean_now: float | None = None
    spread: float = 0.0


def what_moved(moved: Moved) -> str:
    """Return how a column differs: what is missing, what is new, else its mean or its shares."""
    said = [_missing(moved), _unseen(moved), _mean(moved)]
    return "; ".join(filter(None, said)) or _cells(moved)


def sized(psi: float) -> str:
    """Return a PSI with the usual word for its size."""
    size = "large" if psi >= LARGE else "moderate" if psi >= MODERATE else "small"
    return f"PSI {psi:.2f} ({size})"


def value(name: str) -> str:
    """Return an untrusted value of a request, escaped for terminals and Markdown."""
    seen = "".join(letter for letter in name if letter.isprintable() and letter != "`")
    cut = seen if len(seen) <= VALUE_LETTERS else f"{seen[: VALUE_LETTERS - 1]}…"
    return f"`{cut or '(empty)'}`"


def percent(share: float) -> str:
    return f"{share:.1%}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return some names and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def season(months: Sequence[int]) -> str:
    """Return the names of calendar months."""
    return listed([MONTHS[month - 1] for month in months], 12)


def ends(months: Sequence[str]) -> str:
    return months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"


def _missing(moved: Moved) -> str:
    before, now = float(moved.before[-1]), float(moved.now[-1])
    if abs(now - before) < max(0.01, 0.1 * before):
        return ""
    return f"missing in {percent(before)} → {percent(now)} of rows"


def _unseen(moved: Moved) -> str:
    if UNSEEN not in moved.names or not moved.unseen:
        return ""
    share = float(moved.now[moved.names.index(UNSEEN)])
    if share < FEW_UNSEEN:
        return ""
    shown = ", ".join(value(name) for name in list(moved.unseen)[:3])
    more = ", …" if len(moved.unseen) > 3 else ""
    return f"never seen before: {shown}{more} ({percent(share)} of rows)"


def _mean(moved: Moved) -> str:
    if moved.mean_before is None or moved.mean_now is None:
        return ""
    by = moved.mean_now - moved.mean_before
    if not by or abs(by) < 0.1 * moved.spread:
        return ""
    way = "higher" if by > 0 else "lower"
    size = f" ({abs(by) / moved.spread:.1f} sd {way})" if moved.spread else ""
    return f"mean {moved.mean_before:.4g} → {moved.mean_now:.4g}{size}"


def _cells(moved: Moved) -> str:
    most = np.argsort(-np.abs(moved.now - moved.before), kind="stable")[:2]
    plain = (MISSING, UNSEEN)
    return ", ".join(
        f"{name if moved.is_number or name in plain else value(name)}: "
        f"{percent(float(moved.before[cell]))} → {percent(float(moved.now[cell]))}"
        for cell, name in ((int(cell), moved.names[int(cell)]) for cell in most)
    )
