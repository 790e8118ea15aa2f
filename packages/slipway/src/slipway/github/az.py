"""Azure's own command, which the runners of GitHub have."""

from __future__ import annotations

import subprocess

from slipway.errors import SlipwayError

SECONDS = 120


def az(*arguments: str) -> str:
    """Run ``az …`` and return its output.

    Raises
    ------
    SlipwayError
        It is not installed, or fails; the message has no argument, since one may be a token.
    """
    try:
        done = subprocess.run(
            ["az", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise SlipwayError(
            "`az` is not installed", "install it on your runner; see docs/cloud.md"
        ) from None
    except subprocess.TimeoutExpired:
        raise SlipwayError(
            f"`az {arguments[0]}` took more than {SECONDS} s", "run the job again"
        ) from None
    if done.returncode:
        reason = " ".join(done.stderr.split())[-300:]
        raise SlipwayError(
            f"`az {arguments[0]}` failed: {reason}",
            "compare the federated credential and its roles with docs/cloud-azure.md",
        )
    return done.stdout
