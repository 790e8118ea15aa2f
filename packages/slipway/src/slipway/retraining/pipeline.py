"""The steps in the copy: each is one of the copy's own commands."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from slipway.comparison.report import Judgement
from slipway.dataset.tables import read_json
from slipway.errors import NO, YES, Refused, SlipwayError, describe_exit
from slipway.repository.git import names
from slipway.repository.worktrees import environment, run
from slipway.reproduction.rebuild import FAILED, REPRO
from slipway.settings import TrainSettings
from slipway.texts import read_text
from slipway.training.search import SEARCH

REPORT = Path("build/report.json")

VALIDATION = Path("build/validation.json")

# All that a retrained model changes, and all that may go to its branch.
MAY_CHANGE = ("params.yaml", "data.dvc", "dvc.lock", "reports/", "data-remote/")

LINES_SHOWN = 15


def verb(tree: Path, *arguments: str) -> tuple[int, str]:
    """Run a command in the copy; return its exit code, 0 or 1, and its output.

    Raises
    ------
    SlipwayError
        It ended with another exit code.
    """
    done = subprocess.run(
        [sys.executable, "-m", "slipway", *arguments],
        cwd=tree,
        env=environment(tree) | {"GITHUB_ACTIONS": ""},  # no annotations of the job
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout.strip() or done.stderr.strip()
    if done.returncode not in (YES, NO):
        reason = "\n".join(done.stderr.strip().splitlines()[-LINES_SHOWN:])
        ended = describe_exit(done.returncode)
        raise SlipwayError(
            f"`slipway {arguments[0]}` failed ({ended})" + (f": {reason}" if reason else "")
        )
    return done.returncode, output


def track(tree: Path, *, made: bool) -> None:
    """Validate the data with the new months and add it to data.dvc.

    Parameters
    ----------
    made
        Whether a stage makes the rows of the data, which it does before they are validated.

    Raises
    ------
    SlipwayError
        The data is not valid, DVC cannot add it, or the stage fails.
    """
    if made:
        run(["dvc", "add", "-q", "data"], tree)
        run([*REPRO, "validate"], tree)
        return
    code, output = verb(tree, "validate", "--json", str(VALIDATION))
    if code == NO:
        shown = "\n".join(output.splitlines()[:LINES_SHOWN])
        raise SlipwayError(f"the data with the new rows is not valid:\n{shown}")
    run(["dvc", "add", "-q", "data"], tree)


def try_candidates(tree: Path) -> TrainSettings:
    """Set the settings of the best candidate in the copy; return those that it changes."""
    verb(tree, "search")
    chosen: TrainSettings = read_json(tree / SEARCH, "slipway search")["chosen"]
    if chosen:
        set_train(tree / "params.yaml", chosen)
    return chosen


def train_and_judge(tree: Path, base: str) -> Judgement:
    """Run the pipeline and return the report of `slipway judge`; raises as `run_stages`."""
    run_stages(tree)
    return judge(tree, base)


def run_stages(tree: Path) -> None:
    """Run the stages of the pipeline whose inputs changed.

    Raises
    ------
    Refused
        A stage refused the data or the model.
    """
    try:
        run([*REPRO], tree)
    except SlipwayError as error:
        stage = FAILED.search(str(error))
        if stage and int(stage[2]) == NO:
            reasons = [line for line in str(error).splitlines() if "slipway: " in line]
            why = "; ".join(line.partition("slipway: ")[2] for line in reasons)
            raise Refused(f"`{stage[1]}` refused: {why or 'no reason given'}") from None
        raise


def judge(tree: Path, base: str) -> Judgement:
    """Compare the model of the copy with that of a commit; return the report."""
    verb(tree, "judge", "--base", base, "--out", str(REPORT))
    return Judgement.of(read_json(tree / REPORT, "slipway judge"))


def collect(tree: Path, folder: Path) -> list[str]:
    """Copy what the branch needs into a folder; return the names, and send the data ahead.

    Raises
    ------
    SlipwayError
        The remote does not take the data and the model, which the branch would name in vain.
    """
    run(["dvc", "push", "-q"], tree)
    listed = names(tree, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    changed = sorted(entry[3:] for entry in listed if entry[3:].startswith(MAY_CHANGE))
    kept = [name for name in changed if (tree / name).is_file()]
    for name in kept:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(tree / name, folder / name)
    return kept


def set_train(path: Path, changes: TrainSettings) -> None:
    """Change settings of `train` in a parameters file; every other line stays as it is."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    params = yaml.load(read_text(path))
    params["train"].update(changes)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
