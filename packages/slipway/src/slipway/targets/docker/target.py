"""The targets `local` and `host`: this machine's Docker engine, or that of a server."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from slipway.actions import in_actions
from slipway.containers import Container
from slipway.docker import docker, pull
from slipway.documents.document import Section
from slipway.errors import YES, Refused, SlipwayError
from slipway.manifest import MODEL, read_manifest
from slipway.release.outcome import CheckFailed, Outcome, Step, Steps
from slipway.release.records import Record, find_release, read_history, still_runs, write_releases
from slipway.release.smoke_test import Check, expected_of, repeat_smoke_test, run_smoke_test
from slipway.release.status import Status
from slipway.release.verify_image import find_image, image_difference, inspect_image
from slipway.serving import TOKENS
from slipway.settings import Params
from slipway.targets.docker.engine import (
    LOG,
    Engine,
    check_engine,
    check_room,
    engine_of,
    ensure_proxy,
)
from slipway.targets.docker.recover import recover_then
from slipway.targets.docker.session import Session
from slipway.targets.docker.shadow import DockerShadow
from slipway.targets.docker.slot import tokens_for, tokens_of
from slipway.targets.docker.state import HISTORY
from slipway.targets.docker.status import status_of
from slipway.targets.docker.stop import remove_service
from slipway.targets.docker.switch import Plan, ShadowTest, switch_to

NOTHING_LOGGED = "no prediction"
"""In the error of an image's `slipway.shadow.answer` about a log without requests of the model."""


