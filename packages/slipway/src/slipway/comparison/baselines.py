"""The models that the challenger is compared with, and the rows of the comparison."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slipway.comparison import champion as champions
from slipway.comparison import record
from slipway.comparison.champion import Built
from slipway.comparison.compare import ScoredBest, ScoredModel
from slipway.comparison.report import LONGEST_TEXT, Incomparable, Note
from slipway.comparison.starters import is_other_table, starters_at
from slipway.dataset.labelled import LabelledRows
from slipway.dataset.origins import Origin
from slipway.dataset.periods import days_of
from slipway.dataset.split import Dataset
from slipway.dataset.table import HASH
from slipway.dataset.tables import digest, write_columns
from slipway.errors import SlipwayError
from slipway.manifest import MANIFEST_FILE, MODEL, Manifest
from slipway.numbers import counted
from slipway.repository.git import resolve, shown
from slipway.tasks import task_of

SCRATCH = Path("build/judge")

# Of the files that are no records.
NAMED = 3


@dataclass(frozen=True)
class Champion:
    """The champion of a base commit.

    Attributes
    ----------
    scored
        The model with its scores; None if the commit has no model.
    incomparable
        Why it cannot be compared, or None.
    built
        It in the tree of its commit; None if the commit has no model.
    """

    scored: ScoredModel | None
    incomparable: Incomparable | None
    built: Built | None = None

    @property
    def folder(self) -> Path | None:
        """Its model folder."""
        return self.built.model if self.built else None


@dataclass(frozen=True)
class Holdout:
    """The labelled rows of the holdout, in memory and as a file that other code can read."""

    rows: LabelledRows
    file: Path


def read_holdout(dataset: Dataset, manifest: Manifest) -> Holdout:
    """Return the labelled rows of the holdout, and write them for the champion's own code.

    Raises
    ------
    SlipwayError
        They are not the rows that the model's manifest names as its holdout.
    """
    rows = dataset.labelled_holdout()
    if rows.keys_sha256 != manifest["holdout"]["keys_sha256"]:
        raise SlipwayError(
            f"{MODEL}: its holdout is not that of data/", "rebuild it with `dvc repro`"
        )
    shutil.rmtree(SCRATCH, ignore_errors=True)
    file = (SCRATCH / "holdout.parquet").resolve()
    write_columns(rows.columns, file)
    return Holdout(rows, file)


@contextmanager
def find_champion(
    root: Path, commit: str, holdout: Holdout, challenger: Manifest
) -> Iterator[Champion]:
    """Yield the model of the base commit, scored; its files exist until the context ends."""
    with champions.tree_of(root, commit) as tree:
        if not champions.has_model(tree):
            no_model = Incomparable(code="no champion", detail="its dvc.lock names no model")
            yield Champion(None, no_model)
            return
        erased: Incomparable | None = None
        try:
            built = champions.build(root, tree)
        except champions.Erased as gone:
            erased = Incomparable(code="erased", detail=str(gone)[:LONGEST_TEXT])
        if erased is not None:
            yield Champion(None, erased)
            return
        manifest = built.manifest
        reason = incomparable(manifest, challenger)
        if is_other_table(manifest, challenger) and built.sha256 in starters_at(root, commit):
            name = str(manifest["target"]["name"])
            reason = Incomparable(code="replaces the starter", detail=name)
        scores, error = (None, "") if reason else built.score(holdout.file, _scores_file())
        if error:
            reason = Incomparable(code="unreadable", detail=error[:LONGEST_TEXT])
        sha256 = digest(built.model / MANIFEST_FILE)
        scored = ScoredModel(scores, manifest, commit, built.origin, manifest_sha256=sha256)
        yield Champion(scored, reason, built)


def incomparable(champion: Manifest, challenger: Manifest) -> Incomparable | None:
    """Return why no rows give a fair comparison of two models, by their manifests."""
    if _target(champion) != _target(challenger):
        detail = _other_target(champion, challenger)[:LONGEST_TEXT]
        return Incomparable(code="another target", detail=detail)
    learned = _learned_from(champion, challenger)
    if learned:
        return Incomparable(code="learned from the holdout", detail=learned[:LONGEST_TEXT])
    return None


def _other_target(champion: Manifest, challenger: Manifest) -> str:
    """Return what the champion predicts; of the same name, with the task or the quantile."""
    name, task = str(champion["target"]["name"]), task_of(champion)
    if name != challenger["target"]["name"]:
        return name
    return f"{name} ({task.name if task.quantile is None else f'{task.quantile:g} quantile'})"


def _target(manifest: Manifest) -> tuple[object, ...]:
    """Return what must be equal for scores to be comparable."""
    task = task_of(manifest)
    return manifest["target"]["name"], task.name, task.classes, task.quantile


def _learned_from(champion: Manifest, challenger: Manifest) -> str:
    """Return which periods of the challenger's holdout the champion has learned from.

    Without periods it may have, unless it held out the same rows, or rows by the same hash of their
    values. Rows without a key are the same if all of their values are.
    """
    names = challenger["holdout"]["months"]
    before, after = days_of(champion["train"]["months"]), days_of(names)
    if before is not None and after is not None:
        both = np.intersect1d(before, after)
        return ", ".join(name for name in names if _has_day(name, both))
    first, second = champion["holdout"], challenger["holdout"]
    if first.get("rows_sha256") != second.get("rows_sha256"):
        return "rows have no key, and its holdout has other ones"
    by_hash = first.get("by") == second.get("by") and str(first.get("by")).startswith(HASH)
    if by_hash or first["keys_sha256"] == second["keys_sha256"]:
        return ""
    return "its holdout has other rows, and not by time"


def _has_day(period: str, days: np.ndarray) -> bool:
    own = days_of([period])
    return own is not None and bool(np.isin(own, days).any())


def best_champions(
    root: Path,
    champion: Champion,
    challenger: Manifest,
    holdout: Holdout,
    periods: Sequence[tuple[Origin, str]],
) -> tuple[list[ScoredBest], str]:
    """Return the best models so far on the periods that they have, and why others have no scores.

    Parameters
    ----------
    periods
        The origin of each period, and the digest of its keys; the last one is the holdout.
    """
    found: list[ScoredBest] = []
    errors: list[str] = []
    if champion.incomparable or champion.scored is None or champion.built is None:
        return found, ""
    records = champion.built.tree / record.JUDGEMENTS
    for best in record.best_champions(records, champion.scored.sha256):
        if best.model == challenger["model"]["sha256"]:
            continue  # it is this model
        try:
            found.append(_score_best(root, best, challenger, holdout, periods))
        except SlipwayError as error:
            errors.append(str(error).splitlines()[0])
    return found, "; ".join(errors)[:LONGEST_TEXT]


def unreadable_records(champion: Champion) -> list[Note]:
    """Return a note if the commit of the champion has files that should be records and are none."""
    tree = champion.built.tree if champion.built else None
    files = [shown(name) for name in record.unreadable(tree / record.JUDGEMENTS)] if tree else []
    if not files:
        return []
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    listed = f"{counted(len(files), 'file')}: {', '.join(files[:NAMED])}{more}"
    return [Note(code="unreadable records", about=listed[:LONGEST_TEXT])]


def _score_best(
    root: Path,
    best: record.Best,
    challenger: Manifest,
    holdout: Holdout,
    periods: Sequence[tuple[Origin, str]],
) -> ScoredBest:
    commit = resolve(root, best.commit)
    with champions.tree_of(root, commit) as tree:
        if not champions.has_model(tree):
            raise SlipwayError(f"commit {commit[:7]} has no model")
        built = champions.build(root, tree)
        model = ScoredModel(None, built.manifest, commit, built.origin)
        if model.sha256 != best.model:
            raise SlipwayError(f"commit {commit[:7]} has another model than was judged")
        reason = incomparable(model.manifest, challenger)
        if reason:
            raise SlipwayError(f"{reason.code}: {reason.detail}")
        scores, error = built.score(holdout.file, _scores_file())
        stored = built.stored_scores()
    if scores is None:
        raise SlipwayError(error)
    earlier = {
        number: found
        for number, (origin, keys) in enumerate(periods[:-1])
        if stored and (found := stored.scores_on(origin, keys)) is not None
    }
    parts = earlier | {len(periods) - 1: scores}
    return ScoredBest(model, list(parts), np.concatenate(list(parts.values())))


def _scores_file() -> Path:
    return (SCRATCH / "scores.parquet").resolve()
