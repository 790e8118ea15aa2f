"""The requests of a smoke test are answered and logged, but do not count as traffic."""

from __future__ import annotations

import re

import orjson
import pytest
from tests.serving.conftest import SMOKE_SECRET, TOKEN
from tests.serving.test_log import record, write

from slipway.predictions.chain import ADDED
from slipway.predictions.reader import read_log
from slipway.predictions.record import FIELDS

SMOKE_TEST = {"X-Slipway-Smoke-Test": SMOKE_SECRET}


def raw(folder):
    """Every record of a log, also those that its reader leaves out, by id."""
    lines = b"".join(path.read_bytes() for path in folder.glob("*.jsonl")).splitlines()
    return {record["id"]: record for record in map(orjson.loads, lines)}


def metrics(service):
    """The numbers that count requests, rows and records; asking for them is counted too."""
    lines = service.client.get("/metrics", headers=SMOKE_TEST).text.splitlines()
    # The disk is not ours alone.
    return {line for line in lines if re.match("slipway_(?!log_free)", line)}


def test_a_smoke_test_is_answered_and_logged_as_any_request(service, row):
    answer = service.predict(row, headers=SMOKE_TEST).json()

    written = raw(service.log)[answer["id"]]
    assert written["proof"] is True
    assert written["input"] == row
    assert (
        written["probability"]
        == answer["probability"]
        == service.predict(row).json()["probability"]
    )


def test_a_record_has_every_required_field_and_none_that_is_not_declared(service, row):
    answer = service.predict(row, headers=SMOKE_TEST).json()

    written = set(raw(service.log)[answer["id"]])
    required = {field.name for field in FIELDS if field.required}
    assert required | set(answer) | set(ADDED) <= written
    assert written <= {field.name for field in FIELDS} | set(ADDED)


def test_a_smoke_test_is_not_in_what_the_reader_returns(service, row):
    smoke, traffic = service.predict(row, headers=SMOKE_TEST).json(), service.predict(row).json()

    ids = set(service.logged()["id"])

    assert traffic["id"] in ids
    assert smoke["id"] not in ids
    assert "proof" not in raw(service.log)[traffic["id"]]


def test_a_smoke_test_counts_nowhere_in_the_metrics(service, row):
    before = metrics(service)
    service.predict([row], headers=SMOKE_TEST)
    service.predict(row | {"dep_minute": 1500}, headers=SMOKE_TEST)
    service.client.get("/nothing", headers=SMOKE_TEST)

    assert metrics(service) == before

    service.predict(row)
    assert metrics(service) != before


@pytest.mark.parametrize("value", ["", "1", SMOKE_SECRET[:-1], f"{SMOKE_SECRET}x", TOKEN])
@pytest.mark.parametrize("name", ["X-Slipway-Smoke-Test", "X-Slipway-Proof"])
def test_without_the_secret_a_request_is_traffic(service, row, name, value):
    asked = service.count('slipway_requests_total{path="/predict",status="200"}')

    answer = service.predict(row, headers={name: value}).json()

    assert answer["id"] in set(service.logged()["id"])
    assert service.count('slipway_requests_total{path="/predict",status="200"}') == asked + 1


def test_a_service_without_a_secret_takes_all_requests_for_traffic(start, tmp_path, row):
    with start(tmp_path, smoke_secret="") as service:
        for value in ("", "1", SMOKE_SECRET):
            service.predict(row, headers={"X-Slipway-Smoke-Test": value})

        assert len(service.logged()) == 3


def test_the_secret_is_written_nowhere(service, row):
    service.predict(row, headers=SMOKE_TEST)
    service.predict("{", headers=SMOKE_TEST)

    assert not [path for path in service.log.rglob("*") if SMOKE_SECRET in path.read_text("utf-8")]
    assert SMOKE_SECRET not in service.client.get("/metrics").text
    assert SMOKE_SECRET not in service.client.get("/model").text


def test_a_log_of_smoke_tests_alone_is_empty(tmp_path):
    write(tmp_path, record(1, proof=True), record(2, proof=True))

    assert read_log(tmp_path).empty
