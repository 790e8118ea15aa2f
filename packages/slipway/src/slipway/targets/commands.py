"""`slipway deploy`, `rollback`, `stop` and `status`, on any target."""

from __future__ import annotations

from slipway.release.outcome import Log, Outcome, Steps, run_and_report
from slipway.release.status import Status
from slipway.settings import read_params
from slipway.targets import find_target


def deploy(target: str, image: str, log: Log) -> Outcome:
    """Deploy build/image.json, or another image by digest."""
    steps = Steps(log)
    params = read_params()
    return run_and_report(steps, lambda: find_target(target, params).deploy(image, steps))


def rollback(target: str, to: str, log: Log) -> Outcome:
    """Put an earlier release live again.

    Parameters
    ----------
    to
        Its name, commit or digest; the release before this one if empty.
    """
    steps = Steps(log, "Rollback")
    params = read_params()
    return run_and_report(steps, lambda: find_target(target, params).rollback(to, steps))


def stop(target: str, log: Log, *, forget: bool = False) -> Outcome:
    """Remove the service; with `forget` also its prediction log and history."""
    steps = Steps(log, "Removal")
    params = read_params()
    return run_and_report(steps, lambda: find_target(target, params).stop(steps, forget=forget))


def status(target: str) -> Status:
    """Return what a target runs."""
    return find_target(target, read_params()).status()
