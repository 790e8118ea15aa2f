"""The command line of the challenger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from slipway.settings import Params
    from slipway.shadow.challenger import Challenger

app = typer.Typer(
    help="Let a second model answer beside the one that runs; nobody is told what it says.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Target = Annotated[
    str, typer.Option("--to", help="local or host; default: deploy.target of params.yaml.")
]


@app.command()
def start(
    candidate: Annotated[
        str, typer.Option(help="Image by its digest, or the file that names one.")
    ] = "build/image.json",
    since: Annotated[
        str, typer.Option(help="First day of the log to answer, as YYYY-MM-DD; default: all of it.")
    ] = "",
    to: Target = "",
) -> None:
    """Start an image as the challenger, in place of any other."""
    from slipway.settings import read_params

    typer.echo(_challenger(to, read_params()).start(candidate, since))


@app.command()
def stop(to: Target = "") -> None:
    """Stop the challenger; what it answered stays."""
    from slipway.settings import read_params

    typer.echo(_challenger(to, read_params()).stop())


@app.command()
def report(
    answers: Annotated[
        Path | None,
        typer.Option(help="Folder that `slipway shadow --follow` writes; default: the engine's."),
    ] = None,
    live: Annotated[
        str, typer.Option(help="sha256 of the model to compare with; default: the newest.")
    ] = "",
    labels: Annotated[
        Path | None, typer.Option(help="File of labels; default: those that were imported.")
    ] = None,
    json: Annotated[Path, typer.Option(help="Write the report as JSON here.")] = Path(
        "build/challenger.json"
    ),
    markdown: Annotated[
        Path | None, typer.Option(help="Write the report as Markdown here.")
    ] = None,
    to: Target = "",
) -> None:
    """Compare what the challenger answered with what was answered: 0 yes, 1 no, 2 cannot say."""
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
