"""A log is read in parts, side by side: every line once, wherever the parts begin and end."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.services.servers import Server

from slipway.drift import records
from slipway.drift.records import Line, parts, read

LINES = [b"a\n", b"bcd\n", b"\n", b"e" * 40 + b"\n", b"fg\n", b"h" * 9 + b"\n", b"ij\n"]


def write(folder: Path, *contents: bytes) -> str:
    for number, content in enumerate(contents):
        (folder / f"2024-06-0{number + 1}.jsonl").write_bytes(content)
    return str(folder)


@pytest.fixture(autouse=True)
def short_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let lines reach further than what is read beyond a part at once."""
    monkeypatch.setattr(records, "SLACK", 3)


@pytest.mark.parametrize("size", [*range(1, 20), 64, 1000])
def test_every_line_is_read_once_and_in_order(tmp_path, size):
    content = b"".join(LINES)
    log = write(tmp_path, content, b"", content[::-1][1:] + b"\n")

    blocks = [read(part) for part in parts(log, size)]

    assert b"".join(block.lines for block in blocks) == content + content[::-1][1:] + b"\n"
    assert sum(block.rows for block in blocks) == content.count(b"\n") * 2
    assert not any(block.torn for block in blocks)


@pytest.mark.parametrize("size", [*range(1, 20), 64, 1000])
def test_a_torn_end_is_left_out_and_told_once(tmp_path, size):
    content = b"".join(LINES)
    log = write(tmp_path, content + b"k" * 12, b"never ended")

    blocks = [read(part) for part in parts(log, size)]

    assert b"".join(block.lines for block in blocks) == content
    assert sum(block.torn for block in blocks) == 2


def test_a_bucket_is_read_in_the_same_parts(s3: Server, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    content = b"".join(LINES)
    s3.files.pipe("models/parts/2024-06-01.jsonl", content + b"torn")

    blocks = [read(part) for part in parts("s3://models/parts", 16)]

    assert b"".join(block.lines for block in blocks) == content
    assert sum(block.torn for block in blocks) == 1


def test_what_is_appended_meanwhile_ends_the_last_line_and_waits_for_the_next_time(tmp_path):
    log = write(tmp_path, b"one\ntwo\nthr")
    found = list(parts(log, 6))
    write(tmp_path, b"one\ntwo\nthree\nfour\n")

    blocks = [read(part) for part in found]

    assert b"".join(block.lines for block in blocks) == b"one\ntwo\nthree\n"
    assert not any(block.torn for block in blocks)


def test_a_line_is_named_by_its_number_in_the_file(tmp_path):
    log = write(tmp_path, b"".join(LINES))
    order = random.Random(1)

    for part in parts(log, 7):
        block = read(part)
        row = order.randrange(block.rows) if block.rows else 0
        before = b"".join(LINES)[: block.start].count(b"\n")
        name = Line(part, block.start, row).name()
        assert name.endswith(f"2024-06-01.jsonl: line {before + row + 1}")
