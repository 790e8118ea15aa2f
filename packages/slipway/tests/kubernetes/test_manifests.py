"""The manifests: whether the API server accepts them, and what must hold in any case."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.kubernetes.cluster import Cluster
from tests.services.projects import FLIGHTS, ROOT

from slipway.predictions.checkpoints import CHECKPOINTS
from slipway.predictions.personal import SECRET
from slipway.serving import LOG, SMOKE_SECRET, TOKENS
from slipway.settings import read_params
from slipway.targets.docker.engine import SECOND_PLACE

MANIFESTS = ROOT / "deploy/kubernetes"
OVERLAYS = sorted(path.name for path in (MANIFESTS / "overlays").iterdir())

KINDS = {
    "Deployment",
    "HorizontalPodAutoscaler",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "Service",
    "ServiceAccount",
}


@pytest.fixture
def namespace(api_server: Cluster) -> str:
    """A namespace that takes pods of the strictest kind only."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    }
    api_server.kubectl("create", "--filename", "-", stdin=json.dumps(body))
    return name


def rendered(api_server: Cluster, folder: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(api_server.kubectl("kustomize", str(folder))))


CLAIM = "PersistentVolumeClaim"


def of_kind(manifests: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    found, *others = [one for one in manifests if one["kind"] == kind]
    assert not others or kind == CLAIM
    return found


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest, api_server: Cluster) -> list[dict[str, Any]]:
    return rendered(api_server, MANIFESTS / "overlays" / request.param)


@pytest.fixture
def pod(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod["containers"]
    return dict(found)


def taken(api_server: Cluster, namespace: str, manifests: list[dict[str, Any]]) -> None:
    """Give manifests to the API server; it may neither refuse nor warn."""
    items = [
        one | {"metadata": one["metadata"] | {"namespace": namespace}}
        for one in json.loads(json.dumps(manifests))
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    flags = ("--validate=strict", "--warnings-as-errors", "--filename", "-")
    api_server.kubectl("create", *flags, stdin=listed)


def test_the_api_server_takes_them_and_warns_of_nothing(api_server, namespace, manifests):
    taken(api_server, namespace, manifests)

    assert {one["kind"] for one in manifests} == KINDS


def test_each_environment_has_a_namespace_of_its_own(api_server):
    names = [
        {one["metadata"]["namespace"] for one in rendered(api_server, MANIFESTS / "overlays" / it)}
        for it in OVERLAYS
    ]
    assert sorted(map(sorted, names)) == [["slipway"], ["slipway-staging"]]


BROKEN: dict[str, tuple[str, list[Any], Any]] = {
    "a field that does not exist": ("Deployment", ["spec", "replica"], 2),
    "a number that is none": ("Deployment", ["spec", "revisionHistoryLimit"], "ten"),
    "a selector that finds other pods": (
        "Deployment",
        ["spec", "selector", "matchLabels"],
        {"app.kubernetes.io/name": "other"},
    ),
    "a version that is gone": ("HorizontalPodAutoscaler", ["apiVersion"], "autoscaling/v2beta2"),
    "a port that is no name": ("Service", ["spec", "ports", 0, "targetPort"], "not a name"),
    "an unknown policy": ("NetworkPolicy", ["spec", "policyTypes"], ["Inwards"]),
    "a share beyond all pods": ("PodDisruptionBudget", ["spec", "maxUnavailable"], "200%"),
    "a mode that no volume has": ("PersistentVolumeClaim", ["spec", "accessModes"], ["Write"]),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_manifest_is_refused(api_server, namespace, fault):
    manifests = rendered(api_server, MANIFESTS / "overlays/production")
    kind, path, value = BROKEN[fault]
    change(of_kind(manifests, kind), path, value)

    with pytest.raises(RuntimeError, match=r"nvalid|unknown field|no matches|must match"):
        taken(api_server, namespace, manifests)


def change(manifest: Any, path: list[Any], value: Any) -> None:
    for key in path[:-1]:
        manifest = manifest[key]
    manifest[path[-1]] = value


def as_pod(api_server: Cluster, spec: dict[str, Any]) -> str:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "slipway"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": spec}
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [account, pod]})


def test_its_pods_hold_to_the_strictest_security_standard(api_server, namespace, pod):
    api_server.kubectl(
        "create", "--namespace", namespace, "--filename", "-", stdin=as_pod(api_server, pod)
    )


LAX: dict[str, tuple[list[Any], Any]] = {
    "root": (["securityContext", "runAsNonRoot"], False),
    "user 0": (["securityContext", "runAsUser"], 0),
    "no seccomp": (["securityContext", "seccompProfile"], {"type": "Unconfined"}),
    "more privileges": (
        ["containers", 0, "securityContext", "allowPrivilegeEscalation"],
        True,
    ),
    "a capability": (["containers", 0, "securityContext", "capabilities"], {"drop": []}),
    "the host's network": (["hostNetwork"], True),
    "a folder of the host": (["volumes", 1], {"name": "tmp", "hostPath": {"path": "/tmp"}}),
}


@pytest.mark.parametrize("fault", LAX)
def test_a_pod_that_is_laxer_is_refused(api_server, namespace, fault):
    manifests = rendered(api_server, MANIFESTS / "overlays/production")
    spec = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]
    change(spec, *LAX[fault])

    with pytest.raises(RuntimeError, match="violates PodSecurity"):
        api_server.kubectl(
            "create", "--namespace", namespace, "--filename", "-", stdin=as_pod(api_server, spec)
        )


