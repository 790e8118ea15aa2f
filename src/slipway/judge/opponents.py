"""Whom the challenger meets, and on which rows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from slipway import contract
from slipway.errors import SlipwayError
from slipway.git import resolve
from slipway.judge import champion as champions
from slipway.judge import record
from slipway.judge.compare import Side
from slipway.months import month_files, split_months
from slipway.prepare import labelled, require_both_labels
from slipway.score import MANIFEST_FILE, MODEL
from slipway.settings import Params
from slipway.tables import digest, keys_digest, read_columns, write_columns

SCRATCH = Path("build/judge")


@dataclass(frozen=True)
class Champion:
    """What came of looking for the champion: its side, its model, or why there is none."""

    side: Side | None
    folder: Path | None
    incomparable: dict[str, str] | None
    bests: Sequence[Side] = ()
    anchor_lost: str = ""


@dataclass(frozen=True)
class Holdout:
    """The labelled rows that decide, in memory and as a file that other code can read."""

    rows: dict[str, np.ndarray]
    labels: np.ndarray
    file: Path


def read_holdout(params: Params, manifest: Mapping[str, Any]) -> Holdout:
    """Return the labelled rows of the newest months, and write them where a champion can read.

    Raises
    ------
    SlipwayError
        They are not the rows that the model's manifest names as its holdout.
    """
    _, files = split_months(month_files(), params.prepare.holdout_months)
    rows, labels = labelled(read_columns(files))
    require_both_labels("holdout", labels)
    if keys_digest(rows[contract.key()]) != manifest["holdout"]["keys_sha256"]:
        raise SlipwayError(
            f"{MODEL}: its holdout is not the newest months of data/", "rebuild it with `dvc repro`"
        )
    shutil.rmtree(SCRATCH, ignore_errors=True)
    file = (SCRATCH / "holdout.parquet").resolve()
    write_columns(rows, file)
    return Holdout(rows, labels, file)


@contextmanager
def find_champion(
    root: Path, commit: str, holdout: Holdout, challenger: Mapping[str, Any]
) -> Iterator[Champion]:
    """Yield what the base commit's model says of the holdout; its files live as long as this."""
    with champions.tree_of(root, commit) as tree:
        if not champions.has_model(tree):
            yield Champion(None, None, _why("no champion", "its dvc.lock names no model"))
            return
        built = champions.build(root, tree)
        manifest = built.manifest
        why = incomparable(manifest, challenger)
        scores, fault = (None, "") if why else champions.score(built, holdout.file, _scores_file())
        why = why or (_why("unreadable", fault) if fault else None)
        named = digest(built.model / MANIFEST_FILE)
        side = Side(scores, manifest, commit, built.how, manifest_sha256=named)
        bests: list[Side] = []
        lost = ""
        if not why:
            bests, lost = _best_so_far(root, tree, side.sha256, challenger, holdout)
        yield Champion(side, built.model, why, bests, lost)


def incomparable(
    champion: Mapping[str, Any], challenger: Mapping[str, Any]
) -> dict[str, str] | None:
    """Return why two models, by their manifests, have no rows that would be fair to both."""
    if champion["target"]["name"] != challenger["target"]["name"]:
        return _why("another target", str(champion["target"]["name"]))
    learned = set(champion["train"]["months"]) & set(challenger["holdout"]["months"])
    if learned:
        return _why("learned from the holdout", ", ".join(sorted(learned)))
    return None


def _best_so_far(
    root: Path, tree: Path, champion: str, challenger: Mapping[str, Any], holdout: Holdout
) -> tuple[list[Side], str]:
    """Return the models that were called the best so far, and why others could not be asked."""
    sides, lost = [], []
    for mark in record.marks(tree / record.JUDGEMENTS, champion):
        try:
            sides.append(_ask(root, mark, challenger, holdout))
        except SlipwayError as error:
            lost.append(str(error).splitlines()[0])
    return sides, "; ".join(lost)


def _ask(
    root: Path, mark: Mapping[str, Any], challenger: Mapping[str, Any], holdout: Holdout
) -> Side:
    commit = resolve(root, str(mark["commit"]))
    with champions.tree_of(root, commit) as tree:
        if not champions.has_model(tree):
            raise SlipwayError(f"commit {commit[:7]} has no model")
        built = champions.build(root, tree)
        side = Side(None, built.manifest, commit, built.how)
        if side.sha256 != mark["model"]:
            raise SlipwayError(f"commit {commit[:7]} has another model than was judged")
        why = incomparable(side.manifest, challenger)
        if why:
            raise SlipwayError(f"{why['code']}: {why['detail']}")
        scores, fault = champions.score(built, holdout.file, _scores_file())
    if scores is None:
        raise SlipwayError(fault)
    return replace(side, scores=scores)


def _why(code: str, detail: str) -> dict[str, str]:
    return {"code": code, "detail": detail}


def _scores_file() -> Path:
    return (SCRATCH / "scores.parquet").resolve()
