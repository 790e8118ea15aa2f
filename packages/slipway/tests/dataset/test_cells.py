"""A cell of a CSV file is read by its own text and the type of its column, and by nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.dataset.chunks import values_of
from slipway.dataset.csv_format import CsvFormat

TYPES = [
    ("integer", "int8"),
    ("integer", "int64"),
    ("integer", "uint64"),
    ("number", "float32"),
    ("number", "float64"),
    ("timestamp", "datetime64[us]"),
]

CELLS = ["9007199254740993", "007", "1.0", "1e3", "+5", "", "1,000", "True", "yes", " 1", "128"]
CELLS += ["NaN", "inf", "1e39", "0x10", "9" * 60, "2013-10-01T09:30:00.123456789Z", "9999-01-01"]
CELLS += ["2013-02-30T00:00:00Z", "2013-10-01 09:30+05:30", "2013-10-01 09:30", "1\n", "٣"]

cells = st.sampled_from(CELLS) | st.from_regex(r"[-+]?[0-9]{1,20}(\.[0-9]{1,3})?", fullmatch=True)


def read(
    texts: Sequence[str | None], kind: str, dtype: str, zone: str = ""
) -> list[tuple[str, bool]]:
    values = values_of(pa.array(texts, pa.string()), kind, dtype, CsvFormat(), zone)
    shown = ["" if pd.isna(value) else str(value) for value in values.series.tolist()]
    return list(zip(shown, values.unreadable.tolist(), strict=True))


@pytest.mark.parametrize(("kind", "dtype"), TYPES)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(texts=st.lists(cells, min_size=1, max_size=8))
def test_a_cell_has_the_same_value_whatever_is_around_it(
    kind: str, dtype: str, texts: list[str]
) -> None:
    together = read(texts, kind, dtype)
    assert together == [read([text], kind, dtype)[0] for text in texts]
    assert together == read(texts[::-1], kind, dtype)[::-1]


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(number=st.integers(-(2**70), 2**70))
def test_a_whole_number_is_exact_or_refused(number: int) -> None:
    for dtype in ("int8", "int64", "uint64"):
        fits = np.iinfo(dtype).min <= number <= np.iinfo(dtype).max
        missing = values_of(pa.array([str(number), None]), "integer", dtype, CsvFormat())
        assert missing.unreadable.tolist() == [not fits, False]
        if fits:
            assert int(missing.series.iloc[0]) == number


def test_whole_numbers_of_parquet_stay_exact_next_to_missing_ones() -> None:
    values = values_of(pa.array([2**53 + 1, None]), "integer", "int64", None)
    assert int(values.series.iloc[0]) == 2**53 + 1
    assert values.series.isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2013-07-01 09:30", "2013-07-01 13:30:00+00:00"),
        ("2013-12-01", "2013-12-01 05:00:00+00:00"),
        ("2013-07-01T09:30:00.5", "2013-07-01 13:30:00.500000+00:00"),
        ("2013-07-01T09:30Z", "2013-07-01 09:30:00+00:00"),
        ("2013-03-10 02:30", None),  # the clocks passed over it
        ("2013-11-03 01:30", None),  # and showed this one twice
        ("2013-02-30", None),
        ("01.07.2013 09:30", None),
    ],
)
def test_a_time_without_a_zone_is_of_the_stated_one_and_must_be_once_in_it(
    text: str, moment: str | None
) -> None:
    (cell,) = read([text], "timestamp", "datetime64[us]", "America/New_York")
    assert cell == (moment or "", moment is None)
    (without,) = read([text], "timestamp", "datetime64[us]")
    assert without[1] == (not text.endswith("Z"))


@pytest.mark.parametrize(
    ("text", "number"), [("1,5", 1.5), (",5", 0.5), ("-1,5e3", -1500.0), ("7", 7.0), ("1.5", None)]
)
def test_a_number_has_the_decimal_mark_of_its_file(text: str, number: float | None) -> None:
    written = CsvFormat(";", decimal=",")
    values = values_of(pa.array([text]), "number", "float64", written)
    assert values.unreadable.tolist() == [number is None]
    assert number is None or values.series.tolist() == [number]
