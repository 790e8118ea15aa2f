"""The one pull request of the retrain run: opened, brought up to date, closed; never merged.

The code that trains runs in a job that may only read. What it leaves is data to this one, which
may write: only a few files may be among it, and they go to one branch, which is nobody else's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.errors import NO_ANSWER, YES, SlipwayError
from slipway.github import artifact
from slipway.github.api import Api
from slipway.github.branch import Branch, create_pull, find_branch, people_on, put_files
from slipway.github.evidence import evidence
from slipway.github.foreign import safe
from slipway.github.issue import find_issue
from slipway.github.lock import MAY_COMMIT
from slipway.github.own_comment import AUTHOR
from slipway.github.runner import page_of_files, page_of_run
from slipway.report.document import quote
from slipway.report.markdown import inline, to_markdown
from slipway.report.render import document_of, foot_of

BRANCH = "slipway/retrain"

NAME = "retrain"

DRIFT_WORKFLOW = ".github/workflows/drift.yml"

# New months of data may be among it, with the objects of the remote that ships with the repository.
MOST_BYTES = 40_000_000

# Nothing that runs: settings, hashes, reports and objects by their hash.
MAY_PROPOSE = re.compile(
    r"params\.yaml|data\.dvc|data-remote/files/md5/[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?|"
    + MAY_COMMIT.pattern
)

# As `slipway retrain` leaves them below build/.
ANSWER, REPORT = "retrain.json", "retrain/report.json"

FILES = "retrain/files/"

OTHERS = ("retrain/validation.json",)

STATUS = ("better", "not better", "nothing new", "no answer")

MARK = re.compile(r"\A<!-- slipway:retrain ([0-9a-f]*) -->\n")

# A pull request holds 65,536 characters.
PART = 28_000

ONE_CLICK = (
    "A workflow made these commits, so its checks wait for one click: **Approve and run**, below."
)


@dataclass(frozen=True)
class Proposal:
    """What the retrain run left: its answer, the judge's report and the files to commit."""

    result: Mapping[str, Any]
    report: dict[str, Any] | None
    files: dict[str, bytes]

    @property
    def model(self) -> str:
        return str(self.report["challenger"]["model"]) if self.report else ""


@dataclass(frozen=True)
class About:
    """Where it comes from.

    Parameters
    ----------
    run
        Number of this run.
    url
        Its address.
    commit
        The commit of the default branch that it started from.
    base
        Where the files of the repository can be read.
    drift_run
        Number of the run of the drift check that asked for it, or 0.
    bot
        Login of who writes: the app, or GitHub's own bot.
    """

    run: int
    url: str
    commit: str
    base: str
    drift_run: int = 0
    bot: str = AUTHOR


def propose(api: Api, about: About) -> tuple[str, int]:
    """Bring the pull request in step with a retrain run; return what was done, and the exit code.

    Raises
    ------
    NotBelieved
        The run left something that it could not have.
    SlipwayError
        It left nothing, or GitHub refuses.
    """
    proposal = read_proposal(api, about.run)
    status = proposal.result["status"]
    own = own_pulls(api, about.bot)
    pull = next((entry for entry in own if entry["state"] == "open"), None)
    branch = find_branch(api, BRANCH)
    if status == "no answer":
        return f"no answer: {proposal.result['words']}", NO_ANSWER
    if status != "better":
        return _close(api, pull, branch, proposal, about), YES
    return _open(api, own, pull, branch, proposal, about), YES


def read_proposal(api: Api, run: int) -> Proposal:
    """Return what the retrain run left, as bytes that are looked at before they are believed."""
    entries = artifact.unpack(artifact.download(api, run, NAME, MOST_BYTES), _expected, MOST_BYTES)
    if ANSWER not in entries:
        raise artifact.NotBelieved("the retrain run left no answer")
    result = artifact.parse(entries[ANSWER])
    if result.get("version") != 1 or result.get("status") not in STATUS:
        raise artifact.NotBelieved("retrain.json is not an answer of `slipway retrain`")
    report = artifact.parse(entries[REPORT]) if REPORT in entries else None
    files = {
        name.removeprefix(FILES): content
        for name, content in entries.items()
        if name.startswith(FILES)
    }
    if result["status"] == "better" and not (files and report and report.get("may_merge") is True):
        raise artifact.NotBelieved("it says better, and the judge's report does not")
    return Proposal(result, report, files)


def own_pulls(api: Api, bot: str) -> list[Mapping[str, Any]]:
    """Return the pull requests that this workflow has opened, the newest first."""
    owner = api.repository.partition("/")[0]
    listed = api.pages("pulls", state="all", head=f"{owner}:{BRANCH}", direction="desc")
    return [
        pull
        for pull in listed
        if pull["user"]["login"] in (bot, AUTHOR) and MARK.match(_lines(pull["body"]))
    ]


