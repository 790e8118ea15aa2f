"""A document as Markdown: a comment or a job summary that foreign text cannot break out of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from slipway.report.document import Block, Chart, Document, Section, Table, replace_quoted

# GitHub refuses a comment of 65,536 characters; who posts it adds a line of its own.
LIMIT = 65_000

ICONS = {"good": "✅", "bad": "⛔", "open": "❔"}

LEFT_OUT = "{} left out here to keep this short; the HTML report has everything."


def to_markdown(document: Document, limit: int = LIMIT) -> str:
    """Return the document, shorter than `limit`: whole sections go, the last ones first."""
    warning = [*(f"### ⚠️ {inline(title)}" for title in document.warning[:1])]
    warning += [inline(paragraph) for paragraph in document.warning[1:]]
    headline = f"### {ICONS[document.tone]} {inline(document.headline)}"
    head = [_block(block) for block in document.blocks]
    foot = f"<sub>{' · '.join(map(inline, document.foot))}</sub>"
    sections = [_section(section) for section in document.sections]
    for kept in range(len(sections), -1, -1):
        gone = len(sections) - kept
        note = [LEFT_OUT.format(f"{gone} section{'s' if gone > 1 else ''}")] if gone else []
        text = "\n\n".join([*warning, headline, *head, *sections[:kept], *note, foot]) + "\n"
        if len(text) < limit:
            return text
    tables_out = [part for part in head if not part.startswith(("|", "- "))]
    for parts in ([*tables_out, LEFT_OUT.format("Everything else")], [LEFT_OUT.format("The rest")]):
        text = "\n\n".join([*warning, headline, *parts, foot]) + "\n"
        if len(text) < limit:
            break
    return text


def _section(section: Section) -> str:
    # A summary is HTML, where Markdown means nothing: other rules of escape hold in it.
    title = replace_quoted(section.title, _html_code, escape)
    body = "\n\n".join(map(_block, section.blocks))
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _block(block: Block) -> str:
    if isinstance(block, Table):
        return "\n".join(_table(block))
    return _mermaid(block) if isinstance(block, Chart) else inline(block)


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(inline, table.head))} |"
    rule = ("---:" if column in table.numbers else "---" for column in range(len(table.head)))
    yield f"| {' | '.join(rule)} |"
    for row in table.rows:
        yield f"| {' | '.join(map(inline, row))} |"


def _mermaid(chart: Chart) -> str:
    labels = ", ".join(f'"{_label(label)}"' for label in chart.labels)
    lines = [f'xychart-beta\n    title "{_label(chart.title, 80)}"', f"    x-axis [{labels}]"]
    lines.append(f'    y-axis "{_label(chart.y_label)}"')
    lines += [f"    line [{_numbers(values)}]" for values in chart.lines.values()]
    lines += [f"    bar [{_numbers(chart.bars)}]"] if chart.bars else []
    return "\n".join(["```mermaid", *lines, "```"])


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.5f}" for value in values)


def _label(text: str, limit: int = 24) -> str:
    """Return a chart's label with only what Mermaid takes for plain text."""
    return re.sub(r"[^A-Za-z0-9 .,:=()_-]", "", text)[:limit] or "-"


def inline(text: str) -> str:
    """Return a sentence with its foreign parts as code."""
    return replace_quoted(text, _code, lambda part: part)


def _code(text: str) -> str:
    """Return foreign text as code: there it makes no link, no mention, no image, no HTML.

    A backtick would end it and a bar would end the cell. An image or HTML comment is broken
    up besides, for readers of the source that look for a marker in it.
    """
    safe = text.replace("`", "'").replace("|", "¦").replace("![", "! [").replace("<!", "< !")
    return f"`{safe}`"


def _html_code(text: str) -> str:
    return f"<code>{escape(text).replace('![', '! [')}</code>"
