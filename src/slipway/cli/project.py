"""Commands of the group Project: the repository itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


def demo(
    site: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder to write the page to.")
    ] = Path("site"),
) -> None:
    """Run the whole loop in a copy of this repository, in four minutes.

    Writes site/index.html; the working tree stays as it is.

    Example: slipway demo
    """
    from slipway.demo import demo

    demo(Path(), site)


def doctor(
    write_codeowners: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OWNER",
            help="Write .github/CODEOWNERS: this owner has to approve protected files.",
        ),
    ] = None,
) -> None:
    """Check the repository's configuration. 0 OK, 1 problems found, 2 some checks could not run.

    Reads the working tree and, with a token, GitHub's settings.

    Example: slipway doctor
    """
    from slipway.doctor.codeowners import write
    from slipway.doctor.run import examine, exit_code, to_text
    from slipway.settings import read_params

    if write_codeowners:
        typer.echo(write(Path(), write_codeowners))
        return
    found = examine(Path(), read_params(), os.environ)
    typer.echo(to_text(found))
    raise typer.Exit(exit_code(found))


COMMANDS: list[Callable[..., Any]] = [demo, doctor]
