"""Start a retrain run because of drift, if params.yaml lets it and the last is long enough ago."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.github.api import Api
from slipway.settings import Watch

WORKFLOW = "retrain.yml"

# Newest runs to look at: those that failed do not count as a try.
LOOKED_AT = 50


def start_retrain(api: Api, settings: Watch, run: int, now: datetime) -> str:
    """Start the workflow; return whether it was started, and why not.

    Parameters
    ----------
    run
        The run of the drift check, whose evidence the pull request will show.
    """
    if settings.retrain == "never":
        return "not started: `watch.retrain` in params.yaml says never"
    last = _last_try(api)
    ready = last + timedelta(days=settings.cooldown_days) if last else now
    if ready > now:
        said = f"the last try was on {last:%Y-%m-%d}, the next may be on {ready:%Y-%m-%d}"
        return f"not started: {said}"
    wanted = {"ref": api.itself()["default_branch"], "inputs": {"drift-run": str(run)}}
    api.post(f"actions/workflows/{WORKFLOW}/dispatches", wanted)
    return "started"


def _last_try(api: Api) -> datetime | None:
    """Return when the newest run began that is under way or came to an end."""
    found = api.get(f"actions/workflows/{WORKFLOW}/runs", per_page=LOOKED_AT)["workflow_runs"]
    tries = [_began(run) for run in found if run["conclusion"] in (None, "success")]
    return max(tries, default=None)


def _began(run: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(run["created_at"]).astimezone(UTC)
