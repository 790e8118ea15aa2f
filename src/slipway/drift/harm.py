"""Looking again and again without crying wolf: shifts of labelled windows, over time.

One window proves little and is looked at for years. What counts is the evidence gathered so far,
against a limit that unchanged traffic passes as rarely as the setting says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipway.drift.memory import Shift

# A shift is looked for from one standard deviation of a window on, whatever its rows.
LEAST_STEP = 1.0

# Evidence is held at this many times the limit, so that an alarm can end.
MOST_EVIDENCE = 20.0

DAYS_A_MONTH = 30.44


@dataclass(frozen=True)
class Watched:
    """One stream over all windows.

    Parameters
    ----------
    evidence
        After each window, over the limit: an alarm from 1 on; shape (windows,).
    since
        For each window, the window from which on the evidence speaks.
    """

    evidence: np.ndarray
    since: np.ndarray


def watch(shifts: list[Shift | None], floor: float, error: float, looks: float) -> Watched:
    """Gather the evidence that a stream has moved up, window by window.

    Parameters
    ----------
    shifts
        Of each window, in the order of time; None where it says nothing.
    floor
        The smallest shift that matters.
    error
        Standard error of the holdout, which all windows share.
    looks
        Windows from one false alarm to the next, on average and at the least.

    Notes
    -----
    A Shiryaev-Roberts detector: R = (1 + R) e, where e is the likelihood ratio of a window
    between the shift looked for and none. Without a shift R less the number of windows is a
    martingale, so the mean time to a false alarm is at least the limit, whatever the
    windows' sizes. The shift looked for is twice what must not alarm: the floor, or two
    standard errors of the holdout where those are larger.
    """
    least = max(floor, 2 * error)
    gathered, run, since, start = 0.0, 0.0, [], 0
    evidence = np.zeros(len(shifts))
    for window, shift in enumerate(shifts):
        if shift is not None:
            step = max(LEAST_STEP, 2 * least / shift.sd)
            gain = step * (shift.value / shift.sd - step / 2)
            gathered = min((1 + gathered) * float(np.exp(min(gain, 700))), MOST_EVIDENCE * looks)
            start, run = (window, max(gain, 0.0)) if run <= 0 else (start, max(run + gain, 0.0))
        evidence[window] = gathered / looks
        since.append(start)
    return Watched(evidence, np.array(since, dtype=int))


def episodes(watched: Watched) -> list[tuple[int, int, int | None]]:
    """Return each alarm: since which window, seen at which, and the one that ended it."""
    found: list[tuple[int, int, int | None]] = []
    at: tuple[int, int] | None = None
    for window, evidence in enumerate(watched.evidence.tolist()):
        if at is None and evidence >= 1:
            at = (int(watched.since[window]), window)
        elif at is not None and evidence < 1:
            found.append((*at, window))
            at = None
    return [*found, (*at, None)] if at else found


def looks_between(false_alarms_per_month: float, streams: int, days: float) -> float:
    """Return the windows from one false alarm to the next of a stream that shares a budget.

    Parameters
    ----------
    days
        That a window is long.
    """
    return DAYS_A_MONTH / days / false_alarms_per_month * streams
