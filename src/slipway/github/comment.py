"""One comment for each pull request, written and updated by CML.

CML finds its comment by a watermark, among the first 30, whoever wrote it. So CML is asked
to update only where it would find ours, and to create only where there is none; a comment
of ours that it cannot see is updated here.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from slipway.errors import Refused, SlipwayError
from slipway.github import artifact
from slipway.github.api import Api
from slipway.github.bind import Run, still_at
from slipway.github.runner import annotate
from slipway.judge.run import rule_of
from slipway.report.document import Document, quote
from slipway.report.render import document_of, foot_of
from slipway.settings import read_params

TITLE = "slipway"

WATERMARK = f'![](https://cml.dev/watermark.png#{{sha}} "CML watermark {TITLE}")'

MARKED = re.compile(re.escape(WATERMARK).replace(re.escape("{sha}"), "[0-9a-fA-F]+"))

AUTHOR = "github-actions[bot]"

# As many comments as CML reads.
CML_READS = 30

# CML waits for minutes when GitHub asks it to slow down.
SECONDS = 180

IN_SUMMARY = "the whole report is in the summary of this job"

OTHER_RULE = (
    "⚠️ **Judged by another rule** than the one in `params.yaml` of the default branch (see "
    "*The rule* below). That is in order only if the rule has changed there since."
)

OWN_CODE = "made by the code of this pull request; the merge judges again"


def compose(api: Api, run: Run) -> tuple[Document, bool]:
    """Return what to say of a run, and whether it is worth a new comment."""
    foot = [*foot_of(run.sha, run.url), OWN_CODE]
    try:
        report = artifact.read_report(api, run.number)
        if "faults" in report and not report["faults"]:
            raise artifact.NotBelieved("a run with data in order leaves another report")
        return _with_rule(document_of(report, foot, full=False), report), True
    except artifact.NoReport:
        return _without_report(run, foot), run.conclusion != "success"
    except (artifact.NotBelieved, Refused) as error:
        annotate("error", "Not believed: the report of this run", str(error))
        said = f"{quote(error, 300)}. Nothing of it is shown here."
        return Document("bad", "Not believed: the report of this run", [said], [], foot), True


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
    seen = [comment for comment in comments[:CML_READS] if MARKED.search(comment["body"] or "")]
    if seen and seen[-1]["id"] == mine[-1]["id"]:
        return run_cml(api, "update", number, body, cml)
    marked = f"{body}\n\n{WATERMARK.format(sha=sha)}"
    updated = api.patch(f"issues/comments/{mine[-1]['id']}", {"body": marked})
    return f"updated {updated['html_url']}"


def is_ours(comment: Mapping[str, Any]) -> bool:
    """Return whether a comment is this workflow's own: a watermark alone can be copied."""
    user = comment["user"] or {}
    signed = user.get("login") == AUTHOR and user.get("type") == "Bot"
    return signed and bool(MARKED.search(comment["body"] or ""))


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


def _with_rule(document: Document, report: Mapping[str, Any]) -> Document:
    """Return the document, with a warning if its rule is not the one that is trusted here."""
    if "rule" not in report:
        return document
    trusted, _ = rule_of(Path(), "HEAD", read_params())
    if all(report["rule"][name] == trusted[name] for name in trusted if name != "bins"):
        return document
    return replace(document, blocks=[OTHER_RULE, *document.blocks])


def _without_report(run: Run, foot: list[str]) -> Document:
    if run.conclusion == "success":
        said = "Nothing to judge: the run found nothing that the model is made of changed"
        return Document("good", said, [], [], foot)
    said = "Not judged: the run stopped before there was a report"
    return Document("bad", said, ["Its summary and its log say why."], [], foot)
