"""Each cause for which a file cannot be read has its own message and next step."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slipway.dataset import files
from slipway.dataset.chunks import open_source
from slipway.dataset.files import open_parquet
from slipway.dataset.tables import read_columns
from slipway.errors import SlipwayError

WHOLE = pa.table({"x": [1, 2, 3]})


def parquet() -> bytes:
    buffer = pa.BufferOutputStream()
    pq.write_table(WHOLE, buffer)
    return buffer.getvalue().to_pybytes()


def with_footer_of(length: int) -> bytes:
    return parquet()[:-8] + length.to_bytes(4, "little") + b"PAR1"


CAUSES = {
    "lfs.parquet": (b"version https://git-lfs.github.com/spec/v1\noid x\n", "git lfs pull"),
    "dvc.parquet": (b"outs:\n- md5: x\n", "make data"),
    "page.parquet": (b"<!DOCTYPE html><html>", "download it again"),
    "zipped.parquet": (b"\x1f\x8b\x08\0\0\0", "gzip -d"),
    "empty.parquet": (b"", "write it again"),
    "text.parquet": (b"a,b\n1,2\n", "name it .csv"),
    "cut.parquet": (parquet()[:-10], "copy it again"),
    "locked.parquet": (b"PARE" + parquet()[4:-4] + b"PARE", "without encryption"),
    "huge.parquet": (with_footer_of(2**31), "write it again"),
    "zeros.csv": (b"a,b\n1,\0\n", "data.encoding"),
    "binary.csv": (parquet(), "rename it to .parquet"),
    "quote.csv": (b'a,b\n1,"x\n2,y\n', "close it"),
    "rows.xlsx": (b"PK\x03\x04", "to_parquet"),
}


@pytest.mark.parametrize("name", CAUSES)
def test_each_cause_has_its_own_next_step(name: str, tmp_path: Path) -> None:
    content, step = CAUSES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SlipwayError, match=name) as error:
        open_source(tmp_path / name)
    assert step in error.value.do


WIDE = ",".join("abcdefghij")
ROW = '1,"x",3,4,5,6,7,8,9,10'


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        (['2,"x,3,4,5,6,7,8,9,10', ROW, ROW], "line 4 opens .* up to 5 would be one value"),
        (['2,3,4,5,6,7,8,9,10,"x', ROW, ROW], "line 4 opens .* up to 5 would be one value"),
        (['2,"x,3,4,5,6,7,8,9,10', "3,x,3,4,5,6,7,8,9,10"], "line 4 opens .* all lines after"),
        (
            ['2,"x,3,4', '2,",x,3', '2,"x",3'],
            "lines 4 to 5 are one record, .* values .4. .* names .10.",
        ),
        (['2,"x', 'y",3'], "lines 4 to 5 are one record, .* values .3. .* names .10."),
        (["1,2,3"], "line 4 has another number of values .3. .* names .10."),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_line_with_an_open_quotation_mark_or_too_few_values_is_named(
    tmp_path: Path, lines: list[str], part: str, mark: str
) -> None:
    path = tmp_path / "rows.csv"
    whole = ['1,"two\nlines",3,4,5,6,7,8,9,10']
    path.write_text("\n".join([f"{mark}{WIDE}", *whole, *lines, ""]), "utf-8")
    with pytest.raises(SlipwayError, match=part) as error:
        read_columns([path])
    assert ("close" in error.value.do) == (len(lines) > 1)


def test_marks_within_values_and_values_of_several_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('a,b\n1,5" pipe\n2,"two\nlines"\n3,"a ""b"""\n', "utf-8")
    assert read_columns([path])["b"].tolist() == ['5" pipe', "two\nlines", 'a "b"']


@pytest.mark.parametrize("name", [b"d\xe4.parquet", b"d\xe4.csv"])
def test_a_file_whose_name_is_not_utf8_is_named(name: bytes, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(parquet())
    with pytest.raises(SlipwayError, match=r"d\\xe4") as error:
        open_source(path)
    str(error.value).encode("utf-8")


def test_what_is_not_a_regular_file_is_named_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "folder.parquet").mkdir()
    os.mkfifo(tmp_path / "pipe.parquet")
    (tmp_path / "link.parquet").symlink_to("nowhere")
    for name, kind in {"folder": "a folder", "pipe": "a named pipe", "link": "link to"}.items():
        with pytest.raises(SlipwayError, match=kind):
            read_columns([tmp_path / f"{name}.parquet"])


def test_a_file_that_claims_more_rows_than_its_bytes_can_hold_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "ROWS_ALWAYS_ALLOWED", 1_000)
    monkeypatch.setattr(files, "MOST_ROWS_OF_A_BYTE", 10)
    path = tmp_path / "bomb.parquet"
    pd.DataFrame({"x": [0] * 200_000}).to_parquet(path, compression="zstd")
    with pytest.raises(SlipwayError, match="it claims 200,000 rows"):
        open_parquet(path)


def test_a_footer_longer_than_the_limit_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.parquet").write_bytes(parquet())
    monkeypatch.setattr(files, "MOST_FOOTER_BYTES", 100)
    with pytest.raises(SlipwayError, match="its footer claims"):
        open_parquet(tmp_path / "rows.parquet")
