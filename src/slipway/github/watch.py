"""Keep the one issue in step with what `slipway drift` found: open, update, close, or be silent.

Silence is never taken for health: a check that could not answer is news as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.errors import NO_ANSWER, YES
from slipway.github import artifact
from slipway.github.api import Api
from slipway.github.causes import streams
from slipway.github.evidence import evidence, headline
from slipway.github.foreign import safe
from slipway.github.issue import (
    CLOSED,
    EVIDENCE,
    OPEN,
    Issue,
    State,
    change_issue,
    find_issue,
    open_issue,
    remark,
)
from slipway.github.owner import owners
from slipway.github.propose import BRANCH
from slipway.github.runner import page_of_files, page_of_run
from slipway.report.document import plain, quote
from slipway.report.markdown import inline, to_markdown

# An issue holds 65,536 characters; the words above the evidence need some.
LIMIT = 55_000

TITLE_LETTERS = 120

# The artifact of the check.
NAME = "drift"

QUIET, DRIFT, SILENT = "quiet", "drift", "no answer"


@dataclass(frozen=True)
class About:
    """What the report itself does not know.

    Parameters
    ----------
    run
        Address of the run that checked.
    base
        Where the files of the repository can be read.
    retrain
        What is done about it, as Markdown; empty if nothing is.
    owners
        Who is to be told.
    """

    run: str
    base: str
    retrain: str = ""
    owners: tuple[str, ...] = ()

    def foot(self) -> list[str]:
        asked = f"to look at: {' '.join(self.owners)}" if self.owners else ""
        own = "each check writes this text anew, so discuss below"
        return [part for part in (f"[the check]({self.run})", self.retrain, asked, own) if part]


@dataclass(frozen=True)
class Told:
    """What was done, in a sentence, and the exit code that follows."""

    words: str
    exit_code: int


def about_job(api: Api, started: str) -> About:
    """Return what the job that this runs in knows.

    Parameters
    ----------
    started
        What was said of a retrain run; empty if none was to be started.
    """
    repository = page_of_run().partition("/actions/")[0]
    owner = api.repository.partition("/")[0]
    pulls = api.get("pulls", state="open", head=f"{owner}:{BRANCH}")
    runs = f"[retrain run]({repository}/actions/workflows/retrain.yml)"
    proposed = [f"retrained: #{int(pull['number'])}" for pull in pulls]
    asked = [f"{runs}: {started}"] if started else []
    return About(
        run=page_of_run(),
        base=page_of_files(),
        retrain=" · ".join([*proposed, *asked]),
        owners=tuple(owners(Path())),
    )


def drift_of_run(api: Api, run: int, why: str) -> dict[str, Any]:
    """Return the report that the check of a run left, or one that says that there is none.

    Parameters
    ----------
    why
        What stopped the check before it could write a report, where that is known.

    Raises
    ------
    NotBelieved
        What is there is no report.
    """
    said = why or "the check stopped before it had a report; the log of its run says why"
    missing = {"version": 1, "status": SILENT, "words": said}
    if why:
        return missing
    try:
        archive = artifact.download(api, run, NAME)
    except artifact.NoReport:
        return missing
    return artifact.drift_report(archive)


def watch(api: Api, report: Mapping[str, Any], about: About) -> Told:
    """Bring the issue in step with a report; return what was done."""
    issue = find_issue(api)
    if report["status"] == SILENT:
        return Told(_silent(api, issue, report, about), NO_ANSWER)
    if report["status"] == DRIFT:
        return Told(_drift(api, issue, report, about), YES)
    return Told(_quiet(api, issue, report, about), YES)


def _quiet(api: Api, issue: Issue | None, report: Mapping[str, Any], about: About) -> str:
    if issue is None or (not issue.is_open and issue.state.status == QUIET):
        return "quiet: there is nothing to say"
    body = f"✅ Quiet again: {_words(report)}\n\n{EVIDENCE}{issue.evidence}"
    if not issue.is_open:
        change_issue(api, issue, body, State(QUIET))
        return f"quiet again; #{issue.number} was closed before"
    remark(api, issue.number, f"✅ Quiet again ([the check]({about.run})): {_words(report)}")
    change_issue(api, issue, body, State(QUIET), to=CLOSED)
    return f"quiet again: closed {issue.url}"


def _drift(api: Api, issue: Issue | None, report: Mapping[str, Any], about: About) -> str:
    state = State(DRIFT, streams(report))
    body = EVIDENCE + to_markdown(evidence(report, about.base, about.foot()), LIMIT)
    title = _title(report)
    if issue is None or (not issue.is_open and issue.state.status == QUIET):
        return f"drift: opened {open_issue(api, title, body, state).url}"
    new = [name for name in state.streams if name not in issue.state.streams]
    if not issue.is_open and not new:
        return f"drift: nothing new since somebody closed #{issue.number}"
    if not issue.is_open:
        return f"drift: opened {open_issue(api, title, _after(issue) + body, state).url}"
    if issue.state.status != DRIFT:
        remark(api, issue.number, f"The check can answer again ([run]({about.run})).")
    elif new:
        remark(api, issue.number, f"New ([the check]({about.run})): {_listed(new)}.")
    change_issue(api, issue, body, state, title)
    return f"drift: updated {issue.url}"


def _silent(api: Api, issue: Issue | None, report: Mapping[str, Any], about: About) -> str:
    said = (
        f"❔ **The drift check could not answer:** {_words(report, 1500)}\n\n"
        "Whether the model still meets what it knows is not known. What to do: "
        f"[guide]({about.base}/docs/watch.md#the-check-could-not-answer).\n\n"
        f"<sub>{' · '.join(about.foot())}</sub>\n\n"
    )
    title = _title(report)
    if issue is None or (not issue.is_open and issue.state.status == QUIET):
        return f"no answer: opened {open_issue(api, title, said, State(SILENT)).url}"
    # What had moved is remembered, so that it is no news when the check can answer again.
    state = State(SILENT, issue.state.streams)
    before = f"\nWhat the last check found that could answer:\n\n{EVIDENCE}{issue.evidence}"
    body = said + (before if issue.evidence else "")
    if not issue.is_open or issue.state.status != SILENT:
        remark(
            api,
            issue.number,
            f"❔ The check could not answer ([run]({about.run})): {_words(report)}",
        )
    change_issue(api, issue, body, state, title, to="" if issue.is_open else OPEN)
    return f"no answer: updated {issue.url}"


def _title(report: Mapping[str, Any]) -> str:
    title = plain(headline(report))
    return title if len(title) <= TITLE_LETTERS else f"{title[: TITLE_LETTERS - 1]}…"


def _after(issue: Issue) -> str:
    return f"Earlier: #{issue.number}.\n\n"


def _listed(names: list[str]) -> str:
    return inline(", ".join(quote(name) for name in names[:10]))


def _words(report: Mapping[str, Any], limit: int = 600) -> str:
    return inline(safe(report["words"], limit))
