"""The procedure of another commit, fitted and scored at an origin by that commit's own code."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from slipway import project
from slipway.comparison.champion import run_own, score
from slipway.dataset.folder import DATA
from slipway.dataset.origins import Origin
from slipway.dataset.tables import PREPARED, write_columns
from slipway.errors import SlipwayError
from slipway.manifest import MODEL
from slipway.numbers import counted
from slipway.texts import read_yaml
from slipway.untrusted import shown

PARAMS = Path("params.yaml")

COMMANDS = ("prepare", "train")

# The column, and its values, that mark rows without periods.
MARK, LEARNED, SCORED = "slipway_role", "learned", "scored"


def refit(tree: Path, python: str, origin: Origin, out: Path) -> tuple[np.ndarray | None, str]:
    """Return the scores of a commit's own procedure at an origin, or None and why there are none.

    They are in the order of `Origin.read_scored`, and rounded as those of a backtest are. In the
    tree, `data/` has the rows of the origin afterwards, and `build/model` is the model that was
    fitted there: score the commit's own model first.

    Parameters
    ----------
    tree
        A temporary checkout of the commit (`slipway.comparison.champion.tree_of`).
    python
        The interpreter of the environment that the commit locks.
    out
        The parquet file to write: key and score. The rows are written next to it.

    Raises
    ------
    SlipwayError
        A command was killed, which does not show whether the procedure can be fitted; or a folder
        of the tree is not in the tree.
    """
    if reason := _other_holdout(tree, origin):
        return None, reason
    rows = origin.read_scored()
    file = out.with_suffix(".rows.parquet")
    write_columns(rows.columns, file)
    _replace_data(tree, origin)
    # They may be links into the cache, through which a command would write.
    for made in (PREPARED, MODEL):
        _remove(tree, made)
    for command in COMMANDS:
        if reason := run_own(tree, python, command):
            return None, reason
    scores, reason = score(tree, python, file, out)
    if scores is None:
        return None, reason
    if len(scores) != len(rows.labels):
        given = counted(len(rows.labels), "row")
        return None, f"it returns {counted(len(scores), 'score')} for {given}"
    return project.task().rounded(scores), ""


def _other_holdout(tree: Path, origin: Origin) -> str:
    """Return how the periods that a tree holds out differ from those of an origin; "" if equal.

    A share or a date, which would hold out other rows of these, is replaced by their number, or by
    the column that `_replace_data` adds.
    """
    try:
        params = read_yaml(tree / PARAMS)
    except (SlipwayError, OSError):
        return f"its {PARAMS} cannot be read"
    prepare = params.get("prepare") if isinstance(params, dict) else None
    prepare = prepare if isinstance(prepare, dict) else {}
    expected, unit = len(origin.scored), origin.table.unit
    data = params.get("data") if isinstance(params, dict) else None
    if isinstance(data, dict) and "folder" in data:  # the rows are written to data/
        params = {**params, "data": {key: data[key] for key in data.keys() - {"folder"}}}
        _write_params(tree, params)
    others = {key: prepare[key] for key in prepare.keys() - {"holdout", "holdout_months"}}
    if unit is None:
        marked = {"holdout": {"column": MARK, "value": SCORED}}
        _write_params(tree, {**params, "prepare": others | marked})
        return ""
    if {"holdout", "period"} & prepare.keys():
        holdout = {"holdout": {"periods": expected}, "period": unit}
        _write_params(tree, {**params, "prepare": others | holdout})
        return ""
    months = prepare.get("holdout_months", 1)
    if type(months) is int and months == expected and unit == "month":
        return ""
    held = f"its `prepare.holdout_months` is {shown(months)}"
    return f"{held}, and {expected} of the {unit}s are compared"


def _write_params(tree: Path, params: dict[str, object]) -> None:
    (tree / PARAMS).unlink()  # it may be a link
    with (tree / PARAMS).open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(params, file)


def _replace_data(tree: Path, origin: Origin) -> None:
    """Give a tree the rows of an origin, and no others, in a file for each part.

    So they are read by versions that expect a file for each month. Rows without periods are marked
    as learned or scored.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _remove(tree, DATA)
    (tree / DATA).mkdir()
    for part in (*origin.learned, *origin.scored):
        rows = origin.table.arrow(range(part, part + 1))
        if project.ROW_KEY in rows.column_names:
            rows = rows.drop_columns([project.ROW_KEY])
        if origin.table.unit is None:
            mark = SCORED if part in origin.scored else LEARNED
            rows = rows.append_column(MARK, pa.array([mark] * len(rows)))
        pq.write_table(rows, tree / DATA / f"{origin.table.names[part]}.parquet")


def _remove(tree: Path, path: Path) -> None:
    """Remove a folder of a tree, but not what a link leads to."""
    place = tree / path
    if place.parent.resolve() != tree.resolve() / path.parent:
        raise SlipwayError(
            f"{path.parent}: a link in the commit; a folder is needed", "remove the link there"
        )
    if place.is_symlink():
        place.unlink()
    elif place.exists():
        shutil.rmtree(place)
