"""Untrusted text: names, values and sentences that a pull request, a request or a file may choose.

`quote` and `quote_text` put such text into a sentence. They clean it (one line, no invisible
characters, bounded length) and mark it; each renderer escapes what is marked: `as_text` for a
terminal, `as_markdown`, `as_html`, and `as_summary` for the HTML of a Markdown ``<summary>``. Text
that is not marked is our own, and may hold bold, code and links in Markdown.

`shown` and `shown_name` are for messages that are printed as they are, such as the detail of a
refused request. Needs nothing but the standard library: the service imports it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from html import escape
from typing import Any

# Private characters around a name or value, which is shown as code, and around other text.
CODE, CODE_END = "\ue000", "\ue001"
TEXT, TEXT_END = "\ue002", "\ue003"

MARKED = re.compile(
    f"{CODE}([^{CODE}-{TEXT_END}]*){CODE_END}|{TEXT}([^{CODE}-{TEXT_END}]*){TEXT_END}"
)

MARKUP = re.compile(r"[\\`*_{}\[\]<>~!&]")

# These would begin a list or underline a heading.
LEADING = re.compile(r"\A[-+=]")

# GitHub links these by itself, and an @ notifies a user.
LINKED = re.compile(r"(@|#|(?<=[a-z])://|\bwww\.)", re.IGNORECASE)

# What Mermaid takes for plain text.
NOT_IN_LABEL = re.compile(r"[^A-Za-z0-9 .,:=()_-]")

PLAIN_NAME = re.compile(r"[A-Za-z0-9_./:-]+")


def quote(text: object, limit: int = 60) -> str:
    """Return a name or value, marked, to be shown as code."""
    line = " ".join(_visible(str(text)).split()) or "(empty)"
    return f"{CODE}{shorten(line, limit)}{CODE_END}"


def quote_text(text: object, limit: int = 600, *, code: bool = True) -> str:
    """Return a sentence, marked, to be shown as text; its code spans are code if `code`."""
    line = shorten(" ".join(_visible(str(text)).split()), limit)
    if not code:
        return f"{TEXT}{line.replace('`', '')}{TEXT_END}"
    parts = line.split("`")
    return "".join(
        quote(part, limit) if number % 2 and number < len(parts) - 1 else f"{TEXT}{part}{TEXT_END}"
        for number, part in enumerate(parts)
    )


def as_text(text: str) -> str:
    """Return a sentence for a terminal."""
    return _render(text, str, str, lambda own: own.replace("**", ""))


def as_markdown(text: str) -> str:
    """Return a sentence as Markdown, in which untrusted parts are nothing but text or code."""
    return _render(text, _markdown_code, _markdown_text, str)


def as_html(text: str) -> str:
    """Return a sentence as HTML, with the bold, code and links of our own text."""
    return _render(text, _html_code, escape, _html_own)


def as_summary(text: str) -> str:
    """Return a sentence for a ``<summary>`` in Markdown, where Markdown has no meaning."""
    return _render(text, lambda part: _html_code(part).replace("![", "! ["), _markdown_text, escape)


def as_label(text: str, limit: int = 24) -> str:
    """Return text as a label of a Mermaid chart: what could end the label is left out."""
    return NOT_IN_LABEL.sub("", text)[:limit] or "-"


def escape_html(text: str) -> str:
    """Return text for HTML or SVG, also between double quotes."""
    return escape(text)


def printable(text: str, instead: str = "", *, without: str = "") -> str:
    """Return text in which unprintable characters, and those in `without`, are replaced."""
    return "".join(
        letter if letter.isprintable() and letter not in without else instead for letter in text
    )


def escaped(text: str) -> str:
    """Return text for a terminal, in which unprintable characters are escape sequences."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def escaped_json(text: str) -> str:
    """Return JSON for a terminal, of the same values, in which such characters are numbers."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1]
        for letter in text
    )


def shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def shown(value: Any, limit: int = 40) -> str:
    """Return a value for a message: on one line, of bounded length."""
    if isinstance(value, str):
        return repr(value if len(value) <= limit else value[:limit] + "…")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    try:
        text = str(value)
    except NotImplementedError:  # pandas has years that it cannot write
        text = str(value.to_datetime64())
    return text if len(text) <= limit else text[:limit] + "…"


def shown_name(name: str, limit: int = 300) -> str:
    """Return a name for a message: in quotes unless it is a plain word or path."""
    if len(name) <= limit and PLAIN_NAME.fullmatch(name):
        return name
    return shown(name, limit)


def code_name(name: str, limit: int = 300) -> str:
    """Return a name for a message: as code."""
    return f"`{shorten(escaped(name), limit)}`"


def folded(name: str) -> str:
    """Return a key that is equal for names that look alike: no case, spaces or invisible marks."""
    letters = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in letters if letter.isalnum())


def _render(
    text: str,
    code: Callable[[str], str],
    words: Callable[[str], str],
    own: Callable[[str], str],
) -> str:
    first, *rest = MARKED.split(text)
    parts = [own(first)]
    for quoted, sentence, following in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        parts += [words(sentence) if quoted is None else code(quoted), own(following)]
    return "".join(parts)


def _visible(text: str) -> str:
    """Return text without control, format, private and unassigned characters."""
    return "".join(
        " " if letter.isspace() else letter
        for letter in text
        if letter.isspace() or not unicodedata.category(letter).startswith("C")
    )


def _markdown_code(text: str) -> str:
    """Return text as a code span.

    A backtick would end it and a bar would end the cell. An image or an HTML comment is broken up
    too, for programs that look for a marker in the source.
    """
    safe = text.replace("`", "'").replace("|", "¦").replace("![", "! [").replace("<!", "< !")
    return f"`{safe}`"


def _markdown_text(text: str) -> str:
    # An invisible space ends what GitHub would take for an address or a name. Entities come second,
    # because they have a number sign of their own.
    unlinked = LINKED.sub("\\1\N{ZERO WIDTH SPACE}", text)
    return LEADING.sub(_entity, MARKUP.sub(_entity, unlinked)).replace("|", "¦")


def _entity(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def _html_code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _html_own(text: str) -> str:
    safe = escape(text)
    safe = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", safe)
    safe = re.sub(r"`(.+?)`", r"<code>\1</code>", safe)
    return re.sub(r"\[(\w+)\]\((https://[^\s()]+)\)", r'<a href="\2" rel="noreferrer">\1</a>', safe)
