"""Six tables, adopted in a fresh clone: trained, judged, served, monitored, and the time it took.

The commands are those of docs/adopt.md; nothing is edited by hand.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
from support.clone import (
    attempt,
    clone_with_environment,
    commit,
    environment_of,
    first_line,
    git,
    reset,
    run,
)
from support.measure import machine, table
from tests.adopt.six_tables import TABLES, write

from slipway.settings import read_params

ROWS = 300  # that are asked for


def main() -> None:
    print("## Six tables of one's own\n")
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory(prefix="slipway-") as name:
        folder = Path(name)
        clone = clone_with_environment(folder)
        chosen = sys.argv[1:] or list(TABLES)
        found = []
        for name in chosen:
            found.append(dict(measured(clone, name, write(name, folder))))
            print(found[-1], file=sys.stderr, flush=True)
    print(table(found))


def measured(clone: Path, name: str, path: Path) -> Iterator[tuple[str, str]]:
    """Yield what became of a table, by step."""
    example = TABLES[name]
    yield "table", name
    reset(clone)
    seconds, output = run(clone, "slipway", "adopt", str(path), "--target", example.target, "--yes")
    yield "task", example.task if f", {example.task}" in output else "another one"
    estimator = re.search(r"^Estimator: (.*?) \(", output, re.MULTILINE)
    yield "estimator", estimator[1] if estimator else "not named"
    yield "adopt", f"{seconds:.0f} s"
    yield "`make check`", f"{run(clone, 'make', 'check')[0]:.0f} s"
    git(clone, "switch", "--quiet", "--force-create", "mine")
    commit(clone, "Adopt my table")
    yield "first verdict", verdict(clone)
    git(clone, "branch", "--quiet", "--force", "main", "mine")
    change_parameter(clone)
    if attempt(clone, "dvc", "repro", "--quiet").returncode:
        yield "a change", "refused: worse than a baseline"
        git(clone, "checkout", "--quiet", "--force", "mine")
        run(clone, "slipway", "restore", "--force", "build/model")
    else:
        commit(clone, "Change a parameter")
        yield "a change", verdict(clone)
    yield "answers", answers(clone)
    _, output = run(clone, "slipway", "drift", "--log", "build/log", expected=(0, 1, 2))
    yield "drift check", first_line(output)


def verdict(clone: Path) -> str:
    _, output = run(clone, "slipway", "judge", "--base", "main", expected=(0, 1))
    return first_line(output).split(":")[0]


def change_parameter(clone: Path) -> None:
    """Set the first of `search.candidates`."""
    path = clone / "params.yaml"
    text = path.read_text("utf-8")
    for key, value in read_params(path).search.candidates[0].items():
        text = re.sub(rf"(?m)^  {key}: .*$", f"  {key}: {value}", text, count=1)
    path.write_text(text, "utf-8")


def answers(clone: Path) -> str:
    """Return what the service answers to the golden rows, many times."""
    manifest = json.loads((clone / "build/model/manifest.json").read_text("utf-8"))
    rows = [example["row"] for example in manifest["golden"]]
    code = (
        "import json, sys, time; from slipway.serving.start import serving\n"
        "with serving() as running:\n"
        "    print(running.url, flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [str(clone / ".venv/bin/python"), "-c", code],
        cwd=clone,
        env=environment_of(clone) | {"SLIPWAY_LOG": str(clone / "build/log"), "SLIPWAY_TOKENS": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    url = process.stdout.readline().strip()
    try:
        with httpx.Client(base_url=url, trust_env=False) as client:
            asked = [client.post("/predict", json=rows[at % len(rows)]) for at in range(ROWS)]
    finally:
        process.communicate()
    good = sum(answer.status_code == 200 for answer in asked)
    return f"{good} of {ROWS}: `{shown(asked[0].json())}`"


def shown(answer: dict[str, object]) -> str:
    """Return the prediction of an answer."""
    parts = {k: v for k, v in answer.items() if k not in ("id", "review", "reasons")}
    text = json.dumps(parts)
    return text if len(text) < 80 else f"{text[:77]}…"


if __name__ == "__main__":
    main()
