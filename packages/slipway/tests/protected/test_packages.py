"""A lock is compared entry by entry: what pip would do otherwise is a change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.protected.packages import package_changes

LOCK = """\
foo==1.2 \\
    --hash=sha256:11 \\
    --hash=sha256:12
bar==2.0 ; python_version < '3.12' \\
    --hash=sha256:22
"""

ANOTHER_INDEX = "--extra-index-url=https://e.example"


def changed(after: str) -> list[tuple[str, bool]]:
    return [(change.name, change.grave) for change in package_changes(LOCK, after)]


@pytest.mark.parametrize("after", [LOCK, f"# a comment\n\n{LOCK}", LOCK.replace("\n", "\r\n")])
def test_a_lock_that_reads_the_same_to_pip_does_not_differ(after):
    assert changed(after) == []


def test_another_version_from_the_index_is_no_more_than_that():
    assert changed(LOCK.replace("foo==1.2", "Foo==1.3")) == [("foo", False)]


@pytest.mark.parametrize(
    ("after", "name"),
    [
        pytest.param(LOCK.replace(":12", ":99"), "foo", id="another hash"),
        pytest.param(LOCK.replace(":12", ":12 --hash sha256:13"), "foo", id="one hash more"),
        pytest.param(LOCK.replace(" \\\n    --hash=sha256:22", ""), "bar", id="no hash"),
        pytest.param(f"{LOCK}baz==1\n", "baz", id="a new one without a hash"),
        pytest.param(LOCK.replace("< '3.12'", "< '3.99'"), "bar", id="another condition"),
        pytest.param(f"{LOCK}evil @ https://e.example/e.whl --hash=sha256:1", "evil", id="by URL"),
        pytest.param(LOCK.replace("foo==1.2", "foo>=1.2"), "foo", id="not pinned"),
        pytest.param(f"-i https://e.example\n{LOCK}", "-i https://e.example", id="another index"),
        pytest.param(f"{LOCK}{ANOTHER_INDEX}", ANOTHER_INDEX, id="one index more"),
        pytest.param(f"{LOCK}-e .\n", "-e .", id="a folder"),
        pytest.param(f"# coding: utf-7\n{LOCK}", "encoding", id="another encoding"),
        pytest.param(f"\n# vim: set fileencoding=utf-16 :\n{LOCK}", "encoding", id="for an editor"),
        pytest.param(f"\ufeff{LOCK}", "encoding", id="a mark of another encoding"),
        pytest.param(f"{LOCK}# note \\\n./e\n", "./e", id="after a comment with a backslash"),
    ],
)
def test_whatever_is_more_than_another_version_is_grave(after, name):
    assert (name, True) in changed(after)


def test_two_long_lines_that_begin_alike_are_not_the_same():
    line = f"--find-links https://e.example/{'x' * 300}"

    assert package_changes(f"{line}1", f"{line}2")


def test_the_gravest_come_first():
    after = LOCK.replace("bar==2.0", "bar==2.1").replace(":12", ":99")

    assert changed(after) == [("foo", True), ("bar", False)]


PARTS = [
    "foo==1",
    "foo==2",
    "--hash=sha256:1",
    "# x",
    " \\",
    "; os_name=='x'",
    "-r a",
    "é",
    "((",
    "",
]

LINES = st.lists(st.sampled_from(PARTS), max_size=8)


@given(LINES, LINES)
def test_any_two_texts_have_an_answer_that_does_not_depend_on_their_order(first, second):
    forth = package_changes("\n".join(first), " ".join(second))
    back = package_changes(" ".join(second), "\n".join(first))

    assert sorted(change.name for change in forth) == sorted(change.name for change in back)
