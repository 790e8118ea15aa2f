"""`slipway labels`: labels that arrive late."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slipway.cli.help import Command, group
from slipway.cli.options import Log

if TYPE_CHECKING:
    from slipway.settings import Params

app = group("Import labels that arrive after the prediction.")


@app.callback()
def labels() -> None:
    """Import labels that arrive after the prediction."""


@app.command("import", cls=Command)
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Parquet or CSV files: the key, and the label or the column it is derived from.",
        ),
    ],
    log: Log = "",
) -> None:
    """Add labels that have arrived. Imports are idempotent (docs/labels.md).

    Reads the files and the prediction log; writes the folder watch.labels of params.yaml.

    Example: slipway labels import arrived.csv
    """
    from slipway.labels.store import import_labels, labels_place
    from slipway.settings import read_params

    params = read_params()
    imported, keys = import_labels(files, labels_place(params))
    for each in imported:
        typer.echo(each.text())
    typer.echo(_unknown(keys, params, log))


def _unknown(keys: set[Any], params: Params, log: str) -> str:
    """Say how many keys the prediction log does not have."""
    from slipway.errors import SlipwayError
    from slipway.log_files import shown_name
    from slipway.progress import busy
    from slipway.records import Records

    place = log or os.environ.get("SLIPWAY_LOG") or params.serve.log
    unknown = set(keys)
    try:
        records = Records(place)
        with busy("Looking for the keys in the prediction log"):
            for record in records:
                unknown.discard(record["key"])
                if not unknown:
                    break
    except SlipwayError as error:
        return f"the keys were not looked for in the prediction log: {error}"
    if not unknown:
        return f"every key is in the prediction log ({place})"
    example = shown_name(min(map(str, unknown)))
    faults = "".join(f"\n  fault in the log: {said}" for said in records.skipped.sentences())
    return (
        f"{len(unknown):,} of {len(keys):,} keys are not in the prediction log ({place}), "
        f"such as {example}: their labels are kept, and count once it has them"
        f"{faults}"
    )
