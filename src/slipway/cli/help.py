"""How the help of commands and of groups of commands is printed."""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_TYPE = re.compile(r" <[^>]+>$")  # of Python, after the name of an argument


class _Formatter(typer.Context.formatter_class):  # type: ignore[valid-type, misc]
    """Names an argument by its metavar alone."""

    def write_dl(self, rows: Any, *args: Any, **kwargs: Any) -> None:
        super().write_dl([(_TYPE.sub("", name), text) for name, text in rows], *args, **kwargs)


class _Context(typer.Context):
    formatter_class = _Formatter


class Command(TyperCommand):
    """A command whose help has no names of Python's types."""

    context_class = _Context


class Group(TyperGroup):
    """Lists the commands under the headings of their groups, each with its whole summary.

    A heading is the `rich_help_panel` of its commands.
    """

    context_class = _Context
    command_class = Command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each heading, in the sequence of the commands."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.commands[name]
            if not command.hidden:
                heading = getattr(command, "rich_help_panel", None)
                rows = sections.setdefault(heading if isinstance(heading, str) else "Commands", [])
                rows.append((name, summary(command.help or "")))
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


def group(text: str) -> typer.Typer:
    """Return a group of commands with this help."""
    return typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None, cls=Group)


def summary(text: str) -> str:
    """Return the first paragraph of a help text as one line."""
    return " ".join(text.partition("\n\n")[0].split())
