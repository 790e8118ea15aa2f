"""`slipway experiments` and `slipway releases`: what was tried, and what ran."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.options import HtmlFile, JsonFile


def experiments(
    sort: Annotated[
        str,
        typer.Option(metavar="COLUMN", help="date, value, verdict, name, or a setting: train.l2."),
    ] = "date",
    json: JsonFile = None,
    html: HtmlFile = None,
) -> None:
    """List what was tried: settings, outcome, by whom. Names what the working tree repeats.

    Reads the records of judgements of all branches, and the experiments of `dvc exp run`, from git.

    Example: slipway experiments --sort value
    """
    from pydantic import TypeAdapter

    from slipway.catalogue.experiments import Experiment, present
    from slipway.catalogue.experiments import experiments as find
    from slipway.catalogue.experiments_document import experiments_document, in_order
    from slipway.documents.output import Output

    root = Path()
    found = in_order(find(root), sort)
    document = experiments_document(found, present(root), sort)
    content = TypeAdapter(list[Experiment]).dump_json(found, indent=1)
    Output(typer.echo, json, html).write([document], content)


def releases(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RELEASE RELEASE]", help="Two to compare, by name, commit or model."
        ),
    ] = None,
    json: JsonFile = None,
    html: HtmlFile = None,
) -> None:
    """List the releases: model, metrics, verdict, time in production, by whom; or compare two.

    Reads build/releases.json, which `slipway log fetch` writes from the target, and git; without
    that file, the commits that changed the metrics.

    Example: slipway releases 1f2e3d4 5a6b7c8
    """
    from pydantic import TypeAdapter

    from slipway.catalogue import releases_document as documents
    from slipway.catalogue.releases import Release, read_releases
    from slipway.documents.output import Output
    from slipway.errors import SlipwayError

    root = Path()
    found = read_releases(root)
    if not names:
        document = documents.releases_document(found)
    elif len(names) == 2:
        found = documents.find_releases(found, names)
        document = documents.comparison_document(root, *found)
    else:
        raise SlipwayError("one release was named", "name two to compare them, or none")
    content = TypeAdapter(list[Release]).dump_json(found, indent=1)
    Output(typer.echo, json, html).write([document], content)
