"""`slipway challenger`: a second model in shadow mode."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.cli.help import Command, group
from slipway.cli.options import Labels, LiveModel, MarkdownFile

if TYPE_CHECKING:
    from slipway.settings import Params
    from slipway.shadow.challenger import Challenger

app = group("Run a second model in shadow mode; its predictions are never returned.")

Target = Annotated[
    str,
    typer.Option(
        "--to", metavar="TARGET", help="local or host; default: deploy.target of params.yaml."
    ),
]


@app.command(cls=Command)
def start(
    candidate: Annotated[
        str, typer.Option(metavar="IMAGE", help="Image by digest, or the file that names one.")
    ] = "build/image.json",
    since: Annotated[
        str,
        typer.Option(
            metavar="YYYY-MM-DD", help="First day of the log to score; default: all of it."
        ),
    ] = "",
    to: Target = "",
) -> None:
    """Start an image in shadow mode, in place of any other.

    Reads build/image.json and the prediction log on the engine.

    Example: slipway challenger start
    """
    from slipway.settings import read_params

    typer.echo(_challenger(to, read_params()).start(candidate, since))


@app.command(cls=Command)
def stop(to: Target = "") -> None:
    """Stop the model in shadow mode; its predictions are kept.

    Example: slipway challenger stop
    """
    from slipway.settings import read_params

    typer.echo(_challenger(to, read_params()).stop())


@app.command(cls=Command)
def report(
    answers: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder that `slipway shadow --follow` writes; default: the engine's.",
        ),
    ] = None,
    live: LiveModel = "",
    labels: Labels = None,
    json: Annotated[Path, typer.Option(metavar="FILE", help="Report as JSON.")] = Path(
        "build/challenger.json"
    ),
    markdown: MarkdownFile = None,
    to: Target = "",
) -> None:
    """Compare its predictions with the live model's: 0 ready for traffic, 1 not, 2 no answer.

    Reads the predictions on the engine; writes build/challenger.json.

    Example: slipway challenger report
    """
    from slipway.settings import read_params
    from slipway.shadow import challenger
    from slipway.shadow.render import to_text
    from slipway.shadow.run import write

    params = read_params()
    if answers is None:
        found = _challenger(to, params).report(params, live, labels)
    else:
        found = challenger.report(answers, params, live, labels)
    write(found, json, markdown)
    typer.echo(to_text(found))
    raise typer.Exit(found.exit_code)


def _challenger(to: str, params: Params) -> Challenger:
    from slipway.deploy.engine import engine_of
    from slipway.errors import SlipwayError
    from slipway.shadow.challenger import Challenger

    target = to or params.deploy.target
    if target not in ("local", "host"):
        raise SlipwayError(
            f"target {target}: a challenger runs on a Docker engine",
            "say --to local or --to host; on Kubernetes run `python3 -m slipway.shadow.follow` "
            "of the image beside the service (docs/shadow.md)",
        )
    return Challenger(engine_of(target, params.deploy))
