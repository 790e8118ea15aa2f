"""A clone of the last commit with an environment of its own, in which commands run as a user's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from support.measure import PACKAGE, ROOT

sys.path.insert(0, str(PACKAGE))
from tests.installation.test_release import copy_environment

AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")


def clone_with_environment(folder: Path) -> Path:
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    copy_environment(clone)
    (clone / ".venv/ready").unlink()  # the environment is that of another folder
    run(clone, "make", "setup")
    return clone


def reset(clone: Path, commit: str = "origin/HEAD") -> None:
    """Bring the clone back to a commit, without the files that git does not know."""
    git(clone, "checkout", "--quiet", "--force", "-B", "main", commit)
    git(clone, "clean", "--quiet", "--force", "-d")


def commit(clone: Path, message: str) -> None:
    git(clone, "add", "--all")
    git(clone, *AUTHOR, "commit", "--quiet", "--message", message)


def git(clone: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=clone, check=True, capture_output=True)


def attempt(clone: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=clone,
        env=environment_of(clone),
        capture_output=True,
        text=True,
        check=False,
    )


def run(clone: Path, *command: str, expected: tuple[int, ...] = (0,)) -> tuple[float, str]:
    """Run a command of the clone; return the seconds that it took, and its output."""
    began = time.monotonic()
    done = attempt(clone, *command)
    if done.returncode not in expected:
        raise SystemExit(
            f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
    return time.monotonic() - began, done.stdout or done.stderr


def environment_of(clone: Path) -> dict[str, str]:
    """Return the environment of a shell in the clone."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    return own | {"PATH": f"{clone}/.venv/bin{os.pathsep}{os.environ['PATH']}"}


def first_line(output: str) -> str:
    return next((line for line in output.splitlines() if line.strip()), "").strip()
