"""External command-line tools, such as `docker` and `kubectl`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from slipway.errors import SlipwayError

SHOWN_LINES = 5  # of an error message


@dataclass(frozen=True)
class Tool:
    """A command on the PATH.

    Attributes
    ----------
    install, check
        What to do where the command is missing, and where it does not end in time.
    advice
        What to do about an error, by a part of its message in lower case.
    verbs
        Number of arguments that name the subcommand in messages.
    """

    name: str
    install: str
    check: str
    advice: Mapping[str, str]
    verbs: int = 1

    def run(
        self,
        *arguments: str,
        stdin: str | bytes | None = None,
        seconds: float,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Run the command and return its output.

        Parameters
        ----------
        environment
            The whole environment of the command; that of this process if None.

        Raises
        ------
        SlipwayError
            The command is missing, took too long or failed; the message ends with its output.
        """
        if shutil.which(self.name) is None:
            raise SlipwayError(f"there is no `{self.name}` command here", self.install)
        called = " ".join((self.name, *arguments[: self.verbs]))
        given = stdin.encode() if isinstance(stdin, str) else stdin
        try:
            done = subprocess.run(
                [self.name, *arguments],
                input=given,
                stdin=subprocess.DEVNULL if given is None else None,
                env=environment,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SlipwayError(
                f"`{called}` did not end within {seconds:.0f} s", self.check
            ) from None
        if done.returncode:
            output = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
            end = "\n  ".join(output.splitlines()[-SHOWN_LINES:]) or "no output"
            raise SlipwayError(f"`{called}` failed: {end}", self._advice(output.lower()))
        return done.stdout.decode("utf-8", "replace")

    def _advice(self, output: str) -> str:
        known = (advice for part, advice in self.advice.items() if part in output)
        return next(known, f"fix the error that {self.name} reports, then retry")
