"""A Kubernetes cluster: the real API server on a real etcd, and the real controllers.

`tests/services/install` brings them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.services.servers import free_port, program, running

SECONDS = 180

# Who may do what: an administrator, and the users in the group of the deployer's role.
USERS = """\
admin-token,admin,1,"system:masters"
deployer-token,deployer,2,"slipway-deployers"
"""

API_SERVER = [
    "--bind-address=127.0.0.1",
    "--service-cluster-ip-range=10.0.0.0/24",
    "--authorization-mode=RBAC",
    "--service-account-issuer=https://kubernetes.default.svc",
    "--kubelet-preferred-address-types=InternalIP",
]


@dataclass(frozen=True)
class Cluster:
    """A running API server and the ways in.

    Attributes
    ----------
    admin, deployer
        Paths of a kubeconfig.
    prefix
        Of the containers that `kube-node` reaches.
    """

    url: str
    folder: Path
    admin: Path
    deployer: Path
    prefix: str
    node_port: int

    def api(self) -> httpx.Client:
        """Return a client with all rights."""
        headers = {"Authorization": "Bearer admin-token"}
        return httpx.Client(base_url=self.url, headers=headers, verify=False, timeout=SECONDS)

    def kubectl(self, *arguments: str, stdin: str = "", who: str = "admin") -> str:
        """Run kubectl and return its output; raises with its error output if it fails."""
        config = self.admin if who == "admin" else self.deployer
        done = subprocess.run(
            [program("kubectl"), "--kubeconfig", str(config), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Run a cluster without nodes while the block lasts."""
    # First all programs, so that a test without them is skipped before anything starts.
    etcd, server, controllers, node = map(
        program, ("etcd", "kube-apiserver", "kube-controllers", "kube-node")
    )
    ports = [free_port() for _ in range(4)]
    store, peers, secure, nodes = ports
    users, key = folder / "users.csv", folder / "key.pem"
    users.write_text(USERS)
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    certificates = folder / "certificates"
    url, prefix = f"https://127.0.0.1:{secure}", f"slipway-test-{uuid.uuid4().hex[:8]}"
    addresses = f"http://127.0.0.1:{store}"
    with ExitStack() as stack:
        stack.enter_context(
            _started(
                folder / "etcd",
                store,
                [etcd, "--data-dir=data", "--unsafe-no-fsync", "--logger=zap"]
                + [f"--{who}-client-urls={addresses}" for who in ("listen", "advertise")]
                + [f"--listen-peer-urls=http://127.0.0.1:{peers}"],
            )
        )
        stack.enter_context(
            _started(
                folder / "server",
                secure,
                [server, *API_SERVER, f"--etcd-servers={addresses}", f"--secure-port={secure}"]
                + [f"--cert-dir={certificates}", f"--token-auth-file={users}"]
                + [f"--service-account-{it}key-file={key}" for it in ("", "signing-")],
            )
        )
        found = Cluster(
            url,
            folder,
            _kubeconfig(folder / "admin", url, "admin-token"),
            _kubeconfig(folder / "deployer", url, "deployer-token"),
            prefix,
            nodes,
        )
        _wait_until_ready(found)
        pair = [str(certificates / f"apiserver.{end}") for end in ("crt", "key")]
        stack.enter_context(
            _started(folder / "node", nodes, [node, f"127.0.0.1:{nodes}", *pair, prefix])
        )
        stack.enter_context(_in_background([controllers, str(found.admin)], folder / "controllers"))
        yield found


@contextmanager
def _started(folder: Path, port: int, command: list[str]) -> Iterator[None]:
    folder.mkdir()
    with running(command, port, folder):
        yield


@contextmanager
def _in_background(command: list[str], log: Path) -> Iterator[None]:
    """Run something that listens nowhere."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(found: Cluster) -> None:
    deadline = time.monotonic() + SECONDS
    with found.api() as api:
        while (answer := api.get("/readyz")).status_code != 200:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.1)
        # Pods need one in each namespace; the controller that makes it is not there.
        while api.get("/api/v1/namespaces/default").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _kubeconfig(path: Path, url: str, token: str) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(config))
    return path


def path_with_programs() -> str:
    """Return a PATH on which `kubectl` is the tests' own."""
    folder = str(Path(program("kube-apiserver")).parent)
    assert shutil.which("kubectl", path=folder)
    return os.pathsep.join([folder, os.environ["PATH"]])
