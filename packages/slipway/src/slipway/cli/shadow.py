"""`slipway shadow`: score requests with a second model; its predictions are never returned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.cli.help import Command, Group
from slipway.cli.options import Labels, LiveModel, Log, MarkdownFile, Target

if TYPE_CHECKING:
    from slipway.release.target import ShadowService

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None, cls=Group)


@app.callback()
def shadow(
    context: typer.Context,
    candidate: Annotated[
        str,
        typer.Option(
            metavar="MODEL", help="Model folder, bento, image by digest or build/image.json."
        ),
    ] = "build/model",
    log: Log = "",
    rows: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Newest requests to score; default: deploy.shadow_rows."
        ),
    ] = 0,
    live: LiveModel = "",
    labels: Labels = None,
    json: Annotated[Path, typer.Option(metavar="FILE", help="Report as JSON.")] = Path(
        "build/shadow.json"
    ),
    markdown: MarkdownFile = None,
    follow: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Score the log as it grows, until stopped, and write here."
        ),
    ] = None,
) -> None:
    """Score logged requests with a candidate. 0 ready for traffic, 1 not ready, 2 inconclusive.

    Reads the prediction log and the candidate; writes build/shadow.json. The commands below run a
    model in shadow mode for days, next to the live one.

    Example: slipway shadow --candidate build/model
    """
    if context.invoked_subcommand:
        return
    from slipway.settings import read_params
    from slipway.shadow import run
    from slipway.shadow.render import to_text

    params = read_params()
    if follow is not None:
        run.follow_log(params, candidate, log, follow)
    report = run.shadow(params, candidate, log, rows, live, labels)
    run.write(report, json, markdown)
    typer.echo(to_text(report))
    raise typer.Exit(report.exit_code)


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
    target: Target = "",
) -> None:
    """Start an image in shadow mode, in place of any other.

    Reads build/image.json, params.yaml and the prediction log on the engine; writes the predictions
    to a volume of the engine, where `slipway shadow report` reads them.

    Example: slipway shadow start
    """
    typer.echo(_service(target).start(candidate, since))


@app.command(cls=Command)
def stop(target: Target = "") -> None:
    """Stop the model in shadow mode; its predictions are kept.

    Reads params.yaml; writes nothing here.

    Example: slipway shadow stop
    """
    typer.echo(_service(target).stop())


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
        "build/shadow-report.json"
    ),
    markdown: MarkdownFile = None,
    target: Target = "",
) -> None:
    """Compare its predictions with the live model's: 0 ready for traffic, 1 not, 2 inconclusive.

    Reads the predictions on the engine; writes build/shadow-report.json.

    Example: slipway shadow report
    """
    from slipway.settings import read_params
    from slipway.shadow.render import to_text
    from slipway.shadow.run import report_followed, write

    if answers is None:
        found = _service(target).report(live, labels)
    else:
        found = report_followed(answers, read_params(), live, labels)
    write(found, json, markdown)
    typer.echo(to_text(found))
    raise typer.Exit(found.exit_code)


def _service(target: str) -> ShadowService:
    from slipway.settings import read_params
    from slipway.targets import find_target

    return find_target(target, read_params()).shadow()
