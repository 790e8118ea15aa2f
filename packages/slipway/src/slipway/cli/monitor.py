"""Commands of the group Monitor: drift, the page, and retraining."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from slipway.cli.audit import audit, explain
from slipway.cli.options import HtmlFile, JsonFile, Log, MarkdownFile, Model
from slipway.cli.privacy import forget


def drift(
    log: Log = "",
    json: JsonFile = None,
    markdown: MarkdownFile = None,
    html: HtmlFile = None,
    model: Model = Path("build/model"),
) -> None:
    """Check the prediction log for drift. Exit codes: 0 none, 1 drift, 2 inconclusive.

    Reads the prediction log, the imported labels and build/model; writes only the
    files of --json, --markdown and --html.

    Example: slipway drift --html build/drift.html
    """
    from slipway import project
    from slipway.documents.text import to_text
    from slipway.monitoring.check import drift
    from slipway.monitoring.document import drift_document
    from slipway.settings import read_params

    slicer = project.protected_slices if project.protected() else None
    report = drift(read_params(), log, model, json, markdown, html, slicer=slicer)
    typer.echo(to_text(drift_document(report)))
    raise typer.Exit(report.exit_code)


def page(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder to write index.html and charts to.")
    ] = Path("site"),
    log: Log = "",
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Parquet or CSV file of labelled rows; default: data/ and imports.",
        ),
    ] = None,
    model: Model = Path("build/model"),
) -> None:
    """Write one HTML page: the live model, its performance and its traffic.

    Reads build/model, reports/, the prediction log and labels; writes site/index.html.

    Example: slipway page --out site
    """
    from slipway.reports.page import page
    from slipway.settings import read_params

    typer.echo(page(read_params(), out, log, labels, model))


def retrain(
    until: Annotated[
        str, typer.Option(metavar="PERIOD", help="Last period to add, as 2025-09; default: all.")
    ] = "",
    log: Log = "",
    out: Annotated[Path, typer.Option(metavar="FILE", help="Result as JSON.")] = Path(
        "build/retrain.json"
    ),
) -> None:
    """Train on the newest labels. Exit codes: 0 better, 1 not better or nothing new.

    Reads the prediction log, the imported labels and the repository; writes build/retrain.json and,
    if the model is better, the files of a pull request to build/retrain.

    Example: slipway retrain --until 2025-09
    """
    from slipway.retraining import retrain

    result = retrain(Path(), until, log, out)
    typer.echo(result.text())
    raise typer.Exit(result.exit_code)


COMMANDS: list[Callable[..., Any]] = [drift, page, retrain, audit, explain, forget]
