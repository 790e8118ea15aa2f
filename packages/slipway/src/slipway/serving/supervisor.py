"""The supervisor: BentoML's process that starts workers and replaces those that ended."""

from __future__ import annotations

from typing import Any

from bentoml._internal.utils import circus
from circus.exc import ConflictError

CHECK_SECONDS = 1.0

STOP_AGAIN_SECONDS = 0.05


class Supervisor(circus.Arbiter):  # type: ignore[misc]
    """BentoML's, but it checks its workers every second instead of every ten.

    It also stops when the signal comes during a check: circus drops such a signal.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **(named | {"check_delay": CHECK_SECONDS}))

    def stop(self) -> Any:
        try:
            return super().stop()
        except ConflictError:
            return self.loop.call_later(STOP_AGAIN_SECONDS, self.stop)


def check_workers_often() -> None:
    """Make BentoML, in this process, start the supervisor above."""
    circus.Arbiter = Supervisor
