"""How a CSV file is written is found in it, or stated; what its bytes leave open is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from slipway.dataset.csv_format import CsvFormat, Found, find_format
from slipway.dataset.reader import read_rows
from slipway.errors import SlipwayError
from slipway.settings import Data

TEXT = "id;city;amount\n1;Köln;2,5\n2;Málaga;10\n"


def file_of(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "rows.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("windows-1252", "windows-1252"),
        ("latin-1", "windows-1252"),
    ],
)
def test_the_encoding_is_found(encoding: str, found: str, tmp_path: Path) -> None:
    written = find_format(file_of(tmp_path, TEXT, encoding), Found(), ["amount"])
    assert (written.encoding, written.delimiter, written.decimal) == (found, ";", ",")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("id,city\n1,Łódź\n", "windows-1250"),
        ("id,city\n1,Dvořák Žižkov\n", "windows-1250"),
        ("id,city\n1,Москва\n", "windows-1251"),
        ("id,city\n1,Αθήνα\n", "windows-1253"),
        ("id,city\n1,Eskişehir\n", "windows-1254"),
        ("id,city\n1,東京\n", "shift_jis"),
    ],
)
def test_another_encoding_is_not_guessed_but_can_be_stated(
    text: str, encoding: str, tmp_path: Path
) -> None:
    path = file_of(tmp_path, text, encoding)
    with pytest.raises(SlipwayError, match=r"rows\.csv: its text is not UTF-8") as refused:
        find_format(path, Found())
    assert "data.encoding" in refused.value.do
    stated = Data(encoding=encoding)
    assert read_rows([path], stated=stated)["city"].to_pylist() == [
        text.rsplit(",", maxsplit=1)[-1].strip()
    ]


def test_a_western_text_is_shown_by_a_word_that_a_person_can_check(tmp_path: Path) -> None:
    text = "name,n\nGröße Füße,1\nl\u2019été à Genève,2\nniño 3\u00d74 §5,3\n"
    written = find_format(file_of(tmp_path, text, "windows-1252"), Found())
    assert written.encoding == "windows-1252"
    assert "Größe" in written.text()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_divides_all_rows_alike(delimiter: str, tmp_path: Path) -> None:
    rows = [["id", "note", "x"], ["1", '"a, b; c\td|e"', "2"], ["2", '"two\nlines"', "3"]]
    text = "\n".join(delimiter.join(row) for row in rows) + "\n"
    assert find_format(file_of(tmp_path, text), Found()).delimiter == delimiter


@pytest.mark.parametrize("text", ["a\n1,5\n2,5\n", "a\n1\n2\n", "a\n"])
def test_one_column_has_no_delimiter_in_it(text: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, text)
    rows = text.split()[1:]
    assert read_rows([path])["a"].to_pylist() == rows


def test_the_last_row_of_a_sample_may_be_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway.dataset.csv_format.SAMPLE", 30)
    assert find_format(file_of(tmp_path, TEXT), Found(), ["amount"]) == CsvFormat(";", decimal=",")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a,b;c,d\n1,2;3,4\n", "delimiter"),
        ("x;y\n1,5;2.5\n", "decimal"),
        ("x;y\n1.234;2.500\n", "decimal"),
        ('x,y\n"1,234",2\n', "decimal"),
    ],
)
def test_what_is_ambiguous_is_refused_and_can_be_stated(
    text: str, key: str, tmp_path: Path
) -> None:
    path = file_of(tmp_path, text)
    with pytest.raises(SlipwayError, match=r"rows\.csv: ") as refused:
        find_format(path, Found(), ["x", "y"])
    assert f"data.{key}" in refused.value.do
    stated = Data(delimiter="semicolon") if key == "delimiter" else Data(decimal="comma")
    assert find_format(path, stated, ["x", "y"])


@pytest.mark.parametrize("number", ["1.234,56", "1,234.56", "1'234.5"])
def test_a_separator_of_thousands_is_refused(number: str, tmp_path: Path) -> None:
    with pytest.raises(SlipwayError, match="separator of thousands"):
        find_format(file_of(tmp_path, f"x;y\n{number};1\n"), Found(), ["x"])


@pytest.mark.parametrize("text", ["x,y\n1.234,2\n", "x;y\n0.125;2\n", "x;y\n1.5;2.125\n"])
def test_a_fraction_with_a_point_is_one(text: str, tmp_path: Path) -> None:
    assert find_format(file_of(tmp_path, text), Found(), ["x", "y"]).decimal == "."


def test_a_stated_encoding_that_the_file_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SlipwayError, match="cannot be read as utf-8"):
        find_format(file_of(tmp_path, TEXT, "latin-1"), Data(encoding="utf-8"))


def test_an_encoding_that_does_not_exist_is_no_setting() -> None:
    with pytest.raises(ValidationError, match="no encoding 'utf-9'"):
        Data(encoding="utf-9")


@pytest.mark.parametrize(
    "options",
    [
        {"sep": ";", "decimal": ",", "encoding": "windows-1252"},
        {"sep": "\t", "encoding": "utf-16"},
        {"sep": ",", "encoding": "utf-8-sig"},
    ],
)
def test_a_csv_file_gives_the_columns_of_the_same_rows_in_parquet(
    options: dict[str, Any], good: pd.DataFrame, tmp_path: Path
) -> None:
    good.to_csv(tmp_path / "rows.csv", index=False, **options)
    good.to_parquet(tmp_path / "rows.parquet", index=False)
    text, binary = (
        read_rows([tmp_path / f"rows.{kind}"]).to_pandas() for kind in ("csv", "parquet")
    )
    pd.testing.assert_frame_equal(text, binary, check_dtype=False)
    for name in binary.select_dtypes("number"):
        assert text[name].dtype == binary[name].dtype


def test_a_key_with_leading_zeros_stays_text(tmp_path: Path) -> None:
    path = file_of(tmp_path, "flight_id,dest\n007,EWR\n")
    assert read_rows([path])["flight_id"].to_pylist() == ["007"]


def test_a_cell_that_is_not_of_its_type_is_named(tmp_path: Path) -> None:
    path = file_of(tmp_path, "flight_id,distance\na,10\nb,far\n")
    with pytest.raises(SlipwayError, match=r"rows\.csv: column distance is 'far' in row 1"):
        read_rows([path])
