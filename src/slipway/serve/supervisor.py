"""The process that BentoML starts first, which starts workers and replaces one that ended."""

from __future__ import annotations

from typing import Any

from bentoml._internal.utils import circus
from circus.exc import ConflictError

CHECK_SECONDS = 1.0

STOP_AGAIN_SECONDS = 0.05


class Supervisor(circus.Arbiter):  # type: ignore[misc]
    """BentoML's, but it looks at its workers every second: ten pass otherwise without an answer.

    And it stops when it is asked to while it looks: circus drops a signal that comes meanwhile.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **(named | {"check_delay": CHECK_SECONDS}))

    def stop(self) -> Any:
        try:
            return super().stop()
        except ConflictError:
            return self.loop.call_later(STOP_AGAIN_SECONDS, self.stop)


def check_workers_often() -> None:
    """Let BentoML, in this process, start the supervisor above from now on."""
    circus.Arbiter = Supervisor
