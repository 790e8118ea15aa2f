"""What a release is asked while it is proven is answered and written down, but is no traffic."""

from __future__ import annotations

import re

import orjson
import pytest
from tests.serve.test_log import record, write

from slipway.records import read_log

PROOF = {"X-Slipway-Proof": "1"}
ELSEWHERE = {"X-Forwarded-For": "203.0.113.7"}


def raw(folder):
    """Every record of a log, also those that its reader leaves out, by id."""
    lines = b"".join(path.read_bytes() for path in folder.glob("*.jsonl")).splitlines()
    return {record["id"]: record for record in map(orjson.loads, lines)}


def metrics(service):
    """The numbers that count requests, rows and records; asking for them is counted too."""
    lines = service.client.get("/metrics", headers=PROOF).text.splitlines()
    # The disk is not ours alone.
    return {line for line in lines if re.match("slipway_(?!log_free)", line)}


def test_a_proof_is_answered_and_written_down_as_any_request(service, row):
    answer = service.predict(row, headers=PROOF).json()

    written = raw(service.log)[answer["id"]]
    assert written["proof"] is True
    assert written["input"] == row
    assert (
        written["probability"]
        == answer["probability"]
        == service.predict(row).json()["probability"]
    )


def test_a_proof_is_not_in_what_the_log_gives_back(service, row):
    proof, traffic = service.predict(row, headers=PROOF).json(), service.predict(row).json()

    ids = set(service.logged()["id"])

    assert traffic["id"] in ids
    assert proof["id"] not in ids
    assert "proof" not in raw(service.log)[traffic["id"]]


def test_a_proof_counts_nowhere_in_the_metrics(service, row):
    before = metrics(service)
    service.predict([row], headers=PROOF)
    service.predict(row | {"dep_minute": 1500}, headers=PROOF)
    service.client.get("/nothing", headers=PROOF)

    assert metrics(service) == before

    service.predict(row)
    assert metrics(service) != before


@pytest.mark.parametrize("value", ["0", "", "true", "1, 1"])
def test_only_the_agreed_word_makes_a_proof(service, row, value):
    answer = service.predict(row, headers={"X-Slipway-Proof": value}).json()

    assert answer["id"] in set(service.logged()["id"])


def test_nobody_elsewhere_can_ask_without_being_counted(service, row):
    asked = service.count('slipway_requests_total{path="/predict",status="200"}')

    answer = service.predict(row, headers=PROOF | ELSEWHERE).json()

    assert answer["id"] in set(service.logged()["id"])
    assert service.count('slipway_requests_total{path="/predict",status="200"}') == asked + 1


def test_a_log_of_proofs_alone_is_empty(tmp_path):
    write(tmp_path, record(1, proof=True), record(2, proof=True))

    assert read_log(tmp_path).empty
