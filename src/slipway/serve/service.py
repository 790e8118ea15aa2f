"""The BentoML service: what `bentofile.yaml` names and `bentoml serve` runs.

BentoML packs it, starts its workers, watches and stops them. Requests do not pass
through BentoML's own layers (tracing, timeouts, access log, its pages): those cost
more than validation, model and log together (bench/serve.py).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import bentoml

from slipway.errors import SlipwayError
from slipway.exits import ends_process
from slipway.serve import WORKERS
from slipway.serve.api import Api, check_start
from slipway.serve.connections import limit_connections
from slipway.serve.guard import Receive, Scope, Send
from slipway.serve.supervisor import check_workers_often

CODE = str(Path(__file__).parents[2])


def _workers() -> int:
    """Return how many processes answer, from the environment; ends this one if it is no number."""
    given = os.environ.get(WORKERS) or "1"
    with ends_process("slipway serve"):
        if not given.isdecimal() or not int(given):
            raise SlipwayError(f"{WORKERS} is {given!r}", "set it to a whole number from 1 on")
    return int(given)


class Direct(bentoml.Service[Any]):  # type: ignore[misc]
    """A BentoML service that hands every request to the `api` of its running instance."""

    def to_asgi(self, is_main: bool = True) -> Any:
        limit_connections()
        lifecycle = super().to_asgi(is_main)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
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
        {"name": "BENTOML_DO_NOT_TRACK", "value": "true"},  # no other word turns it off
    ],
)
class Slipway:
    """Takes rows and answers with probabilities; docs/service.md describes it."""

    def __init__(self) -> None:
        self.api = Api()

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def check() -> None:
        """Refuse to start at all: BentoML would restart a worker that cannot start for ever."""
        with ends_process("slipway serve"):
            if CODE not in sys.path:  # BentoML has taken the bento's folder off it again
                sys.path.append(CODE)
            check_start()
        check_workers_often()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def close(self) -> None:
        """Finish what is being written."""
        await self.api.close()
