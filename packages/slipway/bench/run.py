"""Run the benchmarks of this folder, all or by name, and print one Markdown report.

    .venv/bin/python bench/run.py [NAME ...]

Every file here is a benchmark that also runs alone; what they share is in `support/`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PYPROJECT = HERE.parents[2] / "pyproject.toml"

# They measure the starter's model or its tables, which `slipway adopt` removes.
OF_THE_STARTER = frozenset(
    [
        "batch",
        "batch_kills",
        "bodies",
        "cluster",
        "drift",
        "fairness",
        "replication",
        "serve",
        "starter_calibration",
        "validate",
    ]
)


def main(names: list[str]) -> int:
    found = {path.stem: path for path in sorted(HERE.glob("*.py")) if path.stem != "run"}
    if unknown := set(names) - set(found):
        print(f"no benchmark {', '.join(sorted(unknown))}: choose from {', '.join(found)}")
        return 2
    chosen = names or list(found)
    left_out = [] if "# starter" in PYPROJECT.read_text("utf-8") else OF_THE_STARTER & set(chosen)
    if left_out:
        print(f"{', '.join(sorted(left_out))}: left out, since they measure the starter, which is")
        print("no longer here: run them in a clone of the template.")
    chosen = [name for name in chosen if name not in left_out]
    if not chosen:
        return 2
    print("# How fast, how big", flush=True)
    failed = [name for name in chosen if not run(found[name])]
    if failed:
        print(f"\nFailed: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


def run(path: Path) -> bool:
    print(flush=True)
    return subprocess.run([sys.executable, str(path)], check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
