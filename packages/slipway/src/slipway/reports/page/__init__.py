"""`slipway page`: one page on the live model, its quality and its traffic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipway.documents import charts
from slipway.documents.document import Figure
from slipway.manifest import MODEL

if TYPE_CHECKING:
    from slipway.settings import Params

KICKER = "the live model"


def page(
    params: Params,
    out: Path,
    log: str = "",
    labels: list[Path] | None = None,
    model: Path = MODEL,
) -> Path:
    """Write ``index.html``, each of its charts as SVG and ``card.html``; return the page's path.

    The page needs no other file and no network.

    Parameters
    ----------
    log
        Folder or URL of the prediction log; that of params.yaml if empty.
    labels
        Parquet files of rows with labels; if None, those in ``data/`` and the labels that were
        imported.
    model
        The folder of the live model.

    Raises
    ------
    SlipwayError
        A file that exists cannot be read.
    """
    from slipway.documents.html import to_html, to_page
    from slipway.reports.model_card import document as card_document
    from slipway.reports.page.card import CARD_PAGE
    from slipway.reports.page.inputs import read_inputs
    from slipway.reports.page.sections import document

    inputs = read_inputs(params, out, log, labels, model)
    content = document(inputs)
    out.mkdir(parents=True, exist_ok=True)
    for section in content.sections:
        for block in section.blocks:
            if isinstance(block, Figure):
                svg = charts.standalone(block.svg)
                (out / f"{block.name}.svg").write_text(svg, "utf-8")
    if inputs.card:
        (out / CARD_PAGE).write_text(to_html(card_document(inputs.card)), "utf-8")
    index = out / "index.html"
    index.write_text(to_page(content, KICKER), "utf-8")
    return index
