"""The order of a release on a cluster: one pod is proven before all are replaced, or none is."""

from __future__ import annotations

import copy
import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway.deploy.cluster import (
    Revision,
    current,
    is_complete,
    pods_of,
    remember,
    revisions,
)
from slipway.deploy.kubectl import get, kubectl
from slipway.deploy.lease import Lease
from slipway.deploy.outcome import Steps
from slipway.deploy.overlay import NAME
from slipway.deploy.pod import Pod, events_of, is_ready, state_of, waits_for
from slipway.deploy.release import Record
from slipway.errors import Refused, SlipwayError

if TYPE_CHECKING:
    from slipway.prove import Check
    from slipway.settings import Deploy

CANDIDATE = "slipway-candidate"
ALONE = f"app.kubernetes.io/name={CANDIDATE}"  # so that the service never sends it traffic
CANDIDATE_LIFE = 900  # seconds after which the cluster ends one that its deployer left

PULL_SECONDS = 300.0  # until a node has the image and room for the pod
POLL_SECONDS = 0.5
LOG_LINES = 30

# Waiting does not help: the reasons of a container that cannot be made.
HOPELESS = {
    "InvalidImageName": "the image's name is none",
    "ImagePullBackOff": "no node could get the image: see that it is in the registry, and that the "
    "cluster may read there (docs/kubernetes.md, “A private registry”)",
    "CreateContainerConfigError": "the pod refers to something that is not in the namespace, most "
    "likely the secret slipway-tokens, or its key `smoke` (docs/kubernetes.md)",
    "CreateContainerError": "the node could not make the container",
}

Prove = Callable[[Pod], Sequence["Check"]]


@dataclass(frozen=True)
class Place:
    """A namespace whose lease is held, and what was proven to run there before."""

    namespace: str
    lease: Lease
    steps: Steps
    settings: Deploy
    before: Revision | None


class Unfit(Refused):
    """A release does not do what it must; `pod` is the one that shows it."""

    def __init__(self, what: str, pod: str = "") -> None:
        super().__init__(what)
        self.pod = pod


def try_candidate(place: Place, template: dict[str, Any], prove: Prove) -> None:
    """Start one pod of a release where no traffic goes, prove it, and take it away.

    Raises
    ------
    Undone
        It did not start, was not ready in time, or did not pass its proof (exit code 1); or the
        cluster could not start it, for a reason that is not the release's (2).
    """
    _remove_candidates(place.namespace)
    name = f"{CANDIDATE}-{secrets.token_hex(4)}"
    try:
        with place.steps.step("start") as step:
            kubectl(
                "create", "--filename", "-", stdin=json.dumps(_candidate(place, template, name))
            )
            _wait_until_ready(place, name)
            step.words = f"one pod is ready, without traffic: {name}"
        with place.steps.step("prove") as step:
            step.words = check(prove(Pod(name, place.namespace)), name)
    except (SlipwayError, KeyboardInterrupt) as error:
        raise _with_last_words(error, Pod(name, place.namespace)) from error
    finally:
        _remove_candidates(place.namespace)


def _candidate(place: Place, template: dict[str, Any], name: str) -> dict[str, Any]:
    metadata = copy.deepcopy(template["metadata"])
    metadata["labels"] = (metadata.get("labels") or {}) | {"app.kubernetes.io/name": CANDIDATE}
    # The controllers' own label would make it a pod of the running release.
    metadata["labels"].pop("pod-template-hash", None)
    spec = template["spec"] | {"restartPolicy": "Never", "activeDeadlineSeconds": CANDIDATE_LIFE}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata | {"name": name, "namespace": place.namespace},
        "spec": spec,
    }


def _remove_candidates(namespace: str) -> None:
    flags = ("--namespace", namespace, "--selector", ALONE, "--wait=false", "--grace-period=1")
    kubectl("delete", "pod", *flags)


def _wait_until_ready(place: Place, name: str) -> None:
    begun, running = time.monotonic(), 0.0
    while True:
        pod = get("pod", name, place.namespace)
        if pod is None:
            raise SlipwayError(f"the pod {name} was removed by somebody else", "run it again")
        if is_ready(pod):
            return
        state = state_of(pod)
        if pod["status"].get("phase") in ("Failed", "Succeeded") or state["ExitCode"] is not None:
            why = "used more memory than it may" if state["OOMKilled"] else "ended"
            raise Unfit(f"it {why}, with exit code {state['ExitCode']}", name)
        reason, message = waits_for(pod)
        if reason in HOPELESS:
            events = "; ".join(Pod(name, place.namespace).events())
            raise SlipwayError(f"{reason}: {message or events}", HOPELESS[reason])
        running = running or (time.monotonic() if state["Running"] else 0.0)
        if running and time.monotonic() - running > place.settings.start_seconds:
            raise Unfit(f"it was not ready within {place.settings.start_seconds:g} s", name)
        if not running and time.monotonic() - begun > PULL_SECONDS:
            raise SlipwayError(
                f"no node started the pod within {PULL_SECONDS:g} s: {reason} {message}".strip(),
                f"see `kubectl -n {place.namespace} get events`",
            )
        time.sleep(POLL_SECONDS)


