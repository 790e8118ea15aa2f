"""What a client without a token can take: few bytes, for a short time."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import httpx
import psutil
import pytest
import uvicorn

from slipway.serving.connections import LimitedProtocol

PATIENCE = 20  # seconds
LARGE = 32 << 20  # bytes: no socket holds as much
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"


class Quick(LimitedProtocol):
    max_connections = 4
    head_seconds = 0.3
    request_seconds = 0.6
    linger_seconds = 0.3


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the length of the body, or with much; nothing but HTTP is asked for."""
    if scope["type"] != "http":
        return
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length, more = length + len(message["body"]), message.get("more_body", False)
    body = bytes(LARGE) if scope["path"] == "/large" else str(length).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def quick() -> Iterator[int]:
    """The port of a server with short limits."""
    config = uvicorn.Config(app, http=Quick, log_config=None, lifespan="off", timeout_keep_alive=1)
    server = uvicorn.Server(config)
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        run = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        run.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        run.join()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)) as client:
        yield client


def rest_of(client: socket.socket) -> bytes:
    """Everything that comes until the server ends the connection."""
    received = b""
    with suppress(ConnectionError):
        while chunk := client.recv(65_536):
            received += chunk
    return received


def test_a_request_whose_headers_do_not_come_to_an_end_is_408(quick: int) -> None:
    with connected(quick) as client:
        client.sendall(GET)

        assert rest_of(client).startswith(b"HTTP/1.1 408 ")


def test_a_connection_on_which_nothing_is_sent_is_ended(quick: int) -> None:
    with connected(quick) as client:
        assert rest_of(client).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (GET, b"x"),
        (b"\r\n", b"\r\n"),
        (b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
)
def test_sending_a_little_at_a_time_does_not_keep_a_connection(
    quick: int, start: bytes, drip: bytes
) -> None:
    with connected(quick) as client:
        started = time.monotonic()
        with suppress(ConnectionError):
            client.sendall(start)
            while time.monotonic() - started < PATIENCE:
                client.settimeout(0.05)
                with suppress(TimeoutError):
                    if client.recv(1, socket.MSG_PEEK):
                        break
                client.sendall(drip)

        assert time.monotonic() - started < 5
        client.settimeout(PATIENCE)
        assert rest_of(client).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_keeps_its_connection_is_answered_for_longer_than_a_request_may_take(
    quick: int,
) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{quick}") as client:
        started = time.monotonic()
        connections = set()
        while time.monotonic() - started < 3 * Quick.request_seconds:
            answer = client.post("/", content=b"12345")
            assert answer.text == "5"
            connections.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
            time.sleep(0.1)

    assert len(connections) == 1


def test_connections_beyond_the_limit_are_503_until_one_is_free(quick: int) -> None:
    first = [socket.create_connection(("127.0.0.1", quick)) for _ in range(Quick.max_connections)]
    for each in first:
        each.sendall(GET)
    with connected(quick) as client:
        assert rest_of(client).startswith(b"HTTP/1.1 503 ")
    for each in first:
        rest_of(each)
        each.close()

    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{quick}/").status_code == 200:
                break
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([b"a%d: 1" % number for number in range(95)], b"200"),
        ([b"a%d: 1" % number for number in range(101)], b"431"),
        ([b"a%d: 1" % number for number in range(1_000_000)], b"431"),
        ([b"a: " + b"x" * 60_000], b"200"),
        ([b"a: " + b"x" * 70_000], b"431"),
        ([b"a%d: " % number + b"x" * 1_000 for number in range(90)], b"431"),
        ([b"a: " + b"x" * 10_000_000], b"431"),
    ],
)
def test_headers_beyond_the_limits_are_431(
    service: Any, headers: list[bytes], status: bytes
) -> None:
    with connected(int(service.url.rpartition(":")[2])) as client:
        with suppress(ConnectionError):
            client.sendall(GET + b"Connection: close\r\n" + b"\r\n".join(headers) + b"\r\n\r\n")

        assert rest_of(client).startswith(b"HTTP/1.1 " + status)


def test_trailers_are_limited_as_headers_are(quick: int) -> None:
    with connected(quick) as client:
        with suppress(ConnectionError):
            client.sendall(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na: ")
            client.sendall(b"x" * 10_000_000)

        assert rest_of(client).startswith(b"HTTP/1.1 431 ")


def test_a_request_for_a_websocket_is_answered_as_any_other(quick: int) -> None:
    with connected(quick) as client:
        client.sendall(
            GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )

        assert rest_of(client).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_does_not_read_its_answer_is_disconnected(quick: int) -> None:
    with connected(quick) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        time.sleep(4 * Quick.request_seconds)

        assert len(rest_of(client)) < LARGE


def test_headers_do_not_take_the_memory_of_the_service(service: Any) -> None:
    (worker,) = service.workers()
    before = worker.memory_info().rss
    small = b"".join(b"a%d: 1\r\n" % number for number in range(1_000_000))
    for _ in range(2):
        with connected(int(service.url.rpartition(":")[2])) as client, suppress(ConnectionError):
            client.sendall(GET + small)

    assert psutil.Process(worker.pid).memory_info().rss - before < 20 << 20


def test_requests_sent_without_waiting_for_answers_are_limited(service: Any) -> None:
    with connected(int(service.url.rpartition(":")[2])) as client:
        client.sendall((GET + b"\r\n") * 5_000)
        received = rest_of(client)

    assert received.count(b"HTTP/1.1 200 ") <= 2 * LimitedProtocol.max_pipelined


def test_some_requests_may_be_sent_without_waiting(service: Any) -> None:
    with connected(int(service.url.rpartition(":")[2])) as client:
        client.sendall((GET + b"\r\n") * 9 + GET + b"Connection: close\r\n\r\n")

        assert rest_of(client).count(b"HTTP/1.1 200 ") == 10
