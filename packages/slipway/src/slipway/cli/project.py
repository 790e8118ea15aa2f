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

    Writes site/index.html; does not change the working tree.

    Example: slipway demo
    """
    from slipway.setup.demo import demo

    demo(Path(), site)


def doctor(
    write_codeowners: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OWNER",
            help="Write .github/CODEOWNERS: this owner must approve protected files.",
        ),
    ] = None,
) -> None:
    """Check the configuration. Exit codes: 0 OK, 1 problems found, 2 some checks could not run.

    Reads the working tree and, with a token, GitHub's settings; writes .github/CODEOWNERS if asked.

    Example: slipway doctor
    """
    from slipway.settings import read_params
    from slipway.setup.doctor.codeowners import write
    from slipway.setup.doctor.run import examine, exit_code, to_text

    if write_codeowners:
        typer.echo(write(Path(), write_codeowners))
        return
    findings = examine(Path(), read_params(), os.environ)
    typer.echo(to_text(findings))
    raise typer.Exit(exit_code(findings))


COMMANDS: list[Callable[..., Any]] = [demo, doctor]