def test_nothing_can_be_written_but_the_log_its_second_place_and_tmp(container, pod):
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    volumes = {one["name"]: one for one in pod["volumes"]}
    mounts = {one["mountPath"]: volumes[one["name"]] for one in container["volumeMounts"]}
    assert mounts.keys() == {"/var/lib/slipway/log", SECOND_PLACE, "/tmp"}
    assert mounts["/var/lib/slipway/log"]["persistentVolumeClaim"] == {"claimName": "slipway-log"}
    second = mounts[SECOND_PLACE]["persistentVolumeClaim"]
    assert second == {"claimName": "slipway-checkpoints"}
    assert "sizeLimit" in mounts["/tmp"]["emptyDir"]


def test_it_runs_as_the_user_of_the_image_and_gets_no_token_of_the_cluster(manifests, pod):
    image = (ROOT / "packages/slipway/src/slipway/release/image/Dockerfile").read_text("utf-8")
    security = pod["securityContext"]
    assert f"USER {security['runAsUser']}:{security['runAsGroup']}\n" in image
    assert security["fsGroup"] == security["runAsGroup"]
    assert pod["automountServiceAccountToken"] is False
    assert of_kind(manifests, "ServiceAccount")["automountServiceAccountToken"] is False


def test_the_log_is_where_the_image_writes_it(container):
    image = (ROOT / "packages/slipway/src/slipway/release/image/Dockerfile").read_text("utf-8")
    assert f"{LOG}=/var/lib/slipway/log" in image
    assert "/var/lib/slipway/log" in {one["mountPath"] for one in container["volumeMounts"]}


def test_the_secrets_come_from_a_secret_that_is_not_in_git(manifests, container):
    values = {one["name"]: one for one in container["env"]}
    assert values.pop(CHECKPOINTS) == {"name": CHECKPOINTS, "value": SECOND_PLACE}
    keys = {name: one["valueFrom"]["secretKeyRef"] for name, one in values.items()}
    personal = {"name": "slipway-tokens", "key": "personal", "optional": True}
    assert keys == {
        SECRET: personal,
        TOKENS: {"name": "slipway-tokens", "key": "tokens"},
        SMOKE_SECRET: {"name": "slipway-tokens", "key": "smoke"},
    }
    assert "Secret" not in {one["kind"] for one in manifests}


def test_no_pod_ends_before_its_successor_is_ready(manifests, container, pod):
    deployment = of_kind(manifests, "Deployment")["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "replicas" not in deployment
    for name in ("startupProbe", "readinessProbe"):
        assert container[name]["httpGet"]["path"] == "/readyz"
    # A service whose log is full must leave the traffic, but a restart would not repair that.
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"


def test_a_pod_leaves_the_endpoints_before_it_stops_and_has_time_for_the_rest(container, pod):
    waits = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drains = read_params(FLIGHTS / "params.yaml").deploy.drain_seconds
    assert waits >= 5
    assert pod["terminationGracePeriodSeconds"] >= waits + drains


def test_a_pod_may_start_as_slowly_and_use_as_much_memory_as_on_an_engine(container):
    settings = read_params(FLIGHTS / "params.yaml").deploy
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= settings.start_seconds
    assert container["resources"]["limits"] == {"memory": f"{settings.memory_mb}Mi"}
    assert container["resources"]["requests"]["memory"] == f"{settings.memory_mb}Mi"


def test_everything_that_selects_pods_selects_these(manifests):
    labels = of_kind(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        of_kind(manifests, "Service")["spec"]["selector"],
        of_kind(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        of_kind(manifests, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)


def test_only_callers_reach_it_and_it_reaches_nothing(manifests):
    policy = of_kind(manifests, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []
    (rule,) = policy["ingress"]
    assert {"namespaceSelector": {"matchLabels": {"slipway-callers": "yes"}}} in rule["from"]
    assert rule["ports"] == [{"port": "http"}]


def test_all_pods_write_to_one_volume_that_many_nodes_can_mount(manifests):
    claims = [one["spec"] for one in manifests if one["kind"] == CLAIM]
    assert [claim["accessModes"] for claim in claims] == [["ReadWriteMany"]] * 2


def test_on_one_node_the_volume_needs_to_be_mounted_there_only(api_server, namespace, tmp_path):
    shutil.copytree(MANIFESTS, tmp_path / "kubernetes")
    overlay = tmp_path / "kubernetes/overlays/staging/kustomization.yaml"
    with overlay.open("a") as file:
        file.write("components:\n  - ../../components/one-node\n")

    manifests = rendered(api_server, overlay.parent)

    claims = [one["spec"] for one in manifests if one["kind"] == CLAIM]
    assert [claim["accessModes"] for claim in claims] == [["ReadWriteOnce"]] * 2
    taken(api_server, namespace, manifests)


def test_the_example_of_a_role_binds_no_more_than_its_namespace(api_server, namespace):
    path = str(MANIFESTS / "deployer.yaml")
    api_server.kubectl("apply", "--namespace", namespace, "--filename", path)

    def may(verb: str, what: str, where: str) -> bool:
        try:
            answer = api_server.kubectl(
                "auth", "can-i", verb, what, "--namespace", where, who="deployer"
            )
        except RuntimeError:
            return False
        return answer.strip() == "yes"

    assert may("patch", "deployments", namespace)
    assert may("create", "pods/exec", namespace)
    assert not may("get", "secrets", namespace)
    assert not may("create", "rolebindings", namespace)
    assert not may("patch", "deployments", "default")
