"""`slipway log`: fetch or simulate a prediction log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.help import Command, group
from slipway.cli.options import Checkpoints, Log
from slipway.targets import names

app = group("Fetch the prediction log of the live service, simulate one, or remove old files.")

Out = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write to.")]


@app.command(cls=Command)
def fetch(
    source: Annotated[
        str,
        typer.Option("--from", metavar="SOURCE", help=f"{names()}; or a folder or URL of a log."),
    ],
    out: Out = Path("build/live"),
) -> None:
    """Fetch the prediction log of the live service, and the model that wrote it.

    Reads the deploy settings of params.yaml; writes build/live and, from a target,
    build/releases.json.

    Example: slipway log fetch --from local
    """
    from slipway.actions import set_outputs
    from slipway.errors import SlipwayError
    from slipway.fetch.fetch import fetch
    from slipway.settings import read_params
    from slipway.untrusted import printable

    try:
        typer.echo(fetch(source, out, read_params()))
    except SlipwayError as error:
        set_outputs(why=f"the log could not be fetched: {printable(str(error), ' ')}")
        raise


@app.command(cls=Command)
def prune(
    log: Log = "",
    days: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="DAYS", help="Days to keep; default: monitoring.retention_days."
        ),
    ] = None,
    checkpoints: Checkpoints = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed, and change nothing.")
    ] = False,
) -> None:
    """Remove the files of a prediction log that are older than their retention.

    Reads and verifies the log first. Writes reports/sealed.jsonl, which is for you to commit.

    Example: slipway log prune --days 90 --dry-run
    """
    from slipway.monitoring.check import log_place
    from slipway.numbers import counted
    from slipway.privacy.retention import prune
    from slipway.settings import read_params

    params = read_params()
    kept = days or params.monitoring.retention_days
    place = log or log_place(params)
    names = prune(place, kept, checkpoints, dry_run=dry_run)
    files = counted(len(names), "file")
    would = "would be removed" if dry_run else "removed"
    typer.echo(f"{place}: {files} {would} (older than {kept} days)")
    for name in names:
        typer.echo(f"  {name}")


@app.command(cls=Command)
def simulate(out: Out = Path("build/simulated")) -> None:
    """Make a log without a live service: replay months that the model was not trained on.

    Reads build/model and the data source; writes build/simulated.

    Example: slipway log simulate
    """
    from slipway.fetch.simulate import simulate

    typer.echo(simulate(out).text())
    typer.echo(f"{out}: check it with `SLIPWAY_LABELS={out}/labels slipway drift --log {out}/log`")
