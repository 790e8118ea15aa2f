"""`slipway audit`: questions about predictions, and whether their records can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.options import Checkpoints, HtmlFile, JsonFile, Log


def audit(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of predictions.")
    ] = None,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Score the stored rows again, with the model of the commit."),
    ] = False,
    what_if: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Score a variation; can be given repeatedly."),
    ] = None,
    boundary: Annotated[
        str, typer.Option(metavar="FIELD", help="Find the values at which the decision changes.")
    ] = "",
    verify: Annotated[
        bool, typer.Option("--verify", help="Verify each record of the log by its chain.")
    ] = False,
    seal: Annotated[
        bool, typer.Option("--seal", help="Verify the log, and list its complete files for git.")
    ] = False,
    log: Log = "",
    checkpoints: Checkpoints = "",
    json: JsonFile = None,
    html: HtmlFile = None,
) -> None:
    """Show all that led to a prediction, or verify the log. Exit codes: 0 yes, 1 no.

    With an id: its input, answer, model, data, commit, verdict and release. --replay is 1 if the
    answer is another one now. --verify is 1 if a record is not as it was written.

    Reads the prediction log, git, build/releases.json, the checkpoints and reports/sealed.jsonl;
    writes the files of --json and --html. --seal adds the files of days before today to
    reports/sealed.jsonl, which is for you to commit.

    Example: slipway audit 01a22911-a8df-7361-b11f-481a8c512114 --replay
    """
    from slipway.audit import run
    from slipway.documents.output import Output
    from slipway.errors import SlipwayError
    from slipway.monitoring.check import log_place
    from slipway.settings import read_params

    if (verify + seal + bool(ids)) != 1:
        raise SlipwayError(
            "one of an id, --verify and --seal is needed", "see `slipway audit --help`"
        )
    place = log or log_place(read_params())
    output = Output(typer.echo, json, html)
    if ids:
        question = run.Question(ids, tuple(what_if or ()), boundary, replay=replay)
        raise typer.Exit(run.predictions(Path(), place, question, output))
    if seal:
        raise typer.Exit(run.seal(place, checkpoints, output))
    raise typer.Exit(run.verify(Path(), place, checkpoints, output))


def explain(
    given: Annotated[str, typer.Argument(metavar="ID", help="Id of a prediction.")],
    explained_class: Annotated[
        str,
        typer.Option("--class", metavar="NAME", help="Class to explain; default: the predicted."),
    ] = "",
    log: Log = "",
    json: JsonFile = None,
    html: HtmlFile = None,
) -> None:
    """Show what each feature adds to a prediction. Exit codes: 0 explained, 2 not.

    With the model that made it and the code of its commit, by SHAP: exact for trees and linear
    models, else sampled with a stated error. The extra `explain` is needed (docs/explain.md).

    Reads the prediction log, and the model of the commit from the cache or remote; writes only the
    files of --json and --html.

    Example: slipway explain 01a22911-a8df-7361-b11f-481a8c512114 --html explanation.html
    """
    from slipway.audit import explain
    from slipway.documents.output import Output
    from slipway.monitoring.check import log_place
    from slipway.settings import read_params

    place = log or log_place(read_params())
    output = Output(typer.echo, json, html)
    raise typer.Exit(explain.explain(Path(), place, given, explained_class, output))
