"""One cluster for all tests here; each test has namespaces of its own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.kubernetes.cluster import Cluster, cluster, path_with_programs
from tests.kubernetes.node import Node
from tests.services.engine import BuildVariant, ServiceImage
from tests.services.projects import ROOT
from tests.services.repository import edit_params

from slipway.fetch.fetch import fetch
from slipway.release.image.record import ImageRecord
from slipway.release.outcome import Outcome
from slipway.release.status import Status
from slipway.repository.layout import python_path
from slipway.settings import read_params
from slipway.targets.commands import deploy, rollback, status

# The tests share two cores with whatever else runs.
CANARY = {
    "share": 0.5,
    "seconds": 1,
    "min_requests": 20,
    "max_error_share": 0.01,
    "max_latency_ratio": 100,
    "max_latency_ms": 1000,
    "max_score_psi": 0.5,
}


@pytest.fixture(scope="module")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="module")
def node(
    api_server: Cluster, build_variant: BuildVariant, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Node]:
    # After `build_variant`, so that its containers are gone before their images.
    with api_server.api() as api:
        node = Node(api, api_server.prefix, api_server.node_port, tmp_path_factory.mktemp("node"))
        node.start()
        try:
            yield node
        finally:
            node.stop()


@dataclass
class Place:
    """A namespace, and a tree whose `slipway deploy --to kubernetes` goes there.

    It deploys as a user who has the role of deploy/kubernetes/deployer.yaml and nothing else.
    """

    cluster: Cluster
    tree: Path
    namespace: str
    built: ImageRecord

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "PATH": path_with_programs(),
            "KUBECONFIG": str(self.cluster.deployer),
            "SLIPWAY_OVERLAY": "deploy/kubernetes/overlays/test",
            "PYTHONPATH": python_path(self.tree),
        }

    def image(
        self, image_id: str, commit: str = "", repository: str = "registry.test/model"
    ) -> None:
        """Make an image of the engine the one that was built, as if a registry had it."""
        found = {
            "version": 1,
            "image": f"{repository}@{image_id}" if repository else image_id,
            "commit": commit or self.built.commit,
            "data": self.built.data,
            "model_sha256": self.built.model_sha256,
            "manifest_sha256": self.built.manifest_sha256,
        }
        (self.tree / "build/image.json").write_text(json.dumps(found))

    def wait_at_most(self, seconds: int, namespace: str = "") -> None:
        """Let a rollout, in this namespace or another one, stand still for so long."""
        overlay = self.tree / "deploy/kubernetes/overlays/test"
        overlay.mkdir(exist_ok=True)
        text = OVERLAY.format(namespace=namespace or self.namespace, patience=seconds)
        (overlay / "kustomization.yaml").write_text(text)

    def deploy(self) -> Outcome:
        return self._within(lambda: deploy("kubernetes", "", print))

    def rollback(self, to: str = "") -> Outcome:
        return self._within(lambda: rollback("kubernetes", to, print))

    def typed_status(self) -> Status:
        found: Status = self._within(lambda: status("kubernetes"))
        return found

    def status(self) -> dict[str, Any]:
        return self.typed_status().to_json()

    def fetch_log(self, out: Path) -> str:
        params = read_params(self.tree / "params.yaml")
        line: str = self._within(lambda: fetch("kubernetes", out, params))
        return line

    def start_deploy(self) -> subprocess.Popen[bytes]:
        """Begin to deploy in a process of its own."""
        command = [sys.executable, "-m", "slipway", "deploy", "--to", "kubernetes"]
        return subprocess.Popen(command, cwd=self.tree, env=self.environment)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, stdin=stdin)

    def get(self, *what: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", *what, "--output", "json"))
        return found

    def give_tokens(self) -> None:
        values = ("--from-literal=tokens=abc", "--from-literal=smoke=def")
        self.kubectl("create", "secret", "generic", "slipway-tokens", *values)

    def scale(self, pods: int) -> None:
        """Do what the autoscaler would do, which is not there."""
        self.kubectl("scale", "deployment/slipway", f"--replicas={pods}")
        self.kubectl("rollout", "status", "deployment/slipway", "--timeout=120s")

    def renew_lease(self, day: str) -> None:
        """Let the one who deploys have been heard of on that day last."""
        lease = json.dumps({"spec": {"renewTime": f"{day}T00:00:00.000000Z"}})
        self.kubectl("patch", "lease", "slipway-deploy", "--type=merge", f"--patch={lease}")

    def pods(self) -> list[dict[str, Any]]:
        """The pods to which the service sends traffic."""
        selector = self.get("service", "slipway")["spec"]["selector"]
        listed = ",".join(f"{key}={value}" for key, value in selector.items())
        return [
            pod
            for pod in self.get("pods", "--selector", listed)["items"]
            if not pod["metadata"].get("deletionTimestamp")
        ]

    def images(self) -> list[str]:
        """The image of each of these."""
        found = [pod["spec"]["containers"][0]["image"] for pod in self.pods()]
        return [image.rpartition("@")[2] for image in found]

    def spec(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("deployment", "slipway")["spec"]
        return found

    def events(self) -> list[str]:
        return [f"{one['event']} {one['commit']}" for one in self.status()["history"]]

    def _within(self, work: Callable[[], Any]) -> Any:
        with pytest.MonkeyPatch.context() as patch, contextlib.chdir(self.tree):
            for name, value in self.environment.items():
                patch.setenv(name, value)
            return work()


OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {namespace}
resources:
  - ../../base
patches:
  - target:
      kind: Deployment
    patch: |-
      - {{op: replace, path: /spec/progressDeadlineSeconds, value: {patience}}}
"""


@pytest.fixture(scope="module")
def make_place(
    api_server: Cluster,
    node: Node,
    service_image: ServiceImage,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[], Place]:
    """Makes a namespace as in docs/kubernetes.md, and a tree that deploys there."""

    def make() -> Place:
        name = f"test-{uuid.uuid4().hex[:8]}"
        tree = tmp_path_factory.mktemp("place") / "repository"
        shutil.copytree(service_image.tree, tree, symlinks=True)
        edit_params(tree, deploy={"start_seconds": 90, "smoke_requests": 0, "canary": CANARY})
        place = Place(api_server, tree, name, service_image.built)
        place.wait_at_most(120)
        node.namespaces.add(name)
        api_server.kubectl("create", "namespace", name)
        enforce = "pod-security.kubernetes.io/enforce=restricted"
        api_server.kubectl("label", "namespace", name, enforce)
        place.kubectl("apply", "--filename", str(ROOT / "deploy/kubernetes/deployer.yaml"))
        place.give_tokens()
        place.image(service_image.built.image)
        return place

    return make


@dataclass
class Released:
    """What was seen of the first two releases of a place."""

    outcomes: list[Outcome]
    pods: list[list[str]]


@pytest.fixture(scope="module")
def second(build_variant: BuildVariant) -> str:
    """The image of another valid release."""
    return build_variant(commit=commit_of("second"))


def commit_of(name: str) -> str:
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def place(make_place: Callable[[], Place]) -> Place:
    return make_place()


@pytest.fixture(scope="module")
def released(place: Place, second: str) -> Released:
    """Two releases, one after the other; between them the number of pods was set to two."""
    seen = Released([place.deploy()], [place.images()])
    place.scale(2)
    place.image(second, commit_of("second"))
    seen.outcomes.append(place.deploy())
    seen.pods.append(place.images())
    assert all(outcome.ok for outcome in seen.outcomes), seen.outcomes[-1].to_text()
    return seen
