"""What is asked of this machine goes straight to it; what is asked of others as the user set it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from tests.services.projects import ROOT
from tests.serving.conftest import TOKEN

from slipway.errors import SlipwayError
from slipway.proxies import is_here
from slipway.serving.replay import Service, replay

NAMES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(params=["127.0.0.1:9", "http://127.0.0.1:9", "socks5://127.0.0.1:9"])
def dead_proxy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All requests of this environment are to go where nothing listens."""
    for name in NAMES:
        monkeypatch.setenv(name, request.param)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


class Recorder(BaseHTTPRequestHandler):
    """Answers everything, and keeps what it was asked."""

    asked: ClassVar[list[tuple[str, str]]] = []
    status: ClassVar[int] = 200
    protocol_version = "HTTP/1.1"  # which does not announce that it closes the connection

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Proxy-Authorization", "")))
        body = json.dumps({"manifest": {}}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def do_CONNECT(self) -> None:
        self.asked.append((self.path, self.headers.get("Proxy-Authorization", "")))
        self.send_error(502)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    class Own(Recorder):
        asked: ClassVar[list[tuple[str, str]]] = []

    with ThreadingHTTPServer(("127.0.0.1", 0), Own) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", Own.asked
        server.shutdown()


def test_a_service_of_this_machine_starts_and_answers_whatever_proxy_is_set(
    start, tree, tmp_path, monkeypatch
):
    for name in NAMES:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SLIPWAY_TOKENS", TOKEN)
    with start(tmp_path / "log", tokens=TOKEN) as running:
        assert replay(tree / "data/2013-08.parquet", running.url, limit=20).answered == 20


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_asked_directly(dead_proxy, server, host):
    address, asked = server
    assert Service(f"http://{address.replace('127.0.0.1', host)}").manifest() == {}
    assert asked == [("/model", "")]


@pytest.mark.parametrize(("status", "exit_code"), [(200, 0), (503, 1)])
def test_the_health_check_of_the_image_asks_no_proxy(
    dead_proxy, server, monkeypatch, status, exit_code
):
    monkeypatch.setattr(Recorder, "status", status)
    text = (ROOT / "packages/slipway/src/slipway/release/image/Dockerfile").read_text("utf-8")
    (check,) = re.findall(r"HEALTHCHECK.*?CMD (\[.*?\])$", text, re.DOTALL | re.MULTILINE)
    port = server[0].partition(":")[2]
    command = [part.replace("3000", port) for part in json.loads(check)]
    done = subprocess.run([sys.executable, *command[1:]], check=False, capture_output=True)
    assert done.returncode == exit_code, shlex.join(command) + done.stderr.decode()
    assert server[1] == [("/readyz", "")]


def test_a_connection_that_the_service_closed_while_rows_were_read_is_opened_again(server):
    service = Service(f"http://{server[0]}")
    for _ in range(2):  # the server of the test closes each connection after its answer
        assert service.manifest() == {}


def test_another_machine_is_asked_through_the_proxy(server, monkeypatch):
    address, asked = server
    monkeypatch.setenv("http_proxy", f"http://me:p%40ss@{address}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert Service("http://service.example/some").manifest() == {}
    assert asked == [("http://service.example/some/model", "Basic bWU6cEBzcw==")]


def test_another_machine_is_asked_by_tls_through_a_tunnel(server, monkeypatch):
    address, asked = server
    monkeypatch.setenv("https_proxy", f"http://{address}")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(SlipwayError, match="does not answer"):
        Service("https://service.example").manifest()
    assert [path for path, _ in asked] == ["service.example:443"]


def test_a_host_that_no_proxy_names_is_asked_directly(dead_proxy, monkeypatch):
    monkeypatch.setenv("no_proxy", "service.invalid")
    with pytest.raises(SlipwayError, match=r"http://service\.invalid: the service does not"):
        Service("http://service.invalid").manifest()


@pytest.mark.parametrize(
    "url", ["http://a:x", "http://a:70000", "http://[::1", "ftp://a", "a:3000"]
)
def test_what_is_no_address_of_a_service_is_refused(url):
    with pytest.raises(SlipwayError, match="not an http or https URL"):
        Service(url)


def test_a_proxy_of_a_kind_that_is_not_known_is_refused(monkeypatch):
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(SlipwayError, match="socks5://127") as refused:
        Service("http://service.example")
    assert "no_proxy" in refused.value.do


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", True),
        ("LOCALHOST", True),
        ("a.localhost", True),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_which_hosts_are_this_machine(host, here):
    assert is_here(host) is here
