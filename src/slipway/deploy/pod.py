"""A pod of the service, asked in the way in which a container of a Docker engine is asked."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from slipway.deploy.kubectl import SECONDS, get, kubectl

CONTAINER = "slipway"
EVENTS = 5


@dataclass(frozen=True)
class Pod:
    """A pod, by its name; what `slipway.docker.Container` is on an engine."""

    name: str
    namespace: str

    def about(self) -> dict[str, Any] | None:
        """Return its state as ``docker inspect`` says it, or None if there is no such pod."""
        pod = get("pod", self.name, self.namespace)
        return pod and {"State": state_of(pod)}

    def run(self, *command: str, stdin: str = "", seconds: float = SECONDS) -> str:
        """Run a command inside it and return what that printed."""
        where = ("--namespace", self.namespace, self.name, "--container", CONTAINER)
        return kubectl("exec", "--stdin", *where, "--", *command, stdin=stdin, seconds=seconds)

    def python(self, source: str, stdin: str = "", seconds: float = SECONDS) -> str:
        """Run a Python program inside it, which must need the standard library only."""
        return self.run("python3", "-c", source, stdin=stdin, seconds=seconds)

    def output(self, lines: int = 20) -> str:
        """Return the last lines that it wrote; nothing if it never started."""
        done = subprocess.run(
            ["kubectl", "logs", "--namespace", self.namespace, self.name, "--tail", str(lines)],
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        return "" if done.returncode else done.stdout.decode("utf-8", "replace").strip()

    def events(self) -> list[str]:
        """Return what the cluster says happened to it, newest last."""
        return events_of(self.name, self.namespace)


def events_of(name: str, namespace: str) -> list[str]:
    """Return the warnings of the cluster about an object, newest last."""
    which = f"involvedObject.name={name},type=Warning"
    flags = ("--namespace", namespace, "--field-selector", which, "--output", "json")
    items = json.loads(kubectl("get", "events", *flags))["items"]
    items.sort(key=lambda event: event["lastTimestamp"] or event.get("eventTime") or "")
    return [f"{event['reason']}: {event['message']}" for event in items[-EVENTS:]]


def state_of(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a pod's one container, with the keys that Docker uses."""
    (found,) = pod["status"].get("containerStatuses") or [{}]
    state = found.get("state") or {}
    ended = state.get("terminated") or (found.get("lastState") or {}).get("terminated") or {}
    return {
        "Running": "running" in state,
        "Restarting": "waiting" in state and bool(ended),
        "OOMKilled": ended.get("reason") == "OOMKilled",
        "ExitCode": ended.get("exitCode"),
    }


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def waits_for(pod: dict[str, Any]) -> tuple[str, str]:
    """Return why a pod's container has not started, as reason and message; empty if it has."""
    for condition in pod["status"].get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return condition.get("reason", ""), condition.get("message", "")
    for found in pod["status"].get("containerStatuses") or []:
        if waiting := found.get("state", {}).get("waiting"):
            return waiting.get("reason", ""), waiting.get("message", "")
    return "", ""
