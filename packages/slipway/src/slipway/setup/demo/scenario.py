"""The copy of the repository that the demo works in, and the commands that it runs there."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.errors import INCONCLUSIVE, YES, SlipwayError
from slipway.manifest import MODEL
from slipway.repository.git import git
from slipway.repository.pointers import POINTER
from slipway.repository.restore import restore
from slipway.repository.worktrees import environment, run

if TYPE_CHECKING:
    from rich.console import Console

# Unique for each run: two demos in the same second must not make the same commits and images.
_EMAIL = f"demo-{secrets.token_hex(4)}@localhost"

# Not signed: the user's key could ask for a passphrase.
AUTHOR = (
    *("-c", "user.name=Slipway demo", "-c", f"user.email={_EMAIL}"),
    *("-c", "commit.gpgSign=false"),
)


@dataclass(frozen=True)
class Scenario:
    """The copy of the repository, the site folder of the user, and the terminal."""

    copy: Path
    site: Path
    console: Console

    def slipway(
        self,
        *arguments: str,
        expect: Collection[int] = (YES,),
        settings: Mapping[str, str] | None = None,
    ) -> str:
        """Run a command in the copy; return its output.

        Parameters
        ----------
        expect
            The exit codes that it may have.
        settings
            Added to the environment variables.

        Raises
        ------
        SlipwayError
            It has another exit code, or printed no result.
        """
        done = subprocess.run(
            ["slipway", *arguments],
            cwd=self.copy,
            env=environment(self.copy) | dict(settings or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        # An error has the exit code of an inconclusive result, and no result.
        is_error = done.returncode == INCONCLUSIVE and not done.stdout.strip()
        if done.returncode not in expect or is_error:
            raise SlipwayError(
                f"`slipway {' '.join(arguments)}` ended with exit code {done.returncode}, expected "
                f"{' or '.join(map(str, expect))}{' with a result' if is_error else ''}:\n"
                f"{done.stdout}{done.stderr}",
                "run that command to find the reason; the demo uses your model and data",
            )
        return done.stdout.strip()

    def repro(self) -> None:
        run(["dvc", "repro", "-q"], self.copy)

    def git(self, *arguments: str) -> str:
        return git(self.copy, *arguments).strip()

    def branch(self, name: str) -> None:
        """Create a branch at `main` and check it out."""
        self.git("checkout", "-q", "-f", "-b", name, "main")

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git(*AUTHOR, "commit", "-q", "--allow-empty", "-m", message)

    def merge(self, branch: str = "") -> None:
        """Check out `main` with a branch merged, if one is named; restore its data and model."""
        self.git("checkout", "-q", "-f", "main")
        if branch:
            self.git(*AUTHOR, "merge", "-q", "--no-ff", "-m", f"Merge {branch}", branch)
        restore(self.copy, POINTER, MODEL, force=True)
