"""`slipway export`: releases and judgements in other systems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.help import Command, group

app = group("Export releases and judgements to another system.")


@app.callback()
def export() -> None:
    """Export releases and judgements to another system."""


@app.command("mlflow", cls=Command)
def mlflow(
    to: Annotated[
        str,
        typer.Option(
            metavar="URI",
            help="Server, database or folder; default: MLFLOW_TRACKING_URI, else build/mlflow.",
        ),
    ] = "",
) -> None:
    """Export every release and judgement to MLflow as a run with its model; idempotent.

    Reads build/releases.json, git, the DVC remote and build/drift.json; writes to the place that
    --to names. The live model is registered as champion, the newest one that was judged and not
    released as challenger.

    Example: slipway export mlflow --to http://127.0.0.1:5000
    """
    from slipway.export.mlflow_export import export as export_runs

    typer.echo(export_runs(Path(), to).text())
