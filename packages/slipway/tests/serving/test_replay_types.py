"""What a row in JSON cannot hold is refused by column and type, before anything is sent."""

from __future__ import annotations

import os
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slipway.errors import SlipwayError
from slipway.serving.replay import _read_rows

REFUSED = {
    "decimal128(5, 2)": [Decimal("1.25")],
    "binary": [b"UA"],
    "duration[us]": [timedelta(hours=1)],
    "date32[day]": [date(2013, 10, 1)],
    "list<element: int64>": [[1]],
    "struct<a: int64>": [{"a": 1}],
}


def write(folder: Path, values: pa.Array) -> list[Path]:
    pq.write_table(pa.table({"temp": values}), folder / "rows.parquet")
    return [folder / "rows.parquet"]


@pytest.mark.parametrize("kind", REFUSED)
def test_a_type_that_json_lacks_is_named_with_its_column(tmp_path, kind):
    values = REFUSED[kind]
    paths = write(tmp_path, pa.array(values, pa.decimal128(5, 2)) if "dec" in kind else values)

    with pytest.raises(SlipwayError) as refused:
        _read_rows(paths, ["temp"])

    assert "`temp`" in str(refused.value)
    assert kind in str(refused.value)


def test_infinity_is_named_with_its_row(tmp_path):
    with pytest.raises(SlipwayError, match="`temp`, row 1: infinity"):
        _read_rows(write(tmp_path, pa.array([1.0, float("inf")])), ["temp"])


def test_other_types_are_sent(tmp_path):
    for values in (["a"], [1], [2**60], [1.5], [True], pa.array(["a"]).dictionary_encode()):
        assert len(_read_rows(write(tmp_path, values), ["temp"])["temp"]) == 1


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "rows.parquet")

    with pytest.raises(SlipwayError, match="a named pipe, not a file"):
        _read_rows([tmp_path / "rows.parquet"], ["temp"])
