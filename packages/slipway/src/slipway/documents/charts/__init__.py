"""Charts as SVG text without scripts, in the light or dark theme of the reader.

Every colour is a CSS variable. A page that shows a chart inline sets the variables; a chart in a
file of its own holds them (`standalone`). All are drawn for the width of a phone and scale up. The
same numbers give the same bytes: the room for text is fixed and not measured, because the reader's
font is not known.
"""

from __future__ import annotations

from slipway.documents.charts.canvas import DARK, LIGHT, standalone
from slipway.documents.charts.model import (
    RELEASES_SHOWN,
    calibration,
    class_calibration,
    costs,
    coverage,
    gaps,
    means,
    releases,
    roc,
    scores,
    slices,
)
from slipway.documents.charts.monitoring import drift, moves, performance, rates, traffic

__all__ = [
    "DARK",
    "LIGHT",
    "RELEASES_SHOWN",
    "calibration",
    "class_calibration",
    "costs",
    "coverage",
    "drift",
    "gaps",
    "means",
    "moves",
    "performance",
    "rates",
    "releases",
    "roc",
    "scores",
    "slices",
    "standalone",
    "traffic",
]
