"""The models that the challenger is compared with, and the rows of the comparison."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slipway.comparison import champion as champions
from slipway.comparison import record
from slipway.comparison.compare import ScoredModel
from slipway.comparison.report import LONGEST_TEXT, Incomparable
from slipway.dataset.split import Dataset, LabelledRows
from slipway.dataset.tables import digest, write_columns
from slipway.errors import SlipwayError
from slipway.repository.git import resolve
from slipway.settings import Params
from slipway.training.score import MANIFEST_FILE, MODEL

SCRATCH = Path("build/judge")


@dataclass(frozen=True)
class Champion:
    """The champion of a base commit.

    Attributes
    ----------
    scored
        The model with its scores; None if the commit has no model.
    folder
        Its model folder.
    incomparable
        Why it cannot be compared, or None.
    best_champions
        The models that its records name as the best so far, scored.
    unscored
        Why others of them could not be scored; empty if all were.
    """

    scored: ScoredModel | None
    folder: Path | None
    incomparable: Incomparable | None
    best_champions: Sequence[ScoredModel] = ()
    unscored: str = ""


@dataclass(frozen=True)
class Holdout:
    """The labelled rows of the comparison, in memory and as a file that other code can read."""

    rows: LabelledRows
    file: Path


def read_holdout(params: Params, manifest: Mapping[str, Any]) -> Holdout:
    """Return the labelled rows of the holdout, and write them for the champion's own code.

    Raises
    ------
    SlipwayError
        They are not the rows that the model's manifest names as its holdout.
    """
    rows = Dataset.open(params.prepare.holdout_months).labelled_holdout()
    if rows.keys_sha256 != manifest["holdout"]["keys_sha256"]:
        raise SlipwayError(
            f"{MODEL}: its holdout is not the newest months of data/", "rebuild it with `dvc repro`"
        )
    shutil.rmtree(SCRATCH, ignore_errors=True)
    file = (SCRATCH / "holdout.parquet").resolve()
    write_columns(rows.columns, file)
    return Holdout(rows, file)


@contextmanager
def find_champion(
    root: Path, commit: str, holdout: Holdout, challenger: Mapping[str, Any]
) -> Iterator[Champion]:
    """Yield the model of the base commit, scored; its files exist until the context ends."""
    with champions.tree_of(root, commit) as tree:
        if not champions.has_model(tree):
            no_model = Incomparable(code="no champion", detail="its dvc.lock names no model")
            yield Champion(None, None, no_model)
            return
        built = champions.build(root, tree)
        manifest = built.manifest
        reason = incomparable(manifest, challenger)
        scores, error = (
            (None, "") if reason else champions.score(built, holdout.file, _scores_file())
        )
        if error:
            reason = Incomparable(code="unreadable", detail=error[:LONGEST_TEXT])
        sha256 = digest(built.model / MANIFEST_FILE)
        scored = ScoredModel(scores, manifest, commit, built.origin, manifest_sha256=sha256)
        bests: list[ScoredModel] = []
        unscored = ""
        if not reason:
            bests, unscored = _best_champions(root, tree, scored.sha256, challenger, holdout)
        yield Champion(scored, built.model, reason, bests, unscored)


def incomparable(champion: Mapping[str, Any], challenger: Mapping[str, Any]) -> Incomparable | None:
    """Return why no rows give a fair comparison of two models, by their manifests."""
    if champion["target"]["name"] != challenger["target"]["name"]:
        return Incomparable(code="another target", detail=str(champion["target"]["name"]))
    learned = set(champion["train"]["months"]) & set(challenger["holdout"]["months"])
    if learned:
        return Incomparable(code="learned from the holdout", detail=", ".join(sorted(learned)))
    return None


def _best_champions(
    root: Path, tree: Path, champion: str, challenger: Mapping[str, Any], holdout: Holdout
) -> tuple[list[ScoredModel], str]:
    """Return the best models so far, scored, and why others could not be scored."""
    scored, errors = [], []
    for best in record.best_champions(tree / record.JUDGEMENTS, champion):
        try:
            scored.append(_score_best(root, best, challenger, holdout))
        except SlipwayError as error:
            errors.append(str(error).splitlines()[0])
    return scored, "; ".join(errors)[:LONGEST_TEXT]


def _score_best(
    root: Path, best: Mapping[str, Any], challenger: Mapping[str, Any], holdout: Holdout
) -> ScoredModel:
    commit = resolve(root, str(best["commit"]))
    with champions.tree_of(root, commit) as tree:
        if not champions.has_model(tree):
            raise SlipwayError(f"commit {commit[:7]} has no model")
        built = champions.build(root, tree)
        model = ScoredModel(None, built.manifest, commit, built.origin)
        if model.sha256 != best["model"]:
            raise SlipwayError(f"commit {commit[:7]} has another model than was judged")
        reason = incomparable(model.manifest, challenger)
        if reason:
            raise SlipwayError(f"{reason.code}: {reason.detail}")
        scores, error = champions.score(built, holdout.file, _scores_file())
    if scores is None:
        raise SlipwayError(error)
    return replace(model, scores=scores)


def _scores_file() -> Path:
    return (SCRATCH / "scores.parquet").resolve()
