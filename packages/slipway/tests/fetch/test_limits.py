"""What a container sends is bounded before it is written or held."""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from slipway.errors import SlipwayError
from slipway.fetch import unpack
from slipway.fetch.unpack import Limits


def sent(tmp_path: Path, *entries: tarfile.TarInfo) -> list[str]:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        for entry in entries:
            archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    (tmp_path / "sent").write_bytes(stream.getvalue())
    return [sys.executable, "-c", f"print(end=open({str(tmp_path / 'sent')!r}).read())"]


def entry(name: str, size: int = 10, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    about = tarfile.TarInfo(name)
    about.size, about.type = size, kind
    return about


def test_files_are_counted_and_measured_before_they_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "MOST_FILES", 2)
    with pytest.raises(SlipwayError, match="more than 2 files"):
        unpack.unpack(sent(tmp_path, *map(entry, ["log/a", "log/b", "log/c"])), tmp_path / "out")

    monkeypatch.setattr(unpack, "MOST_BYTES", 100)
    with pytest.raises(SlipwayError, match="does not fit"):
        unpack.unpack(sent(tmp_path, entry("log/a", 101)), tmp_path / "more")
    assert not list((tmp_path / "more").rglob("a"))


def test_what_the_disk_cannot_hold_is_refused(tmp_path):
    with pytest.raises(SlipwayError, match="does not fit"):
        Limits(tmp_path).take(shutil.disk_usage(tmp_path).free)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_pipes_are_refused(tmp_path, kind):
    with pytest.raises(SlipwayError, match="a file called"):
        unpack.unpack(sent(tmp_path, entry("log/a", 0, kind)), tmp_path / "out")


def test_a_header_that_would_be_held_whole_is_refused(tmp_path):
    large = entry("log/a", 200_000, tarfile.XHDTYPE)

    with pytest.raises(SlipwayError, match="header of 200,000 bytes"):
        unpack.unpack(sent(tmp_path, large), tmp_path / "out")
