"""One comment for each pull request, written and updated by CML.

CML finds its comment by a watermark, among the first 30 comments of any author. So CML updates only
if it would find ours, and creates only if there is none; a comment of ours that it would not find
is updated here.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from slipway.actions import annotate
from slipway.comparison.report import Judgement
from slipway.comparison.rule import rule_of
from slipway.documents.document import Document
from slipway.documents.markdown import to_markdown
from slipway.errors import SlipwayError
from slipway.github import artifact
from slipway.github.answers import Answer, Comment
from slipway.github.api import Api
from slipway.github.find_pull_request import Run, still_at
from slipway.github.own_comment import (
    MARKED,
    TITLE,
    WATERMARK,
    State,
    is_ours,
    replace_ours,
    state_of,
)
from slipway.github.protected_changes import warning_of
from slipway.github.run_report import checked_report
from slipway.github.update_lock import has_app, page_of_repository, update_step
from slipway.reports.content import judgement
from slipway.reports.render import document_of, foot_of
from slipway.schemas import Newer
from slipway.untrusted import as_text, quote

__all__ = ["MARKED", "WATERMARK", "compose", "post", "render", "run_cml"]

# The number of comments that CML reads.
CML_READS = 30

# CML waits for minutes if GitHub limits its rate.
SECONDS = 180

IN_SUMMARY = "the whole report is in the summary of this job"

OTHER_RULE = (
    "⚠️ **Judged by another rule** than the one in `params.yaml` of the default branch (see "
    "*The rule* below). That is expected only if the rule has changed there since."
)

REJECTED = "Rejected: the report of this run"

FAILED = "May not be merged: other checks of this run failed"

# Jobs of pull-request.yml that fail if the lock is stale.
FAIL_WITH_THE_LOCK = {"Model", "All checks"}

PASSED = {"success", "skipped"}

OWN_CODE = "made by the code of this pull request; the merge judges again"


class Job(Answer):
    """A job of a run; `conclusion` is None until it has ended."""

    name: str
    conclusion: str | None = None


def compose(api: Api, run: Run, update: str = "") -> tuple[Document, bool]:
    """Return the comment on a run as a document, and whether it is worth a new comment.

    There is a document for any artifact: without one, an older and better verdict would stay on
    the pull request.

    Parameters
    ----------
    update
        How a stale lock is updated, if that is not done by hand.
    """
    foot = [*foot_of(run.sha, run.url), OWN_CODE]
    try:
        document, worth = _judged(api, run, foot, update), True
    except artifact.NoReport:
        document, worth = _without_report(run, foot), run.conclusion != "success"
    except Newer as error:
        document, worth = (
            _not_shown("open", "Not shown: a newer slipway wrote it", error, foot),
            True,
        )
    except Exception as error:  # noqa: BLE001 -- the artifact may be made to break any reader
        document, worth = _not_shown("bad", REJECTED, error, foot), True
    return _without_approval(api, document, run), worth


def render(api: Api, run: Run, number: int | None) -> tuple[str, bool]:
    """Return the comment as Markdown, and whether it is worth a new one.

    Parameters
    ----------
    number
        Of the pull request, whose protected files are listed above the verdict.
    """
    document, worth = compose(api, run, _update_of(run, number))
    if number is not None:
        document = replace(document, warning=warning_of(api, number, run.sha))
    try:
        text = to_markdown(document)
    except Exception as error:  # noqa: BLE001 -- as in `compose`
        foot = [*foot_of(run.sha, run.url), OWN_CODE]
        failed = _not_shown("bad", REJECTED, error, foot)
        text = to_markdown(replace(failed, warning=document.warning))
    state = State(run.sha, run.number, run.attempt, "verdict")
    return f"{text}\n{state.line()}", worth or bool(document.warning)


def post(api: Api, number: int, sha: str, body: str, cml: Path, *, create: bool) -> str:
    """Write or update the comment; return what was done.

    Parameters
    ----------
    sha
        The commit that the comment is about; if there is a newer one, nothing is done.
    cml
        The folder of CML.
    create
        Whether to write one if there is none.

    Raises
    ------
    SlipwayError
        GitHub or CML refuses.
    """
    if not still_at(api, number, sha):
        return f"#{number} has a newer commit: its next run will comment"
    comments = [Comment.of(entry) for entry in api.pages(f"issues/{number}/comments")]
    mine = [comment for comment in comments if is_ours(comment)]
    if not mine:
        return run_cml(api, "create", number, body, cml) if create else "not worth a comment"
    old, new = state_of(mine[-1].body or ""), state_of(body)
    if old and new and new.is_older_than(old):
        return f"a later run of {sha[:7]} has commented already"
    seen = [comment for comment in comments[:CML_READS] if MARKED.search(comment.body or "")]
    if seen and seen[-1].id == mine[-1].id:
        return run_cml(api, "update", number, body, cml)
    return f"updated {replace_ours(api, mine[-1], body, sha)}"


def run_cml(api: Api, verb: str, number: int, body: str, cml: Path) -> str:
    """Create or update a comment with CML; return its output.

    Raises
    ------
    SlipwayError
        It failed, or took too long.
    """
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    with tempfile.TemporaryDirectory(prefix="slipway-") as home:
        file = Path(home) / "comment.md"
        file.write_text(body, "utf-8")
        command = ["node", str(cml / "bin" / "cml.js"), "comment", verb, "--driver=github"]
        # By default CML uploads every local file that the text links to, to a public host.
        command += ["--publish=false", f"--target=pr/{number}", f"--watermark-title={TITLE}"]
        try:
            done = subprocess.run(
                [*command, f"--repo={server}/{api.repository}", str(file)],
                env=_environment(home),
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SlipwayError(f"CML did not finish in {SECONDS} s", IN_SUMMARY) from None
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[:1]
        raise SlipwayError(f"CML could not comment: {''.join(reason)[:300]}", IN_SUMMARY)
    return f"{verb}d {done.stdout.strip()}"


def _environment(home: str) -> dict[str, str]:
    """Return an environment without settings of CML, and with a home folder of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CML_")}
    own = {"HOME": home, "ITERATIVE_DO_NOT_TRACK": "1", "REPO_TOKEN": os.environ["GITHUB_TOKEN"]}
    return kept | own


