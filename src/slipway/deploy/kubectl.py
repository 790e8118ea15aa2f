"""A Kubernetes cluster through its own command: the current context of kubectl."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

from slipway.errors import SlipwayError

SECONDS = 60.0


def kubectl(*arguments: str, stdin: str = "", seconds: float = SECONDS) -> str:
    """Run ``kubectl …`` and return what it printed.

    Raises
    ------
    SlipwayError
        There is no ``kubectl`` command, the cluster cannot be reached, it took too long, or it
        refused; the message ends with what kubectl said.
    """
    if shutil.which("kubectl") is None:
        raise SlipwayError(
            "there is no `kubectl` command here",
            "install it: https://kubernetes.io/docs/tasks/tools/",
        )
    try:
        done = subprocess.run(
            ["kubectl", *arguments],
            input=stdin.encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SlipwayError(
            f"`kubectl {_verb(arguments)}` did not end within {seconds:.0f} s",
            "see that the cluster answers: `kubectl get nodes`",
        ) from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        raise SlipwayError(f"`kubectl {_verb(arguments)}` failed: {_end_of(said)}", _advice(said))
    return done.stdout.decode("utf-8", "replace")


def get(kind: str, name: str, namespace: str) -> dict[str, Any] | None:
    """Return an object of the cluster, or None if there is none."""
    flags = ("--namespace", namespace, "--ignore-not-found", "--output", "json")
    said = kubectl("get", kind, name, *flags)
    return json.loads(said) if said.strip() else None


def find(kind: str, selector: str, namespace: str) -> list[dict[str, Any]]:
    """Return the objects of a kind that have a label."""
    flags = ("--namespace", namespace, "--selector", selector, "--output", "json")
    items: list[dict[str, Any]] = json.loads(kubectl("get", kind, *flags))["items"]
    return items


def _verb(arguments: tuple[str, ...]) -> str:
    return " ".join(arguments[:2])


def _end_of(said: str) -> str:
    return "\n  ".join(said.splitlines()[-5:]) or "no output"


def _advice(said: str) -> str:
    known = {
        "forbidden": "give yourself, in the cluster, the role of deploy/kubernetes/deployer.yaml",
        "unauthorized": "log in to the cluster again",
        "connection refused": "see that the cluster runs, and which it is: `kubectl config view`",
        "no such host": "see that this is the cluster meant: `kubectl config get-contexts`",
        "no configuration": "name the cluster: `kubectl config get-contexts`, or KUBECONFIG",
        "namespaces": "make the namespace first (docs/kubernetes.md)",
    }
    for words, advice in known.items():
        if words in said.lower():
            return advice
    return "fix the error that kubectl reports, then retry"
