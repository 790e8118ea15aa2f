"""What runs in a namespace, and which releases it remembers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from slipway.deploy.kubectl import find, get, kubectl
from slipway.deploy.overlay import NAME, RELEASE
from slipway.deploy.pod import is_ready
from slipway.deploy.release import RAN, Record, read_history, to_line
from slipway.errors import SlipwayError

SELECTOR = f"app.kubernetes.io/name={NAME}"
RELEASES = "slipway-releases"  # the ConfigMap that holds the history
HISTORY = "releases.jsonl"
KEPT = 200  # events; a ConfigMap may have 1 MiB
REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class Revision:
    """A release that the cluster can go back to without an image being named anew."""

    number: str
    record: Record
    template: dict[str, Any]


def check_cluster(namespace: str) -> str:
    """Return which cluster this is, in words; the namespace must be there.

    Raises
    ------
    SlipwayError
        It cannot be reached, or has no such namespace that we may see into.
    """
    version = json.loads(kubectl("version", "--output", "json"))["serverVersion"]["gitVersion"]
    if not namespace_exists(namespace):
        raise SlipwayError(
            f"the cluster has no namespace {namespace}, or we may not look into it",
            "make it and give access: docs/kubernetes.md, “Once, by whoever runs the cluster”",
        )
    return f"Kubernetes {version}, namespace {namespace}"


def namespace_exists(namespace: str) -> bool:
    """Return whether a namespace is there; nobody may look at namespaces, so ask by writing."""
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "slipway-is-it-there", "namespace": namespace},
    }
    flags = ("--dry-run=server", "--filename", "-")
    try:
        kubectl("create", *flags, stdin=json.dumps(account))
    except SlipwayError as error:
        if "not found" in str(error) or "forbidden" in str(error).lower():
            return False
        raise
    return True


def revisions(namespace: str) -> list[Revision]:
    """Return the releases that are kept, oldest first."""
    found = []
    for one in find("replicaset", SELECTOR, namespace):
        record = record_of_template(one["spec"]["template"])
        if record and (number := one["metadata"].get("annotations", {}).get(REVISION)):
            found.append(Revision(number, record, one["spec"]["template"]))
    return sorted(found, key=lambda revision: int(revision.number))


def current(namespace: str) -> dict[str, Any] | None:
    """Return the deployment; None before the first release."""
    return get("deployment", NAME, namespace)


def record_of_template(template: dict[str, Any]) -> Record | None:
    text = (template["metadata"].get("annotations") or {}).get(RELEASE)
    try:
        return Record.from_json(json.loads(text)) if text else None
    except (ValueError, TypeError):
        return None


def is_complete(deployment: dict[str, Any]) -> bool:
    """Return whether all pods are of the newest template, and answer."""
    status, wanted = deployment["status"], deployment["spec"]["replicas"]
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    return seen and counts == [wanted] * 3


def pods_of(namespace: str, image: str = "") -> list[dict[str, Any]]:
    """Return the pods that are to answer, of one image or of all."""
    return [
        pod
        for pod in find("pod", SELECTOR, namespace)
        if not pod["metadata"].get("deletionTimestamp")
        and image in ("", pod["spec"]["containers"][0]["image"])
    ]


def ready(pods: Sequence[dict[str, Any]]) -> int:
    return sum(map(is_ready, pods))


def history(namespace: str) -> list[Record]:
    """Return the events of all releases, oldest first."""
    found = get("configmap", RELEASES, namespace)
    return read_history(found["data"].get(HISTORY, "")) if found else []


def live(namespace: str) -> Record | None:
    """Return the last release that took all of the traffic."""
    ran = [record for record in history(namespace) if record.event in RAN]
    return ran[-1] if ran else None


def remember(namespace: str, record: Record) -> None:
    """Add an event to the history; the oldest give way."""
    found = get("configmap", RELEASES, namespace)
    lines = found["data"].get(HISTORY, "").splitlines() if found else []
    text = "".join(f"{line}\n" for line in [*lines, to_line(record).strip()][-KEPT:])
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": RELEASES, "namespace": namespace},
        "data": {HISTORY: text},
    }
    verb = "replace" if found else "create"
    kubectl(verb, "--filename", "-", stdin=json.dumps(config))