def _update_of(run: Run, number: int | None) -> str:
    if number is None or run.from_fork:
        return ""
    return update_step(page_of_repository(), number, app=has_app())


def _judged(api: Api, run: Run, foot: list[str], update: str) -> Document:
    report = checked_report(api, run.number)
    if not isinstance(report, Judgement):
        return document_of(report, foot, full=False)
    return _with_rule(judgement(report, foot, full=False, update=update), report)


def _with_rule(document: Document, report: Judgement) -> Document:
    """Return the document, with a warning if its rule is not the one that is trusted here.

    Other clusters are named in the document by their note.
    """
    trusted = rule_of(Path(), "HEAD")
    has_own = {note.code for note in report.notes} & {"own clusters", "snapshots"}
    own = {"clusters", "time_zone"} if has_own else set()
    if report.rule.model_dump(exclude=own) == trusted.model_dump(exclude=own):
        return document
    return replace(document, blocks=[OTHER_RULE, *document.blocks])


def _without_report(run: Run, foot: list[str]) -> Document:
    if run.conclusion == "success":
        return Document("good", "Nothing to judge: no input of the model has changed", [], [], foot)
    headline = "Not judged: the run stopped before it had a report"
    return Document("bad", headline, ["The reason is in its summary and its log."], [], foot)


def _not_shown(tone: str, headline: str, error: Exception, foot: list[str]) -> Document:
    """Return a document with the reason why nothing of an artifact is shown."""
    # The message of an unexpected exception may be untrusted: only its type is shown.
    expected = isinstance(error, SlipwayError)
    reason = quote(str(error) if expected else f"it cannot be read ({type(error).__name__})", 300)
    annotate("error", as_text(headline), as_text(reason))
    return Document(tone, headline, [f"{reason}. Nothing of it is shown here."], [], foot)


def _without_approval(api: Api, document: Document, run: Run) -> Document:
    """Return the document, which is not an approval if the run failed for another reason."""
    approves = document.tone in ("good", "waiting")
    if not approves or not _failed_otherwise(api, run, document.tone):
        return document
    model = f"The model alone: {document.headline}."
    return replace(document, tone="bad", headline=FAILED, blocks=[model, *document.blocks])


def _failed_otherwise(api: Api, run: Run, tone: str) -> bool:
    """Return whether a run failed, and not just because the model waits for its lock."""
    if tone == "good" or run.conclusion == "success":
        return run.conclusion != "success"
    jobs = Job.each(api.get(f"actions/runs/{run.number}/jobs", per_page=100), "jobs")
    others = (job.conclusion for job in jobs if job.name not in FAIL_WITH_THE_LOCK)
    return any(conclusion not in PASSED for conclusion in others)
