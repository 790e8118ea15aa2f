"""The rows of a commit, read with the code of that commit in a process of its own.

A kernel keeps the modules that it has imported: there, `src/model` would be that of its start.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import slipway
from slipway.comparison.champion import tree_of
from slipway.dataset.folder import DATA
from slipway.errors import SlipwayError
from slipway.explore.session import repository, with_short_errors
from slipway.repository.git import PREFIX, resolve
from slipway.repository.layout import MODEL_CODE
from slipway.repository.pointers import POINTER
from slipway.repository.restore import restore
from slipway.repository.worktrees import environment
from slipway.settings import read_params

if TYPE_CHECKING:
    import pandas as pd

Part = Literal["all", "training", "holdout"]


@with_short_errors
def data(revision: str = "HEAD", part: Part = "all", *, personal: bool = False) -> pd.DataFrame:
    """Return the rows of a commit in the order of time and key, with their label.

    Parameters
    ----------
    revision
        A commit, branch or tag.
    part
        Which rows: those to train on, the holdout, or both.
    personal
        Whether to return the columns that the schema marks as personal: what a notebook shows is
        stored in it.

    Returns
    -------
    The columns of the data; and the label, as `src/model/target.py` computes it and by its `NAME`,
    unless a column has this name. Times are UTC.

    Raises
    ------
    SlipwayError
        The commit does not exist, its data is in no cache or remote, or cannot be read.
    """
    import pandas as pd

    if part not in get_args(Part):
        raise SlipwayError(f"part={part!r}: no such part", f"one of: {', '.join(get_args(Part))}")
    root = repository()
    commit = resolve(root, revision)
    with tree_of(root, commit) as tree, tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        file = Path(folder) / "rows.parquet"
        restore_data(tree)
        _run_here(tree, part, file, personal=personal)
        return pd.read_parquet(file)


def restore_data(tree: Path) -> None:
    """Restore what ``data.dvc`` names, and the rows if a stage makes them from it."""
    restore(tree, POINTER)
    folder = read_params(tree / "params.yaml").data.folder
    if Path(folder) != DATA:
        restore(tree, folder)


def _run_here(tree: Path, part: Part, out: Path, *, personal: bool) -> None:
    """Run `main` in a tree, with its model and this slipway: an older one has no such command."""
    machine = Path(slipway.__file__).resolve().parents[1]
    paths = {"PYTHONPATH": os.pathsep.join([str(tree / MODEL_CODE), str(machine)])}
    done = subprocess.run(
        [sys.executable, "-m", "slipway.explore.rows", part, str(out), *["personal"] * personal],
        cwd=tree,
        env=environment(tree) | paths,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason, _, advice = done.stderr.strip().rpartition("\n")[2].partition("\t")
        raise SlipwayError(reason, advice)


def main() -> None:
    """Entry point of that process: ``python -m slipway.explore.rows PART FILE [personal]``."""
    part, out, *options = sys.argv[1:]
    try:
        _write(part, Path(out), personal=bool(options))
    except SlipwayError as error:
        sys.exit(" ".join(str(error).split()) + "\t" + error.do)


def _write(part: str, out: Path, *, personal: bool) -> None:
    import pandas as pd

    from slipway import project
    from slipway.dataset.split import Dataset

    dataset = Dataset.open(read_params())
    parts = {"training": dataset.learned, "holdout": dataset.held_out}
    columns = dataset.table.read(parts.get(part, range(len(dataset.periods))))
    _, _, label = project.read_labels(columns)
    columns = {project.TARGET: label} | columns
    columns.pop(project.ROW_KEY, None)
    hidden = () if personal else project.personal()
    columns = {name: values for name, values in columns.items() if name not in hidden}
    pd.DataFrame(columns).to_parquet(out)


if __name__ == "__main__":
    main()
