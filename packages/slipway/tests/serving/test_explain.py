"""`POST /explain`: why a row is predicted as it is; and the scopes of tokens."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.serving.conftest import TOKEN, Service

from slipway.errors import SlipwayError
from slipway.serving.api import OPEN
from slipway.serving.auth import Right, Tokens
from slipway.serving.start import serving

SCOPED = {right: f"{right}:secret of {right}" for right in Right}

TWO = "predict+metrics:secret of two"

ROUTES = {
    "/predict": ("POST", Right.PREDICT),
    "/explain": ("POST", Right.EXPLAIN),
    "/log": ("GET", Right.LOG),
    "/metrics": ("GET", Right.METRICS),
    "/model": ("GET", None),
    "/card": ("GET", None),
    "/nothing": ("GET", None),
}


@pytest.fixture(scope="module")
def explaining(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose lock has the extra `explain`; its first token has no scopes."""
    folder = tmp_path_factory.mktemp("explain")
    shutil.copytree(tree, folder / "tree", symlinks=True)
    with (folder / "tree/requirements-serve.lock").open("a") as lock:
        lock.write("shap==0.51.0\n")
    environment = os.environ | {
        "SLIPWAY_TOKENS": ",".join([TOKEN, *SCOPED.values(), TWO]),
        "SLIPWAY_LOG": str(folder / "log"),
    }
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(serving(folder / "tree", environment=environment))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        client = httpx.Client(base_url=running.url, headers=headers, timeout=30)
        stack.enter_context(client)
        yield Service(client, running.url, running.pid, folder / "log", running.output)


def test_an_explanation_has_the_answer_and_sums_up_to_its_raw_value(explaining, golden):
    for example in golden[:5]:
        found = explaining.client.post("/explain", json=example["row"]).json()

        total = found["baseline"]["value"] + sum(
            each["contribution"] for each in found["contributions"]
        )
        assert found["probability"] == example["probability"]
        assert total == pytest.approx(found["raw"], abs=1e-6)
        assert found["method"] == "TreeExplainer"
        assert found["unit"] == "log-odds"
        assert found["baseline"]["rows"] == len(golden)


def test_an_explanation_is_not_a_prediction_and_not_in_the_log(explaining, row):
    assert explaining.predict(row).status_code == 200
    before = len(explaining.logged())

    answer = explaining.client.post("/explain", json=row)

    assert "id" not in answer.json()
    assert answer.headers["model-sha256"]
    assert len(explaining.logged()) == before


@pytest.mark.parametrize(
    ("path", "change", "status", "code"),
    [
        ("/explain", {"dep_minute": 1500}, 422, "bad_rows"),
        ("/explain?class=other", {}, 422, "bad_class"),
    ],
)
def test_what_cannot_be_explained_is_refused(explaining, row, path, change, status, code):
    answer = explaining.client.post(path, json=row | change)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_several_rows_are_refused(explaining, golden):
    answer = explaining.client.post("/explain", json=[each["row"] for each in golden[:2]])

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_many_rows")


def test_a_service_without_the_extra_answers_501_with_what_to_install(service, row):
    answer = service.client.post("/explain", json=row)

    assert answer.status_code == 501
    error = answer.json()["error"]
    assert error["code"] == "not_installed"
    assert "make lock" in error["message"]
    assert service.predict(row).status_code == 200


def test_the_routes_of_these_tests_are_those_of_the_service(explaining):
    message = explaining.client.get("/nothing").json()["error"]["message"]

    listed = {word.strip(",") for word in message.split() if word.startswith("/")}
    assert listed == (set(ROUTES) | set(OPEN)) - {"/nothing"}


@pytest.mark.parametrize("path", ROUTES)
def test_a_token_with_scopes_gets_403_on_each_route_of_another_right(explaining, row, path):
    method, needed = ROUTES[path]
    for token in (*SCOPED.values(), TWO):
        answer = explaining.client.request(
            method,
            path,
            json=row if method == "POST" else None,
            headers={"Authorization": f"Bearer {token}"},
        )

        has_right = needed is None or needed in token.partition(":")[0].split("+")
        # There is no such record, and a working tree has no card.
        expected = 404 if path in ("/nothing", "/log", "/card") else 200
        assert answer.status_code == (expected if has_right else 403), (path, token)
        if not has_right:
            assert answer.json()["error"]["code"] == "forbidden"


def test_a_record_is_read_by_its_id_with_a_token_that_names_the_scope_of_the_log(explaining, row):
    answer = explaining.predict(row).json()
    path = f"/log?id={answer['id']}"
    allowed = {"Authorization": f"Bearer {SCOPED[Right.LOG]}"}

    record = explaining.client.get(path, headers=allowed).json()

    assert (record["id"], record["input"]) == (answer["id"], row)
    assert explaining.client.get(path).status_code == 403
    assert explaining.client.get("/log?id=another", headers=allowed).status_code == 404


def test_without_tokens_no_one_reads_the_log(open_service):
    assert open_service.client.get("/log?id=any").status_code == 403


def test_the_secret_of_a_token_without_its_scopes_is_unknown(explaining):
    answer = explaining.client.get(
        "/model", headers={"Authorization": f"Bearer secret of {Right.PREDICT}"}
    )

    assert answer.status_code == 401


def test_a_token_with_an_unknown_scope_is_refused_at_the_start():
    with pytest.raises(SlipwayError, match="predcit"):
        Tokens("predcit:secret")
    assert Tokens("a token, Another:One, 12:30, for-predict-and-more")


@pytest.mark.parametrize(
    "listed",
    ["predict,explain:secret", "Explain:secret", "predict + log:secret", "predict+:secret"],
)
def test_scopes_in_another_form_are_refused_and_do_not_give_all_rights(listed):
    with pytest.raises(SlipwayError, match="scopes are predict"):
        Tokens(listed)
