"""A release that is what was reviewed passes each check; one that is not fails the right one."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace

import httpx
import orjson
import pytest
from tests.prove.conftest import Process
from tests.serve.test_durability import wait_until

from slipway.prove import checks
from slipway.records import read_log

CHECKS = ["ready", "identity", "golden", "log", "bad input", "load", "memory", "metrics"]

FAULTS = {
    "api": """
_answer = Api._answer
kept = []

async def forgetful(self, scope, receive):
    kept.append(bytearray(b"x" * 50_000))
    return await _answer(self, scope, receive)

Api._answer = forgetful
check_json = lambda scope: None
""",
    "log": """
async def lose(self, day, lines):
    pass

PredictionLog.append = lose
""",
    "metrics": """
Metrics.exposition = lambda self: b"nothing_known 1\\n"
""",
}


@pytest.fixture(scope="module")
def facts(release):
    return release.facts()


@pytest.fixture
def told(facts):
    """What a good release answered; the test may spoil it."""
    return copy.deepcopy(facts)


def url(release):
    return f"http://127.0.0.1:{release.port}"


def judged(told, expected, settings):
    return {check.name: check for check in checks.judge(told, expected, settings)}


def failed(found):
    return {name for name, check in found.items() if not check.ok}


def test_what_was_reviewed_passes_every_check(release):
    found = release.prove()

    assert list(found) == [*CHECKS, "afterwards"]
    assert not failed(found), found


def test_what_has_stood_the_load_before_is_proven_without_it(release):
    found = release.prove(load=False)

    assert found.keys() == {*CHECKS, "afterwards"} - {"load", "memory"}
    assert not failed(found)


def test_a_proof_leaves_no_traffic_behind(release, facts):
    assert read_log(release.container.environment["SLIPWAY_LOG"]).empty


@pytest.mark.parametrize("field", ["model_sha256", "commit", "data", "manifest_sha256"])
def test_another_model_commit_or_data_than_was_reviewed_is_found(told, release, settings, field):
    found = judged(told, replace(release.expected, **{field: "f" * 40}), settings)

    assert "identity" in failed(found)
    assert "f" * 40 in found["identity"].words


def test_a_wrong_answer_is_found_however_small_the_difference(told, release, settings):
    golden = [dict(example) for example in release.expected.golden]
    golden[3]["probability"] += 2e-9

    found = judged(told, replace(release.expected, golden=golden), settings)

    assert failed(found) == {"golden"}
    assert "2 of 40" in found["golden"].words


def test_rounding_is_no_wrong_answer(told, release, settings):
    golden = [dict(example) for example in release.expected.golden]
    golden[3]["probability"] += 1e-12

    assert not failed(judged(told, replace(release.expected, golden=golden), settings))


def test_a_release_that_loses_records_leaks_takes_anything_and_shows_nothing(run, faulty):
    with run(faulty(**FAULTS)) as release:
        found = release.prove(replace(release.expected, commit=release.expected.commit + "-dirty"))

    assert failed(found) == {"log", "bad input", "memory", "metrics"}
    assert "not declared as JSON was answered with 200" in found["bad input"].words
    assert "bytes a request" in found["memory"].words


def test_one_that_does_not_get_ready_fails_one_check_with_what_it_said(run):
    with run() as release:
        shutil.rmtree(release.container.environment["SLIPWAY_LOG"])
        wait_until(lambda: httpx.get(f"{url(release)}/readyz").status_code == 503)
        found = release.prove()

    assert failed(found) == set(found) == {"ready"}
    assert "not ready within 2 s" in found["ready"].words
    assert "log_unavailable" in found["ready"].words
    assert "what it wrote last" in found["ready"].words


def test_a_container_that_ended_fails_with_its_exit_code(ended):
    found = ended.prove()

    assert failed(found) == set(found) == {"ready"}
    assert "ended (3)" in found["ready"].words


def test_an_end_that_the_engine_hears_of_late_is_still_an_end(ended):
    before = iter([{"Running": True}] * 2)

    class Late(Process):
        def about(self):
            return {"State": next(before, dict(self.state))}

    late = Late(ended.container.name, state=ended.container.state, runs=False)
    found = replace(ended, container=late).prove()

    assert "ended (3)" in found["ready"].words


def test_where_nothing_listens_nothing_is_ready(ended):
    alive = replace(ended.container, state={"Running": True}, runs=True)
    found = replace(ended, container=alive).prove()

    assert failed(found) == set(found) == {"ready"}
    assert "ConnectionRefusedError" in found["ready"].words


def test_a_manifest_without_golden_predictions_proves_nothing(release):
    assert failed(release.prove(replace(release.expected, golden=[]))) == {"golden"}


def test_a_failed_request_under_load_is_found(told, release, settings):
    told["load"][2]["ended"][7][0] = 500

    check = checks.load(told, settings)

    assert not check.ok
    assert "1 failed" in check.words
    assert "500" in check.words


def test_a_slow_release_is_found(told, settings):
    for part in told["load"]:
        part["ended"] = [[status, 2.5] for status, _ in part["ended"]]

    check = checks.load(told, settings)

    assert not check.ok
    assert "p95 2500.0 ms (limit 2000)" in check.words


def test_one_slow_request_is_not_a_slow_release(told, settings):
    told["load"][0]["ended"][0][1] = 30.0

    assert checks.load(told, settings).ok


def test_a_release_too_slow_to_be_asked_under_load_is_found(told, settings):
    told["load"] = [{"ended": [], "memory": 1}] * 6

    assert not checks.load(told, settings).ok
    assert not checks.memory(told, settings).ok


def test_a_release_that_needs_nearly_all_its_memory_is_found(told, settings):
    for part in told["load"]:
        part["memory"] = 480 << 20

    check = checks.memory(told, settings)

    assert not check.ok
    assert "480 MB of 512: too near" in check.words


def test_a_leak_is_found_by_when_it_would_fill_the_memory(told, settings):
    for number, part in enumerate(told["load"]):
        part["ended"] = [[200, 0.002]] * 400
        part["memory"] = (150 << 20) + number * 400 * 1000

    check = checks.memory(told, settings)

    assert not check.ok
    assert "1,000 bytes a request" in check.words


def test_a_single_step_of_memory_is_no_leak(told, settings):
    for number, part in enumerate(told["load"]):
        part["memory"] = (150 << 20) + (number > 3) * (8 << 20)

    assert checks.memory(told, settings).ok


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, '{"probability": 0.5}'), (500, ""), (422, '{"detail": []}'), (0, "")],
)
def test_anything_but_the_documented_refusal_is_found(told, status, body):
    told["bad"]["a bad row beside a good one"] |= {"status": status, "body": body}

    check = checks.bad_input(told)

    assert not check.ok
    assert "a bad row beside a good one" in check.words


def test_a_record_that_is_missing_or_counts_as_traffic_is_found(told, release):
    ids = told["log"]["asked"]
    del told["log"]["found"][ids[0]]
    assert "1 of 20" in checks.log(told, release.expected).words

    told["log"]["asked"] = ids[1:]
    assert checks.log(told, release.expected).ok
    told["log"]["found"][ids[1]]["proof"] = None
    assert not checks.log(told, release.expected).ok


def test_an_answer_that_changes_under_load_is_found(told, release):
    answer = orjson.loads(told["after"]["body"])
    told["after"]["body"] = json.dumps(answer | {"probability": answer["probability"] + 1e-6})

    assert not checks.afterwards(told, release.expected).ok


def test_a_batch_answered_otherwise_than_its_rows_is_found(told, release):
    answers = json.loads(told["batch"]["body"])
    told["batch"]["body"] = json.dumps(answers[::-1])

    assert not checks.golden(told, release.expected).ok


def test_a_refused_golden_row_is_found_and_its_refusal_shown(told, release):
    told["golden"][0] |= {"status": 503, "body": '{"error": {"code": "log_unavailable"}}'}

    check = checks.golden(told, release.expected)

    assert not check.ok
    assert "503" in check.words
    assert "log_unavailable" in check.words


def test_the_answers_must_name_the_model_too(told, release):
    told["golden"][0]["model"] = "0" * 64

    assert "answers with model 000" in checks.identity(told, release.expected).words
