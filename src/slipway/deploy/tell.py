"""How a deployment ends, however it ends: as an outcome, told to the job's summary too."""

from __future__ import annotations

import signal
from collections.abc import Callable

from slipway.deploy.outcome import Outcome, Steps
from slipway.errors import NO_ANSWER, SlipwayError
from slipway.github.runner import add_summary, annotate, in_actions


def told(steps: Steps, work: Callable[[], Outcome]) -> Outcome:
    """Work, and turn what it raises into an outcome.

    A SIGTERM is taken as a Ctrl-C: a workflow that is cancelled gets a few seconds to put
    things back.
    """

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        outcome = work()
    except SlipwayError as error:
        details = getattr(error, "details", [])
        outcome = Outcome(error.exit_code, str(error), do=error.do, details=details)
    except KeyboardInterrupt:
        outcome = Outcome(
            NO_ANSWER, "stopped by hand.", do="look with `slipway status`, then run it again"
        )
    finally:
        signal.signal(signal.SIGTERM, before)
    outcome.steps = outcome.steps or steps.done
    outcome.what = steps.what
    add_summary(outcome.to_markdown())
    if in_actions() and not outcome.ok:
        annotate("error", outcome.words.splitlines()[0], outcome.to_text())
    return outcome
