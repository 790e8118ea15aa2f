"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.targets import names

Log = Annotated[
    str,
    typer.Option(
        metavar="FOLDER", help="Prediction log, a folder or URL; default: serve.log of params.yaml."
    ),
]
Checkpoints = Annotated[
    str,
    typer.Option(
        metavar="FOLDER",
        envvar="SLIPWAY_CHECKPOINTS",
        help="Second place of the service, with the ends of the log's files.",
    ),
]
Model = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the model.")]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Report as JSON.")]
MarkdownFile = Annotated[
    Path | None, typer.Option("--markdown", metavar="FILE", help="Report as Markdown.")
]
HtmlFile = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Report as one HTML file.")
]
Target = Annotated[
    str,
    typer.Option(metavar="TARGET", help=f"{names()}; default: deploy.target of params.yaml."),
]
Base = Annotated[
    str, typer.Option(metavar="COMMIT", help="Branch or commit that the change is merged into.")
]
Labels = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File of labels; default: the imported labels."),
]
LiveModel = Annotated[
    str,
    typer.Option(metavar="SHA256", help="Model to compare with; default: the newest of the log."),
]
