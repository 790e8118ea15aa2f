"""What `/metrics` shows beyond plain counts: what is in hand, the log's state, the start."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import psutil
import pytest
from tests.serving.conftest import as_bytes
from tests.serving.test_durability import wait_until

from slipway.serving.api import Api
from slipway.serving.start import STOP_SECONDS
from slipway.settings import read_params

IN_FLIGHT = "slipway_in_flight"
WAITING = "slipway_log_waiting_seconds"
LAST = "slipway_log_last_record_timestamp_seconds"
WRITABLE = "slipway_log_writable"
STARTED = "slipway_start_time_seconds"


@contextlib.contextmanager
def asking(service, row) -> Iterator[socket.socket]:
    """A request that has begun and does not end: half of its body is missing."""
    body = as_bytes(row)
    host, _, port = service.url.removeprefix("http://").partition(":")
    head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, int(port))) as client:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:10])
        yield client


def test_a_prediction_is_in_flight_until_it_is_answered(open_service, row):
    with asking(open_service, row) as client:
        wait_until(lambda: open_service.count(IN_FLIGHT) == 1)
        client.sendall(as_bytes(row)[10:])
        assert b" 200 " in client.recv(100)

    wait_until(lambda: open_service.count(IN_FLIGHT) == 0)


def test_what_a_client_leaves_behind_is_not_in_flight(open_service, row):
    with asking(open_service, row):
        wait_until(lambda: open_service.count(IN_FLIGHT) == 1)

    wait_until(lambda: open_service.count(IN_FLIGHT) == 0)


def test_what_a_killed_worker_had_in_hand_is_forgotten(start, row, tmp_path):
    with start(tmp_path, workers=2) as service, asking(service, row) as client:
        wait_until(lambda: service.count(IN_FLIGHT) == 1)
        (worker,) = [one for one in service.workers() if talks_to(one, client.getsockname()[1])]
        worker.kill()

        wait_until(lambda: not psutil.pid_exists(worker.pid) or worker.status() == "zombie")
        wait_until(lambda: ask_anew(service, IN_FLIGHT) == 0)
        began = time.monotonic()

    # It was asked to stop while it replaced that worker.
    assert time.monotonic() - began < STOP_SECONDS


def talks_to(worker: psutil.Process, port: int) -> bool:
    return any(one.raddr and one.raddr.port == port for one in worker.net_connections())


def ask_anew(service, series: str) -> float | None:
    """One value of /metrics over a connection of its own; None if there is no answer."""
    with contextlib.suppress(httpx.TransportError):
        text = httpx.get(f"{service.url}/metrics").text
        return value(text, series)
    return None


def value(text: str, series: str) -> float | None:
    found = re.search(rf"^{series}\{{[^}}]*\}} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def test_a_start_and_the_last_safe_record_have_times_and_the_next_start_a_later_one(
    start, row, tmp_path, service
):
    began = [service.count(STARTED), time.time()]
    with start(tmp_path) as own:
        began += [own.count(STARTED), time.time()]
        assert own.count(LAST) == 0
        before = time.time()
        own.predict(row).raise_for_status()

        assert before <= own.count(LAST) <= time.time()
    assert began == sorted(set(began))


def test_the_disk_of_the_log_is_shown_as_it_is(service):
    disk = os.statvfs(service.log)

    assert service.count("slipway_log_disk_bytes") == disk.f_blocks * disk.f_frsize
    assert 0 < service.count("slipway_log_free_bytes") < service.count("slipway_log_disk_bytes")
    assert service.count(WRITABLE) == 1


def test_a_log_without_a_folder_is_not_writable_and_has_no_room_to_show(start, tmp_path):
    with start(tmp_path / "log") as service:
        shutil.rmtree(service.log)

        wait_until(lambda: service.count(WRITABLE) == 0)
        assert "slipway_log_free_bytes" not in service.client.get("/metrics").text


def test_while_the_disk_hangs_the_numbers_are_shown_and_reflect_it(
    tree, row, tmp_path, monkeypatch
):
    hangs, released = threading.Event(), threading.Event()
    sync = os.fdatasync
    monkeypatch.setenv("SLIPWAY_LOG", str(tmp_path))
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)

    def hang(file: int) -> None:
        hangs.set()
        released.wait(60)
        sync(file)

    async def metrics_of(client: httpx.AsyncClient) -> str:
        return (await client.get("/metrics")).text

    async def ask() -> None:
        api = Api()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await api(scope, receive, send)

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            (await client.post("/predict", json=row)).raise_for_status()
            assert value(await metrics_of(client), WAITING) == 0
            monkeypatch.setattr(os, "fdatasync", hang)
            began = time.time()
            asked = asyncio.create_task(client.post("/predict", json=row))
            await asyncio.to_thread(hangs.wait, 60)
            text = await metrics_of(client)
            assert value(text, WRITABLE) == 0
            # The numbers are asked for after a second in which the disk did not answer.
            assert 0.9 < (value(text, WAITING) or 0) <= time.time() - began
            assert value(text, IN_FLIGHT) == 1
            released.set()
            assert orjson.loads((await asked).content)["id"]
            assert value(await metrics_of(client), WAITING) == 0
        await api.close()

    with contextlib.chdir(tree):
        assert read_params().serve.log_durable == "disk"
        asyncio.run(ask())


@pytest.mark.parametrize("series", [IN_FLIGHT, WAITING, LAST, WRITABLE])
def test_a_scrape_does_not_change_what_it_shows(service, series):
    assert service.count(series) == service.count(series)
