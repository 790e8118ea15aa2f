"""A document as Markdown: a comment or a job summary that untrusted text cannot break out of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from slipway.documents.document import (
    ICONS,
    Block,
    Cards,
    Cell,
    Chart,
    Document,
    Facts,
    Figure,
    Missing,
    Section,
    Table,
    Tiles,
)
from slipway.numbers import counted
from slipway.untrusted import as_label, as_markdown, as_summary

# GitHub refuses a comment of 65,536 characters; CML adds a line of its own.
LIMIT = 65_000

LEFT_OUT = "{} left out here to keep this short; the HTML report has everything."


def to_markdown(document: Document, limit: int = LIMIT) -> str:
    """Return the document, shorter than `limit`: the last sections are left out first."""
    warning = [*(f"### ⚠️ {as_markdown(title)}" for title in document.warning[:1])]
    warning += [as_markdown(paragraph) for paragraph in document.warning[1:]]
    headline = f"### {ICONS[document.tone]} {as_markdown(document.headline)}"
    head = [_block(block) for block in document.blocks]
    foot = [f"<sub>{' · '.join(map(as_markdown, document.foot))}</sub>"] if document.foot else []
    sections = [_section(section) for section in document.sections]
    for kept in range(len(sections), -1, -1):
        gone = len(sections) - kept
        note = [LEFT_OUT.format(counted(gone, "section"))] if gone else []
        text = "\n\n".join([*warning, headline, *head, *sections[:kept], *note, *foot]) + "\n"
        if len(text) < limit:
            return text
    tables_out = [part for part in head if not part.startswith(("|", "- "))]
    for parts in ([*tables_out, LEFT_OUT.format("Everything else")], [LEFT_OUT.format("The rest")]):
        text = "\n\n".join([*warning, headline, *parts, *foot]) + "\n"
        if len(text) < limit:
            break
    return text


def blocks_to_markdown(blocks: Sequence[Block]) -> str:
    """Return blocks without a headline, as for the text of a pull request."""
    return "\n\n".join(map(_block, blocks))


def _section(section: Section) -> str:
    body = blocks_to_markdown(section.blocks)
    title = as_summary(section.title)
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _block(block: Block) -> str:
    match block:
        case str():
            return as_markdown(block)
        case Table():
            return "\n".join(_table(block))
        case Chart():
            return _mermaid(block)
        case Figure():
            return as_markdown(block.caption)
        case Missing():
            return as_markdown(block.text)
        case Tiles():
            return "\n".join(
                f"- {as_markdown(tile.label)}: {as_markdown(tile.value)} {as_markdown(tile.note)}"
                for tile in block.tiles
            )
        case Facts():
            return "\n".join(
                f"- {as_markdown(name)}: {as_markdown(value)}" for name, value, _ in block.facts
            )
        case Cards():
            return "\n".join(
                f"- {as_markdown(card.name)}: {as_markdown(card.headline)}" for card in block.cards
            )


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(as_markdown, table.head))} |"
    rule = ("---:" if column in table.numbers else "---" for column in range(len(table.head)))
    yield f"| {' | '.join(rule)} |"
    for row in table.rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return as_markdown(cell)
    return "<br>".join(as_markdown(text) for text in cell if text)


def _mermaid(chart: Chart) -> str:
    labels = ", ".join(f'"{as_label(label)}"' for label in chart.labels)
    lines = [f'xychart-beta\n    title "{as_label(chart.title, 80)}"', f"    x-axis [{labels}]"]
    lines.append(f'    y-axis "{as_label(chart.y_label)}"')
    lines += [f"    line [{_numbers(values)}]" for values in chart.lines.values()]
    lines += [f"    bar [{_numbers(chart.bars)}]"] if chart.bars else []
    return "\n".join(["```mermaid", *lines, "```"])


def _numbers(values: Sequence[float]) -> str:
    # Mermaid does not read exponents.
    return ", ".join(f"{Decimal(f'{value:.5g}'):f}" for value in values)
