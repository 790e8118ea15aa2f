"""Which comment on a pull request is this workflow's own, and which commit it is about.

Needs nothing but Python: a comment is marked as outdated before anything is installed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from slipway.github.api import Api

TITLE = "slipway"

WATERMARK = f'![](https://cml.dev/watermark.png#{{sha}} "CML watermark {TITLE}")'

MARKED = re.compile(re.escape(WATERMARK).replace(re.escape("{sha}"), "[0-9a-fA-F]+"))

AUTHOR = "github-actions[bot]"

# A link reference, which GitHub does not show. Text of a pull request is never at the start of
# a line, so it cannot make one.
STATE = re.compile(
    r"^\[//\]: # \(slipway commit=([0-9a-f]{40}) run=(\d{1,20}) attempt=(\d{1,9}) "
    r"(verdict|waiting)\)\r?$",
    re.MULTILINE,
)

Kind = Literal["verdict", "waiting"]


@dataclass(frozen=True)
class State:
    """What a comment is about: a commit, and the run of its checks, in one line of its source.

    Attributes
    ----------
    kind
        ``waiting`` until the run has ended.
    """

    commit: str
    run: int
    attempt: int
    kind: Kind

    def line(self) -> str:
        return (
            f"[//]: # (slipway commit={self.commit} run={self.run} attempt={self.attempt} "
            f"{self.kind})"
        )

    def is_older_than(self, other: State) -> bool:
        """Return whether both are about one commit, and the other's run started later."""
        runs = (self.run, self.attempt) < (other.run, other.attempt)
        return self.commit == other.commit and runs


def state_of(body: str) -> State | None:
    """Return what a comment of ours is about; None if an older slipway wrote it."""
    found = STATE.findall(body)
    if not found:
        return None
    commit, run, attempt, kind = found[-1]
    return State(commit, int(run), int(attempt), kind)


def is_ours(comment: Mapping[str, Any]) -> bool:
    """Return whether a comment is this workflow's own: a watermark alone can be copied."""
    user = comment["user"] or {}
    signed = user.get("login") == AUTHOR and user.get("type") == "Bot"
    return signed and bool(MARKED.search(comment["body"] or ""))


def find_ours(api: Api, number: int) -> Mapping[str, Any] | None:
    """Return the newest comment of this workflow on a pull request."""
    ours = [entry for entry in api.pages(f"issues/{number}/comments") if is_ours(entry)]
    return ours[-1] if ours else None


def replace_ours(api: Api, comment: Mapping[str, Any], text: str, commit: str) -> str:
    """Write a comment of ours anew, with its watermark; return its address."""
    body = f"{text}\n\n{WATERMARK.format(sha=commit)}"
    return str(api.patch(f"issues/comments/{comment['id']}", {"body": body})["html_url"])
