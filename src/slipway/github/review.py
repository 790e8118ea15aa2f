"""What was reviewed: the pull request that a commit of main came by, and its last report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.errors import Refused
from slipway.github import artifact
from slipway.github.api import Api
from slipway.github.bind import ENDED, WORKFLOW
from slipway.report.check import check


@dataclass(frozen=True)
class Review:
    """What is known of the review of a commit.

    Attributes
    ----------
    number, url
        Of the pull request; 0 and empty without one.
    sha256
        Of the model in its report; empty if no report can be had.
    words
        Why there is no pull request, or no report.
    """

    number: int = 0
    url: str = ""
    sha256: str = ""
    words: str = ""

    def as_record(self) -> dict[str, Any] | None:
        if not self.number:
            return None
        return {"number": self.number, "url": self.url, "sha256": self.sha256}


def find_review(api: Api, commit: str) -> Review:
    """Return the pull request whose merge a commit is, with the model that its report names.

    Raises
    ------
    Refused
        There is a report, and it is not what our own workflow would have written.
    """
    merged = [pull for pull in api.get(f"commits/{commit}/pulls") if _is_merge(pull, commit)]
    if len(merged) != 1:
        return Review(words="the commit came without a pull request")
    pull = merged[0]
    number, url = int(pull["number"]), str(pull["html_url"])
    run = _last_run(api, pull["head"]["sha"])
    if run is None:
        return Review(number, url, words=f"#{number}: no run of its checks has ended")
    try:
        report = artifact.read_report(api, run)
    except artifact.NoReport:
        why = "nothing had to be judged, or it is older than it is kept for"
        return Review(number, url, words=f"#{number}: its last run left no report ({why})")
    except artifact.NotBelieved as error:
        raise _not_believed(number, str(error)) from None
    if "challenger" not in report:
        return Review(number, url, words=f"#{number}: its last run made no model")
    try:
        check(report)
    except Refused as error:
        raise _not_believed(number, str(error)) from None
    return Review(number, url, sha256=str(report["challenger"]["model"]))


def _is_merge(pull: Mapping[str, Any], commit: str) -> bool:
    return bool(pull["merged_at"] and pull["merge_commit_sha"] == commit)


def _last_run(api: Api, head: str) -> int | None:
    """Return the newest run of our own workflow for a pull request's last commit."""
    path = f"actions/workflows/{WORKFLOW.rpartition('/')[2]}/runs"
    found = api.get(path, head_sha=head, event="pull_request", per_page=100)["workflow_runs"]
    ended = [run for run in found if run["conclusion"] in ENDED and run["head_sha"] == head]
    return max((int(run["id"]) for run in ended), default=None)


def _not_believed(number: int, why: str) -> Refused:
    return Refused(
        f"the report of #{number} is not believed: {why}",
        f"look at the last run of #{number}: who wrote this report? Then propose the change anew",
    )
