"""Records of judgements: how often a holdout was used, and which champion was the best.

A judgement writes one small file for each period that it compares, named after the rows of the
period, the model and the champion, so that two pull requests never write the same one and never
conflict. How many models used a holdout is
counted from those names: in this tree and on every branch that git knows.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from slipway.comparison.report import Judgement, current
from slipway.comparison.verdict import oriented_interval
from slipway.dataset.tables import read_json, write_json
from slipway.errors import SlipwayError
from slipway.repository.git import git, names, shown

JUDGEMENTS = Path("reports/judgements")

# Each one costs a checkout and a scoring.
MOST_BEST_CHAMPIONS = 3

FIELDS = ("holdout", "model", "champion", "primary", "value", "best")


def file_name(holdout: str, model: str, champion: str) -> str:
    return f"{holdout[:12]}-{model[:12]}-{champion[:12]}.json"


def uses(names: Iterable[str], holdout: str, model: str) -> int:
    """Return which judgement on this holdout this one is, from 1.

    Judging the same model again reveals nothing new and is not counted.
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
    """Return the records that this change edits or deletes, which must stay as they are.

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


def best_champions(folder: Path, champion: str) -> list[dict[str, Any]]:
    """Return the models that a champion's records name as the best so far, other than itself.

    Usually there is at most one. A model that was judged against several champions has more
    than one record; all of them count, so that a forged record cannot lower the requirement
    that an honest one has set.

    Parameters
    ----------
    folder
        The records as the base commit has them.
    champion
        Its sha256.

    Returns
    -------
    At most `MOST_BEST_CHAMPIONS` dicts ``{"model", "commit", "value"}``.
    """
    bests = {
        record["best"]["model"]: record["best"]
        for record in _read_all(folder)
        if champion == record["model"] != record["best"]["model"]
    }
    return [dict(bests[model]) for model in sorted(bests)][:MOST_BEST_CHAMPIONS]


def make_records(report: Judgement, champion_commit: str) -> list[dict[str, Any]]:
    """Return the records of a judgement, for `write_json`: one for each period.

    The best champion stays the best until a model is shown to be better: else the luckiest of
    many equal models would set a value that no equal model can reach.

    Raises
    ------
    ValueError
        The models were not compared.
    """
    champion, best = report.champion, report.best_champion
    if champion is None or best is None:
        raise ValueError("a report without a comparison has no record")
    gain = oriented_interval(report.rule.primary, best.difference)
    is_better = gain.p_gain < report.rule.alpha and not best.difference.insufficient_reason
    own = {"model": report.challenger.model, "commit": "", "value": best.challenger}
    before = {
        "model": best.model,
        "commit": best.commit or champion_commit,
        "value": best.champion,
    }
    periods = [period.keys_sha256 for period in report.periods] or [report.holdout.keys_sha256]
    common = {
        "version": 1,
        "periods": periods,
        "model": report.challenger.model,
        "champion": champion.model,
        "primary": report.rule.primary,
        "value": best.challenger,
        "best": own if is_better else before,
        "verdict": report.verdict,
        "may_merge": report.may_merge,
    }
    return [common | {"holdout": period} for period in periods]


def save_record(record: Mapping[str, Any], root: Path, base: Container[str] = ()) -> list[str]:
    """Write the record; return its name if one exists that differs.

    A judgement on other periods replaces that of this change, but none that the base has.

    Parameters
    ----------
    base
        The paths of the base's records.
    """
    name = file_name(record["holdout"], record["model"], record["champion"])
    path = root / JUDGEMENTS / name
    known = read_json(path, "slipway judge") if path.exists() else None
    if isinstance(known, dict) and known.get("periods") != record["periods"]:
        if str(JUDGEMENTS / name) in base:
            return []
        known = None
    if known is None:
        write_json(record, path)
        return []
    same = isinstance(known, dict) and all(known.get(field) == record[field] for field in FIELDS)
    return [] if same else [str(JUDGEMENTS / name)]


def records_of(root: Path, commit: str) -> set[str]:
    """Return the paths of a commit's records."""
    return set(names(root, "ls-tree", "-z", "--name-only", commit, "--", f"{JUDGEMENTS}/"))


def verdict_of(path: Path) -> str:
    """Return the verdict of a record, by its name of this version."""
    return str(current(read_json(path, "slipway judge").get("verdict")))


def _read_all(folder: Path) -> list[dict[str, Any]]:
    records = []
    for path in sorted(folder.glob("*.json")):
        record = read_json(path, "slipway judge")
        best = record.get("best") if isinstance(record, dict) else None
        complete = isinstance(best, dict) and best.keys() >= {"model", "commit", "value"}
        if not complete or any(field not in record for field in FIELDS):
            raise SlipwayError(
                f"{path.name}: not a record of a judgement",
                f"restore it from git, or delete it from {JUDGEMENTS}/",
            )
        records.append(record)
    return records
