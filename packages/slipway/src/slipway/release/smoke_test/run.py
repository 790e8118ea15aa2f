"""Run the smoke test in a started container or pod."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from slipway.documents.document import Section, Table
from slipway.errors import SlipwayError
from slipway.manifest import MANIFEST_FILE, MODEL
from slipway.polling import wait_until
from slipway.release.outcome import CheckFailed
from slipway.release.smoke_test.checks import (
    BAD_ROWS,
    OK,
    Answer,
    Check,
    Expected,
    Facts,
    run_checks,
)
from slipway.untrusted import quote_text

if TYPE_CHECKING:
    from slipway.containers import ContainerState
    from slipway.manifest import Golden
    from slipway.release.records import Record
    from slipway.release.smoke_test.probe import Asked
    from slipway.settings import Deploy

PROBE = Path(__file__).with_name("probe.py")

MANIFEST = f"/app/{MODEL}/{MANIFEST_FILE}"
"""In every image."""

PORT = 3000
PID = 1

TEST_SECONDS = 60.0
"""For all requests to a release that is ready."""

END_SECONDS = 3.0
"""Within which an engine reports that a container has ended."""

PING_SECONDS = 20.0

ROUNDS = 6
CONNECTIONS = 4


class Container(Protocol):
    """The subject of a smoke test: a container of an engine, or a pod of a cluster."""

    @property
    def name(self) -> str: ...

    def state(self) -> ContainerState | None: ...

    def run(self, *command: str) -> str: ...

    def python(self, source: str, stdin: str = "", seconds: float = ...) -> str: ...

    def output(self) -> str: ...


def run_smoke_test(
    container: Container,
    expected: Expected,
    settings: Deploy,
    port: int = PORT,
    pid: int = PID,
    *,
    load: bool = True,
) -> list[Check]:
    """Return the checks of a release that was just started.

    The requests come from inside the container, so it needs no open port, and they do not count as
    traffic. A bad release raises nothing: its checks fail.

    Parameters
    ----------
    container
        Runs already; need not be ready.
    port, pid
        Where the service listens in there, and the process whose memory, with that of its
        descendants, counts.
    load
        Whether to test it under load too; a release that ran before has passed that.
    """
    requests = settings.smoke_requests if load else 0
    asked: Asked = {
        "port": port,
        "pid": pid,
        "rows": [dict(example["row"]) for example in expected.golden],
        "start_seconds": settings.start_seconds,
        "seconds": TEST_SECONDS,
        "rounds": ROUNDS if requests else 0,
        "requests": requests // ROUNDS,
        "connections": CONNECTIONS,
    }
    if not asked["rows"]:
        return [Check("golden", False, "the manifest has no golden predictions")]
    seconds = settings.start_seconds + 2 * TEST_SECONDS
    try:
        answers = json.loads(container.python(PROBE.read_text("utf-8"), json.dumps(asked), seconds))
    except (SlipwayError, ValueError) as error:
        return [Check("ready", False, _why_not_tested(container, error))]
    ready = Answer.model_validate(answers["ready"])
    if ready.status != OK:
        return [Check("ready", False, _why_not_ready(container, ready, settings))]
    facts = Facts.model_validate(answers)
    first = Check("ready", True, f"after {ready.waited:.1f} s")
    return [first, *run_checks(facts, expected, settings)]


def repeat_smoke_test(container: Container, record: Record, settings: Deploy) -> list[Check]:
    """Run the smoke test of a release that ran before: its manifest is in its image."""
    golden = json.loads(container.run("cat", MANIFEST))["golden"]
    return run_smoke_test(container, expected_of(record, golden), settings, load=False)


def expected_of(record: Record, golden: Sequence[Golden]) -> Expected:
    """Return what a release must report about itself, and its golden predictions."""
    return Expected(
        model_sha256=record.model_sha256,
        commit=record.commit,
        data=record.data,
        golden=golden,
        manifest_sha256=record.manifest_sha256,
    )


def require_passed(checks: Sequence[Check], where: str = "") -> str:
    """Return the names of the checks.

    Raises
    ------
    CheckFailed
        Not all of them passed.
    """
    failed = [f"{check.name}: {check.message}" for check in checks if not check.ok]
    if not failed:
        return ", ".join(check.name for check in checks)
    rows = [["✅" if it.ok else "❌", it.name, quote_text(it.message)] for it in checks]
    details = [Section("Smoke test", [Table(["", "Check", ""], rows)])]
    raise CheckFailed(f"it failed its smoke test: {'; '.join(failed)}", details, where)


def check_predicts(container: Container, port: int = PORT, manifest: str = MANIFEST) -> str:
    """Return what is wrong with the answers of a running service to /predict; else empty."""
    asked = json.dumps({"port": port, "manifest": manifest})
    try:
        answers = json.loads(container.python(PROBE.read_text("utf-8"), asked, PING_SECONDS))
    except (SlipwayError, ValueError) as error:
        return f"/predict could not be tested: {error}"
    for row, name, status in (("a golden", "scored", OK), ("an empty", "refused", BAD_ROWS)):
        answer = Answer.model_validate(answers[name])
        if answer.status != status:
            return f"/predict answers {row} row with {answer}"
    return ""


def _why_not_tested(container: Container, error: Exception) -> str:
    """Return why the probe did not end: the container ended, or the error."""

    def ended() -> bool:
        state = container.state()
        return state is None or not state.stable

    # The engine reports the end of a container a moment after a command in it has failed.
    wait_until(ended, END_SECONDS, poll=0.1)
    state = container.state()
    if state is None:
        return "its container is gone"
    if state.stable:
        return f"it could not be tested: {error}; its last output:\n{container.output()}"
    why = "ran out of memory" if state.out_of_memory else f"ended ({state.exit_code})"
    return f"it {why}; its last output:\n{container.output()}"


def _why_not_ready(container: Container, ready: Answer, settings: Deploy) -> str:
    answer = ready.body or ready.error
    waited = f"not ready within {settings.start_seconds:g} s: /readyz answers {answer}"
    return f"{waited}; its last output:\n{container.output()}"
