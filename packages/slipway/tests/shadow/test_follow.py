"""Every record of a growing log is scored once, whatever happens to the process."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from tests.serving.test_durability import wait_until
from tests.serving.test_log import record as some_record
from tests.shadow.conftest import START, records

from slipway.errors import SlipwayError
from slipway.repository.worktrees import environment
from slipway.shadow.answer import Shadow
from slipway.shadow.follow import Follower


@pytest.fixture(scope="module")
def shadow(other_tree):
    return Shadow(other_tree / "build/model")


@pytest.fixture
def places(tmp_path):
    """The log that is followed, and where the answers go."""
    (tmp_path / "log").mkdir()
    return tmp_path / "log", tmp_path / "out"


def follow_to_the_end(log, out, shadow, **more):
    follower = Follower(log, out, shadow, **more)
    while follower.step():
        pass
    assert not follower.behind()
    return follower


def ids(folder):
    return [record["id"] for record in records(folder)]


def test_it_answers_what_is_there_and_then_what_comes(write_log, model, rows, places, shadow):
    log, out = places
    write_log(log, model, rows[:30])
    follower = follow_to_the_end(log, out, shadow)
    assert ids(out) == ids(log)

    write_log(log, model, rows[30:50], start=START + timedelta(minutes=20))
    assert follower.behind() > 0
    while follower.step():
        pass

    assert ids(out) == ids(log)
    assert {one["model"] for one in records(out)} == {shadow.sha256}
    assert {one["live"]["model"] for one in records(out)} == {model.sha256}


def test_a_record_that_is_still_being_written_waits(write_log, model, rows, places, shadow):
    log, out = places
    write_log(log, model, rows[:5])
    (file,) = log.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    follower = Follower(log, out, shadow)

    follower.step()
    assert len(ids(out)) == 4
    file.write_bytes(whole)
    follower.step()

    assert ids(out) == ids(log)


def test_it_goes_on_where_it_stopped(write_log, model, rows, places, shadow):
    log, out = places
    write_log(log, model, rows[:30])
    del follow_to_the_end(log, out, shadow)._lock
    write_log(log, model, rows[30:60], start=START + timedelta(minutes=20))

    follow_to_the_end(log, out, shadow)

    assert ids(out) == ids(log)


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_torn_answer_is_given_again(write_log, model, rows, places, shadow, cut):
    log, out = places
    write_log(log, model, rows[:30])
    del follow_to_the_end(log, out, shadow)._lock
    (file,) = out.rglob("*.jsonl")
    os.truncate(file, file.stat().st_size - cut)

    follow_to_the_end(log, out, shadow)

    assert ids(out) == ids(log)


def test_requests_of_a_smoke_test_are_not_scored(write_log, model, rows, places, shadow):
    log, out = places
    write_log(log, model, rows[:30], smoke_test=True)
    write_log(log, model, rows[30:40], start=START + timedelta(minutes=20))

    follow_to_the_end(log, out, shadow)

    assert len(ids(out)) == 10


def test_the_log_is_left_as_it_is(write_log, model, rows, places, shadow):
    log, out = places
    write_log(log, model, rows[:30])
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in log.iterdir()}

    follow_to_the_end(log, out, shadow)

    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in log.iterdir()}


def test_a_damaged_line_is_noted_and_stops_nothing(write_log, model, rows, places, shadow):
    log, out = places
    write_log(log, model, rows[:5])
    (log / "2026-03-02_x.jsonl").write_bytes(b"not a record\n" + some_record(1) + b"[]\n")

    follow_to_the_end(log, out, shadow)

    assert len([one for one in records(out) if "fault" in one]) == 2
    assert len([one for one in records(out) if "refused" in one]) == 1
    assert len([one for one in records(out) if "probability" in one]) == 5


def test_a_file_that_the_service_cut_back_after_a_fault_stops_nothing(
    write_log, model, rows, places, shadow
):
    log, out = places
    write_log(log, model, rows[:5])
    follower = follow_to_the_end(log, out, shadow)
    (file,) = log.iterdir()
    os.truncate(file, file.stat().st_size // 2)
    write_log(log, model, rows[5:9], start=START + timedelta(minutes=1))

    while follower.step():
        pass

    assert len(ids(out)) == 9


def test_it_can_begin_with_a_day(write_log, model, rows, places, shadow):
    log, out = places
    write_log(log, model, rows)

    follow_to_the_end(log, out, shadow, since="2026-03-02")

    assert ids(out) == [one["id"] for one in records(log) if one["time"] >= "2026-03-02"]
    assert 0 < len(ids(out)) < 600


def test_two_at_once_would_double_records_so_the_second_does_not_start(places, shadow):
    log, out = places
    first = Follower(log, out, shadow)

    with pytest.raises(SlipwayError, match="another process"):
        Follower(log, out, shadow)
    assert first.behind() == 0


def test_another_model_has_a_folder_of_its_own(write_log, model, rows, places, shadow, tree):
    log, out = places
    write_log(log, model, rows[:5])

    follow_to_the_end(log, out, shadow)
    follow_to_the_end(log, out, Shadow(tree / "build/model"))

    assert sorted(path.name for path in out.iterdir()) == sorted([shadow.sha256, model.sha256])
    assert len(ids(out)) == 10


@pytest.fixture
def start(other_tree):
    """Starts the follower as the program that the container runs."""
    running = []

    def start(log, out):
        process = subprocess.Popen(
            [sys.executable, "-m", "slipway.shadow.follow", str(log), str(out)],
            cwd=other_tree,
            env=environment(other_tree),
            stderr=subprocess.PIPE,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_killed_at_any_moment_it_skips_and_doubles_nothing(write_log, model, rows, places, start):
    log, out = places
    draw = random.Random(0)
    for part in range(4):
        write_log(log, model, rows[part * 150 : part * 150 + 150], START + timedelta(hours=part))
        process = start(log, out)
        already = len(records(out)) if out.exists() else 0
        wait_until(lambda already=already: out.exists() and len(list(out.rglob("*.jsonl"))) > 0)
        wait_until(lambda already=already: sizes(out) > already)
        time.sleep(draw.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.wait()

    start(log, out)
    wait_until(lambda: sizes(out) >= 600)

    assert ids(out) == ids(log)


def sizes(out):
    return sum(path.read_bytes().count(b"\n") for path in out.rglob("*.jsonl"))


def test_on_a_signal_it_ends_at_once_and_well(write_log, model, rows, places, start):
    log, out = places
    write_log(log, model, rows[:5])
    process = start(log, out)
    wait_until(lambda: sizes(out) == 5)

    process.send_signal(signal.SIGTERM)

    assert process.wait(10) == 0


def test_on_a_full_disk_it_waits_and_goes_on_afterwards(write_log, model, rows, places, start):
    log, out = places
    write_log(log, model, rows[:30])
    process = start(log, out)
    wait_until(lambda: len(list(out.rglob("state.json"))) == 1)
    limit = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, limit[1]))
    write_log(log, model, rows[30:60], start=START + timedelta(minutes=20))
    os.set_blocking(process.stderr.fileno(), False)
    wait_until(lambda: b"File too large" in (process.stderr.read() or b""))
    assert sizes(out) == 30

    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limit)
    wait_until(lambda: sizes(out) == 60)

    assert ids(out) == ids(log)
