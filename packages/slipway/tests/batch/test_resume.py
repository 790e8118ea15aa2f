"""A run that was killed continues; a folder has the scores of one model and of the same rows."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import onnx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.batch.conftest import MODEL, Score, without_chain
from tests.services.dask import Cluster
from tests.shadow.conftest import records

from slipway.audit.verify import verify_log
from slipway.batch.folder import MANIFEST, BatchFolder, require_outside
from slipway.errors import SlipwayError
from slipway.repository.layout import python_path
from slipway.workers import ADDRESS

SECONDS = 60

CHUNK_ROWS = 25


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def start(rows: Path, out: Path | str, processes: int = 2) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "slipway", "score-batch", "--rows", str(rows)]
    command += ["--out", str(out), "--chunk-rows", str(CHUNK_ROWS), "--processes", str(processes)]
    environment = os.environ | {"PYTHONPATH": python_path(Path.cwd())}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def kill_after(chunks: int, rows: Path, out: Path) -> int:
    """Kill a run once that number of chunks is complete; return how many are."""
    process, until = start(rows, out), time.monotonic() + SECONDS
    while len(list(out.glob("scores/*"))) < chunks and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.001)
    process.kill()
    output, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, output.decode()
    return len(list(out.glob("scores/*")))


def test_after_each_kill_no_row_is_lost_or_scored_twice(
    rows: Path, out: Path, score: Score, tmp_path: Path
) -> None:
    whole = score(rows, out=tmp_path / "whole", chunk_rows=5_000)
    chunks = whole.counts.scored // CHUNK_ROWS
    done = kill_after(1, rows, out)
    done = kill_after(max(done + 1, chunks // 2), rows, out)
    assert done < chunks
    before = files_of(out / "scores")
    process = start(rows, out)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output.decode()
    assert before.items() <= files_of(out / "scores").items()
    columns = ["file", "row", "key", "probability", "decision", "review", "reasons"]
    resumed, once = (
        pd.read_parquet(folder / "scores").astype({"file": str}).sort_values(["file", "row"])
        for folder in (out, tmp_path / "whole")
    )
    pd.testing.assert_frame_equal(
        resumed[columns].reset_index(drop=True), once[columns].reset_index(drop=True)
    )
    logged = {record["id"]: record["key"] for record in records(out / "log")}
    assert len(records(out / "log")) == len(logged) == len(resumed)
    assert logged == dict(zip(resumed["id"], resumed["key"], strict=True))


def test_a_chunk_whose_files_were_renamed_in_part_is_written_again_with_the_same_bytes(
    bad_rows: Path, out: Path, score: Score
) -> None:
    """The batch has not ended: its manifest still has the secret of the salts."""
    score(bad_rows, chunk_rows=100)
    manifest = out / MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"secret": "s"}))
    for each in out.glob("scores/*"):
        each.unlink()
    score(bad_rows, chunk_rows=100)
    complete = files_of(out)
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"secret": "s"}))
    for each in list(out.glob("scores/*"))[1:4]:
        each.unlink()
    (out / "partial/scores-00000-00001.parquet").write_bytes(b"cut sho")
    score(bad_rows, chunk_rows=100)
    assert files_of(out) == complete
    assert b"secret" not in complete[MANIFEST]


def test_the_log_of_a_batch_is_a_chain(rows: Path, out: Path, score: Score, tmp_path: Path) -> None:
    score(rows)
    place = str(out / "log")
    found = verify_log(place)
    assert (found.exit_code, found.unlinked, found.records) == (0, [], len(records(out / "log")))
    first = min((out / "log").iterdir())
    lines = first.read_bytes().splitlines(keepends=True)
    first.write_bytes(b"".join([*lines[:3], *lines[4:]]))
    assert [(f.file, f.line) for f in verify_log(place).faults] == [(first.name, 4)]


def test_a_cluster_writes_the_same_files(
    rows: Path, out: Path, score: Score, two_workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows have row groups that are larger than a chunk, and a file that is not divided."""
    score(rows, chunk_rows=300)
    here = {path.relative_to(out): path.read_bytes() for path in out.rglob("*.*")}
    for path in here:
        if path != Path("batch.json"):
            (out / path).unlink()
    monkeypatch.setenv(ADDRESS, two_workers.address)
    score(rows, chunk_rows=300)
    there = {path.relative_to(out): path.read_bytes() for path in out.rglob("*.*")}
    # The salts are others: the batch had ended, and its secret was removed.
    assert {path: without_chain(text) for path, text in there.items()} == {
        path: without_chain(text) for path, text in here.items()
    }


