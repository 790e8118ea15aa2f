"""The command line: one verb for each step of the loop."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from slipway.errors import NO_ANSWER, SlipwayError

app = typer.Typer(
    name="slipway",
    help="Judge, deploy and watch the model in src/model.\n\nExit codes: 0 yes, 1 no, 2 no answer.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run a verb; an error ends with a sentence and an exit code, never with a traceback."""
    # On a shared machine, threads that spin while they wait make training ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app()
    except SlipwayError as error:
        typer.echo(f"slipway: {error}", err=True)
        if error.do:
            typer.echo(f"  → {error.do}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("slipway: stopped", err=True)
        sys.exit(NO_ANSWER)


@app.command()
def data(
    month: Annotated[
        list[str] | None, typer.Option(help="A month to add, as YYYY-MM; may be given again.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the monthly files.")] = Path("data"),
) -> None:
    """Make the starter data: one parquet file a month, the same bytes each time."""
    from slipway.data import STARTER, make_months

    for path in make_months(month or STARTER, out):
        typer.echo(path)


@app.command()
def prepare() -> None:
    """Split by time, compute the features, refuse a leak."""
    from slipway.prepare import prepare
    from slipway.settings import read_params

    typer.echo(prepare(read_params()).summary())


@app.command()
def train() -> None:
    """Fit the estimator and write the model and its manifest to build/model."""
    from slipway.settings import read_params
    from slipway.train import train

    typer.echo(train(read_params()))


@app.command()
def evaluate() -> None:
    """Measure the model on the holdout, with intervals, by slice, against two baselines."""
    from slipway.evaluate import evaluate
    from slipway.settings import read_params

    typer.echo(evaluate(read_params()))


@app.command()
def score(
    rows: Annotated[Path, typer.Option(help="Parquet file of rows as they are in data/.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write: key and score.")],
    model: Annotated[Path, typer.Option(help="Folder of the model.")] = Path("build/model"),
) -> None:
    """Score rows with a model, as the service would."""
    from slipway.score import score_file

    count = score_file(rows, model, out)
    typer.echo(f"{out}: {count:,} scores")


@app.command()
def lock() -> None:
    """Rebuild the model from its inputs in a clean place and compare it with dvc.lock."""
    from slipway.lock import check_lock

    verdict = check_lock(Path())
    typer.echo(verdict.text())
    raise typer.Exit(verdict.exit_code)


@app.command()
def drift(
    log: Annotated[
        str, typer.Option(help="Folder or URL of the prediction log; default as in params.yaml.")
    ] = "",
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON here.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the report as Markdown here.")
    ] = None,
    model: Annotated[Path, typer.Option(help="Folder of the model.")] = Path("build/model"),
) -> None:
    """Compare what the service saw with what the model was measured on."""
    from slipway.drift import drift, to_text
    from slipway.settings import read_params

    report = drift(read_params(), log, model, json, markdown)
    typer.echo(to_text(report))
    raise typer.Exit(report.exit_code)
