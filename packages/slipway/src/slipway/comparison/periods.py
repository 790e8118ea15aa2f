"""The periods that two procedures are compared on, and the scores of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np

from slipway import project
from slipway.comparison import champion as champions
from slipway.comparison.baselines import SCRATCH, Champion, Holdout
from slipway.comparison.compare import Compared, Rows, ScoredModel
from slipway.comparison.refit import refit
from slipway.comparison.report import LONGEST_TEXT, Note
from slipway.comparison.slices import groups_of
from slipway.dataset.dependence import Dependence
from slipway.dataset.labelled import LabelledRows
from slipway.dataset.origins import Origin
from slipway.dataset.periods import called
from slipway.dataset.split import Dataset
from slipway.errors import SlipwayError
from slipway.metrics.sample import Sample
from slipway.progress import track
from slipway.settings import Params
from slipway.training.backtest import BACKTEST, Backtest, backtest


@dataclass(frozen=True)
class ScoredPeriod:
    """The labelled rows after an origin, and the scores of both procedures, shape (rows,)."""

    origin: Origin
    rows: LabelledRows
    champion: np.ndarray
    challenger: np.ndarray


@dataclass(frozen=True)
class Missing:
    """Why a procedure has no scores at an origin."""

    reason: str


def score_periods(
    root: Path,
    params: Params,
    origins: Sequence[Origin],
    holdout: Holdout,
    champion: Champion,
    challenger: ScoredModel,
) -> tuple[list[ScoredPeriod], list[Note]]:
    """Return the periods that both procedures have scores for, and what was left out.

    The last period is the holdout. There is no period if the champion has no scores for it, or if
    only the holdout is left: then it alone decides.

    Parameters
    ----------
    origins
        Oldest first; the last one is that of the challenger's model.
    """
    rows = [*map(_read, origins[:-1]), holdout.rows]
    can = [(origin, part) for origin, part in zip(origins, rows, strict=True) if _is_rows(part)]
    reasons = [_reason(origin, part) for origin, part in zip(origins, rows, strict=True)]
    ours = _own_scores(params, can, challenger, len(origins))
    theirs = _champion_scores(root, can, champion, challenger)
    periods = []
    for (origin, part), before, after in zip(can, theirs, ours, strict=True):
        reasons += [_reason(origin, before), _reason(origin, after)]
        if isinstance(before, np.ndarray) and isinstance(after, np.ndarray):
            periods.append(ScoredPeriod(origin, part, before, after))
    left_out = "; ".join(filter(None, reasons))[:LONGEST_TEXT]
    if len(periods) < 2 or periods[-1].origin is not origins[-1]:
        return [], [Note(code="one holdout", about=left_out)]
    return periods, [Note(code="period left out", about=left_out)] if left_out else []


def few_periods(dataset: Dataset, count: int) -> list[Note]:
    """Return a note if the history is too short for more than one of at most `count` origins."""
    if count < 2 or dataset.table.unit is None or len(dataset.origins(count)) > 1:
        return []
    names = dataset.periods[: len(dataset.learned)]
    return [Note(code="few periods", about=f"{len(names)} {called(names)} of training data")]


Part = tuple[Origin, LabelledRows]


def _own_scores(
    params: Params, parts: Sequence[Part], challenger: ScoredModel, count: int
) -> list[np.ndarray | Missing]:
    """Return the scores of this tree's procedure: those of `build/backtest`, or of new fits."""
    stored = Backtest.read() if BACKTEST.is_dir() else None
    is_whole = stored and all(_has(stored, part) for part in parts[:-1])
    if stored is None or not is_whole or stored.record.train != params.train:
        prepare = params.prepare.model_copy(update={"origins": count})
        folder = SCRATCH / BACKTEST.name
        backtest(params.model_copy(update={"prepare": prepare}), folder)
        stored = Backtest.read(folder)
    return [*(_stored(stored, origin) for origin, _ in parts[:-1]), _of_model(challenger)]


def _champion_scores(
    root: Path, parts: Sequence[Part], champion: Champion, challenger: ScoredModel
) -> list[np.ndarray | Missing]:
    """Return the scores of the champion's procedure: stored ones, or else those of its own code."""
    if champion.built is None or champion.scored is None:
        return [Missing("the base commit has no model") for _ in parts]
    stored = champion.built.stored_scores()
    found: dict[str, np.ndarray | Missing] = {
        part[0].name: _stored(stored, part[0])
        for part in parts[:-1]
        if stored and _has(stored, part)
    }
    last = parts[-1][0]
    if champion.scored.manifest["data"]["md5"] == challenger.manifest["data"]["md5"]:
        found[last.name] = _of_model(champion.scored)
    missing = [origin for origin, _ in parts if origin.name not in found]
    if missing:
        with champions.tree_of(root, champion.scored.commit) as tree:
            for origin in track(missing, "Fitting the champion on earlier periods", len(missing)):
                out = (SCRATCH / "refitted.parquet").resolve()
                scores, reason = refit(tree, champion.built.python, origin, out)
                found[origin.name] = Missing(reason) if scores is None else scores
    return [found[origin.name] for origin, _ in parts]


def _read(origin: Origin) -> LabelledRows | Missing:
    try:
        return origin.read_scored()
    except SlipwayError as error:
        return Missing(str(error))


def _is_rows(found: LabelledRows | Missing) -> TypeGuard[LabelledRows]:
    return isinstance(found, LabelledRows)


def _reason(origin: Origin, found: object) -> str:
    return f"{origin.name}: {found.reason}" if isinstance(found, Missing) else ""


def _has(backtest: Backtest, part: Part) -> bool:
    """Return whether a backtest has the result of an origin, on the rows that have a label here."""
    entry = backtest.of(part[0])
    return entry is not None and entry.keys_sha256 == part[1].keys_sha256


def _stored(backtest: Backtest, origin: Origin) -> np.ndarray | Missing:
    scores = backtest.scores(origin)
    if scores is not None:
        return scores
    entry = backtest.of(origin)
    return Missing((entry and entry.not_fitted) or "it has no scores")


def _of_model(model: ScoredModel) -> np.ndarray | Missing:
    if model.scores is None:
        return Missing("its model did not score these rows")
    return project.task().rounded(model.scores)  # as the scores of earlier periods are


def compared(
    periods: Sequence[ScoredPeriod], holdout: LabelledRows, dependence: Dependence
) -> Compared:
    """Return the rows to compare; without periods, those of the holdout."""
    newest = _with_groups([holdout], dependence)
    if not periods:
        return Compared(newest, newest)
    return Compared(_with_groups([period.rows for period in periods], dependence), newest)


def _with_groups(parts: Sequence[LabelledRows], dependence: Dependence) -> Rows:
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns
    }
    labels = np.concatenate([part.labels for part in parts]).astype("float64")
    ends = np.cumsum([len(part.labels) for part in parts]).tolist()
    periods = tuple(slice(start, end) for start, end in zip([0, *ends], ends, strict=False))
    return Rows(Sample(labels, dependence.clusters(columns), periods), groups_of(columns))
