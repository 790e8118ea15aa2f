"""Commands of the group Pipeline: from data to a measured model. DVC runs four of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from slipway.cli.options import JsonFile, MarkdownFile, Model


def data(
    month: Annotated[
        list[str] | None,
        typer.Option(metavar="YYYY-MM", help="Month to write; may be given again."),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of the monthly files.")
    ] = Path("data"),
) -> None:
    """Make the starter data: one parquet file a month, the same bytes each time.

    Writes data/YYYY-MM.parquet.

    Example: slipway data --month 2013-10
    """
    from slipway.data import STARTER, make_months

    for path in make_months(month or STARTER, out):
        typer.echo(path)


def restore(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET",
            help="data.dvc, or an output such as build/model; default: data.dvc.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Remove files there that are in no cache.")
    ] = False,
) -> None:
    """Fetch data or a model by hash, after a check of where it would be written.

    Reads data.dvc and dvc.lock; writes what they name. Exit code 1: refused.

    Example: slipway restore data.dvc build/model
    """
    from slipway.pointers import POINTER
    from slipway.restore import restore

    for each in restore(Path(), *(targets or [POINTER.name]), force=force):
        typer.echo(each.text())


def validate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE", help="Parquet or CSV files, or folders of them; default: data/."
        ),
    ] = None,
    json: JsonFile = None,
    markdown: MarkdownFile = None,
) -> None:
    """Validate data files. Exit codes: 0 valid, 1 invalid, 2 unreadable.

    Reads data/, src/model and params.yaml; writes only the reports that are asked for.

    Example: slipway validate data/2013-09.parquet
    """
    from slipway.settings import read_params
    from slipway.validate import render_text, run

    report = run(paths or [], read_params(), json, markdown)
    typer.echo(render_text(report))
    raise typer.Exit(report.exit_code)


def prepare() -> None:
    """Split the data by time, compute the features and refuse a leak.

    Reads data/, src/model and params.yaml; writes build/prepared.

    Example: slipway prepare
    """
    from slipway.prepare import prepare
    from slipway.settings import read_params

    typer.echo(prepare(read_params()).summary())


def train() -> None:
    """Fit the estimator and write the model and its manifest.

    Reads build/prepared, data/, src/model and params.yaml; writes build/model.

    Example: slipway train
    """
    from slipway.settings import read_params
    from slipway.train import train

    typer.echo(train(read_params()))


def evaluate() -> None:
    """Measure the model on the holdout, with intervals, by slice, against two baselines.

    Reads build/model, data/, src/model and params.yaml; writes build/predictions.parquet,
    reports/metrics.json and reports/plots.

    Example: slipway evaluate
    """
    from slipway.evaluate import evaluate
    from slipway.settings import read_params

    typer.echo(evaluate(read_params()))


def search() -> None:
    """Try other parameters on the training data. Exit codes: 0 one is better, 1 none is.

    Reads data/, src/model and the section `challengers` of params.yaml, and not the holdout; writes
    build/search.json.

    Example: slipway search
    """
    from slipway.search import search
    from slipway.settings import read_params

    found = search(read_params())
    typer.echo(found.text())
    raise typer.Exit(found.exit_code)


def score(
    rows: Annotated[
        Path, typer.Option(metavar="FILE", help="Parquet file of rows as they are in data/.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Parquet file to write: key and score.")
    ],
    model: Model = Path("build/model"),
) -> None:
    """Score rows with a model, as the service would.

    Reads build/model and the rows; writes the scores.

    Example: slipway score --rows data/2013-09.parquet --out build/scores.parquet
    """
    from slipway.score import score_file

    count = score_file(rows, model, out)
    typer.echo(f"{out}: {count:,} scores")


COMMANDS: list[Callable[..., Any]] = [
    data,
    restore,
    validate,
    prepare,
    train,
    evaluate,
    search,
    score,
]
