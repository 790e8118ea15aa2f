"""Start a retrain run because of drift, if params.yaml allows it and rows can be added."""

from __future__ import annotations

from datetime import datetime, timedelta

from slipway.github.answers import WorkflowRun
from slipway.github.api import Api
from slipway.settings import Monitoring

WORKFLOW = "retrain.yml"

# Newest runs that are read; those that failed do not start a cooldown.
MOST_RUNS = 50


def start_retrain(
    api: Api, settings: Monitoring, run: int, now: datetime, obstacle: str = ""
) -> str:
    """Start the workflow; return whether it was started, or the reason why not.

    Parameters
    ----------
    run
        Number of the run of the drift check, whose evidence the pull request shows.
    obstacle
        Why no rows can be added to the data, as `slipway.project.not_retrainable` returns it.
    """
    if settings.retrain == "never":
        return "not started: `monitoring.retrain` in params.yaml is never"
    if obstacle:
        return f"not started: {obstacle}; set `monitoring.retrain` in params.yaml to never"
    last = _last_start(api)
    ready = last + timedelta(days=settings.cooldown_days) if last else now
    if ready > now:
        return (
            f"not started: the last run was on {last:%Y-%m-%d}, "
            f"the next is possible on {ready:%Y-%m-%d}"
        )
    body = {"ref": api.itself().default_branch, "inputs": {"drift-run": str(run)}}
    api.post(f"actions/workflows/{WORKFLOW}/dispatches", body)
    return "started"


def _last_start(api: Api) -> datetime | None:
    """Return when the newest run started that is running or has succeeded."""
    answer = api.get(f"actions/workflows/{WORKFLOW}/runs", per_page=MOST_RUNS)
    runs = WorkflowRun.each(answer, "workflow_runs")
    return max((run.started for run in runs if run.conclusion in (None, "success")), default=None)
