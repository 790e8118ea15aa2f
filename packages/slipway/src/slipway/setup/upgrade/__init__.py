"""`slipway upgrade`: bring a fork to a newer version of the template and of the package."""

from __future__ import annotations

from slipway.setup.upgrade.run import (
    Request,
    Upgrade,
    check,
    plan_upgrade,
    require_clean,
    write_upgrade,
)
from slipway.setup.upgrade.text import next_steps, plan_text

__all__ = [
    "Request",
    "Upgrade",
    "check",
    "next_steps",
    "plan_text",
    "plan_upgrade",
    "require_clean",
    "write_upgrade",
]
