"""An acknowledged prediction is never lost, whatever happens to the process or its disk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time

import httpx
import psutil
import pytest
from tests.serving.test_refusals import refusal

from slipway.predictions.reader import read_log

PATIENCE = 30  # seconds


def wait_until(true):
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def ask_without_end(url, row, acknowledged, connections=16):
    """Send some rows at a time, and note each id that is returned, until there is no answer."""
    body = [row, row | {"flight_id": "20130801-UA2-EWR"}, row | {"flight_id": "20130801-UA3-EWR"}]

    async def ask():
        async with httpx.AsyncClient(base_url=url) as client:
            with contextlib.suppress(httpx.TransportError):
                while True:
                    answer = await client.post("/predict", json=body)
                    acknowledged.extend(one["id"] for one in answer.json())

    await asyncio.gather(*(ask() for _ in range(connections)))


def test_kill_9_under_load_loses_nothing_that_was_acknowledged(start, row, tmp_path):
    acknowledged: list[str] = []

    async def kill_under_load(service):
        load = asyncio.create_task(ask_without_end(service.url, row, acknowledged))
        async with asyncio.timeout(PATIENCE):
            while len(acknowledged) < 3_000:
                await asyncio.sleep(0.01)
            # The supervisor first, or it would start new workers.
            for process in [psutil.Process(service.pid), *service.workers()]:
                process.send_signal(signal.SIGKILL)
            await load

    with start(tmp_path, workers=2) as service:
        asyncio.run(kill_under_load(service))

    ids = read_log(tmp_path)["id"]
    assert ids.is_unique
    assert set(acknowledged) <= set(ids)
    assert len(set(acknowledged)) == len(acknowledged) >= 3_000


def test_two_workers_write_side_by_side_each_to_its_own_file(open_service, row):
    already = set(open_service.logged()["id"])
    answered = []

    def each_has_written():
        answered.append(open_service.predict(row, headers={"Connection": "close"}).json()["id"])
        return len(list(open_service.log.glob("*.jsonl"))) == 2

    wait_until(each_has_written)

    assert set(answered) == set(open_service.logged()["id"]) - already


@contextlib.contextmanager
def full_disk(service):
    """Let no file of the service grow, as on a full disk; needs no root."""
    limits = {}
    for worker in service.workers():
        limits[worker.pid] = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (0, limits[worker.pid][1]))
    try:
        yield
    finally:
        for pid, limit in limits.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)


def test_on_a_full_disk_nothing_is_answered_and_afterwards_everything_is(service, row):
    before = service.logged()
    with full_disk(service):
        refusal(service.predict(row), 503, "log_unavailable")
        refusal(service.client.get("/readyz"), 503, "log_unavailable")
        assert service.client.get("/livez").status_code == 200
    assert service.count("slipway_log_faults_total") > 0

    wait_until(lambda: service.client.get("/readyz").status_code == 200)
    answer = service.predict(row).json()

    after = service.logged()
    assert set(after["id"]) - set(before["id"]) == {answer["id"]}
    assert after.attrs["torn"] == 0


def test_a_disk_that_fills_up_in_the_middle_of_a_record_leaves_no_half_record(service, row):
    service.predict(row)
    newest = max(service.log.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    (worker,) = service.workers()
    limit = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    try:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (newest.stat().st_size + 100, limit[1]))
        size = newest.stat().st_size
        refusal(service.predict(row), 503, "log_unavailable")
    finally:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, limit)

    assert newest.stat().st_size == size
    assert service.logged().attrs["torn"] == 0
    assert service.predict(row).status_code == 200


@pytest.fixture(scope="module")
def own_service(start, tmp_path_factory):
    """Each test takes something from it, and sees that it answers again when it is back."""
    with start(tmp_path_factory.mktemp("own") / "log") as service:
        yield service


def test_when_its_folder_goes_away_it_answers_no_more_until_the_folder_is_back(own_service, row):
    assert own_service.predict(row).status_code == 200
    shutil.rmtree(own_service.log)

    refusal(own_service.predict(row), 503, "log_unavailable")
    wait_until(lambda: own_service.client.get("/readyz").status_code == 503)
    own_service.log.mkdir()
    wait_until(lambda: own_service.client.get("/readyz").status_code == 200)

    assert own_service.predict(row).json()["id"] in set(own_service.logged()["id"])


@contextlib.contextmanager
def unable_to_make_files(folder):
    """Let a folder take no new file, while files in it may still grow."""
    change, undo = (["chmod", "555"], ["chmod", "750"])
    if os.geteuid() == 0:  # root needs no permission
        change, undo = (["chattr", "+i"], ["chattr", "-i"])
    if subprocess.run([*change, folder], capture_output=True, check=False).returncode:
        pytest.skip("this file system knows no immutable folder, and root needs no permission")
    try:
        yield
    finally:
        subprocess.run([*undo, folder], check=True)


def test_a_folder_that_takes_no_new_file_makes_it_refuse_although_a_file_is_open(own_service, row):
    assert own_service.predict(row).status_code == 200

    with unable_to_make_files(own_service.log):
        wait_until(lambda: own_service.predict(row).status_code == 503)
        for _ in range(5):
            refusal(own_service.predict(row), 503, "log_unavailable")
            refusal(own_service.client.get("/readyz"), 503, "log_unavailable")

    wait_until(lambda: own_service.client.get("/readyz").status_code == 200)
    assert own_service.predict(row).status_code == 200


def test_traffic_does_not_hide_that_the_folder_was_moved(own_service, row):
    moved = own_service.log.with_name("moved")
    answered = [own_service.predict(row).json()["id"]]
    own_service.log.rename(moved)

    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        refusal(own_service.predict(row), 503, "log_unavailable")
        if own_service.client.get("/readyz").status_code == 503:
            break
    refusal(own_service.client.get("/readyz"), 503, "log_unavailable")

    moved.rename(own_service.log)
    wait_until(lambda: own_service.client.get("/readyz").status_code == 200)
    answered.append(own_service.predict(row).json()["id"])
    assert own_service.logged()["id"].tolist()[-2:] == answered


def test_a_full_disk_takes_a_few_lines_of_the_output_and_each_request_is_counted(
    start, row, tmp_path
):
    with start(tmp_path) as service:
        with full_disk(service):
            for _ in range(100):
                refusal(service.predict(row), 503, "log_unavailable")
        assert service.predict(row).status_code == 200
        output = service.output.read_text()

    lines = [line for line in output.splitlines() if "prediction log" in line]
    assert len([line for line in lines if "ERROR" in line]) <= 3
    assert "100" in lines[-1]


def test_a_worker_that_is_killed_is_replaced_within_seconds(own_service, row):
    for _ in range(2):
        (killed,) = own_service.workers()
        killed.kill()
        deadline = time.monotonic() + 4
        while killed.pid in {each.pid for each in own_service.workers()} or not (
            own_service.workers()
        ):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    wait_until(lambda: is_ready(own_service.url))
    assert own_service.predict(row).status_code == 200


def is_ready(url):
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz", timeout=PATIENCE).status_code == 200
    return False
