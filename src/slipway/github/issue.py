"""The one issue of the watch: found again by its label and by a mark that only our bot has set.

The mark stands in the first line and holds what the issue said last, so that a check knows
what is new. It is an HTML comment, which nobody sees.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slipway.github.api import Api
from slipway.github.own_comment import AUTHOR

LABEL = "drift"

ABOUT_LABEL = "What the model meets has changed, or could not be checked"

MARK = re.compile(r"\A<!-- slipway:drift ([A-Za-z0-9_=-]*) -->\n")

# After this line stands the evidence of the last check that could answer.
EVIDENCE = "<!-- slipway:evidence -->\n"

OPEN, CLOSED = "open", "closed"


@dataclass(frozen=True)
class State:
    """What the issue said last.

    Parameters
    ----------
    status
        `quiet`, `drift` or `no answer`, as the report of `slipway drift` has it.
    streams
        What had moved.
    """

    status: str
    streams: list[str] = field(default_factory=list)

    def mark(self) -> str:
        # In base64 no untrusted text can end the comment.
        said = json.dumps({"status": self.status, "streams": self.streams}).encode()
        return f"<!-- slipway:drift {base64.urlsafe_b64encode(said).decode()} -->\n"


@dataclass(frozen=True)
class Issue:
    """The issue as it is on GitHub."""

    number: int
    url: str
    is_open: bool
    body: str
    state: State

    @property
    def evidence(self) -> str:
        """The part of the body that the last answer gave."""
        return self.body.partition(EVIDENCE)[2]


def find_issue(api: Api) -> Issue | None:
    """Return the newest issue of the watch, open or closed."""
    listed = api.pages("issues", state="all", labels=LABEL, sort="created", direction="desc")
    ours = next((entry for entry in listed if is_ours(entry)), None)
    return _issue(ours) if ours else None


def is_ours(entry: Mapping[str, Any]) -> bool:
    """Return whether an issue is the watch's own: a label and a mark can be copied."""
    user = entry["user"] or {}
    signed = user.get("login") == AUTHOR and user.get("type") == "Bot"
    return bool(signed and "pull_request" not in entry and MARK.match(entry["body"] or ""))


def open_issue(api: Api, title: str, body: str, state: State) -> Issue:
    """Open an issue, and make its label where there is none yet."""
    if api.find(f"labels/{LABEL}") is None:
        api.post("labels", {"name": LABEL, "color": "d93f0b", "description": ABOUT_LABEL})
    made = {"title": title, "body": state.mark() + body, "labels": [LABEL]}
    return _issue(api.post("issues", made))


def change_issue(
    api: Api, issue: Issue, body: str, state: State, title: str = "", *, to: str = ""
) -> Issue:
    """Write the issue again; `to` opens it again or closes it."""
    changes: dict[str, Any] = {"body": state.mark() + body}
    changes |= {"title": title} if title else {}
    changes |= {"state": to} if to else {}
    changes |= {"state_reason": "completed"} if to == CLOSED else {}
    return _issue(api.patch(f"issues/{issue.number}", changes))


def remark(api: Api, number: int, text: str) -> None:
    """Add a comment, which everybody who follows the issue is told of."""
    api.post(f"issues/{number}/comments", {"body": text})


def _issue(entry: Mapping[str, Any]) -> Issue:
    body = (entry["body"] or "").replace("\r\n", "\n")
    found = MARK.match(body)
    return Issue(
        number=int(entry["number"]),
        url=entry["html_url"],
        is_open=entry["state"] == OPEN,
        body=MARK.sub("", body),
        state=_state(found[1] if found else ""),
    )


def _state(mark: str) -> State:
    try:
        said = json.loads(base64.urlsafe_b64decode(mark))
        return State(str(said["status"]), [str(stream) for stream in said["streams"]])
    except (ValueError, KeyError, TypeError):
        return State("drift")  # somebody edited it: whatever comes next is news
