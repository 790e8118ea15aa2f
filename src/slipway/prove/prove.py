"""Ask a started container, from inside, whether it is the release that was reviewed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from slipway.errors import SlipwayError
from slipway.prove.checks import BAD_ROWS, OK, Check, Expected, judge
from slipway.score import MANIFEST_FILE, MODEL

if TYPE_CHECKING:
    from slipway.settings import Deploy

PROBE = Path(__file__).with_name("probe.py")
ASK = Path(__file__).with_name("ask.py")

MANIFEST = f"/app/{MODEL}/{MANIFEST_FILE}"
"""In every image."""

PORT = 3000
PID = 1

ASKING = 60.0
"""Seconds for all questions to a release that is ready."""

HEARS_WITHIN = 3.0
"""Seconds within which an engine knows that a container has ended."""

ASK_SECONDS = 20.0

ROUNDS = 6
CONNECTIONS = 4


class Container(Protocol):
    """What is proven: a container of an engine, or a pod of a cluster."""

    @property
    def name(self) -> str: ...

    def about(self) -> dict[str, Any] | None: ...

    def python(self, source: str, stdin: str = "", seconds: float = ...) -> str: ...

    def output(self) -> str: ...


def prove(
    container: Container,
    expected: Expected,
    settings: Deploy,
    say: Callable[[str], None],
    port: int = PORT,
    pid: int = PID,
    *,
    load: bool = True,
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

    load
        Whether it is asked under load too; a release that ran before has stood that.

    Raises
    ------
    SlipwayError
        The engine cannot be reached.
    """
    say(f"asking {container.name}")
    asked: dict[str, Any] = {
        "port": port,
        "pid": pid,
        "rows": [dict(example["row"]) for example in expected.golden],
        "start_seconds": settings.start_seconds,
        "seconds": ASKING,
    }
    requests = settings.smoke_requests if load else 0
    asked |= {
        "rounds": ROUNDS if requests else 0,
        "requests": requests // ROUNDS,
        "connections": CONNECTIONS,
    }
    checks = _checks(container, asked, expected, settings)
    for check in checks:
        say(f"{'ok' if check.ok else 'NOT OK'}  {check.name}: {check.words}")
    return checks


def check_predicts(container: Container, port: int = PORT, manifest: str = MANIFEST) -> str:
    """Return what is wrong with how a running service answers /predict; empty if nothing is."""
    try:
        answered = container.python(
            ASK.read_text("utf-8"), json.dumps({"port": port, "manifest": manifest}), ASK_SECONDS
        )
        found: dict[str, str] = json.loads(answered)
    except (SlipwayError, ValueError) as error:
        return f"/predict could not be asked: {error}"
    if found["scored"] != str(OK):
        return f"/predict answers a golden row with {found['scored']}"
    if found["refused"] != str(BAD_ROWS):
        return f"/predict answers an empty row with {found['refused']}"
    return ""


def _checks(
    container: Container, asked: dict[str, Any], expected: Expected, settings: Deploy
) -> list[Check]:
    if not asked["rows"]:
        return [Check("golden", False, "the manifest has no golden predictions")]
    try:
        said = container.python(
            PROBE.read_text("utf-8"),
            stdin=json.dumps(asked),
            seconds=settings.start_seconds + 2 * ASKING,
        )
        facts = json.loads(said)
    except (SlipwayError, ValueError) as error:
        return [Check("ready", False, _end_of(container, error))]
    if facts["ready"]["status"] != OK:
        return [Check("ready", False, _not_ready(container, facts["ready"], settings))]
    ready = Check("ready", True, f"after {facts['ready']['waited']:.1f} s")
    return [ready, *judge(facts, expected, settings)]


def _end_of(container: Container, error: Exception) -> str:
    """Return what became of a container in which the probe did not get to its end."""
    # The engine hears of an end a moment after what was asked in there has ended with it.
    deadline = time.monotonic() + HEARS_WITHIN
    while (about := container.about()) and _runs(about["State"]) and time.monotonic() < deadline:
        time.sleep(0.1)
    if about is None:
        return "its container is gone"
    state = about["State"]
    if _runs(state):
        return f"it could not be asked: {error}; its last words:\n{container.output()}"
    why = "ran out of memory" if state.get("OOMKilled") else f"ended ({state.get('ExitCode')})"
    return f"it {why}; its last words:\n{container.output()}"


def _runs(state: dict[str, Any]) -> bool:
    return bool(state.get("Running")) and not state.get("Restarting")


def _not_ready(container: Container, found: dict[str, Any], settings: Deploy) -> str:
    said = found["body"] or found.get("error", "nothing")
    waited = f"not ready within {settings.start_seconds:g} s: /readyz says {said}"
    return f"{waited}; its last words:\n{container.output()}"
