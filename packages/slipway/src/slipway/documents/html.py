"""A document as one HTML file: no script, nothing fetched, light or dark as the reader's system.

`to_html` renders a report, whose sections are folded; `to_page` a page, whose sections are open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from slipway.documents.charts import DARK, LIGHT
from slipway.documents.document import (
    ICONS,
    Block,
    Card,
    Cards,
    Cell,
    Chart,
    Document,
    Facts,
    Figure,
    Missing,
    Section,
    Table,
    Tile,
    Tiles,
)
from slipway.numbers import plain
from slipway.untrusted import as_html, as_text, escape_html, shorten

REPORT_STYLE, PAGE_STYLE = (Path(__file__).with_name(f"{name}.css") for name in ("report", "page"))

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 280, 56, 8, 84

# Characters of a label below a chart.
TICK = 16

# Cells of a page with fewer characters are not broken; in the first column, names are longer.
TIGHT, TIGHT_NAME = 12, 18

VERDICTS = {"good": "✓", "bad": "✕", "open": "?", "waiting": "…"}

# Nothing in a report may load or run anything, should an escape ever be missing.
POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
)

ICON = '<link rel="icon" href="data:,">\n'


def to_html(document: Document) -> str:
    """Return a report as a whole HTML file."""
    title = escape_html(as_text(document.headline))
    body = [f"<p>⚠️ {as_html(paragraph)}</p>" for paragraph in document.warning]
    body += [f"<h1>{ICONS[document.tone]} {as_html(document.headline)}</h1>"]
    body += [_block(block) for block in document.blocks]
    body += [_folded(section) for section in document.sections]
    lines, foot = "\n".join(body), "<br>".join(map(as_html, document.foot))
    return (
        f"{_head(title, REPORT_STYLE, POLICY)}"
        f'<body class="{document.tone}"><main>\n{lines}\n'
        f"<footer>{foot}</footer>\n</main></body></html>\n"
    )


def to_page(document: Document, kicker: str) -> str:
    """Return a page as a whole HTML file; `kicker` is a short text above its headline."""
    title = escape_html(f"{as_text(document.headline)}: {kicker}")
    lede, others = document.blocks[:1], document.blocks[1:]
    body = [
        f'<header>\n<p class="over">Slipway · {escape_html(kicker)}</p>',
        f"<h1>{as_html(document.headline)}</h1>",
        *(
            f'<p class="lede">{as_html(block)}</p>' if isinstance(block, str) else _block(block)
            for block in lede
        ),
        *map(_block, others),
        "</header>",
        *map(_open, document.sections),
    ]
    foot = "".join(f"<p>{as_html(line)}</p>\n" for line in document.foot)
    lines = "\n".join(body)
    return (
        f"{_head(title, PAGE_STYLE, ICON)}"
        f"<body>\n<main>\n{lines}\n</main>\n<footer>\n{foot}</footer>\n</body>\n</html>\n"
    )


def _head(title: str, style: Path, meta: str) -> str:
    light, dark = (
        "".join(f"--{name}:{value};" for name, value in colours.items())
        for colours in (LIGHT, DARK)
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n{meta}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>:root{{{light}}}\n"
        f"@media (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"
        f"{style.read_text('utf-8')}</style></head>\n"
    )


def _folded(section: Section) -> str:
    body = "\n".join(map(_block, section.blocks))
    return f"<details><summary>{as_html(section.title)}</summary>\n{body}\n</details>"


def _open(section: Section) -> str:
    key = escape_html(section.key)
    body = "\n".join(_grid(section.blocks))
    return (
        f'<section id="{key}" aria-labelledby="{key}-title">\n'
        f'<h2 id="{key}-title">{as_html(section.title)}</h2>\n{body}\n</section>'
    )


def _grid(blocks: Sequence[Block]) -> Iterator[str]:
    """Yield blocks as HTML; neighbouring figures and tables share a grid."""
    for in_grid, group in groupby(blocks, lambda block: isinstance(block, Figure | Table)):
        body = "\n".join(map(_block, group))
        yield f'<div class="figures">\n{body}\n</div>' if in_grid else body


def _block(block: Block) -> str:
    match block:
        case str():
            return _paragraph(block)
        case Table():
            return _captioned(block) if block.caption else _table(block)
        case Chart():
            return _chart(block)
        case Figure():
            return (
                f'<figure id="{escape_html(block.name)}-chart">\n{block.svg}\n'
                f"<figcaption>{as_html(block.caption)}</figcaption>\n</figure>"
            )
        case Missing():
            return f'<p class="missing">{as_html(block.text)}</p>'
        case Tiles():
            return f'<ul class="tiles">\n{"".join(map(_tile, block.tiles))}</ul>'
        case Facts():
            return f"<dl>\n{''.join(_fact(*fact) for fact in block.facts)}</dl>"
        case Cards():
            return f'<div class="cards">\n{"".join(map(_card, block.cards))}</div>'


def _paragraph(text: str) -> str:
    if text.startswith("- "):
        points = "".join(f"<li>{as_html(line[2:])}</li>" for line in text.split("\n"))
        return f"<ul>{points}</ul>"
    return f"<p>{as_html(text)}</p>"


def _tile(tile: Tile) -> str:
    return (
        f'<li><span class="label">{as_html(tile.label)}</span>'
        f'<b class="{tile.tone}">{as_html(tile.value)}</b>'
        f'<span class="label">{as_html(tile.note)}</span></li>\n'
    )


def _fact(name: str, value: str, full: str) -> str:
    tooltip = f' title="{escape_html(as_text(full))}"' if full else ""
    return f"<div><dt>{as_html(name)}</dt><dd{tooltip}>{as_html(value)}</dd></div>\n"


def _card(card: Card) -> str:
    lines = [f"<p>{as_html(line)}</p>\n" for line in card.lines]
    if card.link:
        link = f'<a href="{escape_html(card.link)}">The whole report on {as_html(card.name)}</a>'
        lines.append(f"<p>{link}</p>\n")
    return (
        f'<article class="card">\n<h3>{as_html(card.name)}</h3>\n'
        f'<p class="verdict {card.tone}">{VERDICTS[card.tone]} {as_html(card.headline)}</p>\n'
        f"{''.join(lines)}</article>\n"
    )


def _table(table: Table) -> str:
    head = _cells("th", table.head, table)
    rows = "\n".join(f"<tr>{_cells('td', row, table)}</tr>" for row in table.rows)
    body = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f'<div class="wide"><table>{body}</table></div>'


def _cells(tag: str, cells: Sequence[Cell], table: Table) -> str:
    return "".join(
        f"<{tag}{' class=number' if column in table.numbers else ''}>{_text_and_note(cell)}</{tag}>"
        for column, cell in enumerate(cells)
    )


def _text_and_note(cell: Cell) -> str:
    text, note = (cell, "") if isinstance(cell, str) else cell
    return f"{as_html(text)}<small>{as_html(note)}</small>" if note else as_html(text)


def _captioned(table: Table) -> str:
    head = "".join(f'<th scope="col">{as_html(name)}</th>' for name in table.head)
    rows = "\n".join(f"<tr>{_named_row(row)}</tr>" for row in table.rows)
    kind = ' class="wide"' if table.wide else ""
    return (
        f"<table{kind}>\n<caption>{as_html(table.caption)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    )


def _named_row(row: Sequence[Cell]) -> str:
    name, *cells = row
    kind = "tight" if _length(name) < TIGHT_NAME else "long"
    return f'<th scope="row">{_spanned(name, kind)}</th>' + "".join(
        f"<td>{_spanned(cell, 'tight' if _length(cell) < TIGHT else '')}</td>" for cell in cells
    )


def _spanned(cell: Cell, kind: str) -> str:
    text, note = (cell, "") if isinstance(cell, str) else cell
    small = f"<small>{as_html(note)}</small>" if note else ""
    return f'<span class="{kind}">{as_html(text)}</span>{small}'


def _length(cell: Cell) -> int:
    return len(as_text(cell if isinstance(cell, str) else cell[0]))


def _chart(chart: Chart) -> str:
    values = [*chart.bars, *(value for line in chart.lines.values() for value in line)]
    low, high = min([0.0, *values]), max([0.0, *values])
    step = (WIDTH - LEFT) / max(len(chart.labels), 1)
    at = [LEFT + step * (turn + 0.5) for turn in range(len(chart.labels))]

    def y(value: float) -> float:
        return TOP + (HEIGHT - BOTTOM - TOP) * (high - value) / ((high - low) or 1)

    parts = [
        f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{plain(value, 3)}</text>'
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
    title = escape_html(chart.title)
    return (
        f"<figure><figcaption>{title}{_legend(chart)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}'
        "</svg></figure>"
    )


def _tick(x: float, label: str) -> str:
    text = escape_html(shorten(label, TICK))
    place, tilted = f'x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}"', len(label) > 3
    if not tilted:
        return f'<text {place} text-anchor="middle">{text}</text>'
    turn = f'transform="rotate(-40 {x:.1f} {HEIGHT - BOTTOM + 12})"'
    return f'<text {place} {turn} text-anchor="end">{text}</text>'


def _legend(chart: Chart) -> str:
    return "".join(
        f'<span class="key line{turn}">{escape_html(name)}</span>'
        for turn, name in enumerate(chart.lines)
    )
