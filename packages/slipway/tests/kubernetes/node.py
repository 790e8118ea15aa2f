"""A simulated node: runs the pods of the API server as containers of the Docker engine.

What a kubelet does with a pod it does as far as the service's manifests ask for it: user, read-only
root, capabilities, memory, environment, secrets, volumes, probes of readiness.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from slipway.docker import docker
from slipway.errors import SlipwayError

NAME = "test-node"
POLL = 0.3
LOG = "/var/lib/slipway/log"

Pod = dict[str, Any]


class Node(threading.Thread):
    """The one node of a cluster until it is stopped; `labels` of all pods it ran.

    It sees to the pods of its `namespaces` only: others are there to be looked at, not to run.

    Parameters
    ----------
    api
        A client with all rights.
    prefix
        Starts the name of each container, as `kube-node` expects it.
    """

    def __init__(self, api: httpx.Client, prefix: str, port: int, folder: Path) -> None:
        super().__init__(daemon=True)
        self._api, self._prefix, self._folder = api, prefix, folder
        self._probes = httpx.Client(timeout=2, headers={"Connection": "close"})
        self._ended = threading.Event()
        self._reported: dict[str, Any] = {}
        self.labels: dict[str, dict[str, str]] = {}
        self.namespaces: set[str] = set()
        self._register(port)

    def run(self) -> None:
        while not self._ended.wait(POLL):
            for pod in self._api.get("/api/v1/pods").json()["items"]:
                if pod["metadata"]["namespace"] not in self.namespaces:
                    continue
                # It may have been removed since.
                with contextlib.suppress(SlipwayError):
                    self._see_to(pod)

    def stop(self) -> None:
        self._ended.set()
        self.join()
        self._probes.close()
        names = docker("ps", "--all", "--quiet", "--filter", f"name=^{self._prefix}_").split()
        if names:
            docker("rm", "--force", "--volumes", *names)

    def _register(self, port: int) -> None:
        self._api.post("/api/v1/nodes", json={"metadata": {"name": NAME}}).raise_for_status()
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        self._patch(f"/api/v1/nodes/{NAME}/status", {"status": status})

    def _see_to(self, pod: Pod) -> None:
        path, name = path_of(pod), self._container(pod)
        if pod["metadata"].get("deletionTimestamp"):
            docker("rm", "--force", name)
            self._api.request("DELETE", path, json={"gracePeriodSeconds": 0})
        elif not pod["spec"].get("nodeName"):
            target = {"apiVersion": "v1", "kind": "Node", "name": NAME}
            body = {"metadata": {"name": pod["metadata"]["name"]}, "target": target}
            self._api.post(f"{path}/binding", json=body)
        else:
            self._run(pod, name)

    def _run(self, pod: Pod, name: str) -> None:
        try:
            about = json.loads(docker("container", "inspect", name))[0]
        except SlipwayError:
            try:
                self._start(pod, name)
            except WaitsError as error:
                self._report(pod, waiting=(error.reason, str(error)))
            return
        ready = about["State"]["Running"] and self._is_ready(pod, about)
        self._report(pod, about=about, ready=ready)

    def _start(self, pod: Pod, name: str) -> None:
        self.labels[pod["metadata"]["name"]] = pod["metadata"]["labels"]
        (container,) = pod["spec"]["containers"]
        image = container["image"].rpartition("@")[2]
        try:
            docker("image", "inspect", image)
        except SlipwayError:
            message = f"Back-off pulling image {container['image']}"
            self._event(pod, "Failed", message)
            raise WaitsError("ImagePullBackOff", message) from None
        security = pod["spec"]["securityContext"] | container["securityContext"]
        docker(
            *("run", "--detach", "--name", name, "--hostname", pod["metadata"]["name"]),
            *("--user", f"{security['runAsUser']}:{security['runAsGroup']}"),
            *(("--read-only",) if security["readOnlyRootFilesystem"] else ()),
            *(f"--cap-drop={one}" for one in security["capabilities"]["drop"]),
            *("--security-opt", "no-new-privileges"),
            *("--memory", container["resources"]["limits"]["memory"].removesuffix("i").lower()),
            *(f"--env={key}={value}" for key, value in self._environment(pod, container)),
            *self._mounts(pod, container),
            image,
        )

    def _environment(self, pod: Pod, container: dict[str, Any]) -> list[tuple[str, str]]:
        import base64

        found = []
        for one in container.get("env", []):
            if "value" in one:
                found.append((one["name"], one["value"]))
                continue
            reference = one["valueFrom"]["secretKeyRef"]
            answer = self._api.get(
                f"/api/v1/namespaces/{pod['metadata']['namespace']}/secrets/{reference['name']}"
            )
            if answer.status_code != 200:
                message = f'secret "{reference["name"]}" not found'
                raise WaitsError("CreateContainerConfigError", message)
            data = answer.json()["data"]
            if reference.get("optional") and reference["key"] not in data:
                continue
            found.append((one["name"], base64.b64decode(data[reference["key"]]).decode()))
        return found

    def _mounts(self, pod: Pod, container: dict[str, Any]) -> list[str]:
        volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
        found = []
        for mount in container["volumeMounts"]:
            volume = volumes[mount["name"]]
            if "emptyDir" in volume:
                found.append(f"--tmpfs={mount['mountPath']}")
                continue
            claim = volume["persistentVolumeClaim"]["claimName"]
            folder = self._folder / pod["metadata"]["namespace"] / claim
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)  # what fsGroup is for
            found.append(f"--volume={folder}:{mount['mountPath']}")
        return found

    def _is_ready(self, pod: Pod, about: dict[str, Any]) -> bool:
        (container,) = pod["spec"]["containers"]
        probe = container["readinessProbe"]["httpGet"]
        ports = {one["name"]: one["containerPort"] for one in container["ports"]}
        address = about["NetworkSettings"]["IPAddress"]
        try:
            url = f"http://{address}:{ports[probe['port']]}{probe['path']}"
            return self._probes.get(url).status_code == 200
        except httpx.TransportError:
            return False

    def _report(
        self,
        pod: Pod,
        about: dict[str, Any] | None = None,
        *,
        ready: bool = False,
        waiting: tuple[str, str] | None = None,
    ) -> None:
        """Write a pod's status, when it has changed."""
        state = about["State"] if about else {}
        phase, found = "Pending", {}
        if waiting:
            found["state"] = {"waiting": {"reason": waiting[0], "message": waiting[1]}}
        elif state["Running"]:
            phase, found["state"] = "Running", {"running": {"startedAt": whole(state["StartedAt"])}}
        else:
            reason = "OOMKilled" if state["OOMKilled"] else "Error"
            ended = {"terminated": {"exitCode": state["ExitCode"], "reason": reason}}
            if pod["spec"]["restartPolicy"] == "Never":
                phase, found["state"] = "Failed", ended
            else:
                back = {
                    "reason": "CrashLoopBackOff",
                    "message": "back-off restarting the container",
                }
                phase, found["state"] = "Running", {"waiting": back}
                found["lastState"] = ended
        (container,) = pod["spec"]["containers"]
        whole_status = {
            "name": container["name"],
            "image": container["image"],
            "imageID": container["image"],
            "ready": ready,
            "restartCount": 0,
        }
        status = {
            "phase": phase,
            "conditions": [condition(one, ready=ready) for one in ("Ready", "ContainersReady")],
            "containerStatuses": [whole_status | found],
        }
        key = json.dumps({**status, "conditions": ready}, sort_keys=True)
        if self._reported.get(pod["metadata"]["uid"]) != key:
            self._patch(f"{path_of(pod)}/status", {"status": status})
            self._reported[pod["metadata"]["uid"]] = key

    def _event(self, pod: Pod, reason: str, message: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        about = {key: pod["metadata"][key] for key in ("name", "namespace", "uid")}
        event = {
            "metadata": {"generateName": "event-", "namespace": about["namespace"]},
            "involvedObject": {"kind": "Pod", **about},
            "type": "Warning",
            "reason": reason,
            "message": message,
            "firstTimestamp": now,
            "lastTimestamp": now,
        }
        if self._reported.get(message) is None:
            self._api.post(f"/api/v1/namespaces/{about['namespace']}/events", json=event)
            self._reported[message] = True

    def _patch(self, path: str, body: dict[str, Any]) -> None:
        kind = {"Content-Type": "application/merge-patch+json"}
        self._api.patch(path, content=json.dumps(body), headers=kind)

    def _container(self, pod: Pod) -> str:
        return "_".join([self._prefix, pod["metadata"]["namespace"], pod["metadata"]["name"]])


class WaitsError(Exception):
    """A container cannot be made yet."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def path_of(pod: Pod) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def condition(name: str, *, ready: bool) -> dict[str, Any]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"type": name, "status": str(ready), "lastTransitionTime": now}


def whole(moment: str) -> str:
    """Return Docker's time without the parts of a second."""
    return moment[:19] + "Z"
