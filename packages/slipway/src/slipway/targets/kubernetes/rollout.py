"""A rollout: test one pod without traffic, then replace all pods and test each, or undo it."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slipway.errors import SlipwayError
from slipway.numbers import counted
from slipway.polling import wait_until
from slipway.release.outcome import CheckFailed, Steps, Undone, output_section
from slipway.release.records import Record
from slipway.release.smoke_test import Check, require_passed
from slipway.settings import Deploy
from slipway.targets.kubernetes.cluster import Namespace, Revision, is_complete
from slipway.targets.kubernetes.kubectl import Manifest, send
from slipway.targets.kubernetes.lease import Lease
from slipway.targets.kubernetes.overlay import NAME
from slipway.targets.kubernetes.pod import Pod, events_of, is_ready, name_of, state_of, waits_for

CANDIDATE = "slipway-candidate"
SELECTOR = f"app.kubernetes.io/name={CANDIDATE}"  # not the service's, which sends it no traffic
LIFETIME = 900  # seconds after which the cluster ends a candidate whose deployer died

PULL_SECONDS = 300.0  # until a node has the image and resources for the pod
POLL_SECONDS = 0.5
LOG_LINES = 30

# Why a container cannot be created, where waiting does not help.
PERMANENT = {
    "InvalidImageName": "the name of the image is invalid",
    "ImagePullBackOff": "no node could pull the image: check that it is in the registry, and that "
    "the cluster may read it (docs/kubernetes.md, “A private registry”)",
    "CreateContainerConfigError": "the pod refers to an object that is not in the namespace, most "
    "likely the secret slipway-tokens, or its key `smoke` (docs/kubernetes.md)",
    "CreateContainerError": "the node could not create the container",
}

SmokeTest = Callable[[Pod], Sequence[Check]]


@dataclass(frozen=True)
class Session:
    """A namespace whose lease is held, and the release that ran there before."""

    namespace: Namespace
    lease: Lease
    steps: Steps
    settings: Deploy
    before: Revision | None

    def pod(self, name: str) -> Pod:
        return Pod(name, self.namespace.name)


def try_candidate(session: Session, template: Manifest, smoke_test: SmokeTest) -> None:
    """Start one pod of a release without traffic, test it, and remove it.

    Raises
    ------
    Undone
        It did not start, was not ready in time, or failed its smoke test (exit code 1); or the
        cluster could not start it for another reason (2).
    """
    _remove_candidates(session.namespace)
    name = f"{CANDIDATE}-{secrets.token_hex(4)}"
    pod = session.pod(name)
    try:
        with session.steps.step("start") as step:
            send("create", _candidate(session, template, name))
            _wait_until_ready(session, pod)
            step.message = f"one pod is ready, without traffic: {name}"
        with session.steps.step("smoke-test") as step:
            step.message = require_passed(smoke_test(pod))
    except (SlipwayError, KeyboardInterrupt) as error:
        raise _undone(error, pod) from error
    finally:
        _remove_candidates(session.namespace)


def _candidate(session: Session, template: Manifest, name: str) -> Manifest:
    metadata = copy.deepcopy(template["metadata"])
    metadata["labels"] = (metadata.get("labels") or {}) | {"app.kubernetes.io/name": CANDIDATE}
    # With the controllers' own label it would be a pod of the running release.
    metadata["labels"].pop("pod-template-hash", None)
    spec = template["spec"] | {"restartPolicy": "Never", "activeDeadlineSeconds": LIFETIME}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata | {"name": name, "namespace": session.namespace.name},
        "spec": spec,
    }


def _remove_candidates(namespace: Namespace) -> None:
    options = ("--selector", SELECTOR, "--wait=false", "--grace-period=1")
    namespace.kubectl("delete", "pod", *options)


def _wait_until_ready(session: Session, pod: Pod) -> None:
    """Wait until a node has started the pod, then until it is ready."""
    found: Manifest = {}

    def started() -> bool:
        nonlocal found
        found = _get_alive(session, pod)
        return state_of(found).running or is_ready(found)

    if not wait_until(started, PULL_SECONDS, POLL_SECONDS):
        reason, message = waits_for(found)
        raise SlipwayError(
            f"no node started the pod within {PULL_SECONDS:g} s: {reason} {message}".strip(),
            f"see `kubectl -n {session.namespace.name} get events`",
        )
    seconds = session.settings.start_seconds
    if not wait_until(lambda: is_ready(_get_alive(session, pod)), seconds, POLL_SECONDS):
        raise CheckFailed(f"it was not ready within {seconds:g} s")


def _get_alive(session: Session, pod: Pod) -> Manifest:
    """Return a pod; raise if it ended, was removed or can never start."""
    found = session.namespace.get("pod", pod.name)
    if found is None:
        raise SlipwayError(f"the pod {pod.name} was removed by another command", "run it again")
    state = state_of(found)
    if found["status"].get("phase") in ("Failed", "Succeeded") or state.exit_code is not None:
        why = "used more memory than it may" if state.out_of_memory else "ended"
        raise CheckFailed(f"it {why}, with exit code {state.exit_code}")
    reason, message = waits_for(found)
    if reason in PERMANENT:
        details = message or "; ".join(pod.events())
        raise SlipwayError(f"{reason}: {details}", PERMANENT[reason])
    return found


def roll_out(
    session: Session, record: Record, change: Callable[[], object], smoke_test: SmokeTest
) -> None:
    """Change the deployment, wait until all pods are new, and test each of them.

    Raises
    ------
    Undone
        Not all became ready, or one failed its smoke test (exit code 1), or another error stopped
        it (2); the deployment is as before.
    """
    session.lease.check()
    namespace = session.namespace
    try:
        with session.steps.step("rollout") as step:
            change()
            step.message = _wait_for_rollout(namespace)
        with session.steps.step("pods") as step:
            pods = [session.pod(name_of(pod)) for pod in namespace.pods(record.image)]
            for pod in pods:
                require_passed(smoke_test(pod), where=pod.name)
            step.message = f"{counted(len(pods), 'pod')} of {record.name} passed the smoke test"
    except (SlipwayError, KeyboardInterrupt) as error:
        undone = _undone(error, _failed_pod(session, record.image, error))
        with session.steps.step("undo") as step:
            step.message = _undo(session)
        raise undone from error


def _wait_for_rollout(namespace: Namespace) -> str:
    """Wait for the end of a rollout; the cluster itself reports when it makes no progress."""
    name = f"deployment/{NAME}"
    try:
        namespace.kubectl("rollout", "status", name, "--timeout=30m", seconds=1900)
    except SlipwayError as error:
        stalled = "exceeded its progress deadline" in str(error)
        reason = _why_stalled(namespace) if stalled else str(error)
        raise CheckFailed(f"the rollout made no progress: {reason}") from error
    deployment = namespace.deployment()
    if deployment is None or not is_complete(deployment):
        raise SlipwayError("another command changed the deployment meanwhile", "run it again")
    return f"{deployment['status']['availableReplicas']} pods are new and ready"


def _why_stalled(namespace: Namespace) -> str:
    """Return what blocks a rollout: the state of a new pod, or why none could be created."""
    for pod in namespace.pods():
        if is_ready(pod):
            continue
        reason, message = waits_for(pod)
        exit_code = state_of(pod).exit_code
        if exit_code is not None:
            return f"{name_of(pod)} ends with exit code {exit_code}"
        return f"{name_of(pod)} is not ready {reason} {message}".strip()
    newest = namespace.revisions()[-1:]
    names = [f"{NAME}-{it.template['metadata']['labels']['pod-template-hash']}" for it in newest]
    events = [event for name in names for event in events_of(name, namespace.name)]
    return "; ".join(events) or "the cluster reports no reason"


def _undo(session: Session) -> str:
    """Restore the release before; remove the deployment if there is none."""
    name, namespace = f"deployment/{NAME}", session.namespace
    if session.before is None:
        namespace.kubectl("delete", name, "--ignore-not-found")
        return "there was no release before: the deployment is removed"
    namespace.kubectl("rollout", "undo", name, f"--to-revision={session.before.number}")
    namespace.kubectl("rollout", "status", name, "--timeout=10m", seconds=660)
    return f"{session.before.record.name} has all traffic again"


def _failed_pod(session: Session, image: str, error: BaseException) -> Pod | None:
    """Return the pod that an error is about, else the first one that is not ready."""
    if isinstance(error, CheckFailed) and error.where:
        return session.pod(error.where)
    pods = session.namespace.pods(image)
    return next((session.pod(name_of(pod)) for pod in pods if not is_ready(pod)), None)


def _undone(error: BaseException, pod: Pod | None) -> Undone:
    """Return an error as the end of a release, with the pod's warnings and output."""
    if pod is None:
        return Undone.by(error)
    events = output_section("Warnings of the cluster", pod.events())
    output = output_section("Last output of the pod", pod.output(LOG_LINES).splitlines())
    return Undone.by(error, [*events, *output])
