"""Which commit a run releases: the one that was pushed, or one of main that somebody names.

Needs nothing but git and Python: nothing of a commit may run before it is known to be on main.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from slipway.errors import NO, NO_ANSWER, YES, SlipwayError
from slipway.exits import run_command
from slipway.git import GitError, git
from slipway.github.runner import annotate, set_outputs


def pick(root: Path, wanted: str, branch: str, default: str) -> str:
    """Return the full hash of the commit to release.

    Parameters
    ----------
    wanted
        As somebody typed it; empty for the newest of what is checked out.
    branch, default
        The branch that the workflow was started on, and the one that releases come from.

    Raises
    ------
    SlipwayError
        The workflow was started on another branch, or the commit is not on this one.
    """
    if branch != default:
        raise SlipwayError(
            f"started on `{branch}`, and only what is on `{default}` is released",
            f"choose `{default}` under *Use workflow from*",
        )
    commit = _git(
        root,
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        f"{wanted or 'HEAD'}^{{commit}}",
    )
    if not commit or _git(root, "merge-base", "--is-ancestor", commit, "HEAD") is None:
        raise SlipwayError(
            f"`{wanted}` is no commit on `{default}`", "merge it first, by a pull request"
        )
    return commit


def main() -> int:
    """Answer without an installation; what is wanted is in the environment, as COMMIT."""
    try:
        event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text("utf-8"))
        default = event["repository"]["default_branch"]
        wanted = os.environ.get("COMMIT", "").strip()
        commit = pick(Path(), wanted, os.environ["GITHUB_REF_NAME"], default)
    except SlipwayError as error:
        annotate("error", f"Not released: {error}", error.do)
        return NO
    except (KeyError, OSError, TypeError, ValueError):
        annotate("error", "No answer: this is for a job of GitHub Actions")
        return NO_ANSWER
    set_outputs(commit=commit)
    sys.stdout.write(f"releasing {commit}\n")
    return YES


def _git(root: Path, *arguments: str) -> str | None:
    """Return the output of git, or None if it failed."""
    try:
        return git(root, *arguments).strip()
    except GitError:
        return None


if __name__ == "__main__":
    run_command("slipway.github.pick", main)
