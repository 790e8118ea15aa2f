"""The steps and the outcome of a deployment, for a terminal and for the job's summary."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from slipway.actions import add_summary, annotate, in_actions
from slipway.documents.document import Block, Document, Section, Table
from slipway.documents.markdown import to_markdown
from slipway.errors import INCONCLUSIVE, NO, YES, Refused, SlipwayError
from slipway.release.records import Record, still_runs
from slipway.untrusted import quote, quote_text

LONGEST = 2000  # characters of a message in the summary

Log = Callable[[str], None]
"""Prints one line of progress."""


@dataclass
class Step:
    """One step: its name, its result in words, and its duration in seconds."""

    name: str
    ok: bool
    message: str = ""
    seconds: float = 0.0

    def line(self) -> str:
        """Return the step for a terminal."""
        mark = "✓" if self.ok else "✗"
        return f"{mark} {self.name:<10} {self.seconds:6.1f} s  {self.message}".rstrip()

    def row(self) -> list[str]:
        """Return the step for a table."""
        mark = "✅" if self.ok else "❌"
        return [mark, self.name, quote_text(self.message, LONGEST), f"{self.seconds:.1f}"]


@dataclass
class Outcome:
    """The end of a deployment.

    Attributes
    ----------
    exit_code
        0 done, 1 stopped by a check with everything as before, 2 could not be tried.
    message
        One or two sentences: what runs now, and why.
    do
        What to do next; may be empty.
    details
        Sections of the summary, such as the canary's table.
    title
        Heading of the summary.
    """

    exit_code: int
    message: str
    steps: list[Step] = field(default_factory=list)
    do: str = ""
    details: list[Section] = field(default_factory=list)
    title: str = "Deployment"

    @property
    def ok(self) -> bool:
        return self.exit_code == YES

    def to_text(self) -> str:
        """Return the last lines for a terminal; the steps were printed before."""
        return f"{self.message}\n  → {self.do}" if self.do else self.message

    def to_markdown(self) -> str:
        """Return the summary of the job."""
        tone, headline = {
            YES: ("good", self.title),
            NO: ("bad", f"{self.title} stopped"),
            INCONCLUSIVE: ("open", f"{self.title}: inconclusive"),
        }[self.exit_code]
        blocks: list[Block] = [quote_text(self.message, LONGEST)]
        if self.do:
            blocks.append(f"**To do:** {quote_text(self.do, LONGEST)}")
        if self.steps:
            rows = [step.row() for step in self.steps]
            blocks.append(Table(["", "Step", "", "Seconds"], rows, frozenset({3})))
        foot = ["`slipway status` shows what runs"]
        return to_markdown(Document(tone, headline, blocks, self.details, foot))


class Steps:
    """Runs the steps of a deployment, logs each as it ends, and keeps them for the outcome."""

    def __init__(self, log: Log, title: str = "Deployment") -> None:
        self.log = log
        self.title = title
        self.done: list[Step] = []

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step; the block sets its `message`, and an error makes it a failed step."""
        step = Step(name, ok=True)
        start = time.monotonic()
        try:
            yield step
        except BaseException as error:
            step.ok = False
            step.message = str(error) or type(error).__name__
            raise
        finally:
            step.seconds = time.monotonic() - start
            self.done.append(step)
            self.log(step.line())


class Busy(SlipwayError):
    """Another deployment is running; `holder` names it, empty if it has just started."""

    def __init__(self, holder: str) -> None:
        super().__init__(
            f"another deployment is running: {holder or 'it has just begun'}",
            "wait until it has ended (`slipway status`), then retry",
        )


class CheckFailed(Refused):
    """A release failed a check.

    Parameters
    ----------
    details
        Sections of the summary.
    where
        The pod or container that failed; empty if it is the candidate.
    """

    def __init__(self, what: str, details: Sequence[Section] = (), where: str = "") -> None:
        super().__init__(what)
        self.details = list(details)
        self.where = where


class Undone(SlipwayError):
    """The release did not happen, and everything is as before.

    Parameters
    ----------
    exit_code
        1 when a check stopped it, 2 for any other reason.
    details
        Sections of the summary.
    """

    def __init__(self, what: str, do: str, exit_code: int, details: Sequence[Section]) -> None:
        super().__init__(what, do)
        self.exit_code = exit_code
        self.details = list(details)

    @classmethod
    def by(cls, error: BaseException, details: Sequence[Section] = ()) -> Undone:
        """Return the end of a release that an error or Ctrl-C stopped."""
        return cls(
            str(error) or "stopped by hand",
            getattr(error, "do", ""),
            getattr(error, "exit_code", INCONCLUSIVE),
            [*getattr(error, "details", []), *details],
        )

    def of(self, record: Record, live: Record | None, guide: str) -> Undone:
        """Return the same end with the release that it is about and the one that answers now."""
        message = f"{record} was taken back: {self}. {still_runs(live)}."
        do = self.do or f"{guide} lists the possible reasons"
        return Undone(message, do, self.exit_code, self.details)


def run_and_report(steps: Steps, work: Callable[[], Outcome]) -> Outcome:
    """Run a deployment; turn its errors into an outcome and write that to the job's summary.

    A SIGTERM is handled as Ctrl-C: a cancelled workflow gets a few seconds to undo its work.
    """

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        outcome = work()
    except SlipwayError as error:
        details = getattr(error, "details", [])
        outcome = Outcome(error.exit_code, str(error), do=error.do, details=details)
    except KeyboardInterrupt:
        do = "check with `slipway status`, then run it again"
        outcome = Outcome(INCONCLUSIVE, "stopped by hand.", do=do)
    finally:
        signal.signal(signal.SIGTERM, before)
    outcome.steps = outcome.steps or steps.done
    outcome.title = steps.title
    add_summary(outcome.to_markdown())
    if in_actions() and not outcome.ok:
        annotate("error", outcome.message.splitlines()[0], outcome.to_text())
    return outcome


def output_section(title: str, lines: Sequence[str]) -> list[Section]:
    """Return a section with the lines of a container's output or of a log; none without lines."""
    shown = "\n".join(f"- {quote(line, LONGEST)}" for line in lines if line.strip())
    return [Section(title, [shown])] if shown else []
