from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from tests.serving.conftest import TOKEN
from typer.testing import CliRunner

from slipway import project
from slipway.cli import app
from slipway.dataset.tables import read_columns, write_columns
from slipway.errors import SlipwayError
from slipway.serving.replay import replay


@pytest.fixture
def month(tree):
    """A month of rows with everything that data/ has, labels and all."""
    return tree / "data/2013-08.parquet"


@pytest.fixture
def token(monkeypatch):
    monkeypatch.setenv("SLIPWAY_TOKENS", f"{TOKEN}, another")


@pytest.fixture
def running(start, tmp_path):
    with start(tmp_path / "log", tokens=f"{TOKEN}, another") as running:
        yield running


def test_each_row_is_answered_and_logged_with_what_is_known_before_and_no_more(
    running, month, model, token
):
    tally = replay(month, running.url)

    rows = read_columns([month])
    logged = running.logged().set_index("key")
    assert tally.answered == len(logged) == len(rows["flight_id"])
    assert tally.exit_code == 0
    inputs = {name.removeprefix("input.") for name in logged if name.startswith("input.")}
    assert inputs == set(project.inputs())
    expected = model.score({name: rows[name] for name in project.inputs()})
    assert np.array_equal(logged.loc[rows["flight_id"], "probability"], expected)


def test_a_folder_of_months_is_sent_and_a_limit_kept(service, month, token):
    assert replay(month.parent, service.url, limit=250).answered == 250


def test_a_bad_row_is_counted_and_costs_no_other_row_its_answer(service, month, token, tmp_path):
    rows = read_columns([month])
    rows = {name: values[:300] for name, values in rows.items()}
    rows["carrier"][[7, 250]] = "??"
    write_columns(rows, tmp_path / "rows.parquet")

    tally = replay(tmp_path / "rows.parquet", service.url)

    assert tally.answered == 298
    assert [key for key, _ in tally.refused] == [rows["flight_id"][i] for i in (7, 250)]
    assert tally.exit_code == 1
    assert f"2 rows refused; the first is {rows['flight_id'][7]}: carrier: " in tally.text()


def test_the_days_are_those_of_the_events(service, month, token):
    result = CliRunner().invoke(
        app, ["replay", "--rows", str(month), "--url", service.url, "--days", "--limit", "40"]
    )

    assert result.exit_code == 0, result.output
    assert result.output.startswith("2013-08-01")
    assert "40 rows answered" in result.output


def test_without_the_token_nothing_is_sent_and_the_error_has_what_to_do(
    service, month, monkeypatch
):
    monkeypatch.setenv("SLIPWAY_TOKENS", "a guess")

    with pytest.raises(SlipwayError, match="answered 401") as refused:
        replay(month, service.url)

    assert "SLIPWAY_TOKENS" in refused.value.do


def test_a_service_with_a_small_limit_gets_smaller_batches(start, month, tmp_path, tree, token):
    settings = tree / "params.yaml"
    before = settings.read_text("utf-8")
    settings.write_text(before.replace("max_rows: 1000", "max_rows: 30"), "utf-8")
    try:
        with start(tmp_path / "log", tokens=TOKEN) as small:
            assert replay(month, small.url, limit=200).answered == 200
    finally:
        settings.write_text(before, "utf-8")


def test_a_file_without_rows_is_no_answer(service, month, token, tmp_path):
    rows = {name: values[:0] for name, values in read_columns([month]).items()}
    write_columns(rows, tmp_path / "rows.parquet")

    with pytest.raises(SlipwayError, match="no row to send"):
        replay(tmp_path / "rows.parquet", service.url)


def test_a_file_that_lacks_a_column_is_refused_by_name(service, month, token, tmp_path):
    rows = read_columns([month])
    del rows["temp"]
    write_columns(rows, tmp_path / "rows.parquet")

    with pytest.raises(SlipwayError, match="column temp is missing"):
        replay(tmp_path / "rows.parquet", service.url)


@pytest.mark.parametrize("url", ["", "127.0.0.1:3000", "ftp://127.0.0.1"])
def test_what_is_no_address_is_refused(month, url):
    with pytest.raises(SlipwayError, match="not an http or https URL"):
        replay(month, url)


def test_a_service_that_is_not_there_is_reported_as_not_answering(month):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(SlipwayError, match="does not answer"):
        replay(month, f"http://127.0.0.1:{port}")


def test_something_else_that_listens_there_is_no_service(month):
    greeting = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    refused = pytest.raises(SlipwayError, match="not a service of Slipway")
    with answering(greeting) as url, refused:
        replay(month, url)


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that gives one fixed answer to every request."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(timeout=10)
