"""The process that BentoML starts first, which starts workers and replaces one that ended."""

from __future__ import annotations

from typing import Any

from bentoml._internal.utils import circus

CHECK_SECONDS = 1.0


class Supervisor(circus.Arbiter):  # type: ignore[misc]
    """BentoML's, but it looks at its workers every second: ten pass otherwise without an answer."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **(named | {"check_delay": CHECK_SECONDS}))


def check_workers_often() -> None:
    """Let BentoML, in this process, start the supervisor above from now on."""
    circus.Arbiter = Supervisor
