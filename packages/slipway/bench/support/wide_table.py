"""A wide table: numbers and categories with missing values, a key, a time and a label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS, NUMBERS, CATEGORIES = 100_000, 800, 200

MISSING = 0.05

VALUES = (2, 3, 5, 12, 40)

# Rows that are made and written at once.
CHUNK = 10_000


def write(path: Path, first: str, days: int, seed: int, rows: int = ROWS) -> None:
    """Write rows that spread over some days as one parquet file."""
    rng = np.random.default_rng(seed)
    start = np.datetime64(first, "us")
    step = np.timedelta64(days * 24 * 3600 * 1_000_000 // rows, "us")
    writer = None
    for at in range(0, rows, CHUNK):
        table = _chunk(rng, seed, np.arange(at, min(at + CHUNK, rows)), start, step)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer:
        writer.close()


def _chunk(
    rng: np.random.Generator, seed: int, at: np.ndarray, start: np.datetime64, step: np.timedelta64
) -> pa.Table:
    values = rng.normal(size=(len(at), NUMBERS)).astype("float32")
    label = values[:, :5].sum(axis=1) + rng.normal(0, 1.5, len(at)) > 3
    columns: dict[str, pa.Array] = {
        "part": pa.array([f"P{seed}{number:07}" for number in at.tolist()]),
        "made": pa.array(start + at * step, pa.timestamp("us", "UTC")),
        "failed": pa.array(np.where(label, "yes", "no")),
    }
    for number in range(NUMBERS):
        lacking = rng.random(len(at)) < MISSING
        columns[f"x{number}"] = pa.array(values[:, number].round(4), mask=lacking)
    for number in range(CATEGORIES):
        size = VALUES[number % len(VALUES)]
        shares = 1 / np.arange(1, size + 1)
        codes = rng.choice(size, len(at), p=shares / shares.sum()).astype("int32")
        lacking = rng.random(len(at)) < MISSING
        names = pa.array([f"v{code}" for code in range(size)])
        indices = pa.array(codes, mask=lacking)
        columns[f"c{number}"] = pa.DictionaryArray.from_arrays(indices, names).cast(pa.string())
    return pa.table(columns)
