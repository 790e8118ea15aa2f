"""`slipway audit`: whether the records of predictions are those that were written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.options import JsonFile, Log


def audit(
    verify: Annotated[
        bool, typer.Option("--verify", help="Verify each record of the log by its chain.")
    ] = False,
    seal: Annotated[
        bool,
        typer.Option("--seal", help="Verify the log, and list its complete files for git."),
    ] = False,
    log: Log = "",
    checkpoints: Annotated[
        str,
        typer.Option(
            metavar="FOLDER",
            envvar="SLIPWAY_CHECKPOINTS",
            help="Second place of the service, with the ends of the log's files.",
        ),
    ] = "",
    json: JsonFile = None,
) -> None:
    """Verify that the prediction log is as it was written. Exit codes: 0 yes, 1 no.

    Reads the prediction log, the checkpoints and reports/sealed.jsonl; --seal adds the files of
    days before today to reports/sealed.jsonl, which is for you to commit.

    Example: slipway audit --verify --log build/live/log
    """
    from slipway.audit.document import log_document
    from slipway.audit.sealed import SEALED
    from slipway.audit.verify import seal_log, verify_log
    from slipway.documents.text import to_text
    from slipway.errors import SlipwayError
    from slipway.monitoring.check import log_place
    from slipway.settings import read_params

    if verify == seal:
        raise SlipwayError("one of --verify and --seal is needed", "see `slipway audit --help`")
    place = log or log_place(read_params())
    if seal:
        added = seal_log(place, checkpoints)
        typer.echo(f"{SEALED}: {len(added):,} files added" if added else f"{SEALED}: nothing new")
        return
    found = verify_log(place, checkpoints)
    if json is not None:
        Path(json).write_text(found.model_dump_json(indent=1) + "\n", "utf-8")
    typer.echo(to_text(log_document(found)))
    raise typer.Exit(found.exit_code)
