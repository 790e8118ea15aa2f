"""Ask a service for predictions over many connections at once, and print how it went as JSON.

    python load.py URL BODIES CONNECTIONS REQUESTS SECONDS [TOKEN]

BODIES is a file with one JSON body a line. Stops after REQUESTS answers or SECONDS, whichever
comes first. It speaks raw HTTP so that it takes a tenth of the processor time of what it measures.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop


class Load:
    """What all connections share: what to send, when to stop, how long answers took."""

    def __init__(self, url: str, bodies: list[bytes], token: str) -> None:
        self.address = urlsplit(url)
        self._requests = itertools.cycle([self._request(body, token) for body in bodies])
        self.taken: list[float] = []
        self.refused: list[bytes] = []
        self.left = 0
        self.end = 0.0

    def _request(self, body: bytes, token: str) -> bytes:
        lines = [
            f"POST {self.address.path} HTTP/1.1",
            f"Host: {self.address.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *([f"Authorization: Bearer {token}"] if token else []),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def run(self, connections: int, requests: int, seconds: float) -> dict[str, float]:
        host, port = self.address.hostname, self.address.port
        assert host
        assert port
        self.left, self.end = requests, time.perf_counter() + seconds
        loop = asyncio.get_running_loop()
        start = time.perf_counter()
        made = [
            await loop.create_connection(lambda: Connection(self), host, port)
            for _ in range(connections)
        ]
        faults = await asyncio.gather(*(connection.closed for _, connection in made))
        elapsed = time.perf_counter() - start
        if any(faults) or (self.left > 0 and time.perf_counter() < self.end):
            sys.exit("the service closed connections")
        if self.refused:
            sys.exit(f"{len(self.refused)} refused: {self.refused[0].decode(errors='replace')}")
        return summary(self.taken, elapsed)

    def next(self) -> bytes | None:
        self.left -= 1
        over = self.left < 0 or time.perf_counter() > self.end
        return None if over else next(self._requests)


class Connection(asyncio.Protocol):
    """Sends a request, waits for the whole answer, sends the next."""

    def __init__(self, load: Load) -> None:
        self.closed = asyncio.get_running_loop().create_future()
        self._load = load
        self._received = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self._load.taken.append(time.perf_counter() - self._sent)
        if not head.startswith(b"HTTP/1.1 200"):
            self._load.refused.append(self._received)
        self._received = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(exc)

    def _send(self) -> None:
        request = self._load.next()
        if request is None:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)


def _length(head: bytes) -> int:
    lower = head.lower()
    start = lower.index(b"content-length:") + len(b"content-length:")
    return int(lower[start:].partition(b"\r\n")[0])


def summary(taken: list[float], elapsed: float) -> dict[str, float]:
    ordered = sorted(taken)
    return {
        "requests": len(ordered),
        "per_second": len(ordered) / elapsed,
        "p50": ordered[len(ordered) // 2] * 1e3,
        "p99": ordered[len(ordered) * 99 // 100] * 1e3,
    }


def main(
    url: str, bodies: str, connections: str, requests: str, seconds: str, token: str = ""
) -> None:
    load = Load(url, Path(bodies).read_bytes().splitlines(), token)
    print(json.dumps(uvloop.run(load.run(int(connections), int(requests), float(seconds)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
