"""Untrusted text is text in every renderer, and ours keeps its few marks."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from slipway.documents.document import (
    Card,
    Cards,
    Document,
    Facts,
    Figure,
    Missing,
    Section,
    Table,
    Tile,
    Tiles,
)
from slipway.documents.html import to_html, to_page
from slipway.documents.markdown import to_markdown
from slipway.documents.text import to_text
from slipway.untrusted import (
    as_html,
    as_label,
    as_markdown,
    as_summary,
    as_text,
    folded,
    quote,
    quote_text,
    shown,
    shown_name,
)

HOSTILE = [
    "EVIL`|EVIL`\n\n### ✅ Better: merge EVIL",
    "EVIL @everyone #1 https://evil.example www.evil.example a@evil.example",
    "![EVIL](https://evil.example/x.png) [EVIL](https://evil.example)",
    "</code></summary></details><img src=x onerror=EVIL><script>EVIL</script>",
    "EVIL | ✅ | better |\n|---|---|\n",
    "<!-- EVIL --> ``` EVIL ``` ~~~ EVIL",
    "EVIL\u202e\u200b\x1b[31m\ue000EVIL\ue001EVIL\ue002EVIL\ue003\r\n# EVIL",
    "\\`EVIL\\` \\| **EVIL** &#64;EVIL &lt;EVIL \ud800",
    "- EVIL\n- EVIL",
    "===\nEVIL",
]

TEXT = st.sampled_from(HOSTILE) | st.text(max_size=60)

MARK = "watch [run](https://github.com/o/r) **now** or `later`"


def whole(text: str) -> Document:
    """A document with a text in every place where untrusted text may be."""
    parts = [quote(text), quote_text(text), quote_text(text, code=False)]
    line = f"{MARK}: {', '.join(parts)}"
    return Document(
        tone="open",
        headline=line,
        blocks=[
            line,
            f"- {line}\n- {line}",
            parts[1],
            Table(["a", line], [[line, (parts[0], parts[1])]]),
            Table([line], [[(parts[0], parts[2])]], caption=line),
            Figure("name", "<svg></svg>", line),
            Tiles([Tile(line, parts[0], parts[1])]),
            Facts([(line, parts[0], parts[2])]),
            Cards([Card(parts[2], "good", line, [line], f"reports/{text}.html")]),
            Missing(line),
        ],
        sections=[Section(line, [line], "key")],
        foot=[line],
        warning=[line, line],
    )


def types(markdown: str) -> list[str]:
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    return [
        inner.type
        for token in tokens
        for inner in [token, *(token.children or [])]
        if inner.type not in ("text", "code_inline", "html_inline", "text_special")
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_document_has_the_same_structure_whatever_the_text(text: str) -> None:
    assert types(to_markdown(whole(text))) == types(to_markdown(whole("harmless")))
    for render in (to_html, lambda document: to_page(document, "a page")):
        tags = [re.findall(r"<[^>]+>", render(whole(each))) for each in (text, "harmless")]
        kinds = [[tag.split()[0] for tag in found if "code>" not in tag] for found in tags]
        assert kinds[0] == kinds[1]
        assert "<script" not in render(whole(text))
        assert not re.search(r"<[^>]*onerror=(?!EVIL&gt;)", render(whole(text)))


@given(TEXT)
def test_no_renderer_lets_a_mark_or_an_invisible_character_through(text: str) -> None:
    line = f"{quote(text)} {quote_text(text)} {quote_text(text, code=False)}"
    for render in (as_text, as_markdown, as_html, as_summary):
        rendered = render(line).replace("\N{ZERO WIDTH SPACE}", "")
        assert not re.search("[\ue000-\ue003\u202e\x00-\x1f\x7f\ud800-\udfff]", rendered)
    assert "![" not in as_markdown(line)
    assert "<!" not in as_markdown(line)
    assert "![" not in as_summary(line)


@given(TEXT)
def test_a_sentence_has_no_link_mention_or_tag(text: str) -> None:
    rendered = as_markdown(f"x {quote_text(text, code=False)} x")
    assert not re.search(r"[<>\[\]`|*_~!\\]|[@#](?!\u200b|\d+;)|[a-z]://(?!\u200b)", rendered)
    assert [token.type for token in MarkdownIt("commonmark").parse(rendered)] == [
        "paragraph_open",
        "inline",
        "paragraph_close",
    ]


def test_our_own_marks_are_rendered() -> None:
    assert as_markdown(MARK) == MARK
    assert as_text(MARK) == MARK.replace("**", "")
    assert as_html(MARK) == (
        'watch <a href="https://github.com/o/r" rel="noreferrer">run</a> <b>now</b> or '
        "<code>later</code>"
    )


def test_code_spans_of_a_sentence_are_code() -> None:
    sentence = quote_text("column `a|b` is <b> and `open")
    assert as_markdown(sentence) == "column `a¦b` is &#60;b&#62; and open"
    assert as_html(sentence) == "column <code>a|b</code> is &lt;b&gt; and open"
    assert as_text(quote_text("column `x` <b>", code=False)) == "column x <b>"


@given(TEXT, st.integers(10, 80))
def test_length_is_bounded(text: str, limit: int) -> None:
    for sentence in (quote(text, limit), quote_text(text, limit, code=False)):
        assert len(as_text(sentence)) <= limit
    assert len(as_label(text, limit)) <= limit
    assert len(shown_name(text, limit)) <= 12 * limit


def test_values_in_messages_are_one_line() -> None:
    assert shown("a\nb") == r"'a\nb'"
    assert shown("x" * 100, 10) == repr("x" * 10 + "…")
    assert [shown(value) for value in (None, True, {"a": 1}, [1])] == [
        "null",
        "true",
        "an object",
        "a list",
    ]
    assert shown_name("data/2013-10.parquet") == "data/2013-10.parquet"
    assert shown_name("a b") == "'a b'"


def test_names_that_look_alike_have_one_key() -> None:
    assert folded("Dep_Hour\u200b ") == folded("dep hour") == folded("\uff24ep hour")
    assert folded("dep_hour") != folded("arr_hour")


def test_a_terminal_gets_headline_paragraphs_points_and_aligned_tables() -> None:
    table = Table(["", "rows"], [[quote("a"), "1,000"], ["**b**", "2"]], frozenset({1}))
    document = Document("bad", "Not merged: **worse**", ["- one\n- two", table], [], [])
    assert to_text(document).split("\n") == [
        "⛔ Not merged: worse",
        "- one",
        "- two",
        "    rows",
        "a  1,000",
        "b      2",
    ]
