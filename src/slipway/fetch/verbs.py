"""`slipway log`: bring a prediction log here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Bring the prediction log of the live service here, or make one to try things on.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Out = Annotated[Path, typer.Option(help="Folder to write to.")]


@app.command()
def fetch(
    source: Annotated[
        str, typer.Option("--from", help="local, host, kubernetes, or a folder or URL of a log.")
    ],
    out: Out = Path("build/live"),
) -> None:
    """Fetch the log and the model that wrote it from where the service runs."""
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


@app.command()
def rehearse(out: Out = Path("build/rehearsal")) -> None:
    """Make a log without a live service: send it months that the model has not seen."""
    from slipway.fetch.rehearse import rehearse

    typer.echo(rehearse(out).text())