@dataclass(frozen=True)
class DockerTarget:
    """A Docker engine; implements `slipway.release.target.Target`."""

    engine: Engine
    params: Params
    needs_access: bool = False

    @classmethod
    def of(cls, name: str, params: Params) -> DockerTarget:
        """Return the target ``local`` or ``host``; raises as `engine_of`."""
        return cls(engine_of(name, params.deploy), params)

    def deploy(self, image: str, steps: Steps) -> Outcome:
        engine = self.engine
        with steps.step("engine") as step:
            step.message = check_engine(engine)
            built = find_image(image)
            ensure_proxy(engine, steps.log)
        record = Record.of_image(built, engine.target)
        work = functools.partial(self._deploy, record)
        return recover_then(engine, f"deploy {record.name}", steps, work)

    def rollback(self, to: str, steps: Steps) -> Outcome:
        engine = self.engine
        with steps.step("engine") as step:
            step.message = check_engine(engine)
            if engine.proxy.inspect() is None:
                raise SlipwayError(
                    f"nothing is deployed on {engine.place}", "deploy something: `slipway deploy`"
                )
            ensure_proxy(engine, steps.log)
        work = functools.partial(self._roll_back, to)
        return recover_then(engine, f"rollback {to}".strip(), steps, work)

    def stop(self, steps: Steps, *, forget: bool) -> Outcome:
        return remove_service(self.engine, steps, forget=forget)

    def status(self) -> Status:
        return status_of(self.engine)

    def history(self) -> list[Record]:
        return read_history(self.engine.proxy.run("cat", f"/state/{HISTORY}"))

    def exec_command(self) -> list[str]:
        status = self.status()
        if not status.live:
            raise SlipwayError(f"nothing is live: {'; '.join(status.problems)}", "`slipway deploy`")
        container = status.live.container
        if not Container(container).is_running():
            raise SlipwayError(
                f"the live release does not run on {self.engine.place}: {status.live.health}",
                f"`docker start {container}` there, or `slipway rollback`; its log is kept",
            )
        return ["docker", "exec", container]

    def shadow(self) -> DockerShadow:
        return DockerShadow(self.engine, self.params)

    def _deploy(self, record: Record, session: Session) -> Outcome:
        live = session.state.live
        current = self._tokens(session)
        tokens = tokens_for(current)
        if live and live.record.image == record.image and tokens == current:
            write_releases(session.history())
            return _runs_already(live.record)
        with session.step("image") as step:
            check_room(session.lease.room_mb())
            step.message = pull(record.image)
            _check_image(session, record)
        expected = expected_of(record, read_manifest(MODEL)["golden"])
        plan = Plan(
            what="deploy",
            record=record,
            slot=session.state.free_slot(),
            tokens=tokens,
            smoke_test=lambda it: run_smoke_test(it, expected, self.params.deploy),
            shadow_test=self._shadow_test_of(live.record) if live else None,
        )
        details = switch_to(session, plan)
        write_releases(session.history())
        if not current:
            details += _about_token(tokens, session.steps)
        engine = self.engine
        message = f"{record} is live on {engine.place}, port {engine.port}."
        return Outcome(YES, message, session.steps.done, details=details)

    def _roll_back(self, to: str, session: Session) -> Outcome:
        state, live = session.state, session.state.live
        standby, image = state.standby_record, live.record.image if live else ""
        found = find_release(to, session.history(), image, standby)
        if live and image == found.image:
            return _runs_already(live.record)
        reason = f"instead of {live.record.name}" if live else ""
        record = replace(found.with_event("rolled back", reason), target=self.engine.target)
        slot, tokens = state.free_slot(), tokens_for(self._tokens(session))
        # A standby with other tokens would refuse the callers that know only the new ones.
        running = standby is not None and standby.image == record.image
        running = running and tokens_of(self.engine.slot(slot)) == tokens
        if not running:
            with session.step("image") as step:
                step.message = pull(record.image)
        plan = Plan(
            what="rollback",
            record=record,
            slot=slot,
            tokens=tokens,
            smoke_test=lambda container: self._repeat_test(container, record),
            running=running,
            canary=False,
        )
        details = switch_to(session, plan)
        write_releases(session.history())
        message = f"{record} is live again on {self.engine.place}."
        return Outcome(YES, message, session.steps.done, details=details)

    def _repeat_test(self, container: Container, record: Record) -> Sequence[Check]:
        return repeat_smoke_test(container, record, self.params.deploy)

    def _tokens(self, session: Session) -> str:
        live = session.state.live
        return tokens_of(self.engine.slot(live.slot)) if live else ""

    def _shadow_test_of(self, live: Record) -> ShadowTest:
        """Return the test that scores the newest requests of the live model with a candidate."""

        def test(container: Container, step: Step) -> list[Section]:
            from slipway.shadow.render import to_document
            from slipway.shadow.run import shadow_container

            if any("personal" in column for column in read_manifest(MODEL)["inputs"]):
                step.message = "personal columns are not in the log, so no request is scored again"
                return []
            try:
                report = shadow_container(container, self.params, LOG, live.model_sha256)
            except SlipwayError as error:
                if NOTHING_LOGGED not in str(error):
                    raise
                step.message = "the live version has had no requests yet"
                return []
            document = to_document(report)
            details = [Section(document.headline, document.blocks)]
            if report.status == "no":
                raise CheckFailed("; ".join(report.reasons), details)
            step.message = report.summary
            return details

        return test


def _runs_already(live: Record) -> Outcome:
    return Outcome(YES, f"{live} runs already, since {live.at[:16]} UTC.")


def _check_image(session: Session, record: Record) -> None:
    """Refuse an image that is not the reviewed one, and add that to the history.

    Raises
    ------
    Refused
        Its labels, or the model of this tree, differ.
    SlipwayError
        It is for another processor.
    """
    image = inspect_image(record.image)
    if reason := image_difference(image, record):
        session.add_to_history(record.with_event("refused", reason))
        raise Refused(
            f"not what was reviewed: {reason}. {still_runs(session.state.live_record)}.",
            "build it again from the reviewed commit: `slipway build --image`",
        )
    processor = docker("version", "--format", "{{.Server.Arch}}").strip()
    if image.architecture != processor:
        raise SlipwayError(
            f"the image is for {image.architecture}, the engine is {processor}",
            "build it on a machine like the engine, or on the engine itself (DOCKER_HOST)",
        )


def _about_token(tokens: str, steps: Steps) -> list[Section]:
    """Show a new token once, and never in the log of a workflow."""
    if os.environ.get(TOKENS, "").strip():
        return []
    if in_actions():
        text = f"A token was created that this log must not show: set the secret `{TOKENS}`."
        return [Section("Token", [text])]
    steps.log(f"callers send this token, which is shown only now: {tokens}")
    return []
