"""A document for a terminal: headline, paragraphs, lists, tables, captions; no sections."""

from __future__ import annotations

from collections.abc import Iterator

from slipway.documents.document import ICONS, Cell, Document, Figure, Missing, Table
from slipway.untrusted import as_text


def to_text(document: Document) -> str:
    """Return the document, a line for each paragraph, point and row."""
    lines = [as_text(line) for line in document.warning]
    lines.append(f"{ICONS[document.tone]} {as_text(document.headline)}")
    for block in document.blocks:
        if isinstance(block, Table):
            lines += _table(block)
        elif isinstance(block, str | Missing):
            lines.append(as_text(block if isinstance(block, str) else block.text))
        elif isinstance(block, Figure):
            lines.append(as_text(block.caption))
    return "\n".join(lines)


def _table(table: Table) -> Iterator[str]:
    rows = [[_cell(cell) for cell in row] for row in (table.head, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if any(table.head) else rows[1:]:
        cells = (
            cell.rjust(width) if column in table.numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _cell(cell: Cell) -> str:
    text = cell if isinstance(cell, str) else " ".join(filter(None, cell))
    return as_text(text).replace("`", "")
