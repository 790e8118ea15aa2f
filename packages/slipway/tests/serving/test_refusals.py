"""What the service refuses: always in the same JSON shape, never with a prediction."""

from __future__ import annotations

import pytest
from tests.serving.conftest import BROKEN_DEST, as_bytes

JSON = {"Content-Type": "application/json"}


def refusal(answer, status, code):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error.keys() == {"code", "message", "faults"}
    assert error["code"] == code
    assert error["message"]
    return error


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": NaN', b"\xff", b"[1,]"])
def test_a_body_that_is_not_json_is_400(service, body):
    answer = service.client.post("/predict", content=body, headers=JSON)

    assert refusal(answer, 400, "bad_json")["faults"][0]["rule"] == "json"


def test_a_bad_row_is_422_and_names_row_field_and_rule(service, row):
    error = refusal(service.predict(row | {"dep_minute": 1500}), 422, "bad_rows")

    (fault,) = error["faults"]
    assert fault.keys() == {"row", "field", "rule", "message"}
    assert (fault["row"], fault["field"]) == (0, "dep_minute")
    assert fault["rule"].startswith("in_range")
    assert "1500" in fault["message"]


def test_a_rule_across_columns_is_checked(service, row):
    error = refusal(service.predict(row | {"dest": row["origin"]}), 422, "bad_rows")

    assert error["faults"][0]["rule"] == "arrives_elsewhere"


def test_a_batch_with_one_bad_row_names_it_and_scores_none(service, golden):
    rows = [example["row"] for example in golden[:3]]
    before = len(service.logged())

    error = refusal(
        service.predict([rows[0], rows[1] | {"carrier": "??"}, rows[2]]), 422, "bad_rows"
    )

    assert {fault["row"] for fault in error["faults"]} == {1}
    assert len(service.logged()) == before


@pytest.mark.parametrize("body", [b"[]", b"[1]", b'"row"', b"7", b"null", b"{}"])
def test_json_that_is_no_row_is_422(service, body):
    answer = service.client.post("/predict", content=body, headers=JSON)

    refusal(answer, 422, "bad_rows")


def test_more_rows_than_allowed_are_413(service, row):
    rows = [row | {"flight_id": f"20130801-UA{number}-EWR"} for number in range(1, 1002)]

    error = refusal(service.predict(rows), 413, "too_many_rows")

    assert "1001 rows" in error["message"]
    assert "1,000" in error["message"]


def test_a_body_beyond_the_limit_is_413(service):
    answer = service.client.post("/predict", content=b" " * (2 << 20), headers=JSON)

    refusal(answer, 413, "body_too_large")


def test_a_body_beyond_the_limit_is_413_even_if_its_length_is_not_declared(service):
    chunks = (b" " * 50_000 for _ in range(50))

    answer = service.client.post("/predict", content=chunks, headers=JSON)

    refusal(answer, 413, "body_too_large")


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "application/vnd.bentoml+pickle", ""],
)
def test_a_body_that_is_not_declared_as_json_is_415(service, row, kind):
    answer = service.client.post("/predict", content=as_bytes(row), headers={"Content-Type": kind})

    refusal(answer, 415, "not_json")


def test_a_charset_in_the_content_type_is_accepted(service, row):
    kind = {"Content-Type": "application/json; charset=utf-8"}

    assert service.client.post("/predict", content=as_bytes(row), headers=kind).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/predict", "POST"), ("PUT", "/predict", "POST"), ("POST", "/model", "GET")],
)
def test_another_method_is_405_and_names_the_right_one(service, method, path, allowed):
    answer = service.client.request(method, path)

    refusal(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/", "/docs.json", "/schema.json", "/healthz", "/predict/x"])
def test_an_unknown_path_is_404_bentomls_own_pages_included(service, path):
    refusal(service.client.get(path), 404, "not_found")


def test_a_service_of_a_working_tree_has_no_card(service):
    refusal(service.client.get("/card"), 404, "no_card")


def test_unknown_paths_make_no_new_series(service):
    service.client.get("/metrics")  # which counts itself from now on
    before = service.client.get("/metrics").text.count("\n")

    for number in range(20):
        service.client.get(f"/nothing-{number}")

    assert service.client.get("/metrics").text.count("\n") == before


@pytest.mark.parametrize("path", ["/predict", "/model", "/metrics", "/nothing"])
@pytest.mark.parametrize(
    "sent", ["", "Bearer", "Bearer wrong", "Basic correct horse", "correct horse"]
)
def test_without_a_known_token_it_is_401(service, path, sent):
    answer = service.client.get(path, headers={"Authorization": sent})

    refusal(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_each_of_the_tokens_opens_the_door(service):
    answer = service.client.get("/model", headers={"Authorization": "Bearer another"})

    assert answer.status_code == 200


def test_a_service_without_tokens_answers_its_own_machine_and_no_other(open_service, row):
    assert open_service.predict(row).status_code == 200

    error = refusal(
        open_service.predict(row, headers={"X-Forwarded-For": "203.0.113.7"}),
        403,
        "no_token_configured",
    )

    assert "SLIPWAY_TOKENS" in error["message"]


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:3000", "127.0.0.1:1", "[::1]:80", "[::1]"]
)
def test_without_tokens_it_is_asked_by_a_name_of_its_own_machine(open_service, row, host):
    assert open_service.predict(row, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1.example.org:80", "localhost.evil", "evil@localhost", "[::2]"]
)
@pytest.mark.parametrize("path", ["/predict", "/model", "/metrics"])
def test_without_tokens_a_name_that_was_rebound_to_this_machine_is_403(open_service, host, path):
    error = refusal(open_service.client.get(path, headers={"Host": host}), 403, "foreign_host")

    assert host in error["message"]


def test_with_tokens_the_name_does_not_matter(service, row):
    assert service.predict(row, headers={"Host": "example.org"}).status_code == 200


def test_a_fault_of_ours_is_500_in_the_same_shape_and_shows_nothing_of_the_inside(service, row):
    error = refusal(service.predict(row | {"dest": BROKEN_DEST}), 500, "internal")

    assert "feature" not in str(error)
    assert service.predict(row).status_code == 200
