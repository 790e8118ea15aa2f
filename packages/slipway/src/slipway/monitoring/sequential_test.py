"""Sequential testing with a controlled false-alarm rate: shifts of labelled windows over time.

One window has little evidence, and windows are tested for years. So the evidence is accumulated,
against a limit that is exceeded without a shift as rarely as the setting requires.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipway.monitoring.holdout_calibration import Shift

# Smallest shift to detect, in standard deviations of a window.
LEAST_STEP = 1.0

# Evidence is limited to this many times the limit, so that an alarm can end.
MOST_EVIDENCE = 20.0

DAYS_A_MONTH = 30.44


@dataclass(frozen=True)
class Evidence:
    """The evidence of one series after each window over the limit (an alarm from 1 on).

    `since` is the window in which the current evidence began. Both have shape (windows,).
    """

    values: np.ndarray
    since: np.ndarray


def accumulate(shifts: list[Shift | None], floor: float, error: float, windows: float) -> Evidence:
    """Accumulate the evidence that a series has increased, window by window.

    Parameters
    ----------
    shifts
        Of each window, in order of time; None where it was not measured.
    floor
        The smallest shift that matters.
    error
        Standard error of the holdout, which all windows share.
    windows
        Average number of windows from one false alarm to the next, at least.

    Notes
    -----
    A Shiryaev-Roberts detector: R = (1 + R) e, where e is the likelihood ratio of a window
    between the shift to detect and none. Without a shift, R less the number of windows is a
    martingale, so the mean time to a false alarm is at least the limit, whatever the windows'
    sizes. The shift to detect is twice the one that must not alarm: the floor, or two standard
    errors of the holdout where those are larger.
    """
    least = max(floor, 2 * error)
    total, run, since, start = 0.0, 0.0, [], 0
    values = np.zeros(len(shifts))
    for window, shift in enumerate(shifts):
        if shift is not None:
            step = max(LEAST_STEP, 2 * least / shift.sd)
            gain = step * (shift.value / shift.sd - step / 2)
            total = min((1 + total) * float(np.exp(min(gain, 700))), MOST_EVIDENCE * windows)
            start, run = (window, max(gain, 0.0)) if run <= 0 else (start, max(run + gain, 0.0))
        values[window] = total / windows
        since.append(start)
    return Evidence(values, np.array(since, dtype=int))


def episodes(evidence: Evidence) -> list[tuple[int, int, int | None]]:
    """Return the windows in which each alarm began, was noticed and ended (None if it lasts)."""
    alarms: list[tuple[int, int, int | None]] = []
    active: tuple[int, int] | None = None
    for window, value in enumerate(evidence.values.tolist()):
        if active is None and value >= 1:
            active = (int(evidence.since[window]), window)
        elif active is not None and value < 1:
            alarms.append((*active, window))
            active = None
    return [*alarms, (*active, None)] if active else alarms


def windows_between_alarms(false_alarms_per_month: float, series: int, days: float) -> float:
    """Return the windows from one false alarm to the next of each of some series.

    Parameters
    ----------
    days
        Length of a window.
    """
    return DAYS_A_MONTH / days / false_alarms_per_month * series
