"""The worst bodies that were found, each sent alone: time, memory, answer, and others' wait.

Each is as large as `serve.max_body_bytes` allows. Meanwhile another client sends
`/readyz` again and again; the longest time until it was answered is how long the service was busy.
Last come 24 MB of small headers, from a client without a token.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from support.measure import BIN, PACKAGE, clean_copy, machine, seconds, table

from slipway.serving.start import Running, serving

sys.path.insert(0, str(PACKAGE))
from tests.services.starter_rows import with_two_faults

TOKEN = "a token for the benchmark"
LIMIT = 1 << 20
ROUNDS = 3

Answered = tuple[str, int]  # status, and the size of the answer


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        copy = clean_copy(Path(name))
        for command in ("prepare", "train"):
            seconds([str(BIN / "slipway"), command], copy)
        row = json.loads((copy / "build/model/manifest.json").read_text("utf-8"))["golden"][0][
            "row"
        ]
        service = os.environ | {"SLIPWAY_TOKENS": TOKEN, "SLIPWAY_LOG": f"{name}/log"}
        with serving(copy, environment=service) as running:
            rows = [_measure(running, what, body) for what, body in _bodies(row).items()]
            small = b"".join(b"a%06d: 1\r\n" % number for number in range(2_000_000))
            headers = partial(_headers, running.url, small)
            rows.append(_measured(running, "24 MB of small headers", headers))
    print("## The worst bodies\n")
    print(f"Worst of {ROUNDS} times each, of at most {LIMIT:,} bytes; one worker. {machine()}\n")
    print(table(rows))


def _bodies(row: dict[str, Any]) -> dict[str, bytes]:
    good = [row | {"flight_id": f"20130801-UA{number}-EWR"} for number in range(1, 1001)]
    several = [with_two_faults(each) for each in good]
    numbers = b",".join(b'"%x":1' % number for number in range(LIMIT // 11))
    return {
        "1,000 rows, all valid": json.dumps(good).encode(),
        "1,000 rows, two faults each": json.dumps(several).encode(),
        "1,000 empty rows": b"[" + b",".join([b"{}"] * 1000) + b"]",
        "350,000 empty rows": b"[" + b",".join([b"{}"] * (LIMIT // 3)) + b"]",
        "350,000 empty lists": b"[" + b",".join([b"[]"] * (LIMIT // 3)) + b"]",
        "a row of 350,000 empty objects": b'{"dest":['
        + b",".join([b"{}"] * (LIMIT // 3 - 4))
        + b"]}",
        "a row of 95,000 unknown fields": b"{" + numbers + b"}",
        "a row with a key 170,000 times": b"{" + b",".join([b'"a":1'] * (LIMIT // 6)) + b"}",
        "75,000 objects with a key twice": b'{"dest":['
        + b",".join([b'{"a":1,"a":2}'] * (LIMIT // 14 - 1))
        + b"]}",
        "a list in a list, 500,000 deep": b"[" * (LIMIT // 2) + b"]" * (LIMIT // 2),
        "a number of 1,000,000 digits": b'{"dest":' + b"9" * 1_000_000 + b"}",
        "a text of 1 MB": b'{"dest":"' + b"x" * (LIMIT - 20) + b'"}',
        "a text of 500,000 escaped characters": b'{"dest":"' + b"\\\\" * (LIMIT // 2 - 10) + b'"}',
    }


def _measure(running: Running, what: str, body: bytes) -> dict[str, str]:
    assert len(body) <= LIMIT, what
    return _measured(running, what, lambda: _post(running.url, body))


def _measured(running: Running, what: str, ask: Callable[[], Answered]) -> dict[str, str]:
    worker = psutil.Process(running.pid).children(recursive=True)[0]
    Path(f"/proc/{worker.pid}/clear_refs").write_text("5")  # The peak starts again from here.
    before = worker.memory_info().rss
    took, waited = 0.0, 0.0
    for _ in range(ROUNDS):
        with _asking_meanwhile(running.url) as waits:
            started = time.perf_counter()
            status, size = ask()
            took = max(took, time.perf_counter() - started)
        waited = max([waited, *waits])
    return {
        "": what,
        "status": status,
        "answer, bytes": f"{size:,}",
        "seconds": f"{took:.2f}",
        "`/readyz` waited, ms": f"{waited * 1e3:.0f}",
        "peak memory, MiB more": f"{(_peak(worker.pid) - before) / 2**20:+.0f}",
    }


def _peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


@contextmanager
def _asking_meanwhile(url: str) -> Iterator[list[float]]:
    waits: list[float] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            started = time.perf_counter()
            urllib.request.urlopen(f"{url}/readyz", timeout=60).read()
            waits.append(time.perf_counter() - started)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield waits
    finally:
        done.set()
        asking.join()


def _post(url: str, body: bytes) -> Answered:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/predict", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.status), len(answer.read())
    except urllib.error.HTTPError as error:
        return str(error.code), len(error.read())


def _headers(url: str, fields: bytes) -> Answered:
    parts = urlsplit(url)
    received = b""
    with socket.create_connection((parts.hostname, parts.port)) as client, suppress(OSError):
        with suppress(OSError):
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n")
        while chunk := client.recv(65_536):
            received += chunk
    return received[9:12].decode() or "closed", len(received)


if __name__ == "__main__":
    main()
