"""From checkout to finished report: the steps of the workflow's model job, environment at hand."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from support.measure import ROOT, environment, machine, table

AUTHOR = ["-c", "user.name=Bench", "-c", "user.email=bench@localhost"]

PARAMETER = ("l2: 1.0", "l2: 2.0")


def main() -> None:
    changes: list[tuple[str, Callable[[Path], None], str]] = [
        ("a parameter", change_parameter, "≤ 90 s"),
        ("nothing relevant", change_readme, "≤ 20 s"),
    ]
    rows = [measure(name, change, aim) for name, change, aim in changes]
    print("## A pull request\n")
    print(f"Seconds from checkout to finished report, one run each. {machine()}\n")
    print(table(rows))


def measure(name: str, change: Callable[[Path], None], aim: str) -> dict[str, str]:
    """Propose a change in a clone, then do what the workflow does with it."""
    with tempfile.TemporaryDirectory() as folder:
        proposed, copy = Path(folder) / "proposed", Path(folder) / "slipway"
        git(Path(folder), "clone", "--quiet", str(ROOT), str(proposed))
        change(proposed)
        git(proposed, *AUTHOR, "commit", "--quiet", "--all", "--message", "Change")
        slipway = [sys.executable, "-m", "slipway"]
        steps = {
            "checkout": ["git", "clone", "--quiet", str(proposed), str(copy)],
            "changes": [".github/scripts/detect-changes", "HEAD^1"],
            "reproduce": [*slipway, "reproduce", "--base", "HEAD^1"],
            "judge": [*slipway, "judge", "--base", "HEAD^1", "--lock", "stale"],
            "report": [*slipway, "github", "publish-report"],
        }
        if change is change_readme:
            del steps["judge"]
        took = {step: seconds(command, copy) for step, command in steps.items()}
    total = sum(took.values())
    shown = {step: f"{took[step]:.1f}" if step in took else "" for step in STEPS}
    return {"what changed": name, **shown, "all": f"{total:.1f}", "aim": aim}


STEPS = ("checkout", "changes", "reproduce", "judge", "report")


def change_parameter(copy: Path) -> None:
    """Change a number and leave the lock as it was: CI finds it stale and rebuilds."""
    path = copy / "params.yaml"
    text = path.read_text("utf-8")
    assert PARAMETER[0] in text, f"params.yaml no longer holds {PARAMETER[0]}"
    path.write_text(text.replace(*PARAMETER), "utf-8")


def change_readme(copy: Path) -> None:
    """Change a page that no stage reads."""
    with (copy / "README.md").open("a", encoding="utf-8") as file:
        file.write("\nOne more sentence.\n")


def seconds(command: list[str], copy: Path) -> float:
    """Run a step and return how long it took; a gate may say no, but nothing may break."""
    cwd = copy if copy.exists() else copy.parent
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=cwd, env=environment(copy), check=False, capture_output=True, text=True
    )
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


def git(cwd: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=cwd, check=True)


if __name__ == "__main__":
    main()
