"""What the comment shows while the newest commit has no verdict that could be shown.

``python3 -m slipway.github.placeholder outdated`` runs first for every event, so it does not
matter which of two events GitHub sends first: a comment about another commit than the newest
is marked. ``… failed`` runs when the comment job itself has failed. Neither needs more than
Python, and neither reads anything that the run left behind.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from typing import Any

from slipway.errors import NO_ANSWER, YES, SlipwayError
from slipway.exits import run_command
from slipway.github.api import Api, api_of_job
from slipway.github.bind import ENDED, NotBound, bind, is_of_our_workflow, pulls_of, read_event
from slipway.github.own_comment import WATERMARK, State, find_ours, replace_ours, state_of
from slipway.github.runner import page_of_run

# Why a run ended without a report, as GitHub's word for it; any other word is shown as it is.
WHY = {
    "action_required": "wait for the approval of a maintainer",
    "cancelled": "were cancelled",
    "startup_failure": "could not start: see the workflow file",
}


def mark_outdated(api: Api, event: Mapping[str, Any]) -> str:
    """Mark the comment of the run's pull request unless it is about the newest commit.

    Returns what was done.
    """
    run = event["workflow_run"]
    if not is_of_our_workflow(run):
        return "not a run of ours"
    for pull in pulls_of(api, event):
        number, head = int(pull["number"]), str(pull["head"]["sha"])
        comment = find_ours(api, number)
        if comment is None:
            continue
        state = state_of(comment["body"])
        if state is None or state.commit != head:
            own = (
                (int(run["id"]), int(run.get("run_attempt", 1))) if run["head_sha"] == head else ()
            )
            waiting = State(head, *(own or (0, 1)), "waiting")
            replace_ours(api, comment, _outdated(waiting, state, event), head)
            return f"#{number}: marked as outdated, {head[:7]} is the newest commit"
        ended = event["action"] == "completed" and run["conclusion"] not in ENDED
        if ended and state.kind == "waiting" and run["head_sha"] == head:
            replace_ours(api, comment, _without_verdict(state, run), head)
            return f"#{number}: the checks ended without a verdict"
    return "nothing to mark"


def report_failure(api: Api, event: Mapping[str, Any]) -> str:
    """Replace the comment, or write one: the report of this run could not be shown."""
    try:
        number = bind(api, event)
    except NotBound as why:
        return f"no comment: {why}"
    run = event["workflow_run"]
    commit = str(run["head_sha"])
    state = State(commit, int(run["id"]), int(run.get("run_attempt", 1)), "verdict")
    text = (
        f"### ⛔ No verdict: the report of commit `{commit[:7]}` could not be shown\n\n"
        f"The [comment job]({page_of_run()}) failed. What the [checks]({run['html_url']}) found "
        "is in their summary. Run the comment job again, or push another commit.\n\n"
        f"{state.line()}"
    )
    comment = find_ours(api, number)
    if comment is None:
        body = f"{text}\n\n{WATERMARK.format(sha=commit)}"
        return f"created {api.post(f'issues/{number}/comments', {'body': body})['html_url']}"
    return f"updated {replace_ours(api, comment, text, commit)}"


def _outdated(waiting: State, old: State | None, event: Mapping[str, Any]) -> str:
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    runs = f"{server}/{event['repository']['full_name']}/actions/runs"
    checks = f"[Its checks]({runs}/{waiting.run})" if waiting.run else "Its checks"
    lines = [
        f"### ⏳ Outdated: commit `{waiting.commit[:7]}` has no verdict yet",
        f"{checks} have to end first; then this comment shows what they found.",
    ]
    if old and old.run:
        lines.append(
            f"The verdict for commit `{old.commit[:7]}`, which this comment showed before, is in "
            f"the summary of [its run]({runs}/{old.run}). It does not hold for the newest commit."
        )
    return "\n\n".join([*lines, waiting.line()])


def _without_verdict(state: State, run: Mapping[str, Any]) -> str:
    why = WHY.get(run["conclusion"], f"ended: {run['conclusion']}".replace("_", " "))
    return (
        f"### ⛔ No verdict for commit `{state.commit[:7]}`: the checks {why}\n\n"
        f"See [the run]({run['html_url']}), and run it again.\n\n{state.line()}"
    )


def main() -> int:
    """Do one of the two for the event that started this job; return the exit code."""
    parser = argparse.ArgumentParser(prog="slipway.github.placeholder")
    parser.add_argument("what", choices=("outdated", "failed"))
    act = mark_outdated if parser.parse_args().what == "outdated" else report_failure
    try:
        sys.stdout.write(f"{act(api_of_job(), read_event())}\n")
    except SlipwayError as error:
        # Without an annotation: that of the step which failed first is the reason to read.
        sys.stderr.write(f"slipway: {error}\n  → {error.do}\n")
        return NO_ANSWER
    return YES


if __name__ == "__main__":
    run_command("slipway.github.placeholder", main)
