"""The one drift issue, found by its label and by a mark in an issue of our own bot.

The mark is an HTML comment in the first line and holds the state that the issue reported last, so
that a check knows what is new.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field

from slipway.github.answers import Account, Answer
from slipway.github.api import Api
from slipway.github.own_comment import is_bot
from slipway.monitoring.report import RENAMED

LABEL = "drift"

ABOUT_LABEL = "The traffic of the model has drifted, or could not be checked"

MARK = re.compile(r"\A<!-- slipway:drift ([A-Za-z0-9_=-]*) -->\n")

# Before the report of the last conclusive check.
EVIDENCE = "<!-- slipway:evidence -->\n"

OPEN, CLOSED = "open", "closed"


@dataclass(frozen=True)
class State:
    """The state that the issue reported last.

    Parameters
    ----------
    status
        `quiet`, `drift` or `inconclusive`, as in the report of `slipway drift`.
    streams
        Series that had drifted.
    """

    status: str
    streams: list[str] = field(default_factory=list)

    def mark(self) -> str:
        # In base64 no untrusted text can end the comment.
        state = json.dumps({"status": self.status, "streams": self.streams}).encode()
        return f"<!-- slipway:drift {base64.urlsafe_b64encode(state).decode()} -->\n"


@dataclass(frozen=True)
class Issue:
    """An issue on GitHub."""

    number: int
    url: str
    is_open: bool
    body: str
    state: State

    @property
    def evidence(self) -> str:
        """The part of the body with the report of the last conclusive check."""
        return self.body.partition(EVIDENCE)[2]


class Entry(Answer):
    """An issue or a pull request, as GitHub lists both."""

    number: int
    html_url: str
    state: str
    user: Account | None = None
    body: str | None = None
    pull_request: object = None


def find_issue(api: Api) -> Issue | None:
    """Return the newest drift issue, open or closed."""
    listed = api.pages("issues", state="all", labels=LABEL, sort="created", direction="desc")
    ours = next((entry for entry in map(Entry.of, listed) if is_ours(entry)), None)
    return _issue(ours) if ours else None


def is_ours(entry: Entry) -> bool:
    """Return whether an issue is our own: a label and a mark can be copied."""
    is_issue = entry.pull_request is None
    return is_bot(entry.user) and is_issue and bool(MARK.match(entry.body or ""))


def open_issue(api: Api, title: str, body: str, state: State) -> Issue:
    """Open an issue, and create its label if it does not exist."""
    if api.find(f"labels/{LABEL}") is None:
        api.post("labels", {"name": LABEL, "color": "d93f0b", "description": ABOUT_LABEL})
    made = {"title": title, "body": state.mark() + body, "labels": [LABEL]}
    return _issue(Entry.of(api.post("issues", made)))


def change_issue(
    api: Api, issue: Issue, body: str, state: State, title: str = "", *, to: str = ""
) -> Issue:
    """Update the issue; `to` is its new state, `open` or `closed`."""
    changes = {"body": state.mark() + body}
    changes |= {"title": title} if title else {}
    changes |= {"state": to} if to else {}
    changes |= {"state_reason": "completed"} if to == CLOSED else {}
    return _issue(Entry.of(api.patch(f"issues/{issue.number}", changes)))


def remark(api: Api, number: int, text: str) -> None:
    """Add a comment, which notifies everybody who follows the issue."""
    api.post(f"issues/{number}/comments", {"body": text})


def _issue(entry: Entry) -> Issue:
    body = (entry.body or "").replace("\r\n", "\n")
    mark = MARK.match(body)
    return Issue(
        number=entry.number,
        url=entry.html_url,
        is_open=entry.state == OPEN,
        body=MARK.sub("", body),
        state=_state(mark[1] if mark else ""),
    )


def _state(mark: str) -> State:
    try:
        state = json.loads(base64.urlsafe_b64decode(mark))
        status = str(state["status"])
        streams = [str(name) for name in state["streams"]]
    except (ValueError, KeyError, TypeError):
        return State("drift")  # the mark was edited: the next check reports everything as new
    return State(RENAMED.get(status, status), streams)
