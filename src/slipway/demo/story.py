"""Where the demo plays, and how it does what a person would do there."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.errors import NO, YES, SlipwayError
from slipway.git import git
from slipway.pointers import POINTER
from slipway.restore import restore
from slipway.score import MODEL
from slipway.workspace import environment, run

if TYPE_CHECKING:
    from rich.console import Console

# Of one demo alone: two that begin in the same second must not make the same commits and images.
_EMAIL = f"demo-{secrets.token_hex(4)}@localhost"

# No signature: the user's key would ask for its passphrase.
AUTHOR = (
    *("-c", "user.name=Slipway demo", "-c", f"user.email={_EMAIL}"),
    *("-c", "commit.gpgSign=false"),
)


@dataclass(frozen=True)
class Story:
    """Where the story plays: the copy, the user's site folder, and what it has to say."""

    copy: Path
    site: Path
    console: Console

    def slipway(
        self, *arguments: str, expect: int | None = YES, settings: Mapping[str, str] | None = None
    ) -> str:
        """Run a verb in the copy and return what it printed.

        Parameters
        ----------
        expect
            The exit code that the story needs; None allows yes and no.
        settings
            Added to the environment.

        Raises
        ------
        SlipwayError
            It ended otherwise.
        """
        done = subprocess.run(
            ["slipway", *arguments],
            cwd=self.copy,
            env=environment(self.copy) | dict(settings or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        allowed = {YES, NO} if expect is None else {expect}
        if done.returncode not in allowed:
            raise SlipwayError(
                f"`slipway {' '.join(arguments)}` ended with exit code {done.returncode}, and the "
                f"story needs {' or '.join(map(str, sorted(allowed)))}:\n"
                f"{done.stdout}{done.stderr}",
                "run that verb by itself to see why; the demo uses the model and data as they are",
            )
        return done.stdout.strip()

    def repro(self) -> None:
        run(["dvc", "repro", "-q"], self.copy)

    def git(self, *arguments: str) -> str:
        return git(self.copy, *arguments).strip()

    def branch(self, name: str) -> None:
        """Begin a branch where `main` is."""
        self.git("checkout", "-q", "-f", "-b", name, "main")

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git(*AUTHOR, "commit", "-q", "--allow-empty", "-m", message)

    def merge(self, branch: str) -> None:
        self.git("checkout", "-q", "-f", "main")
        self.git(*AUTHOR, "merge", "-q", "--no-ff", "-m", f"Merge {branch}", branch)
        restore(self.copy, POINTER, MODEL, force=True)
