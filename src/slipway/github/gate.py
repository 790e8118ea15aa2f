"""The one check that a branch rule requires: every job succeeded, or had no reason to run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from slipway.errors import NO, NO_ANSWER, YES
from slipway.exits import run_command
from slipway.github.runner import annotate

ENDS = {"failure": "failed", "cancelled": "was cancelled", "skipped": "did not run"}


def faults(needs: Mapping[str, Any]) -> list[str]:
    """Return what stands against a merge, one sentence for each job.

    Parameters
    ----------
    needs
        The context `needs` of a job that waits for all others: job → result and outputs.

    Notes
    -----
    A job that was skipped counts as a fault unless `changes` looked and said that nothing
    in its care has changed: a job is also skipped when one before it failed.
    """
    if not needs:
        return ["no job has run"]
    return [
        f"`{name}` {ENDS.get(job['result'], job['result'])}"
        for name, job in needs.items()
        if job["result"] != "success" and not (job["result"] == "skipped" and _idle(name, needs))
    ]


def main() -> int:
    """Say what stands against a merge; the jobs' results are in the environment, as NEEDS."""
    try:
        found = faults(json.loads(os.environ["NEEDS"]))
    except (AttributeError, KeyError, TypeError, ValueError):
        annotate("error", "No answer: NEEDS does not hold the results of the jobs")
        return NO_ANSWER
    if found:
        said = "\n".join(found)
        annotate("error", f"Not merged: {found[0]}", f"{said}\nSee the summary of that job.")
    return NO if found else YES


def _idle(name: str, needs: Mapping[str, Any]) -> bool:
    """Return whether nothing that this job looks after has changed."""
    looked = needs.get("changes", {})
    outputs = looked.get("outputs", {})
    return bool(looked.get("result") == "success" and outputs.get(name) == "false")


if __name__ == "__main__":
    run_command("slipway.github.gate", main)
