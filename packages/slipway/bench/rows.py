"""Rows of many kinds, drawn by hypothesis: the service judges each as pandera does.

EXAMPLES in the environment sets how many are drawn for each property; default: 1,000.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from support.measure import PACKAGE, machine


def main() -> None:
    examples = os.environ.get("EXAMPLES") or "1000"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/schema"],
        cwd=PACKAGE,
        env=os.environ | {"EXAMPLES": examples},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    print("## Rows\n")
    print(f"{machine()}\n")
    print(
        f"{examples} examples of each property in {time.monotonic() - began:.0f} s: "
        f"{done.stdout.splitlines()[-1]}"
    )


if __name__ == "__main__":
    main()
