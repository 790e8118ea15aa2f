"""Is a release what was reviewed, and does it work? Asked before, and while, it gets traffic.

========= =====================================================================
`prove`   asks a started container and judges what came back: before any traffic
`checks`  the judgement: one function for each check
`facts`   what the probe found, as types
`probe`   the program that asks; runs inside the container with the standard library alone
`ask`     the program that asks a running service for a prediction; runs inside its container
`canary`  compares old and new on the same traffic, from their metrics
========= =====================================================================
"""

from slipway.prove.checks import Check, Expected
from slipway.prove.prove import prove

__all__ = ["Check", "Expected", "prove"]
