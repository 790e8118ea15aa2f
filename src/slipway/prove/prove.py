"""Ask a started container, from inside, whether it is the release that was reviewed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from slipway.prove.checks import Check, Expected

if TYPE_CHECKING:
    from slipway.docker import Container
    from slipway.settings import Deploy

PORT = 3000
PID = 1


def prove(
    container: Container,
    expected: Expected,
    settings: Deploy,
    say: Callable[[str], None],
    port: int = PORT,
    pid: int = PID,
) -> list[Check]:
    """Return what a release that was just started does right and wrong.

    It is asked from inside its container, so it needs no open port, and what it is asked is
    no traffic. A bad release raises nothing: it has checks that are not ok.

    Parameters
    ----------
    container
        Runs already; need not be ready.
    say
        Is told what happens.
    port, pid
        Where the service listens in there, and the process whose family's memory counts.

    Raises
    ------
    SlipwayError
        The engine cannot be reached.
    """
    raise NotImplementedError
