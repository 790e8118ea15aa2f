"""The target `kubernetes`: a Deployment in the namespace of the user's overlay."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NoReturn

from slipway.errors import YES, Refused, SlipwayError
from slipway.manifest import MODEL, read_manifest
from slipway.numbers import counted
from slipway.release.outcome import Outcome, Steps, Undone
from slipway.release.records import Record, current_user, find_release, now, write_releases
from slipway.release.smoke_test import Check, expected_of, repeat_smoke_test, run_smoke_test
from slipway.release.smoke_test.run import check_predicts
from slipway.release.status import HEALTHY, Operation, RunningRelease, Status
from slipway.release.verify_image import find_image, model_difference
from slipway.settings import Deploy, Params
from slipway.targets.kubernetes import overlay, rollout
from slipway.targets.kubernetes.cluster import (
    RELEASES,
    Namespace,
    Revision,
    is_complete,
    record_of_template,
)
from slipway.targets.kubernetes.kubectl import Manifest, as_list, kubectl, send
from slipway.targets.kubernetes.lease import NAME as LEASE
from slipway.targets.kubernetes.lease import Lease, holder_of
from slipway.targets.kubernetes.overlay import NAME
from slipway.targets.kubernetes.pod import CONTAINER, Pod, is_ready, name_of
from slipway.targets.kubernetes.rollout import Session

TARGET = "kubernetes"

# What a pod needs before it can start; the rest of the manifests follows with the deployment.
FIRST = ("ServiceAccount", "PersistentVolumeClaim", "ConfigMap", "NetworkPolicy")


@dataclass(frozen=True)
class KubernetesTarget:
    """A namespace of a cluster; implements `slipway.release.target.Target`."""

    params: Params
    needs_access: bool = True

    @property
    def settings(self) -> Deploy:
        return self.params.deploy

    def deploy(self, image: str, steps: Steps) -> Outcome:
        record = Record.of_image(find_image(image), TARGET)
        with steps.step("cluster") as step:
            _check_model(record)
            folder = overlay.write(record, overlay.folder_of(self.settings))
            rendered = overlay.render(folder)
            namespace = Namespace(rendered.namespace)
            step.message = namespace.check()
        with self._session(namespace, f"deploy {record.name}", steps) as session:
            if live := _runs_already(namespace, record):
                return live
            with steps.step("check") as step:
                kubectl("apply", "--dry-run=server", "--kustomize", str(folder))
                step.message = f"the cluster accepts all {len(rendered.manifests)} manifests"
            expected = expected_of(record, read_manifest(MODEL)["golden"])

            def smoke_test(pod: Pod, *, load: bool = False) -> Sequence[Check]:
                return run_smoke_test(pod, expected, self.settings, load=load)

            with _recorded(session, record):
                _apply_first(rendered.manifests)
                candidate_test = functools.partial(smoke_test, load=True)
                rollout.try_candidate(session, rendered.template, candidate_test)
                change = functools.partial(kubectl, "apply", "--kustomize", str(folder))
                # These pods have traffic: the load was for the candidate.
                rollout.roll_out(session, record, change, smoke_test)
        steps.log(f"undo it with `slipway rollback --target {TARGET}`")
        return Outcome(YES, f"{record} is live in the namespace {namespace.name}.", steps.done)

    def rollback(self, to: str, steps: Steps) -> Outcome:
        namespace = self._namespace()
        with steps.step("cluster") as step:
            step.message = namespace.check()
        with self._session(namespace, f"rollback {to}".strip(), steps) as session:
            revision = _find_revision(to, namespace)
            live = namespace.live()
            record = revision.record.with_event(
                "rolled back", f"instead of {live.name}" if live else ""
            )
            if outcome := _runs_already(namespace, record):
                return outcome

            def smoke_test(pod: Pod) -> Sequence[Check]:
                return repeat_smoke_test(pod, record, self.settings)

            with _recorded(session, record):
                rollout.try_candidate(session, revision.template, smoke_test)
                change = functools.partial(_go_back, namespace, revision)
                rollout.roll_out(session, record, change, smoke_test)
        message = f"{record} is live again in the namespace {namespace.name}."
        return Outcome(YES, message, steps.done)

    def stop(self, steps: Steps, *, forget: bool) -> Outcome:
        rendered = overlay.render(overlay.folder_of(self.settings))
        kept = () if forget else ("PersistentVolumeClaim",)
        removed = [one for one in rendered.manifests if one["kind"] not in kept]
        namespace = Namespace(rendered.namespace)
        with steps.step("stop") as step:
            send("delete", as_list(removed), "--ignore-not-found", seconds=300)
            step.message = f"removed {counted(len(removed), 'object')}"
        if forget:
            namespace.kubectl("delete", "configmap", RELEASES, "--ignore-not-found")
        rest = "are removed" if forget else "are kept"
        message = f"Nothing of it runs in the namespace {namespace.name}."
        return Outcome(YES, f"{message} Prediction log and history {rest}.", steps.done)

    def status(self) -> Status:
        namespace = self._namespace()
        status = Status(TARGET, namespace.check(), namespace.name, f"service/{NAME}")
        status.history = namespace.history()
        lease = namespace.get("lease", LEASE)
        if lease and (holder := holder_of(lease)):
            status.doing = Operation(holder=holder)
            status.problems.append(f"under way: {holder}")
        deployment = namespace.deployment()
        if deployment is None:
            status.problems.append(f"nothing is deployed in {namespace.name}")
        else:
            _add_release(status, namespace, deployment)
        return status

    def history(self) -> list[Record]:
        return self._namespace().history()

    def exec_command(self) -> list[str]:
        # One pod is enough: all of them write to the same volume, each to files of its own.
        namespace = self._namespace()
        names = [name_of(pod) for pod in namespace.pods() if is_ready(pod)]
        if not names:
            raise SlipwayError(f"no pod in {namespace.name} is ready", "`slipway status` shows why")
        where = ["--namespace", namespace.name, "--container", CONTAINER, names[0]]
        return ["kubectl", "exec", *where, "--"]

    def shadow(self) -> NoReturn:
        raise SlipwayError(
            f"target {TARGET}: the model in shadow mode runs on a Docker engine",
            "use --target local or --target host; on Kubernetes run the image's "
            "`python3 -m slipway.shadow.follow` in a pod of its own (docs/shadow.md)",
        )

    def _namespace(self) -> Namespace:
        return Namespace(overlay.render(overlay.folder_of(self.settings)).namespace)

    @contextmanager
    def _session(self, namespace: Namespace, what: str, steps: Steps) -> Iterator[Session]:
        """Hold the lease of a namespace, and find the release that runs there."""
        holder = f"{current_user()}, {what}, since {now()[:19]} UTC"
        with Lease(namespace.name, holder) as lease:
            live = namespace.live()
            kept = namespace.revisions()
            before = [one for one in kept if live and one.record.image == live.image]
            yield Session(namespace, lease, steps, self.settings, before[-1] if before else None)


@contextmanager
def _recorded(session: Session, record: Record) -> Iterator[None]:
    """Add the release to the history, or that it was undone."""
    namespace = session.namespace
    try:
        yield
    except Undone as undone:
        namespace.add_to_history(record.with_event("undone", str(undone)))
        before = session.before.record if session.before else None
        raise undone.of(record, before, "docs/kubernetes.md") from undone
    namespace.add_to_history(replace(record, at=now()))
    write_releases(namespace.history())


def _runs_already(namespace: Namespace, record: Record) -> Outcome | None:
    """Return the outcome of a release that runs in all pods already; None for any other."""
    deployment, live = namespace.deployment(), namespace.live()
    if not deployment or not live or live.image != record.image:
        return None
    current = record_of_template(deployment["spec"]["template"])
    if not current or current.image != record.image or not is_complete(deployment):
        return None
    write_releases(namespace.history())
    return Outcome(YES, f"{record} runs already, since {live.at[:16]} UTC.")


def _apply_first(manifests: list[Manifest]) -> None:
    if first := [one for one in manifests if one["kind"] in FIRST]:
        send("apply", as_list(first))


def _find_revision(to: str, namespace: Namespace) -> Revision:
    live = namespace.live()
    record = find_release(to, namespace.history(), live.image if live else "", None)
    kept = [one for one in namespace.revisions() if one.record.image == record.image]
    if not kept:
        raise SlipwayError(
            f"the cluster no longer keeps {record.name}: there were more releases since than "
            "`revisionHistoryLimit` of the deployment",
            f"deploy it again: `slipway deploy --to {TARGET} --image {record.image}`",
        )
    return kept[-1]


def _go_back(namespace: Namespace, revision: Revision) -> None:
    name = f"deployment/{NAME}"
    namespace.kubectl("rollout", "undo", name, f"--to-revision={revision.number}")


def _check_model(record: Record) -> None:
    if reason := model_difference(record):
        raise Refused(
            f"not what was reviewed: {reason}. Everything is as before.",
            "build it again from the reviewed commit: `slipway build --image --push`",
        )


def _add_release(status: Status, namespace: Namespace, deployment: Manifest) -> None:
    """Add the release of a deployment and its problems to a status."""
    current, live = record_of_template(deployment["spec"]["template"]), namespace.live()
    record = live if live and current and live.image == current.image else current
    pods, complete = namespace.pods(), is_complete(deployment)
    ready = [name_of(pod) for pod in pods if is_ready(pod)]
    fault = check_predicts(Pod(ready[0], namespace.name)) if ready else ""
    if fault:
        fault = f"{ready[0]}: {fault}"
        status.problems.append(f"the live release does not answer: {fault}")
    if record:
        incomplete = "" if complete else f"ready: {len(ready)} of {counted(len(pods), 'pod')}"
        status.live = RunningRelease(
            record=record,
            slot=NAME,
            container=f"{len(ready)} of {counted(len(pods), 'pod')}",
            health=fault or incomplete or HEALTHY,
            traffic=1.0 if ready else 0.0,
            restarts=_restarts(pods),
        )
    status.healthy = bool(live and record == live and complete and not fault)
    if not complete:
        status.problems.append("not all pods have the newest release and are ready")
    if record != live and status.doing is None:
        status.doing = Operation("deploy", step="rollout", running=False)
        status.problems.append(
            f"half done: the rollout of {record.name if record else 'what runs'} was interrupted; "
            "the next deploy or rollback restores the state"
        )


def _restarts(pods: Sequence[Manifest]) -> int:
    containers = [one for pod in pods for one in pod["status"].get("containerStatuses") or []]
    return sum(int(container["restartCount"]) for container in containers)
