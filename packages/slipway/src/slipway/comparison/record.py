"""Records of judgements: how often a holdout was used, and which champion was the best.

A judgement writes one small file for each period that it compares, named after the rows of the
period, the model and the champion, so that two pull requests never write the same one and never
conflict. How many models used a holdout is
counted from those names: in this tree and on every branch that git knows.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from slipway.comparison.report import Judgement, current
from slipway.comparison.verdict import oriented_interval
from slipway.dataset.tables import read_json, write_json
from slipway.errors import SlipwayError
from slipway.repository.git import git, names, read_file, shown

JUDGEMENTS = Path("reports/judgements")

# Each one costs a checkout and a scoring.
MOST_BEST_CHAMPIONS = 3

FIELDS = ("holdout", "model", "champion", "primary", "value", "best")


class Best(BaseModel):
    """The best champion after a judgement, and the commit that has it."""

    model_config = ConfigDict(strict=True)

    model: str
    commit: str
    value: float | None


class Record(BaseModel):
    """What is read of a record, which any commit may have written; other keys are left out."""

    model_config = ConfigDict(strict=True)

    holdout: str
    model: str
    champion: str
    primary: str
    value: float | None
    best: Best
    verdict: str = ""
    may_merge: bool = False


class NewRecord(BaseModel):
    """A record as it is written, with the sequence of its keys."""

    version: Literal[1] = 1
    periods: list[str]
    model: str
    champion: str
    primary: str
    value: float | None
    best: Best
    verdict: str
    may_merge: bool
    holdout: str


def parse(content: str | bytes) -> Record | None:
    """Return a record; None if the content is not that of one."""
    try:
        return Record.model_validate_json(content)
    except (ValidationError, UnicodeEncodeError):
        return None


def read(path: Path) -> Record | None:
    """Return the record of a file; None if it is none, or a link."""
    try:
        return None if path.is_symlink() else parse(path.read_bytes())
    except OSError:
        return None


def unreadable(folder: Path) -> list[str]:
    """Return the names of the files of a folder that should be records and are none."""
    return [path.name for path in sorted(folder.glob("*.json")) if read(path) is None]


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
    """Return the records that this change edits or deletes, and the files it adds that are none.

    A file that was no record before may be deleted, or become one again.

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
    changed = names(root, *command, str(JUDGEMENTS))
    lost = {name for name in changed if parse(read_file(root, start, name) or "") is not None}
    as_before = records_of(root, start) - {*changed}
    added = {str(JUDGEMENTS / name) for name in unreadable(root / JUDGEMENTS)} - as_before
    return sorted(shown(name) for name in lost | added)


def best_champions(folder: Path, champion: str) -> list[Best]:
    """Return the models that a champion's records name as the best so far, other than itself.

    Usually there is at most one. A model that was judged against several champions has more
    than one record; all of them count, so that a forged record cannot lower the requirement
    that an honest one has set. Files that are no record are left out: see `unreadable`.

    Parameters
    ----------
    folder
        The records as the base commit has them.
    champion
        Its sha256.

    Returns
    -------
    At most `MOST_BEST_CHAMPIONS`.
    """
    records = filter(None, map(read, sorted(folder.glob("*.json"))))
    bests = {
        record.best.model: record.best
        for record in records
        if champion == record.model != record.best.model
    }
    return [bests[model] for model in sorted(bests)][:MOST_BEST_CHAMPIONS]


def make_records(report: Judgement, champion_commit: str) -> list[NewRecord]:
    """Return the records of a judgement: one for each period.

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
    own = Best(model=report.challenger.model, commit="", value=best.challenger)
    before = Best(model=best.model, commit=best.commit or champion_commit, value=best.champion)
    periods = [period.keys_sha256 for period in report.periods] or [report.holdout.keys_sha256]
    return [
        NewRecord(
            periods=periods,
            model=report.challenger.model,
            champion=champion.model,
            primary=report.rule.primary,
            value=best.challenger,
            best=own if is_better else before,
            verdict=report.verdict,
            may_merge=report.may_merge,
            holdout=period,
        )
        for period in periods
    ]


def save_record(record: NewRecord, root: Path, base: Container[str] = ()) -> list[str]:
    """Write the record; return its name if one exists that differs.

    A judgement on other periods replaces that of this change, but none that the base has.

    Parameters
    ----------
    base
        The paths of the base's records.
    """
    name, written = file_name(record.holdout, record.model, record.champion), record.model_dump()
    path = root / JUDGEMENTS / name
    in_base = str(JUDGEMENTS / name) in base
    if path.exists() and read(path) is None:
        return [] if in_base else [str(JUDGEMENTS / name)]
    known = read_json(path, "slipway judge") if path.exists() else None
    if isinstance(known, dict) and known.get("periods") != record.periods:
        if in_base:
            return []
        known = None
    if known is None:
        write_json(written, path)
        return []
    same = isinstance(known, dict) and all(known.get(field) == written[field] for field in FIELDS)
    return [] if same else [str(JUDGEMENTS / name)]


def records_of(root: Path, commit: str) -> set[str]:
    """Return the paths of a commit's records."""
    return set(names(root, "ls-tree", "-z", "--name-only", commit, "--", f"{JUDGEMENTS}/"))


def verdict_of(path: Path) -> str:
    """Return the verdict of a record, by its name of this version; empty if it is none."""
    found = read(path)
    return str(current(found.verdict)) if found else ""
