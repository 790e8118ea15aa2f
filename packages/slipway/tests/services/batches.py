"""Batch scoring of a project in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from slipway.predictions.answers import flat_score
from slipway.predictions.record import parse_record
from slipway.repository.worktrees import run


def batch_records(root: Path, rows: Path, out: Path) -> list[dict[str, Any]]:
    """Score a file, all of whose rows are valid; return its records in the order of the rows."""
    run(["slipway", "score-batch", "--rows", str(rows), "--out", str(out)], root)
    lines = [line for path in sorted((out / "log").iterdir()) for line in path.open("rb")]
    assert all(parse_record(line) for line in lines)
    return [orjson.loads(line) for line in lines]


def check_batch(root: Path, rows: Path, out: Path) -> None:
    """Check that a batch has the keys and scores of `slipway score`, in its scores and its log."""
    records = batch_records(root, rows, out)
    run(["slipway", "score", "--rows", str(rows), "--out", str(out / "alone.parquet")], root)
    alone, scores = (pd.read_parquet(out / name) for name in ("alone.parquet", "scores"))
    answers = [name for name in map(str, scores) if name.startswith(("probability", "value"))]
    expected = alone.drop(columns="key").to_numpy().tolist()
    assert scores[answers].to_numpy().tolist() == expected
    assert [flat_score(record) for record in records] == expected
    assert list(alone["key"]) == list(scores["key"]) == [record["key"] for record in records]
