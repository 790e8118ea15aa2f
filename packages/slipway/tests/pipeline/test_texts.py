"""Settings have one meaning: what DVC reads is what every other command reads."""

from __future__ import annotations

import string
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.exceptions import DvcException
from dvc.utils.serialize import parse_yaml as dvc_parse
from hypothesis import example, given
from hypothesis import strategies as st

from slipway.errors import SlipwayError
from slipway.github.mentions import owners
from slipway.repository.committed import check_repository
from slipway.repository.git import git
from slipway.repository.worktrees import cache_of
from slipway.settings import read_params
from slipway.targets.kubernetes.overlay import render
from slipway.texts import decode, parse_yaml, read_yaml

# What is one thing in YAML 1.1 and another in 1.2, or in neither.
SCALARS = [
    *("1e-2", "1e3", "1E+3", "1.0e-2", ".5", "1.", "-.inf", "010", "-010", "0o10", "0x1F", "0b11"),
    *("1_000", "1__2", "+1", "1:30", "190:20:30", "yes", "No", "on", "OFF", "y", "true", "TRUE"),
    *("null", "~", "", "2013-01-01", "2013-01-01 10:00:00", "2013-13-01", "=", "<<", "- x", "'1'"),
    *('"a', '"\\x41"', "!!str 1", "!!int abc", "!!float 1", "!!python/name:os.system", "!mine 1"),
    *("&a 1", "*a", "*b", "[1, 2", "[a, 1e5]", "{a: 1, a: 2}", "{b: 010}", "{<<: {a: 1}, a: 2}"),
    *("|\n   line", "# none", "@x", "`x", "%x", "a: b", "a #b", "é", "\u2028", "\x07", "\t1"),
]
keys = st.sampled_from(["a", "b", "c", "1", "1.0", "yes", "<<", "'a'", "? x"])
values = st.sampled_from(SCALARS) | st.text(string.printable, max_size=8) | st.floats().map(repr)
lines = st.tuples(st.sampled_from(["", "", "  ", "- ", "\t"]), keys, values)
documents = st.lists(lines.map(lambda line: f"{line[0]}{line[1]}: {line[2]}\n"), max_size=6)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
names = st.text(max_size=3)
nested = st.recursive(
    leaves,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(names, part, max_size=3),
    max_leaves=8,
)
written = nested.map(lambda value: yaml.safe_dump({"a": value}, allow_unicode=True))


@given(documents.map("".join) | written | st.text(max_size=40))
@example("%YAML 1.1\n---\na: 010\n")
@example("a: 1\n---\nb: 2\n")
@example("\ufeffa: 1e-2\n")
@example("x: &x {a: 1}\ny: {<<: *x, b: 2}\n")
def test_settings_are_what_dvc_reads_or_both_refuse(text: str) -> None:
    theirs = outcome(lambda: dvc_parse(text, "params.yaml"), DVC_REFUSES)
    ours = outcome(lambda: parse_yaml(text, "params.yaml") or {}, SlipwayError)
    assert ours == theirs


DVC_REFUSES = (DvcException, ValueError, TypeError, LookupError, AttributeError)


def outcome(read: Callable[[], Any], refusal: Any) -> str:
    try:
        return repr(read())
    except refusal:
        return "refused"


def of_the_one_before(line: str) -> str:
    """Return eight lines, each with nine aliases of the line above it."""
    return "".join(
        line.format(name=name, nine=", ".join([f"*{before}"] * 9))
        for before, name in pairwise("abcdefghi")
    )


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [1, 2, 3]\n" + of_the_one_before("{name}: &{name} [{nine}]\n"),
        "a: &a {x: 1}\n" + of_the_one_before("{name}: &{name} {{<<: [{nine}]}}\n"),
        "a: &a [*a]\n",
        "a: &a\n  b: {c: *a}\n",
        "[" * 50_000,
        "\n".join(" " * depth + "a:" for depth in range(1000)),
    ],
    ids=["aliases", "merged aliases", "itself", "itself below", "brackets", "sections"],
)
def test_a_few_lines_cannot_take_all_memory(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(SlipwayError, match=r"^params\.yaml"):
        parse_yaml(text, "params.yaml")
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
def test_a_byte_that_is_not_utf_8_is_named_with_its_line(mark: bytes) -> None:
    with pytest.raises(
        SlipwayError, match=r"params\.yaml: not UTF-8 \(byte 0xe9 in line 2\)"
    ) as it:
        decode(mark + b"a: 1\n# caf\xe9\n", "params.yaml")
    assert "UTF-8" in it.value.do


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_another_encoding_is_named(encoding: str, tmp_path) -> None:
    mark = "\ufeff" if encoding.endswith("le") else ""
    path = tmp_path / "params.yaml"
    path.write_bytes(f"{mark}a: 1\n".encode(encoding))
    with pytest.raises(SlipwayError, match=f"this is {encoding[:6].upper()}, not UTF-8"):
        read_yaml(path)


def test_a_byte_order_mark_of_utf_8_is_accepted(tmp_path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(path) == {"a": 1}


def check_committed(root: Path) -> None:
    git(root, "init", "-q")
    git(root, "add", ".")
    check_repository(root)


READERS: dict[str, Callable[[Path], Any]] = {
    "params.yaml": lambda root: read_params(root / "params.yaml"),
    ".dvc/config": check_committed,
    ".dvc/config.local": cache_of,
    ".github/CODEOWNERS": owners,
    "overlay/kustomization.yaml": lambda root: render(root / "overlay"),
    "overlay/limits.env": lambda root: render(root / "overlay"),
    "base/deployment.yaml": lambda root: render(root / "overlay"),
}


@pytest.mark.parametrize("name", READERS)
def test_settings_that_are_not_utf8_are_refused_by_file_and_line(tmp_path: Path, name: str) -> None:
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text("resources: [../base]\n", "utf-8")
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"# a comment\n# caf\xe9\n")

    with pytest.raises(SlipwayError) as error:
        READERS[name](tmp_path)

    assert error.value.exit_code == 2
    assert Path(name).name in str(error.value)
    assert "0xe9 in line 2" in str(error.value)
