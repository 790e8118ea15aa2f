"""One comment for each pull request, written and updated by CML.

CML finds its comment by a watermark, among the first 30, by any author. So CML is asked
to update only where it would find ours, and to create only where there is none; a comment
of ours that it cannot see is updated here.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from slipway.errors import SlipwayError
from slipway.github import artifact
from slipway.github.api import Api
from slipway.github.bind import Run, still_at
from slipway.github.dangers import warning_of
from slipway.github.own_comment import (
    MARKED,
    TITLE,
    WATERMARK,
    State,
    is_ours,
    replace_ours,
    state_of,
)
from slipway.github.runner import annotate
from slipway.judge.run import rule_of
from slipway.report.believe import Newer
from slipway.report.document import Document, plain, quote
from slipway.report.markdown import to_markdown
from slipway.report.render import document_of, foot_of, is_judgement
from slipway.settings import read_params

__all__ = ["MARKED", "WATERMARK", "compose", "post", "render", "run_cml"]

# As many comments as CML reads.
CML_READS = 30

# CML waits for minutes when GitHub asks it to slow down.
SECONDS = 180

IN_SUMMARY = "the whole report is in the summary of this job"

OTHER_RULE = (
    "⚠️ **Judged by another rule** than the one in `params.yaml` of the default branch (see "
    "*The rule* below). That is in order only if the rule has changed there since."
)

NOT_BELIEVED = "Not believed: the report of this run"

FAILED = "May not be merged: other checks of this run failed"

OWN_CODE = "made by the code of this pull request; the merge judges again"


def compose(api: Api, run: Run) -> tuple[Document, bool]:
    """Return what to report of a run, and whether it is worth a new comment.

    Whatever the run left behind, there is an answer: without one, an older and better verdict
    would stay on the pull request.
    """
    foot = [*foot_of(run.sha, run.url), OWN_CODE]
    try:
        document, worth = _judged(api, run, foot), True
    except artifact.NoReport:
        document, worth = _without_report(run, foot), run.conclusion != "success"
    except Newer as error:
        document, worth = (
            _not_shown("open", "Not shown: a newer slipway wrote it", error, foot),
            True,
        )
    except Exception as error:  # noqa: BLE001 -- the artifact may be made to break any reader
        document, worth = _not_shown("bad", NOT_BELIEVED, error, foot), True
    return _without_approval(document, run), worth


def render(api: Api, run: Run, number: int | None) -> tuple[str, bool]:
    """Return the comment as Markdown, and whether it is worth a new one.

    Parameters
    ----------
    number
        Of the pull request, whose protected files stand above all.
    """
    document, worth = compose(api, run)
    if number is not None:
        document = replace(document, warning=warning_of(api, number, run.sha))
    try:
        text = to_markdown(document)
    except Exception as error:  # noqa: BLE001 -- as in `compose`
        foot = [*foot_of(run.sha, run.url), OWN_CODE]
        failed = _not_shown("bad", NOT_BELIEVED, error, foot)
        text = to_markdown(replace(failed, warning=document.warning))
    state = State(run.sha, run.number, run.attempt, "verdict")
    return f"{text}\n{state.line()}", worth or bool(document.warning)


def post(api: Api, number: int, sha: str, body: str, cml: Path, *, create: bool) -> str:
    """Write or update the comment; return what was done.

    Parameters
    ----------
    sha
        The commit that the comment is about; once there is a newer one, nothing is done.
    cml
        The folder of CML.
    create
        Whether to write one where there is none.

    Raises
    ------
    SlipwayError
        GitHub or CML refuses.
    """
    if not still_at(api, number, sha):
        return f"#{number} has moved on since: its next run will comment"
    comments = list(api.pages(f"issues/{number}/comments"))
    mine = [comment for comment in comments if is_ours(comment)]
    if not mine:
        return run_cml(api, "create", number, body, cml) if create else "not worth a comment"
    old, new = state_of(mine[-1]["body"]), state_of(body)
    if old and new and new.is_older_than(old):
        return f"a later run of {sha[:7]} has commented already"
    seen = [comment for comment in comments[:CML_READS] if MARKED.search(comment["body"] or "")]
    if seen and seen[-1]["id"] == mine[-1]["id"]:
        return run_cml(api, "update", number, body, cml)
    return f"updated {replace_ours(api, mine[-1], body, sha)}"


def run_cml(api: Api, verb: str, number: int, body: str, cml: Path) -> str:
    """Create or update a comment with CML; return what it printed.

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
            raise SlipwayError(f"CML did not end in {SECONDS} s", IN_SUMMARY) from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[:1]
        raise SlipwayError(f"CML could not comment: {''.join(said)[:300]}", IN_SUMMARY)
    return f"{verb}d {done.stdout.strip()}"


def _environment(home: str) -> dict[str, str]:
    """Return an environment that holds CML to its arguments, and its git settings to a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CML_")}
    own = {"HOME": home, "ITERATIVE_DO_NOT_TRACK": "1", "REPO_TOKEN": os.environ["GITHUB_TOKEN"]}
    return kept | own


def _judged(api: Api, run: Run, foot: list[str]) -> Document:
    report = artifact.read_report(api, run.number)
    if "faults" in report and not report["faults"]:
        raise artifact.NotBelieved("a run with data in order leaves another report")
    document = document_of(report, foot, full=False)
    return _with_rule(document, report["rule"]) if is_judgement(report) else document


def _with_rule(document: Document, rule: Mapping[str, Any]) -> Document:
    """Return the document, with a warning if its rule is not the one that is trusted here."""
    trusted, _ = rule_of(Path(), "HEAD", read_params())
    if all(rule[name] == trusted[name] for name in trusted if name != "bins"):
        return document
    return replace(document, blocks=[OTHER_RULE, *document.blocks])


def _without_report(run: Run, foot: list[str]) -> Document:
    if run.conclusion == "success":
        said = "Nothing to judge: the run found nothing that the model is made of changed"
        return Document("good", said, [], [], foot)
    said = "Not judged: the run stopped before there was a report"
    return Document("bad", said, ["Its summary and its log say why."], [], foot)


def _not_shown(tone: str, headline: str, error: Exception, foot: list[str]) -> Document:
    """Return a document that reports why nothing of an artifact is shown."""
    # An unexpected exception may carry any text: only its type is shown.
    known = isinstance(error, SlipwayError)
    why = str(error) if known else f"it cannot be read ({type(error).__name__})"
    annotate("error", plain(headline), plain(quote(why, 300)))
    return Document(tone, headline, [f"{quote(why, 300)}. Nothing of it is shown here."], [], foot)


def _without_approval(document: Document, run: Run) -> Document:
    """Return the document, never as an approval of a run that failed as a whole."""
    if document.tone != "good" or run.conclusion == "success":
        return document
    model = f"The model alone: {document.headline}."
    return replace(document, tone="bad", headline=FAILED, blocks=[model, *document.blocks])
