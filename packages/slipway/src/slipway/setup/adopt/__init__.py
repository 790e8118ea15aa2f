"""`slipway adopt`: replace the starter by a model of another table."""

from __future__ import annotations

from slipway.setup.adopt.plan import Plan
from slipway.setup.adopt.report import decisions_text, plan_text
from slipway.setup.adopt.request import Request
from slipway.setup.adopt.run import UNDO, adopt, examine

__all__ = ["UNDO", "Plan", "Request", "adopt", "decisions_text", "examine", "plan_text"]
