"""Files of rows, and the model that scores them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from tests.serving.conftest import MONTHS, model, tree
from tests.shadow.conftest import write_log

from slipway.batch.score import Result, score_batch
from slipway.settings import read_params

__all__ = ["model", "tree", "write_log"]

MODEL = Path("build/model")

Score = Callable[..., Result]


@pytest.fixture
def rows(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a parquet file and a CSV file; the test runs where the model is."""
    monkeypatch.chdir(tree)
    folder = tmp_path / "rows"
    folder.mkdir()
    first, second = (pq.read_table(tree / f"data/{month}.parquet") for month in MONTHS[:2])
    pq.write_table(first, folder / "first.parquet", row_group_size=700)
    pa_csv.write_csv(second.slice(0, 500), folder / "second.csv")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def score(out: Path) -> Score:
    """Scores rows in this process."""

    def score(rows: Path | str, model: Path = MODEL, **options: Any) -> Result:
        settings = {"chunk_rows": 400, "processes": 1} | options
        return score_batch(str(rows), settings.pop("out", out), model, read_params(), **settings)

    return score


@pytest.fixture
def bad_rows(rows: Path) -> Path:
    """A file whose first rows have a fault each, but the fifth, which has two."""
    path = rows / "first.parquet"
    table = pq.read_table(path).slice(0, 900)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    columns["weekday"][0] = 9
    columns["carrier"][1] = "??"
    columns["origin"][2] = None
    columns["temp"][3] = float("inf")
    columns["flight_id"][4], columns["humid"][4] = "a flight", -1.0
    columns["dest"][5] = columns["origin"][5]
    columns["dep_minute"][6] = 40_000
    changed = pa.table(columns, pa.schema([_wide(field) for field in table.schema]))
    shutil.rmtree(rows)
    rows.mkdir()
    pq.write_table(changed, path)
    return path


def _wide(field: pa.Field) -> pa.Field:
    return field.with_type(pa.int64()) if pa.types.is_integer(field.type) else field


def without_chain(content: bytes) -> bytes:
    """Return a file of the log without what each chain has of its own; another file as it is."""
    return re.sub(rb',"n":\d+,"salt":.*', b"}", content) if content[:1] == b"{" else content
