"""`slipway log`: a prediction log on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.help import Command, group

app = group("Fetch the prediction log of the live service, or make one to try things on.")

Out = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write to.")]


@app.command(cls=Command)
def fetch(
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="SOURCE", help="local, host, kubernetes, or a folder or URL of a log."
        ),
    ],
    out: Out = Path("build/live"),
) -> None:
    """Fetch the log and the model that wrote it from where the service runs.

    Writes build/live.

    Example: slipway log fetch --from local
    """
    from slipway.errors import SlipwayError
    from slipway.fetch.fetch import fetch
    from slipway.github.runner import set_outputs
    from slipway.settings import read_params

    try:
        typer.echo(fetch(source, out, read_params().deploy))
    except SlipwayError as error:
        said = "".join(letter if letter.isprintable() else " " for letter in str(error))
        set_outputs(why=f"the log could not be fetched: {said}")
        raise


@app.command(cls=Command)
def rehearse(out: Out = Path("build/rehearsal")) -> None:
    """Make a log without a live service: send it months that the model has not seen.

    Writes build/rehearsal.

    Example: slipway log rehearse
    """
    from slipway.fetch.rehearse import rehearse

    typer.echo(rehearse(out).text())
