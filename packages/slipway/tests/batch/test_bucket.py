"""Scores and log in a bucket or on a server: as in a folder, also after a run was killed."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.batch.conftest import Score, without_chain
from tests.batch.test_resume import CHUNK_ROWS, SECONDS, another_model, files_of, start
from tests.services.projects import ROOT
from tests.services.servers import Server
from typer.testing import CliRunner

from slipway.batch.bucket import place_of
from slipway.batch.folder import Batch
from slipway.cli import app
from slipway.errors import NO, YES, SlipwayError
from slipway.monitoring.check import drift
from slipway.predictions.labels.store import read_labels
from slipway.predictions.reader import read_log
from slipway.settings import read_params

STORES = ("s3", "gcs", "azure", "ssh")


PAGES = {"s3": "cloud-s3", "gs": "cloud-gcs", "az": "cloud-azure", "ssh": "cloud-ssh"}


def commands(url: str) -> list[str]:
    """Return the commands of the page of a store, with another address."""
    page = (ROOT / f"docs/{PAGES[url.partition(':')[0]]}.md").read_text("utf-8")
    section = page.partition("## Log, labels, batches\n")[2]
    lines = section.partition("```sh\n")[2].partition("```")[0].splitlines()
    address = re.sub("^ssh:", "sftp:", url)
    return [re.sub(r"\w+://(you@your-server:22/srv/slipway|your-\w+)", address, e) for e in lines]


@pytest.fixture
def labels(rows: Path) -> Iterator[Path]:
    """The file that the docs name, next to the model."""
    path = Path(shutil.copy(rows / "second.csv", "labels.csv"))
    yield path
    path.unlink()
    shutil.rmtree("build/live")


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_the_commands_of_the_page_score_check_and_import_there(
    rows: Path, store: Server, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.files.makedirs(f"{store.path}/rows", exist_ok=True)
    store.files.put(str(rows / "first.parquet"), f"{store.path}/rows/first.parquet")
    store.files.makedirs(f"{store.path}/predictions", exist_ok=True)
    store.files.pipe_file(f"{store.path}/predictions/2026-11-01.jsonl", b"")
    ended = {}
    for command in commands(store.url):
        *given, program, verb = re.split(r" (?=slipway )|(?<=slipway) ", command, maxsplit=2)
        assert program == "slipway"
        for assignment in given:
            monkeypatch.setenv(*assignment.split("=", 1))
        ended[verb] = CliRunner().invoke(app, shlex.split(verb), catch_exceptions=False)
    assert {done.exit_code for verb, done in ended.items() if verb.split()[0] != "drift"} == {YES}
    assert [verb.split()[0] for verb in ended] == ["labels", "score-batch", "drift", "log"]
    labelled = len(read_labels(f"{store.url}/labels"))
    assert f"{labelled} new" in next(iter(ended.values())).output
    assert Path("build/live/log/2026-11-01.jsonl").exists()


def stored(store: Server) -> dict[str, bytes]:
    """Return the files of the batch, by name."""
    store.files.invalidate_cache()
    paths = [path for path in store.files.find(store.path) if "partial" not in path]
    return {
        path.rpartition("/")[2]: without_chain(store.files.cat_file(path)) for path in sorted(paths)
    }


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
    process, until = start(rows, store.url, processes=1), time.monotonic() + SECONDS
    while len(scored(store)) < 2 and process.poll() is None:
        assert time.monotonic() < until
    process.kill()
    output, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, output.decode()
    before = {path: store.files.cat_file(path) for path in scored(store)}
    assert 2 <= len(before) < chunks

    process = start(rows, store.url, processes=1)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == YES, output.decode()
    assert {path: store.files.cat_file(path) for path in before} == before
    log = read_log(f"{store.url}/log").set_index("id")
    alone = read_log(tmp_path / "whole/log")
    assert log.index.is_unique
    assert sorted(log["key"]) == sorted(alone["key"])
    report = drift(read_params(), f"{store.url}/log", Path("build/model"))
    assert report.exit_code in (YES, NO)
