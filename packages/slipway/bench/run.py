"""Run the benchmarks of this folder, all or by name, and print one Markdown report.

    .venv/bin/python bench/run.py [NAME ...]

Every file here is a benchmark that also runs alone; what they share is in `support/`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    found = {path.stem: path for path in sorted(HERE.glob("*.py")) if path.stem != "run"}
    if unknown := set(names) - set(found):
        print(f"no benchmark {', '.join(sorted(unknown))}: choose from {', '.join(found)}")
        return 2
    print("# How fast, how big", flush=True)
    failed = [name for name in names or found if not run(found[name])]
    if failed:
        print(f"\nFailed: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


def run(path: Path) -> bool:
    print(flush=True)
    return subprocess.run([sys.executable, str(path)], check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
