"""Whatever a body holds, its answer is short and soon there, and others are answered meanwhile."""

from __future__ import annotations

import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from tests.serving.conftest import TOKEN, as_bytes
from tests.serving.test_durability import wait_until
from tests.serving.test_refusals import JSON, refusal

LIMIT = 1 << 20  # serve.max_body_bytes
MOST_ANSWERED = 64 * 1024
SECONDS = 5  # many times what it takes, for a machine with other work

pieces = st.one_of(
    st.sampled_from(
        [b"{}", b"[]", b"1", b"null", b"1e400", b"NaN", b'""', b'"\\\\"', b"-0", b"{", b"}"]
    ),
    st.sampled_from([b"[" * 100, b"[" * 100 + b"]" * 100, b'{"a":' * 50 + b"1" + b"}" * 50]),
    st.sampled_from([b'{"a":1,"a":1}', b'{"carrier":[{}]}', b'"a":1', b"9" * 5_000, b'"\xff"']),
    st.binary(max_size=20),
)
frames = st.sampled_from(
    [(b"[", b"]"), (b"", b""), (b'{"carrier":[', b"]}"), (b'{"carrier":"', b'"}'), (b"{", b"}")]
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A piece, or some, as often as the limit allows."""
    first, last = draw(frames)
    piece = draw(st.sampled_from([b",", b"", b" ", b"\n"])).join(draw(st.lists(pieces, max_size=4)))
    piece += draw(st.sampled_from([b",", b""]))
    most = (LIMIT - len(first) - len(last)) // max(1, len(piece))
    return first + (piece * draw(st.sampled_from([1, 100, most]))).rstrip(b",") + last


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(body=bodies())
def test_any_body_up_to_the_limit_gets_a_short_answer_soon(service, body):
    started = time.monotonic()

    answer = service.client.post("/predict", content=body, headers=JSON)

    assert answer.status_code in {400, 413, 422}
    assert len(answer.content) <= MOST_ANSWERED
    assert time.monotonic() - started < SECONDS


def test_rows_are_counted_before_anything_of_them_is_looked_at(service):
    rows = b"[" + b",".join([b"{}"] * (LIMIT // 3)) + b"]"

    error = refusal(
        service.client.post("/predict", content=rows, headers=JSON), 413, "too_many_rows"
    )

    assert f"{LIMIT // 3} rows" in error["message"]


def test_a_hundred_faults_are_listed_and_the_others_counted(service):
    error = refusal(service.predict([{}] * 1_000), 422, "bad_rows")

    assert len(error["faults"]) == 100
    assert "18,000" in error["message"]


def test_up_to_a_hundred_faults_all_are_listed(service, golden):
    rows = [{**golden[0]["row"], "flight_id": f"wrong {number}"} for number in range(100)]

    error = refusal(service.predict(rows), 422, "bad_rows")

    assert len(error["faults"]) == 100
    assert "100 rows" in error["message"]


def test_the_service_answers_others_while_it_reads_the_worst_of_bodies(service):
    worst = [
        b"[" + b",".join([b"{}"] * 1_000) + b"]",
        b'{"a":[' + b",".join([b"{}"] * (LIMIT // 3 - 3)) + b"]}",
        b"{" + b",".join(b'"%x":1' % number for number in range(LIMIT // 11)) + b"}",
    ]

    with ThreadPoolExecutor(1) as other:
        asked = other.submit(
            lambda: [service.client.post("/predict", content=body, headers=JSON) for body in worst]
        )
        waited = []
        while not asked.done():
            started = time.monotonic()
            assert service.client.get("/livez").status_code == 200
            waited.append(time.monotonic() - started)

    assert [answer.status_code for answer in asked.result()] == [422, 422, 422]
    assert max(waited) < 1


def refused_of(clients):
    answered, _, _ = select.select(clients, [], [], 0)
    return sum(each.recv(12, socket.MSG_PEEK).endswith(b"503") for each in answered)


def test_bodies_that_are_on_their_way_take_bounded_memory_together(service, row):
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {LIMIT}\r\n\r\n"
    (worker,) = service.workers()
    before = worker.memory_info().rss
    with ExitStack() as open_connections:
        clients = []
        for _ in range(64):
            address = ("127.0.0.1", service.client.base_url.port)
            clients.append(open_connections.enter_context(socket.create_connection(address)))
            with suppress(ConnectionError):
                clients[-1].sendall(head.encode() + b" " * (LIMIT - 1))
        wait_until(lambda: refused_of(clients) > 0)
        assert refused_of(clients) < 40
        assert worker.memory_info().rss - before < 80 << 20

    wait_until(lambda: service.predict(row).status_code == 200)


@pytest.mark.parametrize(
    ("encoding", "name"), [("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-32", "UTF-32")]
)
def test_a_body_in_another_encoding_than_utf_8_is_400_and_named(service, row, encoding, name):
    body = orjson.dumps(row).decode().encode(encoding)

    error = refusal(service.client.post("/predict", content=body, headers=JSON), 400, "bad_json")

    assert name in error["message"]


def test_a_byte_that_is_not_utf_8_is_named_with_its_position(service):
    answer = service.client.post("/predict", content=b'{"carrier": "\xe9"}', headers=JSON)

    error = refusal(answer, 400, "bad_json")
    assert "0xe9" in error["message"]
    assert "13" in error["message"]


def test_a_utf_8_byte_order_mark_is_passed_over(service, row):
    answer = service.client.post("/predict", content=b"\xef\xbb\xbf" + as_bytes(row), headers=JSON)

    assert answer.status_code == 200


@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, identity"])
def test_a_compressed_body_is_415_and_its_coding_named(service, row, coding):
    headers = JSON | {"Content-Encoding": coding}

    answer = service.client.post("/predict", content=as_bytes(row), headers=headers)

    error = refusal(answer, 415, "encoded_body")
    assert coding in error["message"]
    assert answer.headers["accept-encoding"] == "identity"


def test_a_body_may_declare_that_it_is_not_compressed(service, row):
    headers = JSON | {"Content-Encoding": "identity"}

    assert service.client.post("/predict", content=as_bytes(row), headers=headers).is_success


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/model", "/metrics"])
def test_head_is_answered_as_get_without_a_body(service, path):
    get, head = service.client.get(path), service.client.head(path)

    assert head.status_code == get.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == get.headers["content-type"]
    assert "content-length" in head.headers
