"""Open, update or close the pull request of the retrain run; it is never merged here.

The code that trains runs in a job that may only read. This module runs in another job, which may
write: it reads the files of the first job as data, accepts only a few names, and commits them to
one branch of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from slipway.actions import page_of_files, page_of_run
from slipway.comparison.report import Judgement
from slipway.documents.markdown import to_markdown
from slipway.errors import INCONCLUSIVE, YES, Refused, SlipwayError
from slipway.github import artifact
from slipway.github.answers import Pull, WorkflowRun
from slipway.github.api import Api
from slipway.github.branch import (
    Branch,
    create_pull,
    find_branch,
    people_on,
    put_files,
    update_pull,
)
from slipway.github.issue import find_issue
from slipway.github.lock import MAY_COMMIT
from slipway.github.own_comment import AUTHOR
from slipway.monitoring.document import drift_document
from slipway.reports.check import check
from slipway.reports.content import judgement
from slipway.reports.render import foot_of
from slipway.schemas import parse
from slipway.untrusted import as_markdown, quote, quote_text

BRANCH = "slipway/retrain"

NAME = "retrain"

DRIFT_WORKFLOW = ".github/workflows/drift.yml"

# Enough for new months of data in the remote that is part of the repository.
MOST_BYTES = 40_000_000

# No code: settings, hashes, reports, and data objects named by their hash.
MAY_PROPOSE = re.compile(
    r"params\.yaml|data\.dvc|data-remote/files/md5/[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?|"
    + MAY_COMMIT.pattern
)

# Written by `slipway retrain` below build/.
RESULT, REPORT = "retrain.json", "retrain/report.json"

FILES = "retrain/files/"

OTHERS = ("retrain/validation.json",)

MARK = re.compile(r"\A<!-- slipway:retrain ([0-9a-f]*) -->\n")

# A pull request holds 65,536 characters.
PART = 28_000

ONE_CLICK = (
    "A workflow made these commits, so the checks start only after a click on **Approve and run**."
)


class Result(BaseModel):
    """What is read of the result of `slipway retrain`."""

    model_config = ConfigDict(frozen=True, strict=True)

    version: Literal[1, 2]
    # The last one is of version 1.
    status: Literal["better", "not better", "nothing new", "inconclusive", "no answer"]
    words: str
    months_added: list[str] = Field(default_factory=list)
    challenger: dict[str, object] | None = None


@dataclass(frozen=True)
class Proposal:
    """The output of the retrain run: its result, the comparison report and the files to commit.

    The report is read, and checked, only if the model is better.
    """

    result: Result
    report: Judgement | None
    files: dict[str, bytes]

    @property
    def model(self) -> str:
        return self.report.challenger.model if self.report else ""


@dataclass(frozen=True)
class Context:
    """The run that proposes.

    Parameters
    ----------
    run
        Number of this run.
    url
        Its address.
    commit
        The commit of the default branch that it started from.
    base
        Address of the files of that commit.
    drift_run
        Number of the run of the drift check that started it, or 0.
    bot
        Login of the author of the pull request: the app, or GitHub's own bot.
    """

    run: int
    url: str
    commit: str
    base: str
    drift_run: int = 0
    bot: str = AUTHOR


def propose(api: Api, context: Context) -> tuple[str, int]:
    """Open, update or close the pull request; return a message and the exit code.

    Raises
    ------
    NotBelieved
        The artifact of the run is invalid.
    SlipwayError
        The run has no artifact, or GitHub refuses.
    """
    proposal = read_proposal(api, context.run)
    status = proposal.result.status
    own = own_pulls(api, context.bot)
    pull = next((entry for entry in own if entry.state == "open"), None)
    branch = find_branch(api, BRANCH)
    if status in ("inconclusive", "no answer"):
        return f"inconclusive: {quote_text(proposal.result.words)}", INCONCLUSIVE
    if status != "better":
        return _close(api, pull, branch, proposal, context), YES
    return _open(api, own, pull, branch, proposal, context), YES


def read_proposal(api: Api, run: int) -> Proposal:
    """Return the output of the retrain run, after its files and its report were checked."""
    entries = artifact.unpack(artifact.download(api, run, NAME, MOST_BYTES), _expected, MOST_BYTES)
    if RESULT not in entries:
        raise artifact.NotBelieved(f"the retrain run has no {RESULT}")
    try:
        result = parse(Result, artifact.parse(entries[RESULT]), "a result of `slipway retrain`")
    except Refused as refused:
        raise artifact.NotBelieved(f"{RESULT} is {refused}") from None
    report = artifact.parse(entries[REPORT]) if REPORT in entries else None
    files = {
        name.removeprefix(FILES): content
        for name, content in entries.items()
        if name.startswith(FILES)
    }
    if result.status != "better":
        return Proposal(result, None, files)
    if not (files and report and report.get("may_merge") is True):
        raise artifact.NotBelieved("its status is better, but the report does not allow the merge")
    return Proposal(result, check(report), files)


def own_pulls(api: Api, bot: str) -> list[Pull]:
    """Return the pull requests that this workflow opened, the newest first."""
    owner = api.repository.partition("/")[0]
    listed = api.pages("pulls", state="all", head=f"{owner}:{BRANCH}", direction="desc")
    return [
        pull
        for pull in map(Pull.of, listed)
        if pull.user and pull.user.login in (bot, AUTHOR) and MARK.match(_lines(pull.body))
    ]


def _open(
    api: Api,
    own: list[Pull],
    pull: Pull | None,
    branch: Branch,
    proposal: Proposal,
    context: Context,
) -> str:
    if people := people_on(api, branch, context.commit):
        raise SlipwayError(
            f"{', '.join(people)} committed to {BRANCH}, which would be overwritten",
            "merge or close its pull request and delete the branch, then start the run again",
        )
    if pull is None and (rejected := _rejected_before(own, proposal)):
        return f"#{rejected} proposed the same model and was closed"
    title = f"Retrain: {_months(proposal)}"
    body = compose(api, proposal, context)
    put_files(api, branch, context.commit, proposal.files, f"{title}\n\n{context.url}\n")
    if pull:
        return update_pull(api, pull.number, title, body)
    return create_pull(api, branch, title, body)


def _close(
    api: Api,
    pull: Pull | None,
    branch: Branch,
    proposal: Proposal,
    context: Context,
) -> str:
    words = quote_text(proposal.result.words)
    if pull is None:
        return f"{proposal.result.status}: {words}"
    comment = f"[A newer retrain run]({context.url}) found: {as_markdown(words)}"
    people = people_on(api, branch, context.commit)
    closing = "" if people else "\n\nThis pull request is closed. Its branch is kept."
    api.post(f"issues/{pull.number}/comments", {"body": comment + closing})
    if people:
        return f"#{pull.number} is left open: {', '.join(people)} committed to it"
    body = mark("") + MARK.sub("", _lines(pull.body))
    api.patch(f"pulls/{pull.number}", {"state": "closed", "body": body})
    return f"closed #{pull.number}: {proposal.result.status}"


def compose(api: Api, proposal: Proposal, context: Context) -> str:
    """Return the text of the pull request: the verdict, then the drift that caused it."""
    result = proposal.result
    issue = find_issue(api)
    because = f" Because of #{issue.number}." if issue and issue.is_open else ""
    message = as_markdown(quote_text(result.words))
    parts = [f"{message}{because} It is not merged automatically."]
    if result.challenger:
        parts.append(f"Challenger: {as_markdown(_challenger(result.challenger))}")
    if context.bot == AUTHOR:
        parts.append(ONE_CLICK)
    if proposal.report:
        foot = foot_of(context.commit, context.url)
        parts.append(to_markdown(judgement(proposal.report, foot, full=False), PART))
    if drift := _drift_of(api, context):
        parts.append(f"## Why\n\n{drift}")
    return mark(proposal.model) + "\n\n".join(parts)


def mark(model: str) -> str:
    """Return the hidden first line of the pull request: its model; empty once it is closed here."""
    return f"<!-- slipway:retrain {model} -->\n"


def _drift_of(api: Api, context: Context) -> str:
    """Return the report of the drift check that requested this run, if it still exists."""
    if not context.drift_run:
        return ""
    found = api.find(f"actions/runs/{context.drift_run}")
    run = WorkflowRun.of(found) if found else None
    if run is None or run.path.partition("@")[0] != DRIFT_WORKFLOW:
        return ""
    try:
        archive = artifact.download(api, context.drift_run, "drift")
    except artifact.NoReport:
        return ""
    report = artifact.drift_report(archive)
    document = drift_document(report, context.base, [f"[the check]({run.html_url})"])
    return to_markdown(document, PART)


def _challenger(challenger: Mapping[str, object]) -> str:
    values = (f"{quote(name)} = {quote(value)}" for name, value in challenger.items())
    return ", ".join(list(values)[:12])


def _months(proposal: Proposal) -> str:
    months = proposal.result.months_added
    shown = months if len(months) < 3 else [months[0], "…", months[-1]]
    named = " ".join(re.sub(r"[^0-9A-Za-z…-]", "", name)[:20] for name in shown)
    return f"{named} added" if named else "the same data, other settings"


def _rejected_before(own: list[Pull], proposal: Proposal) -> int:
    """Return the newest pull request if a person closed it and it had the same model."""
    newest = own[0] if own else None
    if newest is None or newest.merged_at or newest.state == "open":
        return 0
    mark = MARK.match(_lines(newest.body))
    return newest.number if mark and mark[1] == proposal.model else 0


def _expected(name: str) -> bool:
    if name in (RESULT, REPORT, *OTHERS):
        return True
    return name.startswith(FILES) and bool(MAY_PROPOSE.fullmatch(name.removeprefix(FILES)))


def _lines(body: str | None) -> str:
    return (body or "").replace("\r\n", "\n")


def context_of_job(drift_run: str) -> Context:
    """Return the context of this job; an invalid number of a drift run is ignored."""
    app = os.environ.get("SLIPWAY_APP", "")
    return Context(
        run=int(os.environ["GITHUB_RUN_ID"]),
        url=page_of_run(),
        commit=os.environ["GITHUB_SHA"],
        base=page_of_files(),
        drift_run=int(drift_run) if re.fullmatch(r"[0-9]{1,18}", drift_run) else 0,
        bot=f"{app}[bot]" if app else AUTHOR,
    )
