"""The types of a table's columns are found in its cells, and each conversion is named."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slipway.errors import SlipwayError
from slipway.setup.adopt.table import Table, read_table, to_arrow


def csv(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def parquet(folder: Path, **columns: Any) -> Path:
    path = folder / "table.parquet"
    pd.DataFrame(columns).to_parquet(path)
    return path


def types(table: Table) -> dict[str, str]:
    return {name: column.dtype for name, column in table.columns.items()}


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (["1", "2", "30"], "int64"),
        (["1", "", "30"], "float64"),
        (["1.5", "-2e3", ""], "float64"),
        (["007", "8", "9"], "str"),
        (["0.07", "0", "-0"], "float64"),
        (["a", "", "c"], "str"),
        (["2024-06-01", "2024-06-02 09:30", "2024-06-03T09:30:00Z"], "datetime64[us, UTC]"),
        (["99999999999999999999", "1", "2"], "str"),
        (["yes", "no", "yes"], "str"),
    ],
)
def test_a_column_of_text_has_the_narrowest_type_of_all_its_cells(
    tmp_path: Path, cells: list[str], dtype: str
) -> None:
    table = read_table([csv(tmp_path, "x;y\n" + "".join(f"{cell};1\n" for cell in cells))])
    assert types(table)["x"] == dtype
    assert not table.converted


@pytest.mark.parametrize("word", ["NA", "?", "n/a", "-", "NULL", "."])
def test_words_for_a_missing_number_are_converted_and_named(tmp_path: Path, word: str) -> None:
    table = read_table([csv(tmp_path, f"x,y\n1.5,a\n{word},b\n 3 ,c\n")])
    np.testing.assert_array_equal(table.columns["x"].values, [1.5, np.nan, 3])
    assert list(table.converted) == ["x"]
    assert repr(word) in table.converted["x"]


def test_a_category_keeps_such_words(tmp_path: Path) -> None:
    table = read_table([csv(tmp_path, "x,y\nNA,1\nEU,2\n")])
    assert table.columns["x"].values.tolist() == ["NA", "EU"]


def test_a_decimal_comma_is_found_before_the_types_are_known(tmp_path: Path) -> None:
    table = read_table([csv(tmp_path, "x;y\n1,5;a\n2,25;b\n")])
    np.testing.assert_array_equal(table.columns["x"].values, [1.5, 2.25])


def test_types_that_no_schema_has_are_converted_and_named(tmp_path: Path) -> None:
    day = pd.Timestamp("2024-06-01")
    path = parquet(
        tmp_path,
        flag=[True, False, True],
        count=pd.array([1, None, 3], dtype="Int32"),
        price=[Decimal("1.10"), Decimal("2.20"), None],
        day=[day.date(), day.date(), day.date()],
        local=[day, day, day],
        kind=pd.Categorical(["a", "b", "a"]),
        plain=np.array([1, 2, 3], dtype="int16"),
    )
    table = read_table([path], zone="Europe/Berlin")
    assert types(table) == {
        "flag": "int8",
        "count": "float32",
        "price": "float64",
        "day": "datetime64[us, UTC]",
        "local": "datetime64[us, UTC]",
        "kind": "str",
        "plain": "int16",
    }
    assert set(table.converted) == {"flag", "count", "price", "day", "local"}
    assert table.columns["local"].values[0] == np.datetime64("2024-05-31T22:00")


def test_local_times_that_clocks_show_twice_or_never_are_not_missing_ones(tmp_path: Path) -> None:
    twice, never, plain = map(pd.Timestamp, ("2023-11-05 01:30", "2024-03-10 02:30", "2024-06-01"))
    path = parquet(
        tmp_path, twice=[twice, None, plain], never=[plain, None, never], at=[plain, None, plain]
    )
    table = read_table([path], zone="America/St_Johns")
    assert list(table.columns) == ["at"]
    assert str(twice) in table.left_out["twice"]
    assert str(never) in table.left_out["never"]


def of_two_files(folder: Path, *parts: pa.Array) -> Table:
    """Return the table of files with one part each of the column x."""
    paths = [folder / f"{number}.parquet" for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        pq.write_table(pa.table({"x": part, "y": range(len(part))}), path)
    return read_table(paths, zone="Europe/Berlin")


NOON = pd.Timestamp("2024-06-01 12:00")

MIXED = {
    "whole numbers and fractions": (pa.array([1, 2**60]), pa.array([30.5]), "float64"),
    "widths": (pa.array([1], pa.int32()), pa.array([2**40 + 1]), "int64"),
    "widths of fractions": (pa.array([1.5], pa.float32()), pa.array([0.1]), "float64"),
    "signs": (pa.array([1], pa.uint64()), pa.array([-1]), "int64"),
    "true and numbers": (pa.array([True]), pa.array([5]), "int64"),
    "decimals": (pa.array([Decimal("1.10")]), pa.array([Decimal("10000.105")]), "float64"),
    "decimals and numbers": (pa.array([Decimal("1.10")]), pa.array([3]), "float64"),
    "ways to write text": (pa.array(["a"]).dictionary_encode(), pa.array(["b"]), "str"),
    "long text": (pa.array(["a"], pa.large_string()), pa.array(["b"]), "str"),
    "units": (
        pa.array([NOON], pa.timestamp("ns", "UTC")),
        pa.array([NOON], pa.timestamp("us", "UTC")),
        "datetime64[us, UTC]",
    ),
    "days and zones": (
        pa.array([NOON.date()]),
        pa.array([NOON], pa.timestamp("s", "America/Lima")),
        "datetime64[us, UTC]",
    ),
    "no value": (pa.array([math.nan, None]), pa.array(["a"]), "str"),
}


@pytest.mark.parametrize("name", MIXED)
def test_the_type_of_a_column_does_not_depend_on_the_sequence_of_the_files(
    tmp_path: Path, name: str
) -> None:
    one, other, dtype = MIXED[name]
    forth, back = of_two_files(tmp_path, one, other), of_two_files(tmp_path, other, one)
    assert types(forth)["x"] == types(back)["x"] == dtype
    assert forth.converted == back.converted
    values = [pd.Series(table.columns["x"].values).to_list() for table in (forth, back)]
    assert sorted(map(str, values[0])) == sorted(map(str, values[1]))
    # Files are used as they are only if each has the type.
    assert bool(forth.converted) == (name not in ("ways to write text", "long text"))
    assert str(to_arrow(forth)["x"].type) == str(to_arrow(back)["x"].type)


@pytest.mark.parametrize(
    ("one", "other", "part"),
    [
        (pa.array([2**53 + 1]), pa.array([30.5]), "9007199254740993"),
        (pa.array([2**64 - 1], pa.uint64()), pa.array([-1]), "18446744073709551615"),
        (pa.array(["a"]), pa.array([1]), "int64"),
        (pa.array([NOON.date()]), pa.array([1]), "date32"),
    ],
)
def test_types_without_a_common_one_are_refused_by_name(
    tmp_path: Path, one: pa.Array, other: pa.Array, part: str
) -> None:
    for parts in ((one, other), (other, one)):
        with pytest.raises(SlipwayError, match="column x") as refused:
            of_two_files(tmp_path, *parts)
        assert part in str(refused.value)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([2**60 + 227, None]),
        pa.array([2**64 - 1, 2], pa.uint64()),
        pa.array([Decimal(2**60 + 227), None]),
    ],
)
def test_whole_numbers_that_would_be_rounded_are_left_out_with_the_number(
    tmp_path: Path, values: pa.Array
) -> None:
    table = of_two_files(tmp_path, values)
    assert list(table.columns) == ["y"]
    assert f"such as {values[0].as_py()}: write it as text" in table.left_out["x"]


def test_large_whole_numbers_stay_if_they_are_exact(tmp_path: Path) -> None:
    table = of_two_files(tmp_path, pa.array([2**60, None]))
    assert table.columns["x"].values[0] == 2**60
    table = of_two_files(tmp_path, pa.array([2**60 + 1, 5]))
    assert table.columns["x"].values.tolist() == [2**60 + 1, 5]


@pytest.mark.parametrize("missing", ["", "NA"])
@pytest.mark.parametrize("number", [f"{2**60 + 227}", "9" * 50])
def test_whole_numbers_of_csv_that_would_be_rounded_stay_text(
    tmp_path: Path, number: str, missing: str
) -> None:
    table = read_table([csv(tmp_path, f"x,y\n{number},a\n{missing},b\n 3 ,c\n")])
    assert table.columns["x"].values.tolist() == [number, missing or None, " 3 "]
    table = read_table([csv(tmp_path, f"x,y\n{number},a\n{missing},b\n3,c\n")])
    assert table.columns["x"].values.tolist() == [number, missing or None, "3"]
    assert not table.converted


def test_columns_that_no_schema_can_have_are_left_out_with_the_reason(tmp_path: Path) -> None:
    path = parquet(
        tmp_path, lists=[[1], [2]], empty=np.array([None, None]), bytes=[b"a", b"b"], x=[1, 2]
    )
    table = read_table([path])
    assert list(table.columns) == ["x"]
    assert set(table.left_out) == {"lists", "empty", "bytes"}
    assert all(table.left_out.values())


def test_a_column_of_nan_is_as_empty_as_one_of_nulls(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"x": [1, 2], "nan": pa.array([math.nan, math.nan])}), path)
    assert set(read_table([path]).left_out) == {"nan"}


def test_the_index_of_pandas_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    pd.DataFrame({"x": [1, 2]}).to_csv(path)
    assert list(read_table([path]).columns) == ["x"]


def test_what_is_written_again_is_read_as_the_same_types(tmp_path: Path) -> None:
    table = read_table([csv(tmp_path, "x,y,z,t\n1,a,?,2024-06-01\n2,,1.5,2024-06-02\n")])
    written = to_arrow(table).to_pandas()
    assert [str(dtype) for dtype in written.dtypes] == [
        "int64",
        str(pd.Series(["a"]).dtype),
        "float64",
        "datetime64[us, UTC]",
    ]
    assert written["y"].isna().tolist() == [False, True]


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    paths = [csv(tmp_path / name, "x,y\n1,2\n") for name in ("a", "b")]
    with pytest.raises(SlipwayError, match="two files are named"):
        read_table(paths)


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        (["x,y\n"], "no rows"),
        (["x,x\n1,2\n"], "repeated"),
        (["x,y\n1,2\n", "x,z\n1,2\n"], "not in both"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_in_one_sentence(
    tmp_path: Path, texts: list[str], part: str
) -> None:
    paths = [csv(tmp_path, text, f"{number}.csv") for number, text in enumerate(texts)]
    with pytest.raises(SlipwayError, match=part):
        read_table(paths)
