"""A repository with a champion, and a log of predictions of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.services.batches import batch_records

from slipway.audit.replay import Decider, decider

ROWS = 300


@dataclass(frozen=True)
class Predicted:
    """Predictions of the model on `main`, as records, in a log."""

    root: Path
    log: Path
    records: list[dict[str, Any]]

    def write(self, *records: dict[str, Any]) -> Path:
        """Write records to a log of their own; return its folder."""
        import orjson

        folder = self.log.parent / f"log-of-{len(list(self.log.parent.iterdir()))}"
        folder.mkdir()
        lines = b"".join(orjson.dumps(record) + b"\n" for record in records)
        (folder / "2026-01-01_a.jsonl").write_bytes(lines)
        return folder


@pytest.fixture(scope="session")
def predicted(small_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Predicted:
    root = tmp_path_factory.mktemp("audited") / "repository"
    shutil.copytree(small_repository, root, symlinks=True)
    out = tmp_path_factory.mktemp("batch") / "out"
    rows = max((root / "data").glob("*.parquet"))
    records = batch_records(root, rows, out)
    return Predicted(root, out / "log", records[:ROWS])


@pytest.fixture(scope="session")
def model(predicted: Predicted) -> Iterator[Decider]:
    """The model of those predictions, with the code of its commit."""
    with decider(predicted.root, predicted.records[0]["commit"]) as model:
        yield model
