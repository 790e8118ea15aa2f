"""A pod of the service, with the interface of a container of a Docker engine."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

from slipway.containers import ContainerState
from slipway.targets.kubernetes.kubectl import SECONDS, Manifest, get, kubectl

CONTAINER = "slipway"
EVENTS = 5


@dataclass(frozen=True)
class Pod:
    """A pod, by its name; corresponds to `slipway.containers.Container`."""

    name: str
    namespace: str

    def state(self) -> ContainerState | None:
        """Return the state of its container, or None if there is no such pod."""
        pod = get("pod", self.name, self.namespace)
        return state_of(pod) if pod else None

    def run(self, *command: str, stdin: str = "", seconds: float = SECONDS) -> str:
        """Run a command in the pod and return its output."""
        where = ("--namespace", self.namespace, self.name, "--container", CONTAINER)
        return kubectl("exec", "--stdin", *where, "--", *command, stdin=stdin, seconds=seconds)

    def python(self, source: str, stdin: str = "", seconds: float = SECONDS) -> str:
        """Run a Python program in the pod; it may use the standard library only."""
        return self.run("python3", "-c", source, stdin=stdin, seconds=seconds)

    def output(self, lines: int = 20) -> str:
        """Return the last lines of the pod's log; empty if it never started."""
        done = subprocess.run(
            ["kubectl", "logs", "--namespace", self.namespace, self.name, "--tail", str(lines)],
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        return "" if done.returncode else done.stdout.decode("utf-8", "replace").strip()

    def events(self) -> list[str]:
        """Return the warnings of the cluster about it, newest last."""
        return events_of(self.name, self.namespace)


def events_of(name: str, namespace: str) -> list[str]:
    """Return the warnings of the cluster about an object, newest last."""
    which = f"involvedObject.name={name},type=Warning"
    flags = ("--namespace", namespace, "--field-selector", which, "--output", "json")
    items = json.loads(kubectl("get", "events", *flags))["items"]
    items.sort(key=lambda event: event["lastTimestamp"] or event.get("eventTime") or "")
    return [f"{event['reason']}: {event['message']}" for event in items[-EVENTS:]]


def state_of(pod: Manifest) -> ContainerState:
    """Return the state of a pod's one container."""
    (status,) = pod["status"].get("containerStatuses") or [{}]
    state = status.get("state") or {}
    ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
    return ContainerState(
        running="running" in state,
        restarting="waiting" in state and bool(ended),
        out_of_memory=ended.get("reason") == "OOMKilled",
        exit_code=ended.get("exitCode"),
    )


def name_of(pod: Manifest) -> str:
    return str(pod["metadata"]["name"])


def is_ready(pod: Manifest) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def waits_for(pod: Manifest) -> tuple[str, str]:
    """Return why a pod's container has not started, as reason and message; empty if it has."""
    for condition in pod["status"].get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return condition.get("reason", ""), condition.get("message", "")
    for status in pod["status"].get("containerStatuses") or []:
        if waiting := status.get("state", {}).get("waiting"):
            return waiting.get("reason", ""), waiting.get("message", "")
    return "", ""
