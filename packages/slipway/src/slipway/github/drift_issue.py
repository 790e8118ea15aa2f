"""Open, update or close the one drift issue, according to the report of `slipway drift`.

An inconclusive check is reported as well: silence does not mean that nothing has drifted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slipway.actions import page_of_files, page_of_run
from slipway.documents.markdown import to_markdown
from slipway.errors import INCONCLUSIVE, YES
from slipway.github import artifact
from slipway.github.answers import Pull
from slipway.github.api import Api
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
from slipway.github.mentions import owners
from slipway.github.propose import BRANCH
from slipway.monitoring.document import drift_document, headline
from slipway.monitoring.report import DriftReport, without_answer
from slipway.untrusted import as_markdown, as_text, quote, quote_text

# An issue holds 65,536 characters, with the text above the evidence.
LIMIT = 55_000

TITLE_LETTERS = 120

# The artifact of the check.
NAME = "drift"

QUIET, DRIFT, UNKNOWN = "quiet", "drift", "inconclusive"


@dataclass(frozen=True)
class About:
    """Facts about the job, which the report does not have.

    Parameters
    ----------
    run
        Address of the run of the check.
    base
        Address of the repository's files.
    retrain
        The retrain run or pull request, as Markdown; empty if there is none.
    owners
        Users and teams to mention.
    """

    run: str
    base: str
    retrain: str = ""
    owners: tuple[str, ...] = ()

    def foot(self) -> list[str]:
        mention = f"owners: {' '.join(self.owners)}" if self.owners else ""
        note = "each check replaces this text, so discuss below"
        return [part for part in (f"[the check]({self.run})", self.retrain, mention, note) if part]


@dataclass(frozen=True)
class Published:
    """A sentence about what was done, and the exit code."""

    words: str
    exit_code: int


def about_job(api: Api, started: str) -> About:
    """Return the facts about the current job.

    Parameters
    ----------
    started
        A sentence about the retrain run; empty if none was requested.
    """
    repository = page_of_run().partition("/actions/")[0]
    owner = api.repository.partition("/")[0]
    pulls = Pull.each(api.get("pulls", state="open", head=f"{owner}:{BRANCH}"))
    runs = f"[retrain run]({repository}/actions/workflows/retrain.yml)"
    proposed = [f"retrained: #{pull.number}" for pull in pulls]
    asked = [f"{runs}: {started}"] if started else []
    return About(
        run=page_of_run(),
        base=page_of_files(),
        retrain=" · ".join([*proposed, *asked]),
        owners=tuple(owners(Path())),
    )


def drift_of_run(api: Api, run: int, why: str) -> DriftReport:
    """Return the report of a run's check, or one that is inconclusive if it left none.

    Parameters
    ----------
    why
        Why the check stopped before it could write a report, if known.

    Raises
    ------
    NotBelieved
        The artifact is not a report.
    """
    if why:
        return without_answer(why)
    try:
        archive = artifact.download(api, run, NAME)
    except artifact.NoReport:
        return without_answer("the check stopped before its report; see the log of its run")
    return artifact.drift_report(archive)


def publish(api: Api, report: DriftReport, about: About) -> Published:
    """Update the issue according to a report."""
    issue = find_issue(api)
    if report.is_inconclusive:
        return Published(_inconclusive(api, issue, report, about), INCONCLUSIVE)
    if report.status == DRIFT:
        return Published(_drift(api, issue, report, about), YES)
    return Published(_quiet(api, issue, report, about), YES)


def _quiet(api: Api, issue: Issue | None, report: DriftReport, about: About) -> str:
    if issue is None or (not issue.is_open and issue.state.status == QUIET):
        return "quiet: there is no issue to update"
    body = f"✅ Quiet again: {_words(report)}\n\n{EVIDENCE}{issue.evidence}"
    if not issue.is_open:
        change_issue(api, issue, body, State(QUIET))
        return f"quiet again; #{issue.number} was closed before"
    remark(api, issue.number, f"✅ Quiet again ([the check]({about.run})): {_words(report)}")
    change_issue(api, issue, body, State(QUIET), to=CLOSED)
    return f"quiet again: closed {issue.url}"


def _drift(api: Api, issue: Issue | None, report: DriftReport, about: About) -> str:
    state = State(DRIFT, report.series())
    document = drift_document(report, about.base, about.foot())
    body = EVIDENCE + to_markdown(document, LIMIT)
    title = _title(report)
    if issue is None or (not issue.is_open and issue.state.status == QUIET):
        return f"drift: opened {open_issue(api, title, body, state).url}"
    new = [name for name in state.streams if name not in issue.state.streams]
    if not issue.is_open and not new:
        return f"drift: nothing new since #{issue.number} was closed by hand"
    if not issue.is_open:
        return f"drift: opened {open_issue(api, title, _after(issue) + body, state).url}"
    if issue.state.status != DRIFT:
        remark(api, issue.number, f"The check is conclusive again ([run]({about.run})).")
    elif new:
        remark(api, issue.number, f"New ([the check]({about.run})): {_listed(new)}.")
    change_issue(api, issue, body, state, title)
    return f"drift: updated {issue.url}"


def _inconclusive(api: Api, issue: Issue | None, report: DriftReport, about: About) -> str:
    text = (
        f"❔ **The drift check is inconclusive:** {_words(report, 1500)}\n\n"
        "Drift cannot be assessed. What to do: "
        f"[guide]({about.base}/docs/watch.md#the-check-is-inconclusive).\n\n"
        f"<sub>{' · '.join(about.foot())}</sub>\n\n"
    )
    title = _title(report)
    if issue is None or (not issue.is_open and issue.state.status == QUIET):
        url = open_issue(api, title, text, State(UNKNOWN)).url
        return f"inconclusive: opened {url}"
    # Series that have drifted are kept, so that they are not new to the next conclusive check.
    state = State(UNKNOWN, issue.state.streams)
    before = f"\nThe last conclusive check:\n\n{EVIDENCE}{issue.evidence}"
    body = text + (before if issue.evidence else "")
    if not issue.is_open or issue.state.status != UNKNOWN:
        remark(
            api,
            issue.number,
            f"❔ The check is inconclusive ([run]({about.run})): {_words(report)}",
        )
    change_issue(api, issue, body, state, title, to="" if issue.is_open else OPEN)
    return f"inconclusive: updated {issue.url}"


def _title(report: DriftReport) -> str:
    title = as_text(headline(report))
    return title if len(title) <= TITLE_LETTERS else f"{title[: TITLE_LETTERS - 1]}…"


def _after(issue: Issue) -> str:
    return f"Earlier: #{issue.number}.\n\n"


def _listed(names: list[str]) -> str:
    return as_markdown(", ".join(quote(name) for name in names[:10]))


def _words(report: DriftReport, limit: int = 600) -> str:
    return as_markdown(quote_text(report.words, limit))
