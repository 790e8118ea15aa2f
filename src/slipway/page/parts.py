"""The parts of the page, in order."""

from __future__ import annotations

from slipway.page.harm import alarms, performance
from slipway.page.history import releases, verdicts
from slipway.page.inputs import Inputs
from slipway.page.pieces import Section
from slipway.page.quality import quality, slices
from slipway.page.watch import drift, traffic


def sections(inputs: Inputs) -> list[Section]:
    """Return the parts of the page, in order."""
    return [
        verdicts(inputs),
        releases(inputs),
        quality(inputs),
        slices(inputs),
        drift(inputs),
        performance(inputs),
        alarms(inputs),
        traffic(inputs),
    ]
