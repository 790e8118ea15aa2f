"""Scores and log in a bucket or on a server: as in a folder, also after a run was killed."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.batch.conftest import Score
from tests.batch.test_resume import CHUNK_ROWS, SECONDS, another_model, files_of, start
from tests.services.servers import Server

from slipway.batch.bucket import place_of
from slipway.batch.folder import Batch
from slipway.errors import NO, YES, SlipwayError
from slipway.monitoring.check import drift
from slipway.predictions.reader import read_log
from slipway.settings import read_params

STORES = ("s3", "gcs", "azure", "ssh")


@pytest.fixture
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Server:
    server: Server = request.getfixturevalue(request.param)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    url = server.url.replace("azure://", "az://")
    name = request.node.originalname
    return replace(server, url=f"{url}/{name}", path=f"{server.path}/{name}")


def stored(store: Server) -> dict[str, bytes]:
    """Return the files of the batch, by name."""
    store.files.invalidate_cache()
    paths = [path for path in store.files.find(store.path) if "partial" not in path]
    return {path.rpartition("/")[2]: store.files.cat_file(path) for path in sorted(paths)}


def scored(store: Server) -> list[str]:
    store.files.invalidate_cache()
    return [path for path in store.files.find(store.path) if "/scores/" in path]


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_a_batch_in_a_store_is_read_and_continued_and_is_that_of_one_model(
    bad_rows: Path, store: Server, score: Score, tmp_path: Path
) -> None:
    result = score(bad_rows, out=store.url, chunk_rows=300)
    here = score(bad_rows, chunk_rows=300)
    assert (result.exit_code, result.counts) == (NO, here.counts)
    assert len(read_log(f"{store.url}/log")) == here.counts.scored
    complete = stored(store)
    assert len(complete) == len([name for name in files_of(tmp_path / "out") if name != ".lock"])

    store.files.rm_file(scored(store)[1])
    assert score(bad_rows, out=store.url, chunk_rows=300).text() == result.text()
    assert stored(store) == complete

    with pytest.raises(SlipwayError, match="model"):
        score(bad_rows, another_model(tmp_path), out=store.url, chunk_rows=300)
    assert stored(store) == complete


@pytest.mark.parametrize("store", ["s3", "gcs", "azure"], indirect=True)
def test_of_runs_that_begin_at_once_one_decides_the_ids_of_all(
    rows: Path, out: Path, store: Server, score: Score
) -> None:
    score(rows / "second.csv")
    batch = Batch.model_validate_json((out / "batch.json").read_bytes())
    many = [batch.model_copy(update={"number": number}) for number in range(8)]
    with ThreadPoolExecutor(len(many)) as pool:
        begun = list(pool.map(lambda each: begin(store.url, each), many))
    assert len({each.number for each in begun}) == 1


def begin(url: str, batch: Batch) -> Batch:
    place = place_of(url)
    with place.locked():
        return place.begin(batch)


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_after_a_kill_no_row_is_lost_or_scored_twice(
    rows: Path, store: Server, score: Score, tmp_path: Path
) -> None:
    rows /= "second.csv"
    whole = score(rows, out=tmp_path / "whole")
    chunks = whole.counts.scored // CHUNK_ROWS
    process, until = start(rows, store.url), time.monotonic() + SECONDS
    while len(scored(store)) < 2 and process.poll() is None:
        assert time.monotonic() < until
    process.kill()
    output, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, output.decode()
    before = {path: store.files.cat_file(path) for path in scored(store)}
    assert 2 <= len(before) < chunks

    process = start(rows, store.url)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == YES, output.decode()
    assert {path: store.files.cat_file(path) for path in before} == before
    log = read_log(f"{store.url}/log").set_index("id")
    alone = read_log(tmp_path / "whole/log")
    assert log.index.is_unique
    assert sorted(log["key"]) == sorted(alone["key"])
    report = drift(read_params(), f"{store.url}/log", Path("build/model"))
    assert report.exit_code in (YES, NO)
