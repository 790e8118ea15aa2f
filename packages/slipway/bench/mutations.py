"""Every mutation of six tables through `slipway adopt`: adopted, or refused in a sentence.

    bench/mutations.py [planned] [adopted]

*planned* examines all tables and writes their code. *adopted* takes each mutation of one of the
tables through the command, the pipeline and the tests of the template, one of which asks the
service; a model that is no better than guessing fails one of them, as it should. A traceback, or
a command that fails without a sentence or after it has written files, ends the benchmark.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pandas as pd
from support.clone import AUTHOR, attempt, clone_with_environment, first_line, git, reset, run
from support.measure import machine, table
from tests.adopt.mutations import MUTATIONS
from tests.adopt.six_tables import TABLES

from slipway.errors import SlipwayError
from slipway.progress import track
from slipway.setup.adopt.estimators import candidates
from slipway.setup.adopt.model_code import write_model
from slipway.setup.adopt.plan import make_plan
from slipway.setup.adopt.request import Request
from slipway.setup.adopt.run import features_of
from slipway.setup.adopt.table import read_table


def main() -> None:
    parts = {"planned": planned, "adopted": adopted}
    print(f"## Mutations of six tables\n\n{machine()}\n")
    for name in sys.argv[1:] or parts:
        with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
            parts[name](Path(folder))


def mutated(table_name: str, mutation: str, folder: Path) -> Path:
    """Write a changed table as a CSV file; return its path."""
    example = TABLES[table_name]
    path = folder / "table.csv"
    MUTATIONS[mutation](example.make(), example.target).to_csv(path, index=False)
    return path


def planned(folder: Path) -> None:
    """Print how many tables are adopted and refused; an error of another kind is raised."""
    refusals: Counter[str] = Counter()
    pairs = [(name, mutation) for name in TABLES for mutation in MUTATIONS]
    for name, mutation in track(pairs, "Examining tables"):
        path = mutated(name, mutation, folder)
        try:
            plan = make_plan(read_table([path]), Request(TABLES[name].target))
            write_model(plan, candidates(plan)[0].text, folder / "model")
            features_of(plan)
        except SlipwayError:
            refusals[mutation] += 1
    refused = ", ".join(f"{mutation} ({count})" for mutation, count in refusals.items())
    print(f"Of {len(pairs)} tables, {sum(refusals.values())} are refused: {refused}.\n")


def adopted(folder: Path) -> None:
    clone = clone_with_environment(folder)
    start(clone, folder)
    tables = cycle(TABLES)
    found = []
    for mutation in track(list(MUTATIONS), "Adopting tables"):
        name = next(tables)
        path = mutated(name, mutation, folder)
        found.append({"mutation": mutation, "table": name, **dict(outcome(clone, name, path))})
        print(found[-1], file=sys.stderr, flush=True)
    print(table(found))


def start(clone: Path, folder: Path) -> None:
    """Replace the starter once, so that the lock need not be compiled for each table."""
    path = folder / "first.csv"
    pd.DataFrame(TABLES["cancer"].make()).to_csv(path, index=False)
    run(clone, "slipway", "adopt", str(path), "--target", "target", "--yes")
    git(clone, "add", "--all")
    git(clone, *AUTHOR, "commit", "--quiet", "--message", "Adopt a table")
    git(clone, "tag", "adopted")


def outcome(clone: Path, name: str, path: Path) -> Iterator[tuple[str, str]]:
    reset(clone, "adopted")
    command = ("slipway", "adopt", str(path), "--target", TABLES[name].target, "--yes")
    done = attempt(clone, *command)
    half = "files were written" in done.stderr
    if done.returncode not in (0, 2) or half or "Traceback" in done.stderr:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    if done.returncode:
        yield "outcome", f"refused: {first_line(done.stderr).removeprefix('slipway: ')}"
        return
    tests = attempt(clone, "pytest", "--quiet")
    failed = re.findall(r"^FAILED \S+::(\S+)", tests.stdout, re.MULTILINE)
    if tests.returncode and not failed:
        raise SystemExit(f"pytest\n{tests.stdout}\n{tests.stderr}")
    yield "outcome", f"adopted; fails {', '.join(failed)}" if failed else "adopted; its tests pass"


if __name__ == "__main__":
    main()
