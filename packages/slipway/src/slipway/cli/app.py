"""The command `slipway`: its groups, and how it starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from slipway.cli import (
    compare,
    export,
    github,
    labels,
    log,
    monitor,
    pipeline,
    project,
    release,
    shadow,
)
from slipway.cli.help import Command, MainGroup
from slipway.errors import INCONCLUSIVE, YES
from slipway.exits import run_command
from slipway.repository.installation import check_installation

app = typer.Typer(
    name="slipway",
    cls=MainGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

GROUPS: dict[str, tuple[list[Callable[..., Any]], dict[str, typer.Typer]]] = {
    "Pipeline": (pipeline.COMMANDS, {}),
    "Compare": (compare.COMMANDS, {"shadow": shadow.app}),
    "Release": (release.COMMANDS, {"export": export.app}),
    "Monitor": (monitor.COMMANDS, {"labels": labels.app, "log": log.app}),
    "Project": (project.COMMANDS, {"github": github.app}),
}
for heading, (commands, subcommands) in GROUPS.items():
    for command in commands:
        app.command(rich_help_panel=heading, cls=Command)(command)
    for name, group in subcommands.items():
        app.add_typer(group, name=name, rich_help_panel=heading)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"slipway {version('slipway-ml')}")
        raise typer.Exit


@app.callback()
def slipway(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Validate, train, compare, release and monitor the model in src/model.

    Exit codes: 0 yes, 1 no, 2 inconclusive or an error.
    """


def run() -> int:
    """Run the command that the arguments name; return its exit code."""
    # On a shared machine, threads that spin while they wait make training ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if sys.argv[1:2] != ["upgrade"]:  # a newer version may upgrade a fork that lacks the command
        check_installation(Path.cwd())
    try:
        with get_command(app).make_context("slipway", sys.argv[1:]) as context:
            context.command.invoke(context)
    except typer.Exit as exit_:
        return exit_.exit_code
    except typer.TyperException as error:  # an option or a command that does not exist
        error.show()  # type: ignore[attr-defined]
        return INCONCLUSIVE
    return YES


def main() -> NoReturn:
    """Run a command and end the process.

    The environments that the comparison makes for champions import this function by its name,
    from commits of any age: it keeps its name and its place.
    """
    run_command(command_name, run)


def command_name() -> str:
    """Return the command that the arguments name, without its options."""
    words, command = ["slipway"], get_command(app)
    for word in sys.argv[1:]:
        if not isinstance(command, TyperGroup) or word not in command.commands:
            break
        command = command.commands[word]
        words.append(word)
    return " ".join(words)