def another_model(folder: Path) -> Path:
    """Return a copy of the model with another sha256."""
    copy = Path(shutil.copytree(MODEL, folder / "model"))
    model = onnx.load(copy / "model.onnx")
    model.doc_string = "another one"
    content = model.SerializeToString()
    (copy / "model.onnx").write_bytes(content)
    manifest = json.loads((copy / "manifest.json").read_text("utf-8"))
    manifest["model"]["sha256"] = hashlib.sha256(content).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return copy


def test_a_folder_of_another_model_is_refused(
    rows: Path, out: Path, score: Score, tmp_path: Path
) -> None:
    score(rows)
    before = files_of(out)
    with pytest.raises(SlipwayError, match="model"):
        score(rows, another_model(tmp_path))
    assert files_of(out) == before


CHANGES: dict[str, Callable[[Path], object]] = {
    "changed": lambda rows: shutil.copyfile(rows / "first.parquet", rows / "second.csv"),
    "new": lambda rows: shutil.copy(rows / "first.parquet", rows / "new.parquet"),
    "gone": lambda rows: (rows / "second.csv").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_files_are_refused(rows: Path, out: Path, score: Score, change: str) -> None:
    score(rows)
    before = files_of(out)
    CHANGES[change](rows)
    with pytest.raises(SlipwayError, match=r"new\.parquet|second\.csv"):
        score(rows)
    assert files_of(out) == before


def without(column: str) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.drop_columns([column])


def as_text(column: str) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(
        table.schema.get_field_index(column), column, table[column].cast("string")
    )


@pytest.mark.parametrize("change", [without("temp"), as_text("temp")])
def test_a_file_that_the_model_cannot_score_is_refused_before_any_row(
    rows: Path, out: Path, score: Score, change: Callable[[pa.Table], pa.Table]
) -> None:
    pq.write_table(change(pq.read_table(rows / "first.parquet")), rows / "third.parquet")
    with pytest.raises(SlipwayError, match=r"third\.parquet.*temp"):
        score(rows)
    assert not out.exists()


def test_a_damaged_file_is_refused(rows: Path, out: Path, score: Score) -> None:
    (rows / "third.parquet").write_bytes((rows / "first.parquet").read_bytes()[:-9])
    with pytest.raises(SlipwayError, match=r"third\.parquet"):
        score(rows)
    assert not out.exists()


def test_a_pattern_without_files_is_refused(rows: Path, score: Score) -> None:
    with pytest.raises(SlipwayError, match="no file matches"):
        score(rows / "*.none")


def test_a_folder_with_other_files_is_refused(rows: Path, out: Path, score: Score) -> None:
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(SlipwayError, match=r"mine\.txt"):
        score(rows)


INSIDE = {
    "the folder itself": ("rows", "rows"),
    "inside of the folder": ("rows", "rows/2026/scores"),
    "by another way": ("rows/../rows/", "link/scores"),
    "of a pattern": ("rows/**/*.parquet", "rows/scores"),
    "of a pattern that names the manifest": ("*/*.json*", "rows"),
    "of a bucket": ("s3://bucket/rows/", "s3a://bucket/rows/scores"),
    "of a pattern in a bucket": ("s3://bucket/*/*/*.parquet", "s3://bucket/scores"),
}
OUTSIDE = {
    "another folder": ("rows", "rows-scores"),
    "of a pattern without folders": ("rows/*.parquet", "rows/scores"),
    "of a pattern with a double star": ("rows/**.parquet", "rows/scores"),
    "another bucket": ("s3://bucket/rows/*.parquet", "s3://scores/rows"),
    "no bucket": ("s3://bucket/rows/*", "bucket/rows"),
}


@pytest.fixture
def linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of rows with a link to it; buckets are not asked."""
    (tmp_path / "rows").mkdir()
    (tmp_path / "link").symlink_to("rows")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("s3fs.S3FileSystem.isdir", lambda *_: False)


@pytest.mark.usefixtures("linked")
@pytest.mark.parametrize("case", INSIDE)
def test_a_folder_whose_files_would_be_rows_is_refused(case: str) -> None:
    rows, out = INSIDE[case]
    with pytest.raises(SlipwayError, match="--out is inside of --rows"):
        require_outside(rows, out)


@pytest.mark.usefixtures("linked")
@pytest.mark.parametrize("case", OUTSIDE)
def test_a_folder_next_to_the_rows_is_not_refused(case: str) -> None:
    require_outside(*OUTSIDE[case])


def test_a_run_writes_nothing_into_its_rows(rows: Path, score: Score) -> None:
    before = files_of(rows)
    with pytest.raises(SlipwayError, match="--out is inside of --rows"):
        score(rows, out=rows / "scores")
    assert files_of(rows) == before


def test_two_runs_do_not_write_to_a_folder_at_once(rows: Path, out: Path, score: Score) -> None:
    with BatchFolder(out).locked(), pytest.raises(SlipwayError, match="another run"):
        score(rows)
