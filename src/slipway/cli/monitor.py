"""Commands of the group Monitor: what the live model meets, and a new one from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from slipway.cli.options import HtmlFile, JsonFile, Log, MarkdownFile, Model


def drift(
    log: Log = "",
    json: JsonFile = None,
    markdown: MarkdownFile = None,
    html: HtmlFile = None,
    model: Model = Path("build/model"),
) -> None:
    """Check the prediction log for drift. Exit codes: 0 none, 1 drift, 2 inconclusive.

    Reads the prediction log, the labels that were imported and build/model; writes only the
    reports that are asked for.

    Example: slipway drift --html build/drift.html
    """
    from slipway.drift import drift, to_text
    from slipway.settings import read_params

    report = drift(read_params(), log, model, json, markdown, html)
    typer.echo(to_text(report))
    raise typer.Exit(report.exit_code)


def page(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder to write index.html and charts to.")
    ] = Path("site"),
    log: Log = "",
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Parquet file of rows with labels; default: data/ and imported."
        ),
    ] = None,
    model: Model = Path("build/model"),
) -> None:
    """Draw one page: which model runs, how good it is and what traffic it gets.

    Reads build/model, reports/, the prediction log and labels; writes site/index.html.

    Example: slipway page --out site
    """
    from slipway.page import page
    from slipway.settings import read_params

    typer.echo(page(read_params(), out, log, labels, model))


def retrain(
    until: Annotated[
        str, typer.Option(metavar="YYYY-MM", help="Add no month after this; default: all.")
    ] = "",
    log: Log = "",
    out: Annotated[Path, typer.Option(metavar="FILE", help="Result as JSON.")] = Path(
        "build/retrain.json"
    ),
) -> None:
    """Train on the newest labels, in a copy. Exit codes: 0 better, 1 not better or nothing new.

    Reads the prediction log, the labels that were imported and the repository; writes
    build/retrain.json and, if the model is better, a commit to propose.

    Example: slipway retrain --until 2013-11
    """
    from slipway.retrain import retrain

    found = retrain(Path(), until, log, out)
    typer.echo(found.text())
    raise typer.Exit(found.exit_code)


COMMANDS: list[Callable[..., Any]] = [drift, page, retrain]
