"""Find the pull request of a finished run.

The run and its artifacts may be untrusted, so a number in an artifact is not used. GitHub's own
description of the run is: its head repository, branch and commit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.github.answers import Answer, HeadRepository, Pull, Repository, WorkflowRun
from slipway.github.api import Api

# Any pull request can add a workflow of the same name: only the path identifies ours.
WORKFLOW = ".github/workflows/pull-request.yml"

ENDED = ("success", "failure", "timed_out")


@dataclass(frozen=True)
class Run:
    """A finished run, as GitHub describes it.

    Attributes
    ----------
    sha
        The head commit of the pull request that it ran for.
    from_fork
        Whether its branch is in another repository, to which workflows cannot commit.
    """

    number: int
    url: str
    sha: str
    conclusion: str
    attempt: int = 1
    from_fork: bool = True


class Event(Answer):
    """The event that started a job.

    Attributes
    ----------
    before
        Of a push: the commit that the branch had; empty otherwise.
    """

    repository: Repository
    action: str = ""
    before: str = ""
    pull_request: Pull | None = None
    workflow_run: WorkflowRun | None = None

    @property
    def run(self) -> WorkflowRun:
        """The run of an event of type `workflow_run`; raises SlipwayError for another type."""
        if self.workflow_run is None:
            raise SlipwayError(
                "the event of this job names no run of a workflow",
                "run this command in a workflow with the trigger `workflow_run`",
            )
        return self.workflow_run


class NoPullRequest(SlipwayError):
    """The run has no open pull request; this is not an error."""


def read_event() -> Event:
    """Return the event that started this job."""
    try:
        event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text("utf-8"))
    except (KeyError, OSError, ValueError):
        raise SlipwayError(
            "GITHUB_EVENT_PATH names no event", "run this command in a job of GitHub Actions"
        ) from None
    return Event.of(event)


def run_of(event: Event) -> Run:
    """Return the run of an event of type `workflow_run`.

    Raises
    ------
    NoPullRequest
        It is not a finished run of our workflow for a pull request.
    """
    run = event.run
    if not is_of_our_workflow(run):
        raise NoPullRequest(f"a run of {run.path} for `{run.event}` is not one of {WORKFLOW}")
    if run.conclusion not in ENDED:
        raise NoPullRequest(f"the run was {run.conclusion}")
    head = run.head_repository
    return Run(
        number=run.id,
        url=run.html_url,
        sha=run.head_sha,
        conclusion=run.conclusion,
        attempt=run.run_attempt,
        from_fork=head is None or head.id != event.repository.id,
    )


def is_of_our_workflow(run: WorkflowRun) -> bool:
    """Return whether GitHub describes a run as one of our workflow for pull requests."""
    return run.path.partition("@")[0] == WORKFLOW and run.event == "pull_request"


def find_pull_request(api: Api, event: Event) -> int:
    """Return the number of the only open pull request with the run's commit as its newest.

    Raises
    ------
    NoPullRequest
        There is none, or more than one.
    """
    sha = run_of(event).sha
    if event.run.head_repository is None:
        raise NoPullRequest("the fork was deleted")
    numbers = [pull.number for pull in pulls_of(api, event) if pull.head.sha == sha]
    if len(numbers) != 1:
        raise NoPullRequest(
            f"{len(numbers)} open pull requests have {sha[:7]} as their newest commit"
        )
    return numbers[0]


def pulls_of(api: Api, event: Event) -> Iterator[Pull]:
    """Yield the open pull requests of a run's branch, whatever their newest commit is."""
    head = event.run.head_repository
    if head is None:
        return
    branch = f"{head.owner.login}:{event.run.head_branch}"
    for pull in map(Pull.of, api.pages("pulls", state="open", head=branch)):
        if _is_for(pull, head, event.repository):
            yield pull


def still_at(api: Api, number: int, sha: str) -> bool:
    """Return whether a pull request is open and `sha` is its newest commit."""
    pull = Pull.of(api.get(f"pulls/{number}"))
    return pull.state == "open" and pull.head.sha == sha


def _is_for(pull: Pull, head: HeadRepository, repository: Repository) -> bool:
    return (
        pull.head.repo is not None
        and pull.head.repo.id == head.id
        and pull.base.repo.id == repository.id
        and pull.base.ref == repository.default_branch
    )
