"""Find the reviews of a release: the pull requests of its commits, and their last reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from slipway.errors import Refused, SlipwayError
from slipway.github import artifact
from slipway.github.answers import Pull, WorkflowRun
from slipway.github.api import Api
from slipway.github.find_pull_request import ENDED, WORKFLOW
from slipway.release.verified import Reviewed
from slipway.reports.check import check

# Each commit costs two calls or more.
MOST_COMMITS = 100


@dataclass(frozen=True)
class Review:
    """A merged pull request and the models of its last report.

    Attributes
    ----------
    number, url
        Number and address of the pull request; 0 and empty without one.
    run
        The newest finished run of its checks; 0 if there is none.
    sha256
        sha256 of the model that the run rebuilt; empty without a report.
    recorded
        sha256 of the model that the lock names, if it is another one (equivalent).
    manifest
        sha256 of the manifest of the rebuilt model; empty in a report of version 0.1.
    commit
        The newest commit of the branch that belongs to the pull request.
    words
        Why there is no pull request or no report.
    """

    number: int = 0
    url: str = ""
    run: int = 0
    sha256: str = ""
    recorded: str = ""
    manifest: str = ""
    commit: str = ""
    words: str = ""

    @property
    def models(self) -> set[str]:
        return set(filter(None, (self.sha256, self.recorded)))

    def as_record(self) -> Reviewed | None:
        """Return the record of the pull request; None without one."""
        if not self.number:
            return None
        return Reviewed(
            number=self.number,
            url=self.url,
            run=self.run,
            sha256=self.sha256,
            recorded=self.recorded,
            manifest=self.manifest,
        )


def find_reviews(api: Api, commits: Sequence[str], branch: str) -> Iterator[Review]:
    """Yield the review of each commit of `branch`, the newest first.

    A pull request whose commits were rebased onto the branch is yielded once.

    Raises
    ------
    Refused
        A report is not one that our own workflow would have written.
    SlipwayError
        There are more than 100 commits.
    """
    if len(commits) > MOST_COMMITS:
        raise SlipwayError(
            f"{len(commits):,} commits since the last release, more than {MOST_COMMITS}",
            "release an earlier commit first: Actions → Deploy → Run workflow → *commit*",
        )
    landed, seen = set(commits), set[int]()
    for commit in commits:
        pulls = [
            pull
            for pull in Pull.each(api.get(f"commits/{commit}/pulls"))
            if pull.merged_at and pull.base.ref == branch and pull.merge_commit_sha in landed
        ]
        # For rebased commits, GitHub names only the newest one of the pull request.
        pulls = [pull for pull in pulls if pull.merge_commit_sha == commit] or pulls
        if len(pulls) != 1:
            count = f"{len(pulls)} pull requests" if pulls else "no pull request"
            yield Review(words=f"{commit[:7]} was merged to {branch} by {count}")
        elif pulls[0].number not in seen:
            seen.add(pulls[0].number)
            yield replace(_review(api, pulls[0]), commit=commit)


def _review(api: Api, pull: Pull) -> Review:
    number, url = pull.number, pull.html_url
    run = _last_run(api, pull.head.sha)
    if run is None:
        return Review(number, url, words=f"#{number}: its checks have no finished run")
    try:
        report = artifact.read_report(api, run)
    except artifact.NoReport:
        why = "nothing had to be judged, or the report has expired"
        return Review(number, url, run, words=f"#{number}: its last run has no report ({why})")
    except artifact.NotBelieved as error:
        raise _not_believed(number, str(error)) from None
    if "challenger" not in report:
        return Review(number, url, run, words=f"#{number}: its last run built no model")
    try:
        model = check(report).challenger
    except Refused as error:
        raise _not_believed(number, str(error)) from None
    return Review(number, url, run, model.model, model.recorded, model.manifest)


def _last_run(api: Api, head: str) -> int | None:
    """Return the newest run of our own workflow for a pull request's last commit."""
    path = f"actions/workflows/{WORKFLOW.rpartition('/')[2]}/runs"
    answer = api.get(path, head_sha=head, event="pull_request", per_page=100)
    runs = WorkflowRun.each(answer, "workflow_runs")
    ended = (run.id for run in runs if run.conclusion in ENDED and run.head_sha == head)
    return max(ended, default=None)


def _not_believed(number: int, why: str) -> Refused:
    return Refused(
        f"the report of #{number} is not valid: {why}",
        f"check which job uploaded the report in the last run of #{number}, then open a new pull "
        "request",
    )