def check(checks: Sequence[Check], pod: str) -> str:
    """Return the names of the checks that a pod passed, or raise `Unfit` with those it did not."""
    if failed := [f"{one.name}: {one.words}" for one in checks if not one.ok]:
        raise Unfit(f"it did not pass its proof: {'; '.join(failed)}", pod)
    return ", ".join(one.name for one in checks)


def roll_out(place: Place, record: Record, change: Callable[[], object], prove: Prove) -> None:
    """Change the deployment, watch until all pods are new, and prove each of them.

    Raises
    ------
    Undone
        Not all became ready, or one did not pass (exit code 1), or something else came in
        between (2); the deployment is as before.
    """
    place.lease.check()
    try:
        with place.steps.step("rollout") as step:
            change()
            step.words = _watch(place)
        with place.steps.step("pods") as step:
            pods = pods_of(place.namespace, record.image)
            for pod in pods:
                name = pod["metadata"]["name"]
                check(prove(Pod(name, place.namespace)), name)
            step.words = f"{len(pods)} pods of {record.name} answer as they must"
    except (SlipwayError, KeyboardInterrupt) as error:
        failed = _with_last_words(error, _first_failed(place.namespace, record.image))
        with place.steps.step("undo") as step:
            step.words = _undo(place)
        raise failed from error


def _watch(place: Place) -> str:
    """Wait for the end of a rollout; the cluster itself says when it stands still."""
    flags = ("--namespace", place.namespace, "--timeout=30m")
    try:
        kubectl("rollout", "status", f"deployment/{NAME}", *flags, seconds=1900)
    except SlipwayError as error:
        told = "exceeded its progress deadline"
        reason = _why_not(place.namespace) if told in str(error) else str(error)
        raise Unfit(f"the rollout stood still: {reason}") from error
    deployment = current(place.namespace)
    if deployment is None or not is_complete(deployment):
        raise SlipwayError("somebody else changed the deployment meanwhile", "run it again")
    return f"{deployment['status']['availableReplicas']} pods are new and ready"


def _why_not(namespace: str) -> str:
    """Return what holds a rollout up: of its newest pods, or of the pods it could not make."""
    for pod in pods_of(namespace):
        if is_ready(pod):
            continue
        reason, message = waits_for(pod)
        state = state_of(pod)
        if state["ExitCode"] is not None:
            return f"{pod['metadata']['name']} ends with exit code {state['ExitCode']}"
        return f"{pod['metadata']['name']} is not ready {reason} {message}".strip()
    newest = revisions(namespace)[-1:]
    names = [f"{NAME}-{it.template['metadata']['labels']['pod-template-hash']}" for it in newest]
    said = [event for name in names for event in events_of(name, namespace)]
    return "; ".join(said) or "the cluster does not say why"


def _undo(place: Place) -> str:
    """Put the deployment back to what was proven before; without that, take it away."""
    name, where = f"deployment/{NAME}", ("--namespace", place.namespace)
    if place.before is None:
        kubectl("delete", name, *where, "--ignore-not-found")
        return "there was no release before: the deployment is removed"
    kubectl("rollout", "undo", name, f"--to-revision={place.before.number}", *where)
    kubectl("rollout", "status", name, *where, "--timeout=10m", seconds=660)
    return f"{place.before.record.name} has all of the traffic again"


def _first_failed(namespace: str, image: str) -> Pod | None:
    for pod in pods_of(namespace, image):
        if not is_ready(pod):
            return Pod(pod["metadata"]["name"], namespace)
    return None


def _with_last_words(error: BaseException, pod: Pod | None) -> SlipwayError:
    """Return an error as the end of a release, with what its pod and the cluster said."""
    reason = str(error) or "stopped by hand"
    exit_code = getattr(error, "exit_code", SlipwayError.exit_code)
    if isinstance(error, Unfit) and error.pod and pod:
        pod = Pod(error.pod, pod.namespace)
    details = []
    if pod and (events := pod.events()):
        details.append(_section("What the cluster says of it", events))
    if pod and (output := pod.output(LOG_LINES)):
        details.append(_section("Its last words", output.splitlines()))
    return Undone(reason, getattr(error, "do", ""), exit_code, details)


class Undone(SlipwayError):
    """A release did not happen, and all is as before; `details` are sections of Markdown."""

    def __init__(self, what: str, do: str, exit_code: int, details: list[str]) -> None:
        super().__init__(what, do)
        self.exit_code = exit_code
        self.details = details


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"### {title}", "", *(f"    {line}" for line in lines)])


def forget(place: Place, record: Record, error: Undone) -> Undone:
    """Write down that a release was taken back, and return the end in words."""
    remember(place.namespace, record.became("undone", str(error)))
    before = place.before
    runs = f"{before.record.words()} answers as before" if before else "nothing runs, as before"
    do = error.do or "docs/kubernetes.md says what each stop means"
    words = f"{record.words()} was taken back: {error}. {runs}."
    return Undone(words, do, error.exit_code, error.details)
