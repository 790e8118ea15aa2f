"""Commands of the group Pipeline: from data to an evaluated model. DVC runs five of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from slipway.cli.options import JsonFile, Model
from slipway.numbers import counted


def data(
    month: Annotated[
        list[str] | None,
        typer.Option(
            metavar="YYYY-MM",
            help="Month to write; can be repeated. Default: STARTER of src/model/source.py, "
            "or all of its MONTHS.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of the monthly files.")
    ] = Path("data"),
) -> None:
    """Make data from src/model/source.py: one parquet file a month, always the same bytes.

    Reads src/model/source.py; writes data/YYYY-MM.parquet.

    Example: slipway data --month 2013-10
    """
    from slipway.dataset.make import default_months, make_months

    for path in make_months(month or default_months(), out):
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
        bool, typer.Option("--force", help="Overwrite files that are not in the cache.")
    ] = False,
) -> None:
    """Restore data or a model by its hash, after a check of the paths that are written.

    Exit codes: 0 restored, 1 refused. Reads data.dvc and dvc.lock; writes the files that they name.

    Example: slipway restore data.dvc build/model
    """
    from slipway.repository.pointers import POINTER
    from slipway.repository.restore import restore

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
) -> None:
    """Validate data files. Exit codes: 0 valid, 1 invalid, 2 unreadable.

    Reads data/, src/model and params.yaml; writes the file of --json
    (`slipway report` renders it).

    Example: slipway validate data/2025-09.parquet
    """
    from slipway.dataset.validate import run
    from slipway.dataset.violations import render_text
    from slipway.settings import read_params

    report = run(paths or [], read_params(), json)
    typer.echo(render_text(report))
    raise typer.Exit(report.exit_code)


def schema() -> None:
    """Show what a row of a request is: its columns, an example, and a command that sends it.

    Reads src/model, params.yaml and data/; writes nothing.

    Example: slipway schema
    """
    from slipway.dataset.example import describe_rows
    from slipway.settings import read_params

    typer.echo(describe_rows(read_params()))


def prepare() -> None:
    """Split off the holdout, compute the features and check them for leaks.

    Reads data/, src/model and params.yaml; writes build/prepared.

    Example: slipway prepare
    """
    from slipway.settings import read_params
    from slipway.training.prepare import prepare

    typer.echo(prepare(read_params()).summary())


def train() -> None:
    """Fit the estimator and write the model and its manifest.

    Reads build/prepared, data/, src/model and params.yaml; writes build/model.

    Example: slipway train
    """
    from slipway.settings import read_params
    from slipway.training.train import train

    typer.echo(train(read_params()))


def evaluate() -> None:
    """Evaluate the model on the holdout, with intervals, by slice, against two baselines.

    Reads build/model, data/, src/model and params.yaml; writes build/predictions.parquet,
    reports/metrics.json and reports/plots.

    Example: slipway evaluate
    """
    from slipway.settings import read_params
    from slipway.training.evaluate import evaluate

    typer.echo(evaluate(read_params()))


def backtest() -> None:
    """Fit at earlier points in time (`prepare.origins`), and score the period after each.

    An origin is such a point: the estimator learns from the periods before it. `slipway judge`
    compares models at each, so that a verdict does not depend on one period. An origin on which the
    estimator cannot be fitted is recorded with the reason, and the exit code is 0.

    Reads data/, src/model and params.yaml; writes build/backtest.

    Example: slipway backtest
    """
    from slipway.settings import read_params
    from slipway.training.backtest import backtest

    typer.echo(backtest(read_params()).text())


def search() -> None:
    """Try other parameters on the training data. Exit codes: 0 a better value found, 1 none.

    Reads src/model, `search.candidates` of params.yaml and the periods of data/ before the first
    origin (`prepare.origins`), on which no models are compared; writes build/search.json. The code
    is 0 also if the better value is "not shown to be better": a choice is no verdict.

    Example: slipway search
    """
    from slipway.settings import read_params
    from slipway.training.search import search

    result = search(read_params())
    typer.echo(result.text())
    raise typer.Exit(result.exit_code)


# A comparison starts it in the checkout of another commit, with the slipway of that commit: its
# name and its options must not change.
def score(
    rows: Annotated[
        Path, typer.Option(metavar="FILE", help="Parquet or CSV file of rows, as in data/.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Parquet file to write: key and score.")
    ],
    model: Model = Path("build/model"),
) -> None:
    """Score rows with a model, as the service does.

    Reads build/model and the rows; writes the scores.

    Example: slipway score --rows data/2025-09.parquet --out build/scores.parquet
    """
    from slipway.training.score import score_file

    count = score_file(rows, model, out)
    typer.echo(f"{out}: {counted(count, 'score')}")


def score_batch(
    rows: Annotated[
        str,
        typer.Option(
            metavar="PATTERN",
            help="Parquet and CSV files of rows: a file, a folder, a pattern in quotes "
            "('rows/*.parquet'), or a URL of a bucket.",
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            metavar="FOLDER",
            help="Folder to write to, or its URL in a bucket; new, or of the same batch, which "
            "continues.",
        ),
    ],
    model: Model = Path("build/model"),
    chunk_rows: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=2**20,
            metavar="ROWS",
            help="Rows that are scored at once; default: 50,000, or fewer of a wide table.",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=1, metavar="NUMBER", help="Processes that score; default: the cores."),
    ] = None,
    max_rejected: Annotated[
        float,
        typer.Option(
            min=0, max=1, metavar="SHARE", help="Exit code 1 above this share of rejected rows."
        ),
    ] = 0.0,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON file with the counts to write.")
    ] = None,
) -> None:
    """Score files of any size. Exit codes: 0 all rows scored, 1 some rejected, 2 not finished.

    Each row is checked by the schema, as the service checks requests. A row that does not pass
    is not scored: FOLDER/rejected has its file, number, column and reason. The others are in
    FOLDER/scores and, as a prediction log, in FOLDER/log, which `slipway drift --log`,
    `slipway page --log` and `slipway shadow --log` read. Rows are numbered from 0.

    After an interruption, run the same command again: no row is lost or scored twice. A folder
    has the scores of one model and of the same files: with another model, or a file that was
    added or changed, the command ends with exit code 2.

    With DASK_SCHEDULER_ADDRESS the workers of that Dask cluster score (docs/scale.md).

    Reads build/model, src/model, params.yaml and the rows; writes the folder.

    Example: slipway score-batch --rows 'data/*.parquet' --out build/scores
    """
    from slipway.actions import in_actions
    from slipway.batch.score import score_batch
    from slipway.github.batch_summary import publish_batch
    from slipway.settings import read_params

    result = score_batch(rows, out, model, read_params(), chunk_rows, processes)
    exit_code = result.exit_code_at(max_rejected)
    typer.echo(result.text())
    if json:
        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_text(result.to_json(), "utf-8")
    if in_actions():
        publish_batch(result, exit_code)
    raise typer.Exit(exit_code)


COMMANDS: list[Callable[..., Any]] = [
    data,
    restore,
    validate,
    schema,
    prepare,
    train,
    evaluate,
    backtest,
    search,
    score,
    score_batch,
]
