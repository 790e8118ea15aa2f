"""`slipway forget`: erase the records of one subject."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def forget(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The subject, as its column has it.")],
    column: Annotated[
        str,
        typer.Option(
            metavar="COLUMN", help="Column of the subject; default: the entity, else the key."
        ),
    ] = "",
    log: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            help="Prediction log, a folder or URL; can be given repeatedly. Default: serve.log.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be erased, and change nothing.")
    ] = False,
) -> None:
    """Erase one subject from data, log and labels. Exit codes: 0 erased, 1 something is left.

    Exit code 2: it was refused or is not finished. Do what the message advises, and run it again.

    Reads SLIPWAY_PERSONAL_SECRET; writes data/ and data.dvc, the log, the labels and
    reports/erasures.jsonl; removes objects of DVC's cache and remotes, and files of build/.

    Example: slipway forget C-204817 --dry-run
    """
    from slipway.monitoring.check import log_place
    from slipway.privacy.forget import forget
    from slipway.privacy.records import has_log
    from slipway.settings import read_params

    params = read_params()
    logs = log or list(filter(has_log, [log_place(params)]))
    code = forget(Path(), params, key, logs, typer.echo, column=column, dry_run=dry_run)
    raise typer.Exit(code)
