"""`slipway log`: fetch or simulate a prediction log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.help import Command, group
from slipway.targets import names

app = group("Fetch the prediction log of the live service, or simulate one.")

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

    Reads the deploy settings of params.yaml; writes build/live.

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
def simulate(out: Out = Path("build/simulated")) -> None:
    """Make a log without a live service: replay months that the model was not trained on.

    Reads build/model and the data source; writes build/simulated.

    Example: slipway log simulate
    """
    from slipway.fetch.simulate import simulate

    typer.echo(simulate(out).text())
    typer.echo(f"{out}: check it with `SLIPWAY_LABELS={out}/labels slipway drift --log {out}/log`")
