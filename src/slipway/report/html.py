"""A document as one HTML file: no script, nothing fetched, light or dark as the reader likes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from slipway.charts import DARK, LIGHT
from slipway.report.document import Block, Chart, Document, Section, Table, plain, replace_quoted

STYLE = Path(__file__).with_name("report.css")

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 280, 56, 8, 84

# Characters of a label below a chart.
TICK = 16

ICONS = {"good": "✅", "bad": "⛔", "open": "❔"}

# Nothing in the file may load or run anything, should an escape ever be missing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def to_html(document: Document) -> str:
    """Return the document as a whole HTML file."""
    title = escape(plain(document.headline))
    body = [f"<p>⚠️ {_inline(paragraph)}</p>" for paragraph in document.warning]
    body += [f"<h1>{ICONS[document.tone]} {_inline(document.headline)}</h1>"]
    body += [_block(block) for block in document.blocks]
    body += [_section(section) for section in document.sections]
    lines, foot = "\n".join(body), "<br>".join(map(_inline, document.foot))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>{_style()}</style></head>\n"
        f'<body class="{document.tone}"><main>\n{lines}\n'
        f"<footer>{foot}</footer>\n</main></body></html>\n"
    )


def _style() -> str:
    light, dark = (
        "".join(f"--{name}:{value};" for name, value in colours.items())
        for colours in (LIGHT, DARK)
    )
    return (
        f":root{{{light}}}\n@media (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"
        + STYLE.read_text("utf-8")
    )


def _section(section: Section) -> str:
    body = "\n".join(map(_block, section.blocks))
    return f"<details><summary>{_inline(section.title)}</summary>\n{body}\n</details>"


def _block(block: Block) -> str:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Chart):
        return _chart(block)
    if block.startswith("- "):
        points = "".join(f"<li>{_inline(line[2:])}</li>" for line in block.split("\n"))
        return f"<ul>{points}</ul>"
    return f"<p>{_inline(block)}</p>"


def _table(table: Table) -> str:
    head = _cells("th", table.head, table)
    rows = "\n".join(f"<tr>{_cells('td', row, table)}</tr>" for row in table.rows)
    body = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f'<div class="wide"><table>{body}</table></div>'


def _cells(tag: str, cells: Sequence[str], table: Table) -> str:
    return "".join(
        f"<{tag}{' class=number' if column in table.numbers else ''}>{_inline(cell)}</{tag}>"
        for column, cell in enumerate(cells)
    )


def _inline(text: str) -> str:
    return replace_quoted(text, lambda part: f"<code>{escape(part)}</code>", _marked)


def _marked(text: str) -> str:
    """Return our own text with its few marks: bold, code and links."""
    safe = escape(text)
    safe = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", safe)
    safe = re.sub(r"`(.+?)`", r"<code>\1</code>", safe)
    return re.sub(r"\[(\w+)\]\((https://[^\s()]+)\)", r'<a href="\2" rel="noreferrer">\1</a>', safe)


def _chart(chart: Chart) -> str:
    values = [*chart.bars, *(value for line in chart.lines.values() for value in line)]
    low, high = min([0.0, *values]), max([0.0, *values])
    step = (WIDTH - LEFT) / max(len(chart.labels), 1)
    at = [LEFT + step * (turn + 0.5) for turn in range(len(chart.labels))]

    def y(value: float) -> float:
        return TOP + (HEIGHT - BOTTOM - TOP) * (high - value) / ((high - low) or 1)

    parts = [
        f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3f}</text>'
        f'<path class="grid" d="M{LEFT} {y(value):.1f}H{WIDTH}"/>'
        for value in sorted({low, 0.0, high})
    ]
    parts += [
        f'<rect class="bar" x="{x - step * 0.35:.1f}" width="{step * 0.7:.1f}" '
        f'y="{min(y(value), y(0)):.1f}" height="{abs(y(value) - y(0)):.1f}"/>'
        for x, value in zip(at, chart.bars, strict=False)
    ]
    for turn, line in enumerate(chart.lines.values()):
        points = " ".join(f"{x:.1f},{y(value):.1f}" for x, value in zip(at, line, strict=False))
        parts.append(f'<polyline class="line{turn}" points="{points}"/>')
    parts += [_tick(x, label) for x, label in zip(at, chart.labels, strict=True)]
    title = escape(chart.title)
    return (
        f"<figure><figcaption>{title}{_legend(chart)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}'
        "</svg></figure>"
    )


def _tick(x: float, label: str) -> str:
    text = escape(label if len(label) <= TICK else f"{label[: TICK - 1]}…")
    place, tilted = f'x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}"', len(label) > 3
    if not tilted:
        return f'<text {place} text-anchor="middle">{text}</text>'
    turn = f'transform="rotate(-40 {x:.1f} {HEIGHT - BOTTOM + 12})"'
    return f'<text {place} {turn} text-anchor="end">{text}</text>'


def _legend(chart: Chart) -> str:
    return "".join(
        f'<span class="key line{turn}">{escape(name)}</span>'
        for turn, name in enumerate(chart.lines)
    )
