"""The BentoML service that `bentofile.yaml` names and `bentoml serve` runs.

BentoML packs it, starts its workers, supervises and stops them. Requests bypass BentoML's own
layers (tracing, timeouts, access log, pages): those take longer than validation, model and log
together (bench/serve.py).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml

from slipway.errors import SlipwayError
from slipway.exits import ends_process
from slipway.serving import WORKERS
from slipway.serving.api import Api, check_start
from slipway.serving.connections import limit_connections
from slipway.serving.supervisor import check_workers_often

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope

CODE = str(Path(__file__).parents[2])


def _workers() -> int:
    """Return the number of workers in the environment; an invalid one ends the process."""
    given = os.environ.get(WORKERS) or "1"
    with ends_process("slipway serve"):
        if not given.isdecimal() or not int(given):
            raise SlipwayError(f"{WORKERS} is {given!r}", "set it to a whole number from 1 on")
    return int(given)


class Direct(bentoml.Service[Any]):  # type: ignore[misc]
    """A BentoML service that passes every request to the `api` of its running instance."""

    def to_asgi(self, is_main: bool = True) -> Any:
        limit_connections()
        lifecycle = super().to_asgi(is_main)

        async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            if scope["type"] == "http":
                await bentoml.get_current_service().api(scope, receive, send)
            else:
                await lifecycle(scope, receive, send)

        return app


@bentoml.service(
    name="slipway",
    service_class=Direct,
    workers=_workers(),
    metrics={"enabled": False},  # its counters grow with every path that is asked for
    envs=[
        {"name": "OMP_NUM_THREADS", "value": "1"},  # a service scales by processes
        {"name": "BENTOML_DO_NOT_TRACK", "value": "true"},  # no other value turns it off
    ],
)
class Slipway:
    """Predicts probabilities for rows; see docs/service.md."""

    def __init__(self) -> None:
        self.api = Api()

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def check() -> None:
        """Fail before the workers start: BentoML would restart a failing worker forever."""
        with ends_process("slipway serve"):
            if CODE not in sys.path:  # BentoML has taken the bento's folder off it again
                sys.path.append(CODE)
            check_start()
        check_workers_often()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def close(self) -> None:
        """Finish writing the log."""
        await self.api.close()
