"""The weeks of a log, and what the labels of each say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import stats
from slipway.drift.arrived import WEEK, Arrived, Labelled, week_of

if TYPE_CHECKING:
    from slipway.drift.memory import Memory
    from slipway.settings import Params

# Labels of a newest week that are this much rarer than usual are still coming.
STILL_COMING = 0.5

DAY = np.timedelta64(1, "D")

Row = dict[str, Any]


def windows_of(arrived: Arrived, min_rows: int) -> list[Row]:
    """Return the weeks, and in each what of it is labelled.

    A week is judged once it is over and its labels have come as usual; one with too few
    labels is taken together with the next.
    """
    week = week_of(arrived.labelled.days)
    rows = arrived.counts.sum(axis=1)
    labelled = np.array([(week == first).sum() for first in arrived.weeks])
    shares = labelled / np.maximum(rows, 1)
    windows: list[Row] = []
    waiting: list[int] = []
    for position, first in enumerate(arrived.weeks):
        waiting.append(position)
        counted = int(labelled[waiting].sum())
        status = "judged"
        if first + WEEK - DAY > arrived.last:
            status = "not over"
        elif _still_coming(shares, position):
            status = "labels still coming"
        elif counted < min_rows:
            status = "too few labels"
        is_last = position == len(arrived.weeks) - 1
        if status == "too few labels" and not is_last:
            continue
        windows.append(
            {
                "first": str(arrived.weeks[waiting[0]]),
                "last": str(first + WEEK - DAY),
                "rows": int(rows[waiting].sum()),
                "labelled": counted,
                "status": status,
                "part": arrived.labelled.take(np.isin(week, arrived.weeks[waiting])),
            }
        )
        waiting = []
    return windows


def measured(window: Row, memory: Memory, params: Params) -> Row:
    """Return a week as the report has it: what was found out of its labelled rows."""
    part: Labelled = window.pop("part")
    row = window | {
        "coverage": window["labelled"] / max(window["rows"], 1),
        "label_rate": None,
        "expected_rate": None,
        "metrics": {},
        "shifts": {},
    }
    if not len(part.labels):
        return row
    row["label_rate"] = float(part.labels.mean())
    row["expected_rate"] = float(memory.calibration.apply(part.scores).mean())
    if window["status"] != "too few labels":
        row["metrics"] = _metrics(part, params.evaluate.confidence)
    if window["status"] == "judged":
        row["shifts"] = memory.shifts(part.labels, part.scores, part.days)
    return row


def _metrics(part: Labelled, confidence: float) -> Row:
    losses = stats.log_losses(part.labels, part.scores)
    found = {
        "log_loss": stats.mean(losses, confidence).as_dict(),
        "brier": stats.mean(stats.brier(part.labels, part.scores), confidence).as_dict(),
    }
    if 0 < part.labels.sum() < len(part.labels):
        found["auc"] = stats.auc(part.labels, part.scores, confidence).as_dict()
    return found


def _still_coming(shares: np.ndarray, position: int) -> bool:
    """Return whether this and every later week has far fewer labels than the weeks before."""
    usual = [
        float(np.median(shares[:start])) for start in range(1, position + 1) if shares[:start].any()
    ]
    if not usual:
        return False
    later = shares[position:]
    return bool((later < STILL_COMING * usual[-1]).all())
