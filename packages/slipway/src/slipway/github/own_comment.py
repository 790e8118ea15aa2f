"""Find the workflow's own comment on a pull request, and the commit that it is about.

Uses only the standard library: a comment is marked as outdated before anything is installed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from slipway.github.answers import Account, Comment
from slipway.github.api import Api

TITLE = "slipway"

WATERMARK = f'![](https://cml.dev/watermark.png#{{sha}} "CML watermark {TITLE}")'

MARKED = re.compile(re.escape(WATERMARK).replace(re.escape("{sha}"), "[0-9a-fA-F]+"))

AUTHOR = "github-actions[bot]"

# A link reference, which GitHub does not display. Text of a pull request is never at the start of
# a line, so it cannot add one.
STATE = re.compile(
    r"^\[//\]: # \(slipway commit=([0-9a-f]{40}) run=(\d{1,20}) attempt=(\d{1,9}) "
    r"(verdict|waiting)\)\r?$",
    re.MULTILINE,
)

Kind = Literal["verdict", "waiting"]


@dataclass(frozen=True)
class State:
    """The commit and the run that a comment is about, as one line of its source.

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
        """Return whether both are about the same commit and the other's run started later."""
        runs = (self.run, self.attempt) < (other.run, other.attempt)
        return self.commit == other.commit and runs


def state_of(body: str) -> State | None:
    """Return the state of a comment; None if an older version wrote it."""
    states = STATE.findall(body)
    if not states:
        return None
    commit, run, attempt, kind = states[-1]
    return State(commit, int(run), int(attempt), kind)


def is_bot(user: Account | None) -> bool:
    """Return whether an account is the bot of this workflow."""
    return user is not None and user.login == AUTHOR and user.type == "Bot"


def is_ours(comment: Comment) -> bool:
    """Return whether our bot wrote a comment: a watermark alone can be copied."""
    return is_bot(comment.user) and bool(MARKED.search(comment.body or ""))


def find_ours(api: Api, number: int) -> Comment | None:
    """Return the newest comment of this workflow on a pull request, or None."""
    comments = map(Comment.of, api.pages(f"issues/{number}/comments"))
    ours = [comment for comment in comments if is_ours(comment)]
    return ours[-1] if ours else None


def replace_ours(api: Api, comment: Comment, text: str, commit: str) -> str:
    """Replace the text of our comment, with its watermark; return its address."""
    body = f"{text}\n\n{WATERMARK.format(sha=commit)}"
    return Comment.of(api.patch(f"issues/comments/{comment.id}", {"body": body})).html_url
