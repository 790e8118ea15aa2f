"""Judgements made so far: how far a holdout is used up, and which champion was the best.

A judgement leaves one small file beside the reports, named after the holdout, the model
and the champion, so that two pull requests never write the same one and never conflict.
Which holdouts were used, and by how many models, is read from those names: in this tree and
on every branch that git knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from slipway.errors import SlipwayError
from slipway.git import git, names, shown
from slipway.judge.verdict import HIGHER_IS_BETTER
from slipway.tables import read_json, write_json

JUDGEMENTS = Path("reports/judgements")

# Each mark that is asked costs a checkout and a scoring.
MOST_MARKS = 3

FIELDS = ("holdout", "model", "champion", "primary", "value", "best")


def file_name(holdout: str, model: str, champion: str) -> str:
    return f"{holdout[:12]}-{model[:12]}-{champion[:12]}.json"


def uses(names: Iterable[str], holdout: str, model: str) -> int:
    """Return which judgement on this holdout this one is, from 1.

    Judging the same model again tells nothing new and uses nothing up.
    """
    seen = {tuple(Path(name).stem.split("-")[:2]) for name in names}
    earlier = {pair for pair in seen if pair[0] == holdout[:12]} - {(holdout[:12], model[:12])}
    return len(earlier) + 1


def known_names(root: Path) -> list[str]:
    """Return the names of all records: in this tree, and ever added on any branch."""
    here = [path.name for path in (root / JUDGEMENTS).glob("*.json")]
    command = ("log", "--all", "--diff-filter=A", "--name-only", "--format=", "-z")
    return here + names(root, *command, "--", str(JUDGEMENTS))


def changed_records(root: Path, base: str) -> list[str]:
    """Return the records that this change has edited or deleted: they are history.

    Raises
    ------
    SlipwayError
        git does not have the commits that lead from the base to here.
    """
    try:
        start = git(root, "merge-base", base, "HEAD").strip()
    except SlipwayError:
        raise SlipwayError(
            f"git knows no common ancestor of {base[:7]} and HEAD",
            "fetch the commits between them: `git fetch --unshallow`",
        ) from None
    command = ("diff", "--name-only", "-z", "--no-renames", "--diff-filter=a", start, "--")
    return [shown(name) for name in names(root, *command, str(JUDGEMENTS))]


def marks(folder: Path, champion: str) -> list[dict[str, Any]]:
    """Return the models that a champion's records call the best so far, other than itself.

    Usually there is one, or none. More than one record comes from judging a model against
    several champions; all of them are asked, so that a record which was made up cannot
    lower the mark that an honest one has set.

    Parameters
    ----------
    folder
        The records as the base commit has them.
    champion
        Its sha256.

    Returns
    -------
    Some ``{"model", "commit", "value"}``, at most `MOST_MARKS`.
    """
    found = {
        record["best"]["model"]: record["best"]
        for record in _read_all(folder)
        if champion == record["model"] != record["best"]["model"]
    }
    return [dict(found[model]) for model in sorted(found)][:MOST_MARKS]


def make_record(report: Mapping[str, Any], champion_commit: str) -> dict[str, Any]:
    """Return the record of a judgement, for `write_json`.

    The best stays the best until a model is shown to beat it: the luckiest of many equals
    would set a mark that no equal can reach.
    """
    metric, anchor = report["rule"]["primary"], report["anchor"]
    own = {"model": report["challenger"]["model"], "commit": "", "value": anchor["challenger"]}
    before = {
        "model": anchor["model"],
        "commit": anchor["commit"] or champion_commit,
        "value": anchor["best"],
    }
    return {
        "version": 1,
        "holdout": report["holdout"]["keys_sha256"],
        "model": report["challenger"]["model"],
        "champion": report["champion"]["model"],
        "primary": metric,
        "value": anchor["challenger"],
        "best": own if _beats(metric, anchor["difference"], report["rule"]["alpha"]) else before,
        "verdict": report["verdict"],
        "may_merge": report["may_merge"],
    }


def keep(record: Mapping[str, Any], root: Path) -> list[str]:
    """Write the record; return its name if the one that was there says something else."""
    name = file_name(record["holdout"], record["model"], record["champion"])
    path = root / JUDGEMENTS / name
    if not path.exists():
        write_json(record, path)
        return []
    known = read_json(path, "slipway judge")
    same = isinstance(known, dict) and all(known.get(field) == record[field] for field in FIELDS)
    return [] if same else [str(JUDGEMENTS / name)]


def _read_all(folder: Path) -> list[dict[str, Any]]:
    records = []
    for path in sorted(folder.glob("*.json")):
        record = read_json(path, "slipway judge")
        best = record.get("best") if isinstance(record, dict) else None
        complete = isinstance(best, dict) and best.keys() >= {"model", "commit", "value"}
        if not complete or any(field not in record for field in FIELDS):
            raise SlipwayError(
                f"{path.name}: not the record of a judgement",
                f"restore it from git, or delete it from {JUDGEMENTS}/",
            )
        records.append(record)
    return records


def _beats(metric: str, difference: Mapping[str, Any], alpha: float) -> bool:
    p_gain = difference["p_up"] if metric in HIGHER_IS_BETTER else difference["p_down"]
    return bool(p_gain < alpha)
