"""The objects of the service in a namespace, and its history of releases."""

from __future__ import annotations

import json
from dataclasses import dataclass

from slipway.errors import SlipwayError
from slipway.release.records import Record, read_history, releases_of
from slipway.targets.kubernetes.kubectl import Manifest, find, get, kubectl, send
from slipway.targets.kubernetes.overlay import NAME, RELEASE

SELECTOR = f"app.kubernetes.io/name={NAME}"
RELEASES = "slipway-releases"  # the ConfigMap of the history
HISTORY = "releases.jsonl"
KEPT = 200  # events; a ConfigMap is limited to 1 MiB
REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class Revision:
    """A release that the cluster can go back to."""

    number: str
    record: Record
    template: Manifest


@dataclass(frozen=True)
class Namespace:
    """The namespace of the service."""

    name: str

    def check(self) -> str:
        """Return the version of the cluster, in words."""
        version = json.loads(kubectl("version", "--output", "json"))["serverVersion"]["gitVersion"]
        if not self._exists():
            raise SlipwayError(
                f"the cluster has no namespace {self.name}, or your user has no access to it",
                "create it and give access: docs/kubernetes.md, “Once, by an administrator”",
            )
        return f"Kubernetes {version}, namespace {self.name}"

    def get(self, kind: str, name: str) -> Manifest | None:
        return get(kind, name, self.name)

    def kubectl(self, *arguments: str, seconds: float = 60.0) -> str:
        return kubectl(*arguments, "--namespace", self.name, seconds=seconds)

    def deployment(self) -> Manifest | None:
        """Return the Deployment; None before the first release."""
        return self.get("deployment", NAME)

    def revisions(self) -> list[Revision]:
        """Return the releases that the cluster keeps, oldest first."""
        revisions = []
        for replica_set in find("replicaset", SELECTOR, self.name):
            template = replica_set["spec"]["template"]
            record = record_of_template(template)
            number = replica_set["metadata"].get("annotations", {}).get(REVISION)
            if record and number:
                revisions.append(Revision(number, record, template))
        return sorted(revisions, key=lambda revision: int(revision.number))

    def pods(self, image: str = "") -> list[Manifest]:
        """Return the pods that get traffic, of one image or of all."""
        return [
            pod
            for pod in find("pod", SELECTOR, self.name)
            if not pod["metadata"].get("deletionTimestamp")
            and image in ("", pod["spec"]["containers"][0]["image"])
        ]

    def history(self) -> list[Record]:
        """Return the events of all releases, oldest first."""
        config = self.get("configmap", RELEASES)
        return read_history(config["data"].get(HISTORY, "")) if config else []

    def live(self) -> Record | None:
        """Return the last release that got all traffic."""
        ran = releases_of(self.history())
        return ran[-1] if ran else None

    def add_to_history(self, record: Record) -> None:
        """Add an event to the history; the oldest are removed."""
        config = self.get("configmap", RELEASES)
        lines = config["data"].get(HISTORY, "").splitlines() if config else []
        text = "".join(f"{line}\n" for line in [*lines, record.to_line().strip()][-KEPT:])
        changed: Manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": RELEASES, "namespace": self.name},
            "data": {HISTORY: text},
        }
        send("replace" if config else "create", changed)

    def _exists(self) -> bool:
        """Return whether the namespace exists; the deployer may not read it, so try to write."""
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "slipway-is-it-there", "namespace": self.name},
        }
        try:
            send("create", account, "--dry-run=server")
        except SlipwayError as error:
            if "not found" in str(error) or "forbidden" in str(error).lower():
                return False
            raise
        return True


def record_of_template(template: Manifest) -> Record | None:
    text = (template["metadata"].get("annotations") or {}).get(RELEASE)
    try:
        return Record.from_json(json.loads(text)) if text else None
    except (ValueError, TypeError):
        return None


def is_complete(deployment: Manifest) -> bool:
    """Return whether all pods have the newest template and are available."""
    status, replicas = deployment["status"], deployment["spec"]["replicas"]
    observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    return observed and counts == [replicas] * 3
