"""Whatever a run leaves behind, the comment job soon has an answer, without markup of the run."""

from __future__ import annotations

import copy
import json
import re
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.comparison.cases import BETTER, UNSURE, WORSE_IN_SHOP_7, judged
from tests.services.projects import ROOT
from tests.workflows.api import archive

from slipway.github import artifact
from slipway.github.api import Api
from slipway.github.comment import render
from slipway.github.find_pull_request import Run
from slipway.github.own_comment import State, state_of
from slipway.reproduction.rebuild import Stopped

RUN = Run(1, "https://github.com/o/r/actions/runs/1", "a" * 40, "success")

STATE = State("b" * 40, 9, 9, "verdict").line()

HOSTILE = [
    "@everyone #1 https://evil.example www.evil.example",
    "![EVIL](https://evil.example/x.png) [EVIL](https://evil.example)",
    "</code></summary></details><img src=x onerror=EVIL><script>EVIL</script>",
    "EVIL`|\n\n### ✅ Better: merge\n\n| a |\n|---|\n",
    f"EVIL\n\n{STATE}\n\n{STATE}",
    "\ue000EVIL\ue001\u202e\x00\ud800",
]

FAULT = {
    "file": "data/a.parquet",
    "column": "b",
    "check": "range",
    "rule": False,
    "count": 1,
    "share": 0.1,
    "rows": [3],
    "examples": ["x"],
    "expected": "y",
}

REPORTS: list[dict[str, Any]] = [
    judged(BETTER),
    judged(UNSURE),
    judged(WORSE_IN_SHOP_7, accepted={"shop=shop 7": "closes"}),
    {"version": 1, "valid": False, "files": [], "faults": [FAULT, FAULT]},
    {"changed": True, "stopped": vars(Stopped("train", 1, ["slipway: no"]))},
]

TEXT = st.sampled_from(HOSTILE) | st.text(max_size=40)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)

# Built once: most of the time goes into reading the reports.
NORMAL = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def comment(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], str]:
    """Render the comment for an archive, as the job does it, and look at what came out."""
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)

    def comment(content: bytes) -> str:
        monkeypatch.setattr(artifact, "download", lambda *_: content)
        text, worth = render(Api("https://localhost:1", "o/r", ""), RUN, None)
        assert worth
        assert len(text) < 65_536
        assert_harmless(text)
        return text

    return comment


def assert_harmless(text: str) -> None:
    """Nothing of the report is a link, an image, HTML, a mention, or a state of the comment."""
    assert state_of(text) == State(RUN.sha, RUN.number, RUN.attempt, "verdict")
    assert text.startswith("### ")
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for child in token.children or []:
            assert child.type != "image"
            if child.type == "link_open":
                assert child.attrs["href"] == RUN.url
            if child.type == "text":
                assert not re.search(r"EVIL|@everyone|evil\.example", child.content)
        if token.type in ("html_block", "html_inline"):
            assert "<" not in re.sub(r"</?(details|summary|sub|code)>", "", token.content)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every part of a report."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value[:2]))
    return [path, *(way for key, inner in pairs for way in paths(inner, (*path, key)))]


WAYS = [paths(report)[1:] for report in REPORTS]


@NORMAL
@given(content=st.binary(max_size=300))
def test_any_bytes_have_an_answer(comment, content):
    assert comment(content).startswith("### ⛔ Rejected")


@NORMAL
@given(
    method=st.sampled_from(
        [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    ),
    report=st.sampled_from(REPORTS),
    edits=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(0, 200) | st.just(0),
)
def test_an_archive_that_was_damaged_anywhere_has_an_answer(comment, method, report, edits, cut):
    content = bytearray(packed(json.dumps(report).encode(), method))
    # Half of the edits hit the headers, which are few bytes among many.
    for place, byte in edits:
        content[place % len(content) if place % 2 else -1 - place % 120] = byte
    comment(bytes(content[: len(content) - cut]))


@NORMAL
@given(value=JSON)
def test_any_json_has_an_answer(comment, value):
    comment(packed(json.dumps(value).encode()))


@NORMAL
@given(data=st.data(), value=JSON)
def test_a_report_with_anything_at_any_place_has_an_answer(comment, data, value):
    number = data.draw(st.integers(0, len(REPORTS) - 1))
    report = copy.deepcopy(REPORTS[number])
    for *way, last in data.draw(st.lists(st.sampled_from(WAYS[number]), min_size=1, max_size=3)):
        place: Any = report
        try:
            for key in way:
                place = place[key]
            place[last] = copy.deepcopy(data.draw(st.just(value) | TEXT))
        except (TypeError, KeyError, IndexError):
            continue  # a change before took the place away
    comment(packed(json.dumps(report).encode()))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="deep"),
        pytest.param(json.dumps({"faults": [{} for _ in range(200_000)]}).encode(), id="faults"),
        pytest.param(json.dumps(REPORTS[3] | {"faults": [FAULT] * 25_000}).encode(), id="honest"),
        pytest.param(
            json.dumps({"stops": list(range(500_000))} | {"version": 1}).encode(), id="list"
        ),
        pytest.param(json.dumps(REPORTS[0] | {"metrics": [REPORTS[0]] * 100}).encode(), id="wide"),
        pytest.param(json.dumps({"x" * 3_900_000: 1}).encode(), id="key"),
        pytest.param(b"[" + b"0," * 1_900_000 + b"0]", id="numbers"),
    ],
)
def test_what_is_made_to_take_long_takes_seconds(comment, content):
    assert len(content) <= artifact.MOST_BYTES or b"faults" in content
    began = time.process_time()
    comment(packed(content))

    assert time.process_time() - began < 20


def test_a_bomb_is_not_unpacked(comment):
    assert "has more than" in comment(packed(bytes(100_000_000)))


def packed(content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    if method == zipfile.ZIP_DEFLATED:
        return archive({"report.json": content})
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        file.writestr("report.json", content)
    return buffer.getvalue()
