"""Charts as SVG text: no script, no picture file, colours that follow the reader's light or dark.

Every colour is a CSS variable. A page that shows a chart inline sets the variables; a chart that
stands alone as a file brings them along (`standalone`). All are drawn for a phone's width and
scale up from there. The same numbers give the same bytes: the room for text is set here, not
measured, because the reader's font is not the one that would be measured.
"""

from __future__ import annotations

from slipway.charts.canvas import DARK, LIGHT, standalone
from slipway.charts.model import RELEASES_SHOWN, calibration, gaps, releases, roc, scores, slices
from slipway.charts.watch import drift, moves, performance, rates, traffic

__all__ = [
    "DARK",
    "LIGHT",
    "RELEASES_SHOWN",
    "calibration",
    "drift",
    "gaps",
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
