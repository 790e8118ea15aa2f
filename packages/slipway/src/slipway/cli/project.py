"""Commands of the group Project: the repository itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from slipway.cli.catalogue import canvas
from slipway.cli.options import JsonFile


def adopt(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Parquet or CSV files of the same columns."),
    ],
    target: Annotated[
        str, typer.Option(metavar="COLUMN", help="What is predicted.", show_default=False)
    ],
    task: Annotated[
        str | None,
        typer.Option(
            metavar="TASK", help="binary, multiclass or regression; default: as its values show."
        ),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(metavar="VALUE", help="The value of a binary target that is predicted."),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="When the prediction is asked for; none: there is no time. Default: the only "
            "column of times.",
        ),
    ] = None,
    zone: Annotated[
        str,
        typer.Option(
            metavar="ZONE", help="Time zone of days, and of times without one: Europe/Berlin."
        ),
    ] = "UTC",
    key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="What identifies a row; several columns: repeat it; none: nothing does. Default: "
            "a column that looks like it.",
        ),
    ] = None,
    entity: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="What several rows are of: a customer, a machine, a patient."
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Replace the files without asking on a terminal.")
    ] = False,
) -> None:
    """Replace the starter by a model of your own table, and run the pipeline.

    Finds the task, the types and the roles of the columns; shows them before it writes. Reads the
    files of the table; writes src/model, params.yaml (the sections of the table), the plots of
    dvc.yaml, data/ and what follows from it; removes the starter from README.md, docs/ and
    pyproject.toml. These files must be committed before, so that git can undo it.

    Example: slipway adopt churn.csv --target churned
    """
    from slipway.dataset.example import describe_rows
    from slipway.errors import Refused, SlipwayError
    from slipway.settings import read_params
    from slipway.setup.adopt import UNDO, Request, decisions_text, examine, plan_text
    from slipway.setup.adopt import adopt as write

    request = Request(target, task, time, tuple(key or ()) or None, entity, positive, zone)
    asks = sys.stdin.isatty() and not yes
    plan = examine(files, request, _choose if asks else None)
    typer.echo(plan_text(plan))
    if not yes:
        typer.echo(f"\n{decisions_text(plan)}" if plan.decisions else "")
        if not asks:
            raise SlipwayError(
                "nothing was written: src/model, params.yaml, dvc.yaml and data/ would be replaced",
                "confirm it with --yes",
            )
        if not typer.confirm("\nReplace src/model, params.yaml, dvc.yaml and data/?"):
            raise Refused("nothing was written", "change an option, and run it again")
    done = write(Path(), plan)
    typer.echo(f"\n{decisions_text(plan, done.chosen)}\n")
    typer.echo(f"{describe_rows(read_params())}\n")
    if done.replaced:
        typer.echo(f"The files that were in data/ are in {done.replaced}.")
    typer.echo(
        "Next: `make check`, then commit all files on a branch and open a pull request.\n"
        f"To undo it: {UNDO}."
    )


def _choose(question: str, choices: Sequence[str], default: str) -> str:
    """Ask for one of some answers, by its number."""
    from slipway.untrusted import escaped

    typer.echo(f"{question}:")
    for number, choice in enumerate(choices, 1):
        typer.echo(f"{number:>4}. {escaped(choice)}")
    while True:
        number = int(typer.prompt("Number", default=choices.index(default) + 1, type=int))
        if 1 <= number <= len(choices):
            return choices[number - 1]
        typer.echo(f"a number from 1 to {len(choices)}")


def demo(
    site: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder to write the page to.")
    ] = Path("site"),
) -> None:
    """Run the whole loop in a copy of this repository, in minutes.

    Judges changes as pull requests, finds a broken file, merges the first change that may be
    merged, deploys the model, replays traffic and checks it for drift. The starter has three
    changes with known verdicts, and its traffic is the next month. With your own model it judges
    up to two of `search.candidates` of params.yaml, whatever their verdicts are, and the traffic
    is the holdout.

    Reads the repository and its data; writes site/index.html. Tracked files do not change.

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
    fix: Annotated[
        bool, typer.Option("--fix", help="List what can be fixed from here; ask, then fix it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --fix: do not ask.")] = False,
    json: JsonFile = None,
) -> None:
    """Check the configuration. Exit codes: 0 OK, 1 problems found, 2 some checks could not run.

    Reads the working tree and, with a token, GitHub's settings. Writes one empty object to the DVC
    remote and removes it. Changes settings only with --fix, and relaxes none.

    Example: slipway doctor
    """
    from slipway.setup.doctor import run
    from slipway.setup.doctor.codeowners import write

    if write_codeowners:
        typer.echo(write(Path(), write_codeowners))
        return
    findings = run.examine(Path(), os.environ)
    changes = run.repairs(findings)
    if fix and changes and _may_fix([change.what for change in changes], yes=yes):
        typer.echo("\n".join(run.repair(changes)))
        findings = run.examine(Path(), os.environ)
    if json:
        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_text(run.to_json(findings), "utf-8")
    typer.echo(run.to_text(findings))
    raise typer.Exit(run.exit_code(findings))


def _may_fix(changes: list[str], *, yes: bool) -> bool:
    """List changes and ask whether to make them."""
    from slipway.errors import SlipwayError

    typer.echo("\n".join(["This changes:", *(f"  {change}" for change in changes)]))
    if not yes and not sys.stdin.isatty():
        raise SlipwayError("nothing was changed: there is no terminal to ask on", "add --yes")
    return yes or typer.confirm("Continue?", default=False)


def upgrade(
    version: Annotated[
        str,
        typer.Argument(
            metavar="[VERSION]",
            help="Release, branch or commit of upstream; default: the newest release, else its "
            "default branch.",
            show_default=False,
        ),
    ] = "",
    upstream: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Repository of the template; default: upstream of pyproject.toml, else the remote "
            "upstream.",
        ),
    ] = "",
    wheel: Annotated[
        str,
        typer.Option(metavar="URL", help="Released package of that version, if you use one."),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the files by kind; write nothing.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check/--no-check", help="Set up the new version and run `make check`."),
    ] = True,
) -> None:
    """Bring packages/slipway and the template's files to a newer version, on a branch.

    Merges each file with your changes; never touches src/model, data, reports, the values of
    params.yaml and README.md. Conflicts are left to you, uncommitted. Reads and writes
    pyproject.toml, [tool.slipway]: upstream is an address, template the commit that you have.

    Exit codes: 0 done, or already at that version; 1 conflicts, or a check failed; 2 refused.

    Example: slipway upgrade --dry-run
    """
    from slipway.setup import upgrade as upgrading

    if not dry_run:
        upgrading.require_clean(Path())
    plan = upgrading.plan_upgrade(Path(), upgrading.Request(version, upstream, wheel))
    if plan.up_to_date:
        typer.echo(plan.up_to_date)
        return
    typer.echo(upgrading.plan_text(plan, every=dry_run))
    if dry_run:
        return
    upgrading.write_upgrade(Path(), plan)
    if check:
        upgrading.check(Path(), plan)
    typer.echo(upgrading.next_steps(plan, checked=check))


COMMANDS: list[Callable[..., Any]] = [adopt, canvas, demo, doctor, upgrade]
