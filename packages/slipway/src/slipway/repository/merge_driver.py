"""DVC's merge driver for `data.dvc`, which git must be configured for in each clone.

Git reads the name of the driver from `.gitattributes`, which is committed, and its command from
`.git/config`, which is not. Without the command git merges the file as text, and two branches that
each add a file to `data/` are in conflict.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.repository.git import git

NAME = "merge.dvc.name"
DRIVER = "merge.dvc.driver"

# Where DVC refuses, the file must get conflict markers: git leaves one side, without a mark.
COMMAND = (
    "{dvc} git-hook merge-driver --ancestor %O --our %A --their %B"
    " || git merge-file --marker-size=%L -L ours -L base -L theirs %A %O %B"
)


def install(root: Path) -> str:
    """Configure the merge driver in a clone; return what was done, or why nothing was.

    A driver that the user, or `dvc install`, has configured is kept.
    """
    if not _is_clone(root):
        return "not the top folder of a git repository: data.dvc has no merge driver"
    current, wanted = configured(root), _command()
    if current == wanted:
        return "data.dvc is merged by DVC"
    if current and not _is_ours(current):
        return f"{DRIVER} is kept: {current}"
    git(root, "config", "--local", NAME, "DVC")
    git(root, "config", "--local", DRIVER, wanted)
    return "data.dvc is now merged by DVC"


def configured(root: Path) -> str:
    """Return the command of the driver that git would run in a clone, or ''."""
    return git(root, "config", "--default", "", "--get", DRIVER).removesuffix("\n")


def program(command: str) -> str:
    """Return the program that a driver's command starts."""
    try:
        return next(iter(shlex.split(command)), "").replace("%%", "%")
    except ValueError:  # a quote without an end
        return ""


def _command() -> str:
    # Git replaces %O and others in the command.
    dvc = str(Path(sys.executable).with_name("dvc")).replace("%", "%%")
    return COMMAND.format(dvc=shlex.quote(dvc))


def _is_ours(command: str) -> bool:
    """Return whether `install` wrote a command, maybe for a folder that was moved since."""
    return command.endswith(COMMAND.removeprefix("{dvc}"))


def _is_clone(root: Path) -> bool:
    """Return whether a folder is the top of a work tree, where git starts the driver."""
    try:
        top = git(root, "rev-parse", "--show-toplevel").strip()
    except SlipwayError:
        return False
    return bool(top) and Path(top).resolve() == root.resolve()


def main() -> None:
    """Entry point of `make setup`, which must not fail for want of a repository."""
    try:
        done = install(Path.cwd())
    except SlipwayError as error:
        done = f"data.dvc has no merge driver: {error}"
    sys.stdout.write(f"{done}\n")


if __name__ == "__main__":
    main()
