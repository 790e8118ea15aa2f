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

    Reads the files and the prediction log; writes the folder monitoring.labels of params.yaml.

    Example: slipway labels import arrived.csv
    """
    from slipway.predictions.labels.store import import_labels, labels_place
    from slipway.settings import read_params

    params = read_params()
    imported, keys = import_labels(files, labels_place(params), params.data)
    for each in imported:
        typer.echo(each.text())
    typer.echo(_unknown(keys, params, log))


def _unknown(keys: set[Any], params: Params, log: str) -> str:
    """Return a sentence with the number of keys that the prediction log does not have."""
    import orjson

    from slipway.errors import SlipwayError
    from slipway.numbers import counted
    from slipway.predictions.files import Skipped, shown_name
    from slipway.predictions.reader import read_batches

    place = log or os.environ.get("SLIPWAY_LOG") or params.serve.log
    unknown, skipped = set(keys), Skipped()
    try:
        for batch in read_batches(place, skipped):
            unknown.difference_update(map(orjson.loads, batch.traffic["key"].to_pylist()))
            if not unknown:
                return f"every key is in the prediction log ({place})"
    except SlipwayError as error:
        return f"the keys were not searched for in the prediction log: {error}"
    given = counted(len(keys), "key")
    example, verb = shown_name(min(map(str, unknown))), "is" if len(unknown) == 1 else "are"
    faults = "".join(f"\n  fault in the log: {fault}" for fault in skipped.sentences())
    return (
        f"{len(unknown):,} of {given} {verb} not in the prediction log ({place}), "
        f"such as {example}: their labels are kept, and used once the log has them"
        f"{faults}"
    )
