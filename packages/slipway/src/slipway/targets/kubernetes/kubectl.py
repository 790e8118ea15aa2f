"""A Kubernetes cluster through its own command: the current context of kubectl."""

from __future__ import annotations

import json
from typing import Any

from slipway.tool import Tool

SECONDS = 60.0

Manifest = dict[str, Any]
"""An object of the cluster."""

KUBECTL = Tool(
    "kubectl",
    install="install it: https://kubernetes.io/docs/tasks/tools/",
    check="check that the cluster answers: `kubectl get nodes`",
    advice={
        "forbidden": "give your user the role of deploy/kubernetes/deployer.yaml in the cluster",
        "unauthorized": "log in to the cluster again",
        "connection refused": "check that the right cluster runs: `kubectl config view`",
        "no such host": "check that this is the right cluster: `kubectl config get-contexts`",
        "no configuration": "name the cluster: `kubectl config get-contexts`, or KUBECONFIG",
        "namespaces": "create the namespace first (docs/kubernetes.md)",
    },
    verbs=2,
)


def kubectl(*arguments: str, stdin: str = "", seconds: float = SECONDS) -> str:
    """Run ``kubectl …`` and return its output; errors as in `Tool.run`."""
    return KUBECTL.run(*arguments, stdin=stdin, seconds=seconds)


def get(kind: str, name: str, namespace: str) -> Manifest | None:
    """Return an object of the cluster, or None if it does not exist."""
    options = ("--namespace", namespace, "--ignore-not-found", "--output", "json")
    output = kubectl("get", kind, name, *options)
    return json.loads(output) if output.strip() else None


def find(kind: str, selector: str, namespace: str) -> list[Manifest]:
    """Return the objects of a kind with a label."""
    options = ("--namespace", namespace, "--selector", selector, "--output", "json")
    return list(json.loads(kubectl("get", kind, *options))["items"])


def send(verb: str, manifest: Manifest, *options: str, seconds: float = SECONDS) -> str:
    """Run ``kubectl create`` or another verb on a manifest; return the output."""
    return kubectl(verb, *options, "--filename", "-", stdin=json.dumps(manifest), seconds=seconds)


def as_list(manifests: list[Manifest]) -> Manifest:
    """Return several manifests as one."""
    return {"apiVersion": "v1", "kind": "List", "items": manifests}
