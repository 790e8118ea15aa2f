"""Replace the comment while the newest commit has no verdict.

``python3 -m slipway.github.placeholder outdated`` runs first for every event: it marks a comment
that is not about the newest commit, so the order of GitHub's events does not matter.
``python3 -m slipway.github.placeholder failed`` runs after the comment job has failed. Both use
only the standard library, and neither reads an artifact of the run.
"""

from __future__ import annotations

import argparse
import os
import sys

from slipway.actions import page_of_run
from slipway.documents.document import Document
from slipway.documents.markdown import to_markdown
from slipway.errors import INCONCLUSIVE, YES, SlipwayError
from slipway.exits import run_command
from slipway.github.answers import Comment, WorkflowRun
from slipway.github.api import Api, api_of_job
from slipway.github.find_pull_request import (
    ENDED,
    Event,
    NoPullRequest,
    find_pull_request,
    is_of_our_workflow,
    pulls_of,
    read_event,
)
from slipway.github.own_comment import WATERMARK, State, find_ours, replace_ours, state_of

# Why a run ended without a report, by its conclusion; any other conclusion is shown as it is.
WHY = {
    "action_required": "wait for the approval of a maintainer",
    "cancelled": "were cancelled",
    "startup_failure": "could not start: see the workflow file",
}


def mark_outdated(api: Api, event: Event) -> str:
    """Mark the comment of the run's pull request unless it is about the newest commit.

    Returns a message.
    """
    run = event.run
    if not is_of_our_workflow(run):
        return "not a run of this workflow"
    for pull in pulls_of(api, event):
        number, head = pull.number, pull.head.sha
        comment = find_ours(api, number)
        if comment is None:
            continue
        state = state_of(comment.body or "")
        if state is None or state.commit != head:
            own = (run.id, run.run_attempt) if run.head_sha == head else (0, 1)
            waiting = State(head, *own, "waiting")
            replace_ours(api, comment, _outdated(waiting, state, api.repository), head)
            return f"#{number}: marked as outdated, {head[:7]} is the newest commit"
        ended = event.action == "completed" and run.conclusion not in ENDED
        if ended and state.kind == "waiting" and run.head_sha == head:
            replace_ours(api, comment, _without_verdict(state, run), head)
            return f"#{number}: the checks ended without a verdict"
    return "nothing to mark"


def report_failure(api: Api, event: Event) -> str:
    """Replace or create the comment: the report of this run could not be shown."""
    try:
        number = find_pull_request(api, event)
    except NoPullRequest as reason:
        return f"no comment: {reason}"
    run = event.run
    commit = run.head_sha
    state = State(commit, run.id, run.run_attempt, "verdict")
    text = _comment(
        "bad",
        f"No verdict: the report of commit `{commit[:7]}` could not be shown",
        f"The comment job ([run]({page_of_run()})) failed. The result of the checks is in the "
        f"summary of their [run]({run.html_url}). Run the comment job again, or push another "
        "commit.",
        state=state,
    )
    comment = find_ours(api, number)
    if comment is None:
        body = f"{text}\n\n{WATERMARK.format(sha=commit)}"
        made = Comment.of(api.post(f"issues/{number}/comments", {"body": body}))
        return f"created {made.html_url}"
    return f"updated {replace_ours(api, comment, text, commit)}"


def _outdated(waiting: State, old: State | None, repository: str) -> str:
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    runs = f"{server}/{repository}/actions/runs"
    where = f" ([run]({runs}/{waiting.run}))" if waiting.run else ""
    paragraphs = [f"Its checks{where} have not finished. Then this comment will show their result."]
    if old and old.run:
        paragraphs.append(
            f"The earlier verdict, for commit `{old.commit[:7]}`, is in the summary of its "
            f"[run]({runs}/{old.run}). It does not apply to the newest commit."
        )
    headline = f"Outdated: commit `{waiting.commit[:7]}` has no verdict yet"
    return _comment("waiting", headline, *paragraphs, state=waiting)


def _without_verdict(state: State, run: WorkflowRun) -> str:
    reason = WHY.get(run.conclusion or "", f"ended: {run.conclusion}".replace("_", " "))
    headline = f"No verdict for commit `{state.commit[:7]}`: the checks {reason}"
    text = f"See their [run]({run.html_url}), and start it again."
    return _comment("bad", headline, text, state=state)


def _comment(tone: str, headline: str, *paragraphs: str, state: State) -> str:
    return f"{to_markdown(Document(tone, headline, paragraphs, [], []))}\n{state.line()}"


def main() -> int:
    """Run one of the two for the event of this job; return the exit code."""
    parser = argparse.ArgumentParser(prog="slipway.github.placeholder")
    parser.add_argument("what", choices=("outdated", "failed"))
    act = mark_outdated if parser.parse_args().what == "outdated" else report_failure
    try:
        sys.stdout.write(f"{act(api_of_job(), read_event())}\n")
    except SlipwayError as error:
        # Without an annotation: the step that failed first has one.
        sys.stderr.write(f"slipway: {error}\n  → {error.do}\n")
        return INCONCLUSIVE
    return YES


if __name__ == "__main__":
    run_command("slipway.github.placeholder", main)
