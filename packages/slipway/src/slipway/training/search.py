"""`slipway search`: compare settings of `train` on the training data.

Periods are held out in the order of time, each predicted by a model that learned from the periods
before it; where rows are not held out by time, folds, each predicted by a model of the others. Only
the parts that no origin scores (`prepare.origins`) are read: a model that was chosen on rows that
the judge compares on could not be judged on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import project
from slipway.dataset.labelled import LabelledRows
from slipway.dataset.split import Dataset
from slipway.dataset.table import FOLD
from slipway.dataset.tables import write_json
from slipway.errors import NO, YES, SlipwayError
from slipway.metrics.registry import ALL, Options, Sample
from slipway.numbers import counted, plain
from slipway.progress import track
from slipway.training.periods import Period, fit_and_score, joined
from slipway.workers import workers

if TYPE_CHECKING:
    from slipway.settings import Params

SEARCH = Path("build/search.json")

FOLDS = 3

BY_HAND = "you set it in `train` of params.yaml, with `dvc repro` and a commit"

Changes = Mapping[str, Any]
"""Settings of `train` that a candidate changes."""


@dataclass(frozen=True)
class Tried:
    """A candidate: the settings that it changes, and its metric on each held-out period."""

    changes: Changes
    values: list[float]
    mean: float


@dataclass(frozen=True)
class Search:
    """Result of a search.

    Parameters
    ----------
    metric
        `judge.primary` of the parameters.
    held
        The periods predicted, each by a model of the periods before it; or folds.
    tried
        The current settings, then every candidate.
    chosen
        The settings that the best candidate changes; empty for the current ones.
    where
        Where the fits ran.
    """

    metric: str
    held: list[str]
    rows: int
    tried: list[Tried]
    chosen: Changes
    where: str

    @property
    def exit_code(self) -> int:
        return YES if self.chosen else NO

    def as_dict(self) -> dict[str, Any]:
        return {"version": 1} | asdict(self)

    def text(self) -> str:
        held = f"{', '.join(self.held)} ({counted(self.rows, 'row')})"
        others = "other folds" if self.held[0].startswith(FOLD) else "periods before it"
        how = f"each predicted by a model of the {others}"
        lines = [f"{self.metric} on {held}, {how}; {self.where}"]
        for tried in self.tried:
            mark = "→" if tried.changes == self.chosen else " "
            values = "  ".join(map(plain, tried.values))
            lines.append(f"{mark} {plain(tried.mean)}  ({values})  {named(tried.changes)}")
        if self.chosen:
            after = BY_HAND if project.not_retrainable() else "`slipway retrain`"
            lines.append(f"best: {named(self.chosen)}; `slipway judge` decides after {after}")
        else:
            lines.append("no candidate is better than the current settings")
        return "\n".join(lines)


def search(params: Params, folder: Path | None = None, out: Path | None = SEARCH) -> Search:
    """Try the candidates of the parameters; write and return the result.

    Raises
    ------
    SlipwayError
        There is no candidate or no period to hold out, a candidate changes a setting that `train`
        does not have, or the cluster cannot be used.
    """
    candidates: list[Changes] = [{}, *candidates_of(params)]
    dataset = Dataset.open(params, folder)
    unseen = dataset.unseen(params.prepare.origins)
    metric, folds = params.judge.primary, _folds(dataset, len(unseen))
    periods = [
        Period.of(LabelledRows.of(rows).labelled(dataset.periods[part]))
        for part, rows in zip(unseen, dataset.table.read_each(unseen), strict=True)
    ]
    threshold = params.evaluate.threshold
    jobs = [
        ({**params.train, **changes}, metric, threshold, params.prepare.sample_rows, learned, held)
        for changes in candidates
        for learned, held in folds
    ]
    with workers() as pool:
        values = list(track(pool.run(_try, jobs, periods), "Trying candidates", len(jobs)))
        where = pool.where
    tried = [
        Tried(changes, part, float(np.mean(part)))
        for changes, part in zip(candidates, _parts(values, len(folds)), strict=True)
    ]
    held = [dataset.periods[at] for _, at in folds]
    rows = sum(len(periods[at].labels) for _, at in folds)
    result = Search(metric, held, rows, tried, _best(tried, metric), where)
    if out:
        write_json(result.as_dict(), out)
    return result


def named(changes: Changes) -> str:
    """Return changed settings in a line."""
    listed = ", ".join(f"{name} {value}" for name, value in changes.items())
    return listed or "the current settings"


def candidates_of(params: Params) -> Sequence[Changes]:
    """Return the candidates of params.yaml, each of which changes settings that `train` has.

    Raises
    ------
    SlipwayError
        There is none, or one changes nothing or a setting that `train` does not have.
    """
    if not params.search.candidates:
        raise SlipwayError(
            "params.yaml lists no candidate", "name other settings under `search.candidates`"
        )
    for changes in params.search.candidates:
        unknown = set(changes) - set(params.train)
        if unknown or not changes:
            raise SlipwayError(
                f"params.yaml: candidate {changes}: "
                + (
                    f"`train` has no {', '.join(sorted(unknown))}" if unknown else "changes nothing"
                ),
                f"change some of: {', '.join(params.train)}",
            )
    return params.search.candidates


def _folds(dataset: Dataset, parts: int) -> list[tuple[list[int], int]]:
    """Return the parts to learn from and the one to predict, a later one in time, for each fold."""
    if parts < 2:
        what = "period" if dataset.table.unit else "fold"
        shorter = ", or set a shorter `prepare.period`" if dataset.table.unit else ""
        raise SlipwayError(
            f"{parts} {what} of training data: none can be held out of it",
            f"add data, or hold out less{shorter} in params.yaml",
        )
    held_out = range(max(1, parts - FOLDS), parts)
    if dataset.table.unit:
        return [(list(range(held)), held) for held in held_out]
    return [([part for part in range(parts) if part != held], held) for held in held_out]


def _try(
    train: Mapping[str, Any],
    metric: str,
    threshold: float,
    most: int | None,
    learned: list[int],
    held: int,
    periods: list[Period],
) -> float:
    """Fit on some periods and return the metric on a later one."""
    try:
        scores = fit_and_score(train, joined((periods[at] for at in learned), most), periods[held])
    except SlipwayError as error:
        raise SlipwayError(
            f"cannot be fitted with {named(train)}: {' '.join(str(error).split())[:300]}",
            "correct the candidate in params.yaml",
        ) from None
    sample = Sample.of(periods[held].labels.astype("float64"))
    model = project.task().predictions(scores, threshold)
    return ALL[metric].estimate(sample, model, Options()).value


def _best(tried: list[Tried], metric: str) -> Changes:
    return max(tried, key=lambda candidate: ALL[metric].sign * candidate.mean).changes


def _parts(values: list[float], size: int) -> list[list[float]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
