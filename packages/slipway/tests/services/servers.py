"""Real servers for the tests, each on a free port of the loopback interface.

The program `install` brings the servers. Where one is missing the tests that need it are skipped,
with a line about it; in CI that line is a failure.
"""

from __future__ import annotations

import base64
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import fsspec
import pytest
from fsspec import AbstractFileSystem
from tests.services.projects import ROOT

PLACES = [".services/bin", ".services/node_modules/.bin"]
SECONDS_TO_START = 30

# Read when gcsfs is imported: otherwise it asks Google what kind of bucket the emulator's is.
PLAIN_BUCKETS = {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
os.environ |= PLAIN_BUCKETS


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes
    ----------
    url
        A folder of it, as `dvc remote` takes it.
    environment
        What a client needs in its environment: addresses and credentials.
    files
        A way in that does not go through DVC, and the path of the folder there.
    """

    url: str
    environment: Mapping[str, str]
    files: AbstractFileSystem
    path: str


def program(name: str) -> str:
    """Return the path of a program, or skip the test that asks for it."""
    places = [str(ROOT / place) for place in PLACES]
    path = shutil.which(name, path=os.pathsep.join([*places, os.environ["PATH"], "/usr/sbin"]))
    if path is None:
        pytest.skip(f"{name} is not installed: run packages/slipway/tests/services/install")
    return path


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(
    command: list[str], port: int, folder: Path, seconds: float = SECONDS_TO_START
) -> Iterator[None]:
    """Run a server until the block ends; the block starts when the port answers."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait(process, port, log, seconds)
        yield
    finally:
        process.terminate()
        process.wait(SECONDS_TO_START)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An S3 server with one bucket."""
    folder = tmp_path_factory.mktemp("s3")
    for name in ("objects/models", "metadata", "users"):
        (folder / name).mkdir(parents=True)
    port = free_port()
    command = [
        *(program("versitygw"), "--access", "tester", "--secret", "not-a-secret"),
        *("--port", f"127.0.0.1:{port}", "--iam-dir", str(folder / "users")),
        *("posix", "--sidecar", str(folder / "metadata"), str(folder / "objects")),
    ]
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with running(command, port, folder):
        files = fsspec.filesystem(
            "s3", key="tester", secret="not-a-secret", endpoint_url=environment["AWS_ENDPOINT_URL"]
        )
        yield Server("s3://models/slipway", environment, files, "models/slipway")


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Azure's own emulator of its blob storage, with one container."""
    folder = tmp_path_factory.mktemp("azure")
    port = free_port()
    account, key = "tester", base64.b64encode(b"not-a-secret").decode()
    command = [
        *("env", f"AZURITE_ACCOUNTS={account}:{key}"),
        *(program("azurite-blob"), "--silent", "--disableTelemetry", "--skipApiVersionCheck"),
        *("--location", str(folder), "--blobPort", str(port)),
    ]
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};"
        f"BlobEndpoint=http://127.0.0.1:{port}/{account};"
    )
    with running(command, port, folder):
        files = fsspec.filesystem("abfs", connection_string=connection)
        files.mkdir("models")
        yield Server(
            "azure://models/slipway",
            {"AZURE_STORAGE_CONNECTION_STRING": connection},
            files,
            "models/slipway",
        )


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An emulator of Google Cloud Storage, with one bucket; it has no users."""
    folder, port = tmp_path_factory.mktemp("gcs"), free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        *(program("fake-gcs-server"), "-backend", "memory", "-scheme", "http"),
        *("-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}"),
    ]
    environment = {"STORAGE_EMULATOR_HOST": url, **PLAIN_BUCKETS}
    with running(command, port, folder):
        files = fsspec.filesystem("gs", endpoint_url=url, token="anon")
        files.mkdir("models")
        yield Server("gs://models/slipway", environment, files, "models/slipway")


@pytest.fixture(scope="session")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An SSH server that lets the user who runs the tests in, by a key made for it."""
    folder = tmp_path_factory.mktemp("ssh")
    home = folder / "home/.ssh"
    home.mkdir(parents=True, mode=0o700)
    for key in (folder / "host", home / "id_ed25519"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    port = free_port()
    settings = folder / "settings"
    settings.write_text(
        f"ListenAddress 127.0.0.1:{port}\n"
        f"HostKey {folder}/host\n"
        f"AuthorizedKeysFile {home}/id_ed25519.pub\n"
        f"PidFile {folder}/pid\n"
        "PasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\n"
        "StrictModes no\n"  # the keys lie under a temporary folder that others may write to
        "Subsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # the root server insists on it
    stored = folder / "stored"
    with running([program("sshd"), "-D", "-e", "-f", str(settings)], port, folder):
        yield Server(
            f"ssh://{getpass.getuser()}@127.0.0.1:{port}{stored}",
            {"HOME": str(home.parent)},
            fsspec.filesystem("file"),
            str(stored),
        )


@pytest.fixture
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A folder of its own on the server that the parameter names, and its credentials."""
    server: Server = request.getfixturevalue(request.param)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    url = server.url.replace("azure://", "az://")
    name = request.node.originalname
    return replace(server, url=f"{url}/{name}", path=f"{server.path}/{name}")