def _open(
    api: Api,
    own: list[Mapping[str, Any]],
    pull: Mapping[str, Any] | None,
    branch: Branch,
    proposal: Proposal,
    about: About,
) -> str:
    if people := people_on(api, branch, about.commit):
        raise SlipwayError(
            f"{', '.join(people)} committed to {BRANCH}, and nothing of that is to be lost",
            "merge or close its pull request and delete the branch; then start the run again",
        )
    if pull is None and (refused := _refused_before(own, proposal)):
        return f"#{refused} proposed the same model, and somebody closed it"
    title = f"Retrain: {_months(proposal)}"
    body = compose(api, proposal, about)
    put_files(api, branch, about.commit, proposal.files, f"{title}\n\n{about.url}\n")
    if pull:
        updated = api.patch(f"pulls/{pull['number']}", {"title": title, "body": body})
        return f"updated {updated['html_url']}"
    return create_pull(api, branch, title, body)


def _close(
    api: Api,
    pull: Mapping[str, Any] | None,
    branch: Branch,
    proposal: Proposal,
    about: About,
) -> str:
    words = inline(safe(proposal.result["words"]))
    if pull is None:
        return f"{proposal.result['status']}: {proposal.result['words']}"
    said = f"[A newer retrain run]({about.url}) found: {words}"
    people = people_on(api, branch, about.commit)
    closing = "" if people else "\n\nSo this is closed. Its branch stays."
    api.post(f"issues/{pull['number']}/comments", {"body": said + closing})
    if people:
        return f"#{pull['number']} is left open: {', '.join(people)} committed to it"
    body = mark("") + MARK.sub("", _lines(pull["body"]))
    api.patch(f"pulls/{pull['number']}", {"state": "closed", "body": body})
    return f"closed #{pull['number']}: {proposal.result['status']}"


def compose(api: Api, proposal: Proposal, about: About) -> str:
    """Return the text of the pull request: the verdict, then why it was asked for."""
    result = proposal.result
    issue = find_issue(api)
    because = f" Because of #{issue.number}." if issue and issue.is_open else ""
    parts = [f"{inline(safe(result['words']))}{because} Nothing merges this but you."]
    if result.get("challenger"):
        parts.append(f"Challenger: {inline(_challenger(result['challenger']))}")
    if about.bot == AUTHOR:
        parts.append(ONE_CLICK)
    foot = foot_of(about.commit, about.url)
    parts.append(to_markdown(document_of(proposal.report or {}, foot, full=False), PART))
    if drift := _drift_of(api, about):
        parts.append(f"## Why\n\n{drift}")
    return mark(proposal.model) + "\n\n".join(parts)


def mark(model: str) -> str:
    """Return the first line of the pull request, which nobody sees; our own closing empties it."""
    return f"<!-- slipway:retrain {model} -->\n"


def _drift_of(api: Api, about: About) -> str:
    """Return the evidence of the drift check that asked for this run, if it still has it."""
    if not about.drift_run:
        return ""
    run = api.find(f"actions/runs/{about.drift_run}")
    path = str(run["path"]).partition("@")[0] if run else ""
    if path != DRIFT_WORKFLOW:
        return ""
    try:
        archive = artifact.download(api, about.drift_run, "drift")
    except artifact.NoReport:
        return ""
    report = artifact.drift_report(archive)
    return to_markdown(evidence(report, about.base, [f"[the check]({run['html_url']})"]), PART)


def _challenger(challenger: Mapping[str, Any]) -> str:
    values = (f"{quote(name)} = {quote(value)}" for name, value in challenger.items())
    return ", ".join(list(values)[:12])


def _months(proposal: Proposal) -> str:
    months = [str(name) for name in proposal.result["months_added"]]
    shown = months if len(months) < 3 else [months[0], "…", months[-1]]
    named = " ".join(re.sub(r"[^0-9A-Za-z…-]", "", name)[:20] for name in shown)
    return f"{named} added" if named else "the same months, other settings"


def _refused_before(own: list[Mapping[str, Any]], proposal: Proposal) -> int:
    """Return the newest pull request if somebody closed it and it had the same model."""
    newest = own[0] if own else None
    if newest is None or newest.get("merged_at") or newest["state"] == "open":
        return 0
    found = MARK.match(_lines(newest["body"]))
    return int(newest["number"]) if found and found[1] == proposal.model else 0


def _expected(name: str) -> bool:
    if name in (ANSWER, REPORT, *OTHERS):
        return True
    return name.startswith(FILES) and bool(MAY_PROPOSE.fullmatch(name.removeprefix(FILES)))


def _lines(body: str | None) -> str:
    return (body or "").replace("\r\n", "\n")


def about_job(drift_run: str) -> About:
    """Return what the job that this runs in knows; a number that is none is left out."""
    app = os.environ.get("SLIPWAY_APP", "")
    return About(
        run=int(os.environ["GITHUB_RUN_ID"]),
        url=page_of_run(),
        commit=os.environ["GITHUB_SHA"],
        base=page_of_files(),
        drift_run=int(drift_run) if re.fullmatch(r"[0-9]{1,18}", drift_run) else 0,
        bot=f"{app}[bot]" if app else AUTHOR,
    )
