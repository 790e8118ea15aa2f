"""A server with Docker and SSH, and nothing of ours: the same release, and a line that is cut."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.deploy.conftest import MakePlace, Place, wait_for
from tests.deploy.test_crashes import until
from tests.services.servers import Server


class Line:
    """The way to a server, which can be cut."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._ends: list[socket.socket] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        # A listening socket in which a thread waits is not closed by closing it.
        for end in [self._door, *self._ends]:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has ended already
            finally:
                end.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            self._ends += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket) -> None:
        try:
            while chunk := source.recv(1 << 16):
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return


@pytest.fixture
def line(ssh: Server) -> Iterator[Line]:
    line = Line(urlsplit(ssh.url).port or 22)
    yield line
    line.cut()


@pytest.fixture
def sockets() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="ssh", ignore_cleanup_errors=True) as folder:
        yield folder


@pytest.fixture
def host(make_place: MakePlace, ssh: Server, line: Line, tmp_path: Path, sockets: str) -> Place:
    """A place that is reached through SSH, by a key made for it."""
    place = make_place()
    key = Path(ssh.environment["HOME"]) / ".ssh/id_ed25519"
    # The client looks for its keys in the home of the user, whatever HOME is.
    options = (
        f"-i {key} -o UserKnownHostsFile={tmp_path}/known -o StrictHostKeyChecking=accept-new "
        # One connection for many commands, as docs/deploy.md advises; a socket's path is short.
        f"-o ControlMaster=auto -o ControlPath={sockets}/%C -o ControlPersist=5"
    )
    client = tmp_path / "bin/ssh"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} {options} "$@"\n')
    client.chmod(0o755)
    user = urlsplit(ssh.url).username
    return dataclasses.replace(
        place,
        target="host",
        environment={
            "DOCKER_HOST": f"ssh://{user}@127.0.0.1:{line.port}",
            "PATH": f"{client.parent}{os.pathsep}{os.environ['PATH']}",
        },
    )


def test_a_server_is_deployed_to_and_a_cut_line_leaves_the_traffic_where_it_was(
    host: Place, line: Line, first: str, second: str
) -> None:
    outcome = host.deploy()
    assert outcome.ok, outcome.to_text()
    assert host.live() == first
    assert host.status()["engine"].startswith("ssh://")
    there = dataclasses.replace(host, target="local", environment={})
    with there.traffic() as tally:
        process = host.start("deploy", "--to", "host", "--image", second)
        until(process, "shadow")
        line.cut()
        wait_for(there.lock_is_free, "the lock")
        assert there.status()["live"]["traffic"] == 1
        output, _ = process.communicate()
    assert process.returncode == 2
    assert "is cut" in output
    assert "slipway status" in output
    assert not tally.failed(), tally.failed()[:3]
    assert "half done" in there.status_text()
    outcome = there.deploy()
    assert "undid the deploy" in outcome.steps[1].message
    assert outcome.ok, outcome.to_text()
    assert there.live() == first
    assert there.is_healthy()
    logged = there.logged()
    assert tally.ids() <= logged.keys()
