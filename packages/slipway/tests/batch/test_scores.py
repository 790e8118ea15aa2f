"""Each row is scored as the service scores it, or set aside with the reasons."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.batch.conftest import MODEL, Score
from tests.services.servers import Server
from tests.shadow.conftest import Write, records

from slipway import project
from slipway.batch.inputs import find_inputs
from slipway.dataset.tables import as_rows, read_columns
from slipway.errors import NO, YES, SlipwayError
from slipway.monitoring.check import drift
from slipway.predictions.chain import ADDED
from slipway.predictions.files import Skipped
from slipway.predictions.reader import read_batches, read_log
from slipway.schema.validator import RowValidator
from slipway.settings import read_params
from slipway.training.score import Model, score_file

PLACE = ["file", "row"]


def scores_of(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "scores").astype({"file": str})


def rejected_of(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "rejected").astype({"file": str})


def rows_as_sent(path: Path) -> list[dict[str, Any]]:
    return as_rows(read_columns([path], project.inputs()))


@pytest.mark.parametrize("chunk_rows", [400, 10_000])
def test_each_row_is_once_in_scores_and_log(
    rows: Path, out: Path, score: Score, chunk_rows: int, tmp_path: Path
) -> None:
    result = score(rows, chunk_rows=chunk_rows)
    scores, log = scores_of(out), read_log(out / "log").set_index("id")
    expected = []
    for path in sorted(rows.iterdir()):
        score_file(path, MODEL, tmp_path / "scores.parquet")
        single = pd.read_parquet(tmp_path / "scores.parquet")
        expected.append(single.assign(file=path.as_posix(), row=range(len(single))))
    both = scores.merge(pd.concat(expected), on=PLACE, validate="1:1", suffixes=("", "_alone"))
    assert len(both) == len(scores) == sum(map(len, expected)) == len(log)
    assert (both["key"] == both["key_alone"].astype(str)).all()
    assert (both["probability"] == both["score"]).all()
    assert (log.loc[scores["id"], "probability"].to_numpy() == scores["probability"]).all()
    assert (log.loc[scores["id"], "key"].to_numpy() == scores["key"]).all()
    assert result.exit_code == YES
    assert result.counts.scored == len(scores)


def test_the_records_are_those_of_the_service(
    rows: Path, out: Path, score: Score, write_log: Write, model: Model, tmp_path: Path
) -> None:
    path = rows / "first.parquet"
    table = pq.read_table(path).slice(0, 300)
    unseen = table["dest"].to_pylist()
    unseen[:2] = ["ZZZ", "QQQ"]
    at = table.schema.get_field_index("dest")
    pq.write_table(table.set_column(at, "dest", pa.array(unseen, table.schema.types[at])), path)
    score(path)
    write_log(tmp_path / "service", model, rows_as_sent(path))
    of_the_run = ("id", "time", "data", "commit", *ADDED)
    ours, service = (
        {record["key"]: {n: v for n, v in record.items() if n not in of_the_run} for record in log}
        for log in (records(out / "log"), records(tmp_path / "service"))
    )
    assert ours == service
    assert {len(each["reasons"]) for each in ours.values()} >= {0, 1}


def test_bad_rows_are_set_aside_with_the_faults_that_the_service_finds(
    bad_rows: Path, out: Path, score: Score, model: Model
) -> None:
    result = score(bad_rows)
    rejected, scores = rejected_of(out), scores_of(out)
    table = pq.read_table(bad_rows, columns=project.inputs())
    times = table["scheduled_departure"].to_pylist()
    sent = [
        {**row, "scheduled_departure": time.isoformat().replace("+00:00", "Z")}
        for row, time in zip(table.to_pylist(), times, strict=True)
    ]
    for row in sent:
        row.update({name: None for name, value in row.items() if value != value})
    body = json.dumps(sent).encode()  # with Infinity, which is no JSON: only the first parser reads
    faults = RowValidator(model.manifest["inputs"], project.RULES).explain(body)
    assert {(row, column, rule) for row, column, rule in _places(rejected)} == {
        (fault["row"], fault["field"], fault["rule"]) for fault in faults
    }
    assert rejected["reason"].str.len().min() > 0
    assert set(scores["row"]) | set(rejected["row"]) == set(range(table.num_rows))
    assert set(scores["row"]) & set(rejected["row"]) == set()
    assert result.exit_code == NO
    assert result.counts.rejected == rejected["row"].nunique() == 7
    assert str(result.counts.rejected) in result.text()
    assert len(records(out / "log")) == len(scores)


def _places(rejected: pd.DataFrame) -> list[tuple[int, str, str]]:
    return list(rejected[["row", "column", "rule"]].itertuples(index=False, name=None))


def test_cells_of_a_csv_file_that_cannot_be_read_are_named(
    rows: Path, out: Path, score: Score
) -> None:
    path = rows / "second.csv"
    frame = pd.read_csv(path, dtype=str)
    frame.loc[3, "weekday"], frame.loc[3, "temp"], frame.loc[450, "distance"] = "Monday", "", "1e3"
    frame.to_csv(path, index=False)
    score(path)
    assert _places(rejected_of(out)) == [(3, "weekday", "type"), (450, "distance", "type")]
    assert len(scores_of(out)) == len(frame) - 2


@pytest.mark.parametrize("processes", [1, 2])
def test_lines_with_too_few_or_many_values_are_set_aside_in_their_places(
    rows: Path, out: Path, score: Score, processes: int
) -> None:
    path = rows / "second.csv"
    header, *lines = path.read_text("utf-8").splitlines()
    sound = [line for line in lines if line]
    for row in (0, 399, 400, len(lines) - 1):
        lines[row] = lines[row].rpartition(",")[0] if row else lines[row] + ",1,2"
    path.write_text("\n".join([header, *lines, ""]), "utf-8")

    result = score(path, processes=processes)

    bad = [0, 399, 400, len(sound) - 1]
    assert _places(rejected_of(out)) == [(row, "", "line") for row in bad]
    scores = scores_of(out).sort_values("row")
    assert scores["row"].tolist() == [row for row in range(len(sound)) if row not in bad]
    assert all(key in sound[row] for key, row in zip(scores["key"], scores["row"], strict=True))
    assert result.counts.rejected == len(bad)


def test_a_quotation_mark_that_is_not_closed_ends_the_run_and_does_not_hide_the_rows_after_it(
    rows: Path, out: Path, score: Score
) -> None:
    table = pd.read_parquet(rows / "first.parquet").head(60)
    (rows / "first.parquet").unlink()
    lines = table.to_csv(index=False).splitlines(keepends=True)
    lines[40] = f'"{lines[40]}'
    (rows / "second.csv").write_text("".join(lines), "utf-8")
    with pytest.raises(SlipwayError, match="line 41"):
        score(rows)
    assert not out.exists()
    lines[40] = lines[40].replace(",", '",', 1)  # closed
    lines[50] = lines[50].replace(",", '",', 1)  # a mark in a value, which opens nothing
    (rows / "second.csv").write_text("".join(lines), "utf-8")
    counts = score(rows).counts
    assert counts.scored + counts.rejected == len(table)


def test_a_file_of_which_no_row_is_valid_is_finished(rows: Path, out: Path, score: Score) -> None:
    path = rows / "first.parquet"
    table = pq.read_table(path).slice(0, 500)
    at = table.schema.get_field_index("weekday")
    pq.write_table(table.set_column(at, "weekday", pa.array([8] * 500, pa.int8())), path)
    result = score(path)
    assert (result.counts.scored, result.counts.rejected) == (0, 500)
    assert scores_of(out).empty
    assert score(path).text() == result.text()


def test_rows_without_a_key_are_joined_by_id(rows: Path, out: Path, score: Score) -> None:
    folder = Path(shutil.copytree(MODEL, rows.parent / "model"))
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["key"] = None
    for column in manifest["inputs"]:
        column["unique"] = False
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    score(rows / "second.csv", folder)
    assert "key" not in scores_of(out)
    assert all(record["key"] == record["id"] for record in records(out / "log"))


def test_a_model_whose_features_this_code_does_not_compute_scores_nothing(
    rows: Path, out: Path, score: Score
) -> None:
    folder = Path(shutil.copytree(MODEL, rows.parent / "model"))
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["features"].append({"name": "crew", "type": "number"})
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(SlipwayError, match="crew"):
        score(rows / "second.csv", folder)
    assert not out.exists()


def test_a_file_that_cannot_be_scored_is_named_with_what_helps_the_one_who_scores_it(
    rows: Path, out: Path, score: Score
) -> None:
    lacking, empty = rows / "lacking.csv", rows / "empty.parquet"
    pd.read_csv(rows / "second.csv").drop(columns=["dest", "temp"]).to_csv(lacking, index=False)
    empty.touch()
    for path, command, wrong in (
        (lacking, "slipway schema", "columns dest, temp are missing"),
        (empty, "", "empty"),
    ):
        with pytest.raises(SlipwayError, match=f"{path.name}.*{wrong}") as refused:
            score(path)
        assert command in refused.value.do
        assert "validate" not in refused.value.do
        assert "restore" not in refused.value.do
    assert not out.exists()


def test_drift_reads_the_log_and_leaves_nothing_out(
    rows: Path, out: Path, score: Score, model: Model
) -> None:
    result = score(rows)
    skipped = Skipped()
    batches = list(read_batches(out / "log", skipped, model.manifest["inputs"]))
    assert sum(len(batch.traffic) for batch in batches) == result.counts.scored
    assert skipped.sentences() == []
    report = drift(read_params(), str(out / "log"), MODEL, now=datetime.now(UTC))
    assert report.exit_code in (YES, NO)


def test_no_table_of_a_folder_is_left_out_in_silence_here_or_elsewhere(tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    (rows / "_old").mkdir(parents=True)
    for name in ("a[1].csv", "notes.txt", "_old/b.csv"):
        (rows / name).write_text("n\n1\n", "utf-8")
    system = fsspec.filesystem("memory")
    system.put(f"{rows}/", "/rows/", recursive=True)

    for top in (str(rows), "memory:///rows"):
        [file] = find_inputs(top)
        assert file.path.endswith("/rows/a[1].csv")
        assert find_inputs(file.path) == [file]
        assert len(find_inputs(f"{top}/**/**/*.csv")) == 2
    for name in ("c.csv.gz", "d.parquet/part-0", "2026/e.csv"):
        (rows / name).parent.mkdir(exist_ok=True)
        (rows / name).write_text("n\n1\n", "utf-8")
        system.pipe(f"/rows/{name}", b"n\n1\n")
        for top in (str(rows), "memory:///rows"):
            with pytest.raises(SlipwayError, match=name.partition("/")[0]):
                find_inputs(top)
        shutil.rmtree(rows / name.partition("/")[0], ignore_errors=True)
        (rows / name).unlink(missing_ok=True)
        system.rm(f"/rows/{name.partition('/')[0]}", recursive=True)


def test_files_in_a_bucket_are_scored_alike(
    rows: Path, out: Path, score: Score, s3: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    s3.files.put(f"{rows}/", f"{s3.path}/rows/", recursive=True)
    there, here = score(f"{s3.url}/rows/*"), score(rows, out=tmp_path / "here")
    assert there.counts == here.counts
    assert set(scores_of(out)["key"]) == set(scores_of(tmp_path / "here")["key"])
    s3.files.put(str(rows / "first.parquet"), f"{s3.path}/rows/second.csv")
    with pytest.raises(SlipwayError, match=r"second\.csv"):
        score(f"{s3.url}/rows/*")
