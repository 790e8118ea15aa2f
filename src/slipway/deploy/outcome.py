"""What came of a deployment: its steps, in words, for a terminal and for the job's summary."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from slipway.errors import NO, NO_ANSWER, YES

Say = Callable[[str], None]
"""Tells a person what goes on, a line at a time."""


@dataclass
class Step:
    """One step: what it is called, how it went, and how long it took in seconds."""

    name: str
    ok: bool
    words: str = ""
    seconds: float = 0.0


@dataclass
class Outcome:
    """The end of a deployment.

    Attributes
    ----------
    exit_code
        0 it is done, 1 a gate stopped it and all is as before, 2 it could not be answered.
    words
        One or two sentences: what runs now, and why.
    steps
        In their order.
    do
        What a person should do next; empty if nothing.
    details
        Sections of Markdown for the summary: the canary's table, a candidate's last words.
    what
        Heads the summary.
    """

    exit_code: int
    words: str
    steps: list[Step] = field(default_factory=list)
    do: str = ""
    details: list[str] = field(default_factory=list)
    what: str = "Deployment"

    @property
    def ok(self) -> bool:
        return self.exit_code == YES

    def to_text(self) -> str:
        """Return what a terminal shows at the end; the steps have been said by then."""
        return f"{self.words}\n  → {self.do}" if self.do else self.words

    def to_markdown(self) -> str:
        """Return the summary of the job."""
        head = {
            YES: f"✅ {self.what}",
            NO: f"❌ {self.what} stopped",
            NO_ANSWER: "⚠️ No answer",
        }
        lines = [f"## {head[self.exit_code]}", "", _quiet(self.words)]
        if self.do:
            lines += ["", f"**To do:** {_quiet(self.do)}"]
        if self.steps:
            lines += ["", "| | Step | | Seconds |", "|---|---|---|---:|"]
            lines += [_row(step) for step in self.steps]
        for section in self.details:
            lines += ["", section]
        return "\n".join(lines) + "\n"


class Steps:
    """Runs steps, tells each as it ends, and remembers them for the outcome."""

    def __init__(self, say: Say, what: str = "Deployment") -> None:
        self.what = what
        self.done: list[Step] = []
        self._say = say

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step; the block sets its `words`, and an error makes it a failed one."""
        step = Step(name, ok=True)
        start = time.monotonic()
        try:
            yield step
        except BaseException as error:
            step.ok = False
            step.words = str(error) or type(error).__name__
            raise
        finally:
            step.seconds = time.monotonic() - start
            self.done.append(step)
            self._say(_line(step))


def _line(step: Step) -> str:
    mark = "✓" if step.ok else "✗"
    return f"{mark} {step.name:<10} {step.seconds:6.1f} s  {step.words}".rstrip()


def _row(step: Step) -> str:
    mark = "✅" if step.ok else "❌"
    words = _quiet(step.words).replace("\n", "<br>")
    return f"| {mark} | {_quiet(step.name)} | {words} | {step.seconds:.1f} |"


def _quiet(text: str) -> str:
    """Return text that Markdown shows as it stands: a log line is no table, link or markup."""
    for mark in "\\`|<>*_[]@":
        text = text.replace(mark, f"&#{ord(mark)};")
    return text
