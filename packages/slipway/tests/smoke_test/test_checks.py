"""A release that is what was reviewed passes each check; one that is not fails the right one."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace

import httpx
import orjson
import pytest
from tests.serving.test_durability import wait_until
from tests.smoke_test.conftest import Process

from slipway.containers import ContainerState
from slipway.predictions.reader import read_log
from slipway.release.smoke_test import checks

CHECKS = ["ready", "identity", "golden", "log", "bad input", "load", "memory", "metrics"]

FAULTS = {
    "serving/api": """
_answer = Api._answer
kept = []

async def forgetful(self, scope, receive):
    kept.append(bytearray(b"x" * 50_000))
    return await _answer(self, scope, receive)

Api._answer = forgetful
check_json = lambda scope: None
""",
    "predictions/writer": """
async def lose(self, day, lines):
    pass

PredictionLog.append = lose
""",
    "serving/metrics": """
Metrics.exposition = lambda self, log: b"nothing_known 1\\n"
""",
}


@pytest.fixture(scope="module")
def facts(release):
    return release.facts()


@pytest.fixture
def answers(facts):
    """What a good release answered; the test may spoil it."""
    return copy.deepcopy(facts)


def url(release):
    return f"http://127.0.0.1:{release.port}"


def parsed(answers):
    return checks.Facts.model_validate(answers)


def judged(answers, expected, settings):
    return {check.name: check for check in checks.run_checks(parsed(answers), expected, settings)}


def failed(found):
    return {name for name, check in found.items() if not check.ok}


def test_what_was_reviewed_passes_every_check(release):
    found = release.test()

    assert list(found) == [*CHECKS, "afterwards"]
    assert not failed(found), found


def test_a_release_that_ran_before_is_tested_without_load(release):
    found = release.test(load=False)

    assert found.keys() == {*CHECKS, "afterwards"} - {"load", "memory"}
    assert not failed(found)


def test_a_smoke_test_leaves_no_traffic_behind(release, facts):
    assert read_log(release.container.environment["SLIPWAY_LOG"]).empty


@pytest.mark.parametrize("field", ["model_sha256", "commit", "data", "manifest_sha256"])
def test_another_model_commit_or_data_than_was_reviewed_is_found(answers, release, settings, field):
    found = judged(answers, replace(release.expected, **{field: "f" * 40}), settings)

    assert "identity" in failed(found)
    assert "f" * 40 in found["identity"].message


def test_a_wrong_answer_is_found_however_small_the_difference(answers, release, settings):
    golden = [dict(example) for example in release.expected.golden]
    golden[3]["probability"] += 2e-6

    found = judged(answers, replace(release.expected, golden=golden), settings)

    assert failed(found) == {"golden"}
    assert "2 of 40" in found["golden"].message


def test_rounding_is_no_wrong_answer(answers, release, settings):
    golden = [dict(example) for example in release.expected.golden]
    golden[3]["probability"] += 6e-8

    assert not failed(judged(answers, replace(release.expected, golden=golden), settings))


def test_a_release_that_loses_records_leaks_takes_anything_and_shows_nothing(run, faulty):
    with run(faulty(FAULTS)) as release:
        found = release.test(replace(release.expected, commit=release.expected.commit + "-dirty"))

    assert failed(found) == {"log", "bad input", "memory", "metrics"}
    assert "not declared as JSON was answered with 200" in found["bad input"].message
    assert "bytes a request" in found["memory"].message


def test_one_that_does_not_get_ready_fails_one_check_with_its_message(run):
    with run() as release:
        shutil.rmtree(release.container.environment["SLIPWAY_LOG"])
        wait_until(lambda: httpx.get(f"{url(release)}/readyz").status_code == 503)
        found = release.test()

    assert failed(found) == set(found) == {"ready"}
    assert "not ready within 2 s" in found["ready"].message
    assert "log_unavailable" in found["ready"].message
    assert "what it wrote last" in found["ready"].message


def test_a_container_that_ended_fails_with_its_exit_code(ended):
    found = ended.test()

    assert failed(found) == set(found) == {"ready"}
    assert "ended (3)" in found["ready"].message


def test_an_end_that_the_engine_hears_of_late_is_still_an_end(ended):
    before = iter([ContainerState(running=True)] * 2)

    class Late(Process):
        def state(self):
            return next(before, self.known_state)

    late = Late(ended.container.name, known_state=ended.container.known_state, runs=False)
    found = replace(ended, container=late).test()

    assert "ended (3)" in found["ready"].message


def test_where_nothing_listens_nothing_is_ready(ended):
    alive = replace(ended.container, known_state=ContainerState(running=True), runs=True)
    found = replace(ended, container=alive).test()

    assert failed(found) == set(found) == {"ready"}
    assert "ConnectionRefusedError" in found["ready"].message


def test_a_manifest_without_golden_predictions_fails(release):
    assert failed(release.test(replace(release.expected, golden=[]))) == {"golden"}


def test_a_failed_request_under_load_is_found(answers, release, settings):
    answers["load"][2]["ended"][7][0] = 500

    check = checks.load(parsed(answers), settings)

    assert not check.ok
    assert "1 failed" in check.message
    assert "500" in check.message


def test_a_slow_release_is_found(answers, settings):
    for part in answers["load"]:
        part["ended"] = [[status, 2.5] for status, _ in part["ended"]]

    check = checks.load(parsed(answers), settings)

    assert not check.ok
    assert "p95 2500.0 ms (limit 2000)" in check.message


def test_one_slow_request_is_not_a_slow_release(answers, settings):
    answers["load"][0]["ended"][0][1] = 30.0

    assert checks.load(parsed(answers), settings).ok


def test_a_release_too_slow_to_be_asked_under_load_is_found(answers, settings):
    answers["load"] = [{"ended": [], "memory": 1}] * 6

    assert not checks.load(parsed(answers), settings).ok
    assert not checks.memory(parsed(answers), settings).ok


def test_a_release_that_needs_nearly_all_its_memory_is_found(answers, settings):
    for part in answers["load"]:
        part["memory"] = 480 << 20

    check = checks.memory(parsed(answers), settings)

    assert not check.ok
    assert "480 MB of 512: too close" in check.message


def test_a_leak_is_found_by_when_it_would_fill_the_memory(answers, settings):
    for number, part in enumerate(answers["load"]):
        part["ended"] = [[200, 0.002]] * 400
        part["memory"] = (150 << 20) + number * 400 * 1000

    check = checks.memory(parsed(answers), settings)

    assert not check.ok
    assert "1,000 bytes a request" in check.message


def test_a_single_step_of_memory_is_no_leak(answers, settings):
    for number, part in enumerate(answers["load"]):
        part["memory"] = (150 << 20) + (number > 3) * (8 << 20)

    assert checks.memory(parsed(answers), settings).ok


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, '{"probability": 0.5}'), (500, ""), (422, '{"detail": []}'), (0, "")],
)
def test_anything_but_the_documented_refusal_is_found(answers, status, body):
    answers["bad"]["an invalid row after a valid one"] |= {"status": status, "body": body}

    check = checks.bad_input(parsed(answers))

    assert not check.ok
    assert "an invalid row after a valid one" in check.message


def test_a_record_that_is_missing_or_counts_as_traffic_is_found(answers, release):
    ids = answers["log"]["asked"]
    del answers["log"]["found"][ids[0]]
    assert "1 of 20" in checks.log(parsed(answers), release.expected).message

    answers["log"]["asked"] = ids[1:]
    assert checks.log(parsed(answers), release.expected).ok
    answers["log"]["found"][ids[1]]["proof"] = None
    assert not checks.log(parsed(answers), release.expected).ok


def test_an_answer_that_changes_under_load_is_found(answers, release):
    answer = orjson.loads(answers["after"]["body"])
    answers["after"]["body"] = json.dumps(answer | {"probability": answer["probability"] + 1e-6})

    assert not checks.afterwards(parsed(answers), release.expected).ok


def test_a_batch_answered_otherwise_than_its_rows_is_found(answers, release):
    batch = json.loads(answers["batch"]["body"])
    answers["batch"]["body"] = json.dumps(batch[::-1])

    assert not checks.golden(parsed(answers), release.expected).ok


def test_a_refused_golden_row_is_found_and_its_refusal_shown(answers, release):
    answers["golden"][0] |= {"status": 503, "body": '{"error": {"code": "log_unavailable"}}'}

    check = checks.golden(parsed(answers), release.expected)

    assert not check.ok
    assert "503" in check.message
    assert "log_unavailable" in check.message


def test_the_answers_must_name_the_model_too(answers, release):
    answers["golden"][0]["model"] = "0" * 64

    assert "answers with model 000" in checks.identity(parsed(answers), release.expected).message
