"""The path of docs/adopt.md, word for word, from a clone to an answered request, and its minutes.

The clone is of this repository's last commit, and the table is one of 12,000 made-up customers.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pandas as pd
from support.measure import PACKAGE, ROOT, machine, table

PAGE = ROOT / "docs/adopt.md"

ADDRESS = re.compile(r"https://github\.com/\S+")

SERVE = "slipway serve"

# The shell prints it between the output of two commands.
MARK = "--- exit"

SECONDS = 900


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-") as name:
        folder = Path(name)
        customers().to_csv(folder / "churn.csv", index=False)
        shell = Shell(folder)
        found = [shell.measure(command) for command in commands()]
        shell.close()
    minutes = sum(seconds for _, seconds, _ in found) / 60
    print("## From a clone to an answered request\n")
    print(f"{machine()} Packages are fetched by the network of that machine.\n")
    print(table({"command": f"`{c}`", "seconds": f"{s:.0f}", "": last} for c, s, last in found))
    print(f"\n{minutes:.1f} minutes in all.")


def customers() -> pd.DataFrame:
    sys.path.insert(0, str(PACKAGE / "tests/projects/tables/customers"))
    from source import MONTHS, month  # type: ignore[import-not-found]

    rows = pd.concat([month(name) for name in MONTHS])
    return rows.rename(columns={"left": "churned"})


def commands() -> list[str]:
    """Return the commands of the section, in their sequence."""
    section = PAGE.read_text("utf-8").split("## Ten minutes", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


class Shell:
    """An interactive shell, in which one command follows the other."""

    def __init__(self, folder: Path) -> None:
        own = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
        self._bash = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def measure(self, command: str) -> tuple[str, float, str]:
        """Run a command; return it, its seconds and its last line.

        The service goes on in the background, and is measured until it is ready.
        """
        began = time.monotonic()
        if command == SERVE:
            self._send(f"{command} > serve.log 2>&1 &")
            wait_until_ready()
            return command, time.monotonic() - began, "ready"
        typed = ADDRESS.sub(shlex.quote(str(ROOT)), command)
        # In braces: of a pipe, the last command reads the one before it.
        self._send(f"{{ {typed}; }} < /dev/null; code=$?; echo; echo {MARK} $code")
        lines = self._read()
        return command, time.monotonic() - began, lines[-1] if lines else ""

    def close(self) -> None:
        os.killpg(self._bash.pid, signal.SIGTERM)

    def _send(self, text: str) -> None:
        assert self._bash.stdin
        self._bash.stdin.write(text + "\n")
        self._bash.stdin.flush()

    def _read(self) -> list[str]:
        """Return the lines of a command; end if it failed."""
        assert self._bash.stdout
        lines: list[str] = []
        for line in self._bash.stdout:
            if line.startswith(MARK):
                if line.split()[-1] != "0":
                    raise SystemExit("\n".join(lines))
                return lines
            if line.strip():
                lines.append(line.strip())
        raise SystemExit("the shell ended")


def wait_until_ready() -> None:
    ends = time.monotonic() + SECONDS
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < ends:
            try:
                if client.get("http://localhost:3000/readyz").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    raise SystemExit(f"`{SERVE}` is not ready after {SECONDS} s")


if __name__ == "__main__":
    main()
