"""How long each verb takes to start, compared with the imports of a notebook's first cell."""

from __future__ import annotations

import statistics
import sys

from support.measure import BIN, ROOT, machine, median, seconds, table
from typer.core import TyperGroup
from typer.main import get_command

from slipway.cli import app

ROUNDS = 7
AIM = 0.5
FIRST_CELL = [sys.executable, "-c", "import pandas, sklearn"]


def main() -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    commands = {verb: [str(BIN / "slipway"), verb, "--help"] for verb in group.commands}
    cell: list[float] = []
    taken: dict[str, list[float]] = {verb: [] for verb in commands}
    seconds(FIRST_CELL, ROOT)
    for _ in range(ROUNDS):
        cell.append(seconds(FIRST_CELL, ROOT))
        for verb, command in commands.items():
            taken[verb].append(seconds(command, ROOT))
    print("## Start of a verb\n")
    print(f"Median of {ROUNDS} rounds (fastest to slowest), interleaved. {machine()}\n")
    print(table([_row("`import pandas, sklearn`", cell, cell), *_rows(taken, cell)]))
    print(f"\nAim: at most {AIM} s more than the imports.")


def _rows(taken: dict[str, list[float]], cell: list[float]) -> list[dict[str, str]]:
    return [_row(f"`slipway {verb} --help`", times, cell) for verb, times in taken.items()]


def _row(name: str, times: list[float], cell: list[float]) -> dict[str, str]:
    more = statistics.median(ours - theirs for ours, theirs in zip(times, cell, strict=True))
    return {"": name, "seconds": median(times), "more than the imports": f"{more:+.2f}"}


if __name__ == "__main__":
    main()
