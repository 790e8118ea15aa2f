"""`slipway deploy --to kubernetes`, and `rollback`, `status` and `stop` there."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from slipway.deploy import cluster, overlay, rollout
from slipway.deploy.kubectl import get, kubectl
from slipway.deploy.lease import NAME as LEASE
from slipway.deploy.lease import Lease, holder_of
from slipway.deploy.outcome import Outcome, Say, Steps
from slipway.deploy.pod import Pod, is_ready
from slipway.deploy.release import Record, now, record_of, who, write_releases
from slipway.deploy.reviewed import expected_of, model_difference
from slipway.deploy.rollout import Place, Undone
from slipway.errors import YES, Refused, SlipwayError
from slipway.prove import prove
from slipway.prove.prove import MANIFEST, check_predicts
from slipway.score import MODEL, read_manifest

if TYPE_CHECKING:
    from slipway.prove import Check, Expected
    from slipway.settings import Deploy

TARGET = "kubernetes"

# What a pod needs before it can start; the rest of the manifests follows with the deployment.
FIRST = ("ServiceAccount", "PersistentVolumeClaim", "ConfigMap", "NetworkPolicy")


def deploy(image: dict[str, Any], settings: Deploy, steps: Steps, say: Say) -> Outcome:
    """Release an image, given as in build/image.json, to the overlay's namespace.

    Raises
    ------
    Refused, SlipwayError
        It did not happen, and all is as before; `details` may say more.
    """
    record = record_of(image, TARGET)
    with steps.step("cluster") as step:
        _check_model(record)
        user = overlay.folder_of(settings)
        folder = overlay.write(record, user)
        manifests = overlay.render(folder)
        namespace = overlay.deployment_of(manifests)["metadata"]["namespace"]
        step.words = cluster.check_cluster(namespace)
    with _place(namespace, f"deploy {record.name}", settings, steps) as place:
        if _runs_already(place, record):
            return _already(namespace, record)
        with steps.step("check") as step:
            kubectl("apply", "--dry-run=server", "--kustomize", str(folder))
            step.words = f"the cluster takes all {len(manifests)} manifests"
        golden = read_manifest(MODEL)["golden"]
        expected = expected_of(record, golden)
        ask = functools.partial(_prove, expected=expected, settings=settings)
        _release(
            place,
            record,
            template=overlay.deployment_of(manifests)["spec"]["template"],
            before=lambda: _apply_first(manifests),
            change=lambda: kubectl("apply", "--kustomize", str(folder)),
            ask=ask,
            load=True,
        )
    say(f"undo it with `slipway rollback --target {TARGET}`")
    return Outcome(YES, f"{record.words()} is live in the namespace {namespace}.", steps.done)


def rollback(to: str, settings: Deploy, steps: Steps) -> Outcome:
    """Give all traffic to an earlier release that the cluster still keeps.

    Raises
    ------
    SlipwayError
        As `deploy`; or there is no such release.
    """
    namespace = namespace_of(settings)
    with steps.step("cluster") as step:
        step.words = cluster.check_cluster(namespace)
    with _place(namespace, f"rollback {to}".strip(), settings, steps) as place:
        revision = _choose(to, place)
        live = cluster.live(namespace)
        reason = f"instead of {live.name}" if live else ""
        record = revision.record.became("rolled back", reason)
        if _runs_already(place, record):
            return _already(namespace, record)
        _release(
            place,
            record,
            template=revision.template,
            before=lambda: None,
            change=lambda: _back_to(namespace, revision.number),
            ask=functools.partial(_prove_as_then, record=record, settings=settings),
            load=False,
        )
    words = f"{record.words()} is live again in the namespace {namespace}."
    return Outcome(YES, words, steps.done)


def stop(settings: Deploy, steps: Steps, *, forget: bool) -> Outcome:
    """Take the service off the cluster; with `forget` also prediction log and history."""
    folder = overlay.folder_of(settings)
    manifests = overlay.render(folder)
    namespace = overlay.deployment_of(manifests)["metadata"]["namespace"]
    gone = [one for one in manifests if forget or one["kind"] != "PersistentVolumeClaim"]
    with steps.step("stop") as step:
        flags = ("--ignore-not-found", "--filename", "-")
        kubectl("delete", *flags, stdin=_as_list(gone), seconds=300)
        step.words = f"removed {len(gone)} objects"
    if forget:
        where = ("--namespace", namespace, "--ignore-not-found")
        kubectl("delete", "configmap", cluster.RELEASES, *where)
    kept = "Prediction log and history are gone" if forget else "Prediction log and history stay"
    return Outcome(YES, f"Nothing of it runs in the namespace {namespace}. {kept}.", steps.done)


def status(settings: Deploy) -> dict[str, Any]:
    """Return what the cluster runs, with the keys of `slipway.deploy.status.status_of`."""
    from slipway.deploy.status import EVENTS, VERSION

    namespace = namespace_of(settings)
    place = cluster.check_cluster(namespace)
    history = cluster.history(namespace)
    lease = get("lease", LEASE, namespace)
    holder = holder_of(lease) if lease else ""
    found: dict[str, Any] = {
        "version": VERSION,
        "target": TARGET,
        "engine": place,
        "prefix": namespace,
        "address": f"service/{overlay.NAME}",
        "healthy": False,
        "live": None,
        "standby": None,
        "doing": {"running": True, "holder": holder} if holder else None,
        "history": [record.to_json() for record in history[-EVENTS:]],
        "room_mb": None,
        "words": [f"under way: {holder}"] if holder else [],
    }
    deployment, live = cluster.current(namespace), cluster.live(namespace)
    if deployment is None:
        return found | {"words": [*found["words"], f"nothing is deployed in {namespace}"]}
    given = cluster.record_of_template(deployment["spec"]["template"])
    record = live if live and given and live.image == given.image else given
    pods = cluster.pods_of(namespace)
    fault = _check_predicts(namespace, pods)
    if record:
        found["live"] = _live(record, deployment, pods, fault)
    complete = cluster.is_complete(deployment)
    found["healthy"] = bool(live and record == live and complete and not fault)
    if fault:
        found["words"].append(f"the live release does not answer: {fault}")
    if not complete:
        found["words"].append("not all pods are of the newest release and ready")
    if record != live and not holder:
        found["doing"] = {"running": False, "what": "deploy", "step": "rollout"}
        found["words"].append(
            f"half done: {record.name if record else 'what runs'} was never proven to the end; "
            "the next deploy or rollback puts it in order"
        )
    return found


def namespace_of(settings: Deploy) -> str:
    manifests = overlay.render(overlay.folder_of(settings))
    namespace: str = overlay.deployment_of(manifests)["metadata"]["namespace"]
    return namespace


@contextmanager
def _place(namespace: str, what: str, settings: Deploy, steps: Steps) -> Iterator[Place]:
    """Hold the lease of a namespace, and know what was proven to run there."""
    with Lease(namespace, f"{who()}, {what}, since {now()[:19]} UTC") as lease:
        live = cluster.live(namespace)
        kept = cluster.revisions(namespace)
        before = [one for one in kept if live and one.record.image == live.image]
        yield Place(namespace, lease, steps, settings, before[-1] if before else None)


def _release(
    place: Place,
    record: Record,
    template: dict[str, Any],
    before: Callable[[], object],
    change: Callable[[], object],
    ask: Callable[..., Sequence[Check]],
    *,
    load: bool,
) -> None:
    try:
        before()
        rollout.try_candidate(place, template, functools.partial(ask, load=load))
        # The load was for the candidate: these have traffic.
        rollout.roll_out(place, record, change, functools.partial(ask, load=False))
    except Undone as error:
        raise rollout.forget(place, record, error) from error
    cluster.remember(place.namespace, replace(record, at=now()))
    write_releases(cluster.history(place.namespace))


def _prove(pod: Pod, expected: Expected, settings: Deploy, *, load: bool) -> Sequence[Check]:
    return prove(pod, expected, settings, lambda _words: None, load=load)


def _prove_as_then(pod: Pod, record: Record, settings: Deploy, *, load: bool) -> Sequence[Check]:
    """Ask a release that ran before the same as then: its manifest is in its image."""
    golden = json.loads(pod.run("cat", MANIFEST))["golden"]
    expected = expected_of(record, golden)
    return _prove(pod, expected, settings, load=load)


def _runs_already(place: Place, record: Record) -> bool:
    deployment, live = cluster.current(place.namespace), cluster.live(place.namespace)
    if not deployment or not live or live.image != record.image:
        return False
    given = cluster.record_of_template(deployment["spec"]["template"])
    return bool(given and given.image == record.image and cluster.is_complete(deployment))


def _already(namespace: str, record: Record) -> Outcome:
    live = cluster.live(namespace)
    write_releases(cluster.history(namespace))
    since = live.at[:16] if live else "?"
    return Outcome(YES, f"{record.words()} runs already, since {since} UTC.")


def _choose(to: str, place: Place) -> cluster.Revision:
    from slipway.deploy.rollback import choose
    from slipway.deploy.state import Placed, State

    live = cluster.live(place.namespace)
    state = State(live=Placed(overlay.NAME, live) if live else None)
    record = choose(to, state, cluster.history(place.namespace))
    kept = [one for one in cluster.revisions(place.namespace) if one.record.image == record.image]
    if not kept:
        raise SlipwayError(
            f"the cluster no longer keeps {record.name}: it is more releases ago than "
            "`revisionHistoryLimit` of the deployment",
            f"deploy it anew: `slipway deploy --to {TARGET} --image {record.image}`",
        )
    return kept[-1]


def _back_to(namespace: str, revision: str) -> None:
    where = ("--namespace", namespace)
    name = f"deployment/{overlay.NAME}"
    kubectl("rollout", "undo", name, f"--to-revision={revision}", *where)


def _check_model(record: Record) -> None:
    if reason := model_difference(record):
        raise Refused(
            f"not what was reviewed: {reason}. All is as before.",
            "build it again from the reviewed commit: `slipway build --image --push`",
        )


def _apply_first(manifests: list[dict[str, Any]]) -> None:
    if first := [one for one in manifests if one["kind"] in FIRST]:
        kubectl("apply", "--filename", "-", stdin=_as_list(first))


def _as_list(manifests: list[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})


def _check_predicts(namespace: str, pods: Sequence[dict[str, Any]]) -> str:
    """Return what is wrong with how the first pod that is ready answers; empty if nothing is."""
    names = [pod["metadata"]["name"] for pod in pods if is_ready(pod)]
    fault = check_predicts(Pod(names[0], namespace)) if names else ""
    return f"{names[0]}: {fault}" if fault else ""


def _live(
    record: Record, deployment: dict[str, Any], pods: Sequence[dict[str, Any]], fault: str
) -> dict[str, Any]:
    ready = cluster.ready(pods)
    whole = cluster.is_complete(deployment)
    restarts = [
        one["restartCount"] for pod in pods for one in pod["status"].get("containerStatuses") or []
    ]
    age = (datetime.now(UTC) - datetime.fromisoformat(record.at)).total_seconds()
    return record.to_json() | {
        "slot": overlay.NAME,
        "container": f"{ready} of {len(pods)} pods",
        "health": fault or ("healthy" if whole else f"{ready} of {len(pods)} pods are ready"),
        "traffic": 1.0 if ready else 0.0,
        "age_seconds": round(age),
        "restarts": sum(restarts),
    }
