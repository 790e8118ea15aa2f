"""`slipway adopt`: from a table to a trained and evaluated model, in the files of the template."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from slipway.dataset.folder import DATA
from slipway.errors import SlipwayError
from slipway.progress import spinner
from slipway.protected.paths import REMOTE
from slipway.repository.git import git, names
from slipway.repository.layout import MODEL_CODE
from slipway.repository.pointers import LOCK, POINTER
from slipway.repository.worktrees import copy_of_worktree, run
from slipway.settings import read_params
from slipway.setup.adopt.ask import Ask, plan_by_asking
from slipway.setup.adopt.estimators import Chosen, choose_estimator
from slipway.setup.adopt.model_code import features_text, write_model
from slipway.setup.adopt.plan import Plan, make_plan
from slipway.setup.adopt.project_files import (
    PARAMS,
    PIPELINE,
    remove_starter,
    write_data,
    write_pages,
    write_params,
    write_plots,
)
from slipway.setup.adopt.request import Request
from slipway.setup.adopt.table import read_table

MODEL = MODEL_CODE / "model"

REPLACED = (
    str(MODEL),
    str(PARAMS),
    str(PIPELINE),
    str(POINTER),
    str(LOCK),
    "README.md",
    "docs",
    "pyproject.toml",
    "requirements.lock",
    "requirements-serve.lock",
    "reports",
    REMOTE.rstrip("/"),
)
"""What is written, and can be undone with git."""

UNDO = (
    "`git restore .`, `git clean -n` for new files, and "
    "`slipway restore --force data.dvc build/model`"
)


@dataclass(frozen=True)
class Adopted:
    """The estimator of the new model, and where the files that were in data/ are now."""

    chosen: Chosen
    replaced: Path | None


def examine(paths: Sequence[Path], request: Request, ask: Ask | None = None) -> Plan:
    """Read a table and decide what its columns are used for; write nothing.

    Parameters
    ----------
    ask
        Asks the user what the table leaves open; None: it is found, or refused.

    Raises
    ------
    SlipwayError
        The table cannot be used, or what the user states does not fit it.
    """
    try:
        ZoneInfo(request.zone)
    except (KeyError, ValueError, OSError):
        raise SlipwayError(
            f"--zone {request.zone}: no such time zone", "name one such as America/New_York"
        ) from None
    stated = read_params().data
    table = read_table(paths, stated, request.zone)
    return plan_by_asking(table, request, ask) if ask else make_plan(table, request)


def require_committed(root: Path) -> None:
    """Refuse to replace files that git could not bring back.

    Raises
    ------
    SlipwayError
        Names the files.
    """
    changed = git(root, "status", "--porcelain", "--untracked-files=all", "--", *REPLACED)
    if found := [line[3:] for line in changed.splitlines()]:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise SlipwayError(
            f"not committed, and would be replaced: {', '.join(found[:5])}{more}",
            "commit or remove these changes, so that `git restore` can undo the adoption",
        )


def adopt(root: Path, plan: Plan) -> Adopted:
    """Write the model, the settings and the data of a plan; run the pipeline.

    Raises
    ------
    SlipwayError
        Files are not committed, or a stage of the pipeline fails.
    """
    require_committed(root)
    chosen = choose_estimator(plan, features_of(plan))
    _try_stages(root, plan, chosen)
    try:
        old = _write(root, plan, chosen)
    except SlipwayError as error:
        raise SlipwayError(
            f"files were written, but not all of it was done: {error}",
            f"{error.do}, or undo it: {UNDO}",
        ) from error
    return Adopted(chosen, old)


def _try_stages(root: Path, plan: Plan, chosen: Chosen) -> None:
    """Run the stages that judge the table in a copy: what they refuse must change no file.

    Raises
    ------
    SlipwayError
        A stage refuses the table.
    """
    with spinner("Preparing the rows in a copy"), copy_of_worktree(root) as copy:
        _write_table(copy, plan, chosen)
        try:
            run(["dvc", "repro", "--quiet", "prepare"], copy)
        except SlipwayError as error:
            raise SlipwayError(
                f"nothing was written: {_refusal(error)}",
                "add rows, or change the table or the options, then retry",
            ) from error


def _refusal(error: SlipwayError) -> str:
    """Return what a stage refused, without the command that ran the stage and its remedy."""
    _, marker, refused = str(error).rpartition("\n  slipway: ")
    return refused.partition("\n    → ")[0] if marker else str(error)


def _write(root: Path, plan: Plan, chosen: Chosen) -> Path | None:
    """Write the files and run the pipeline; return where the files that were in data/ are."""
    write_pages(plan, root)
    old = _write_table(root, plan, chosen)
    write_plots(plan, root)
    if remove_starter(plan, root):
        with spinner("Compiling requirements.lock"):
            run(["make", "lock"], root)
    with spinner("Running the pipeline"):
        run(["dvc", "repro", "--quiet"], root)
    _renew_remote(root)
    return old


def _write_table(root: Path, plan: Plan, chosen: Chosen) -> Path | None:
    """Write what `prepare` reads; return where the files that were in data/ are."""
    write_model(plan, chosen.candidate.text, root / MODEL)
    _format(root)
    old = write_data(plan, root)
    write_params(plan, chosen, root)
    run(["dvc", "add", "--quiet", str(DATA)], root)
    return old


def _renew_remote(root: Path) -> None:
    """Replace the objects of a remote that is a folder of the repository."""
    if not _is_default(root, root / REMOTE) or not names(root, "ls-files", "-z", "--", REMOTE):
        return  # another remote is written to by `dvc push`, when its owner decides to
    shutil.rmtree(root / REMOTE / "files", ignore_errors=True)
    with spinner("Storing data and model"):
        run(["dvc", "push", "--quiet"], root)


def _is_default(root: Path, folder: Path) -> bool:
    """Return whether DVC pushes to a folder, by the settings of this repository and user."""
    from dvc.config import Config

    config = Config(str((root / ".dvc").resolve()))  # makes paths absolute
    remote = config["remote"].get(config["core"].get("remote"), {})
    return Path(str(remote.get("url", ""))).resolve() == folder.resolve()


def features_of(plan: Plan) -> dict[str, np.ndarray]:
    """Return the features of all rows, computed by the code that will be written."""
    columns = {name: _as_read(column.values) for name, column in plan.table.columns.items()}
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        path = Path(folder) / "features.py"
        path.write_text(features_text(plan), "utf-8")
        made: dict[str, np.ndarray] = runpy.run_path(str(path))["features"](columns)
    return {name: _without_none(values) for name, values in made.items()}


def _without_none(values: np.ndarray) -> np.ndarray:
    """Return text with '' for missing values, as the pipeline passes it to an estimator."""
    return np.where(np.equal(values, None), "", values) if values.dtype == object else values  # type: ignore[call-overload]


def _as_read(values: np.ndarray) -> np.ndarray:
    return values.astype(object) if values.dtype.kind in "OU" else values


def _format(root: Path) -> None:
    """Format the code as `make check` asks, if the formatter is installed."""
    if find_spec("ruff"):
        command = [sys.executable, "-m", "ruff"]
        for verb in (("check", "--fix", "--select", "I", "--quiet"), ("format", "--quiet")):
            subprocess.run([*command, *verb, str(MODEL)], cwd=root, check=False)
