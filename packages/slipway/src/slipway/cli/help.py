"""How the help of commands and of groups of commands is printed."""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from slipway.errors import SlipwayError

# Commands of earlier versions, and the ones that replace them.
RENAMED = {
    "challenger": "shadow",
    "lock": "verify-lock",
    "log rehearse": "log simulate",
    "rebuild": "reproduce",
    "github bind": "github render-comment",
    "github commit": "github commit-lock",
    "github drift": "github publish-drift",
    "github find": "github find-head",
    "github host": "github connect-host",
    "github image": "github publish-image",
    "github images": "github update-images",
    "github mark": "github record-deployment",
    "github pages": "github check-pages",
    "github propose": "github propose-retrain",
    "github release": "github publish-release",
    "github render": "github render-comment",
    "github retrain": "github start-retrain",
    "github tell": "github publish-report",
    "github watch": "github update-issue",
}

# Commands of earlier versions that are not commands any more, and what replaces them.
REPLACED = {"changes": ".github/scripts/detect-changes BASE"}

# The commands to try first, at the end of the help of `slipway`.
START = {
    "slipway demo": "run the whole loop on your model and data",
    "slipway validate data": "check your data files against the schema",
    "slipway doctor": "check the repository's configuration",
}

_TYPE = re.compile(r" <[^>]+>$")  # of Python, after the name of an argument

_LEAST = re.compile(r"\bx>=([\d.]+)(?=[];])")
_BETWEEN = re.compile(r"([\d.]+)<=x<=([\d.]+)(?=[];])")


class _Formatter(typer.Context.formatter_class):  # type: ignore[valid-type, misc]
    """Names an argument by its metavar alone, and the range of a number in words."""

    def write_dl(self, rows: Any, *args: Any, **kwargs: Any) -> None:
        shown = [(_TYPE.sub("", name), _in_words(text)) for name, text in rows]
        super().write_dl(shown, *args, **kwargs)


def _in_words(text: str) -> str:
    return _BETWEEN.sub(r"\1 to \2", _LEAST.sub(r"at least \1", text))


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

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is named by the first argument.

        Raises
        ------
        SlipwayError
            It is the name of a command of an earlier version.
        """
        if args and args[0] not in self.commands:
            old = f"{ctx.command_path} {args[0]}".partition(" ")[2]
            new = f"slipway {RENAMED[old]}" if old in RENAMED else REPLACED.get(old)
            if new:
                raise SlipwayError(
                    f"`slipway {old}` is not a command of this version", f"use `{new}`"
                )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each heading; the commands keep their sequence."""
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


class MainGroup(Group):
    """The command `slipway`: its help ends with the commands to try first."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - click's signature
        """Write `START`, broken at the width of the terminal."""
        with formatter.section("Start with"):
            formatter.write_dl(list(START.items()))


def group(text: str) -> typer.Typer:
    """Return a group of commands with this help."""
    return typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None, cls=Group)


def summary(text: str) -> str:
    """Return the first paragraph of a help text as one line."""
    return " ".join(text.partition("\n\n")[0].split())
