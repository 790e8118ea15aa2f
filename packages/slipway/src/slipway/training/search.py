"""`slipway search`: compare settings of `train` on the training data.

Periods are held out in the order of time, each predicted by a model that learned from the periods
before it; where rows are not held out by time, folds, each predicted by a model of the others. Only
the parts that no origin scores (`prepare.origins`) are read: a model that was chosen on rows that
the judge compares on could not be judged on them. A choice is no verdict: the best of several
candidates looks better than it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway import project
from slipway.dataset.dependence import Dependence, column_of
from slipway.dataset.labelled import LabelledRows
from slipway.dataset.periods import Span
from slipway.dataset.split import Dataset
from slipway.dataset.table import FOLD
from slipway.dataset.tables import write_json
from slipway.errors import NO, YES, SlipwayError
from slipway.metrics.registry import ALL, Predictions, Sample
from slipway.metrics.stats import Estimate
from slipway.numbers import counted, plain, signed
from slipway.progress import track
from slipway.training.periods import Period, fit_and_score, joined
from slipway.workers import workers

if TYPE_CHECKING:
    from slipway.project import Columns
    from slipway.settings import Params, TrainSettings

SEARCH = Path("build/search.json")

FOLDS = 3

BY_HAND = "you set it in `train` of params.yaml, with `dvc repro` and a commit"


@dataclass(frozen=True)
class Tried:
    """A candidate.

    Attributes
    ----------
    changes
        The settings that it changes.
    values, mean
        Its metric on each held-out period, and their mean, weighted by their rows.
    difference
        `mean` less that of the current settings, with its interval, on rows that depend on each
        other as those of a verdict do; None for the current settings, or if it does not exist.
    not_shown
        Why the rows show nothing, such as too few days; empty if they may.
    """

    changes: TrainSettings
    values: list[float]
    mean: float
    difference: Estimate | None = None
    not_shown: str = ""

    def gain(self) -> str:
        """Return the difference in words; empty if there is none."""
        if self.difference is None:
            return ""
        ends = f"{signed(self.difference.low)} to {signed(self.difference.high)}"
        reason = f"; {self.not_shown}" if self.not_shown else ""
        return f"{signed(self.difference.value)} ({ends}{reason})"


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
    chosen: TrainSettings
    where: str

    @property
    def exit_code(self) -> int:
        return YES if self.chosen else NO

    @property
    def is_shown(self) -> bool:
        """Whether the interval of the best candidate has only gains."""
        best = next(tried for tried in self.tried if tried.changes == self.chosen)
        if best.difference is None or best.not_shown:
            return False
        low, high = best.difference.low, best.difference.high
        return low > 0 if ALL[self.metric].higher_is_better else high < 0

    def as_dict(self) -> dict[str, object]:
        return {"version": 1, **asdict(self)}

    def text(self) -> str:
        held = f"{', '.join(self.held)} ({counted(self.rows, 'row')})"
        others = "other folds" if self.held[0].startswith(FOLD) else "periods before it"
        how = f"each predicted by a model of the {others}"
        lines = [f"{self.metric} on {held}, {how}; {self.where}"]
        for tried in self.tried:
            mark = "→" if tried.changes == self.chosen else " "
            values = "  ".join(map(plain, tried.values))
            line = f"{mark} {plain(tried.mean)}  ({values})  {named(tried.changes)}"
            lines.append(f"{line}  {tried.gain()}".rstrip())
        if self.chosen:
            after = BY_HAND if project.not_retrainable() else "`slipway retrain`"
            shown = "" if self.is_shown else ", not shown to be better than the current settings"
            lines.append(
                f"best: {named(self.chosen)}{shown}; `slipway judge` decides after {after}"
            )
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
    candidates: list[TrainSettings] = [{}, *candidates_of(params)]
    dataset = Dataset.open(params, folder)
    unseen = dataset.unseen(params.prepare.origins)
    metric, folds = params.judge.primary, _folds(dataset, len(unseen))
    dependence = Dependence.declared()
    periods, columns = [], []
    for part, each in zip(unseen, dataset.table.read_each(unseen), strict=True):
        rows = LabelledRows.of(each).labelled(dataset.periods[part])
        periods.append(Period.of(rows))
        columns.append({name: column_of(name, rows.columns) for name in dependence.needed})
    held = [at for _, at in folds]
    sample = _sample(
        [periods[at] for at in held],
        [columns[at] for at in held],
        dependence,
        Span(len(held), dataset.table.unit),
    )
    jobs = [
        ({**params.train, **changes}, params.prepare.sample_rows, learned, at)
        for changes in candidates
        for learned, at in folds
    ]
    with workers() as pool:
        scores = track(pool.run(_try, jobs, periods), "Trying candidates", len(jobs))
        tried = list(_tried(candidates, iter(scores), sample, params))
        where = pool.where
    names = [dataset.periods[at] for at in held]
    result = Search(metric, names, sample.rows, tried, _best(tried, metric), where)
    if out:
        write_json(result.as_dict(), out)
    return result


def named(changes: TrainSettings) -> str:
    """Return changed settings in a line."""
    listed = ", ".join(f"{name} {value}" for name, value in changes.items())
    return listed or "the current settings"


def candidates_of(params: Params) -> Sequence[TrainSettings]:
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


def _sample(
    periods: Sequence[Period],
    columns: Sequence[Columns],
    dependence: Dependence,
    span: Span,
) -> Sample:
    """Return the labels of the held-out periods, and which rows depend on each other."""
    together = {name: np.concatenate([each[name] for each in columns]) for name in columns[0]}
    labels = np.concatenate([period.labels for period in periods]).astype("float64")
    ends = np.cumsum([len(period.labels) for period in periods]).tolist()
    slices = tuple(slice(start, end) for start, end in zip([0, *ends], ends, strict=False))
    return Sample(labels, dependence.within(together, span).clusters(together), slices)


def _try(
    train: TrainSettings,
    most: int | None,
    learned: list[int],
    held: int,
    periods: list[Period],
) -> np.ndarray:
    """Fit on some periods and return the scores on a later one."""
    try:
        return fit_and_score(train, joined((periods[at] for at in learned), most), periods[held])
    except SlipwayError as error:
        raise SlipwayError(
            f"cannot be fitted with {named(train)}: {' '.join(str(error).split())[:300]}",
            "correct the candidate in params.yaml",
        ) from None


def _tried(
    candidates: Sequence[TrainSettings],
    scores: Iterator[np.ndarray],
    sample: Sample,
    params: Params,
) -> Iterator[Tried]:
    """Yield each candidate with its metric; the first one has the current settings."""
    metric, task = ALL[params.judge.primary], project.task()
    options = replace(params.evaluate.options, confidence=1 - 2 * params.judge.alpha)
    current: Predictions | None = None
    for changes in candidates:
        parts = list(islice(scores, len(sample.periods)))
        model = task.predictions(np.concatenate(parts), params.evaluate.threshold)
        values = [
            metric.estimate(Sample.of(sample.labels[rows]), model.take(rows), options).value
            for rows in sample.periods
        ]
        mean = metric.estimate(sample, model, options).value
        if current is None:
            current = model
            yield Tried(changes, values, mean)
            continue
        found = metric.difference(sample, current, model, options)
        if found.first is None:
            yield Tried(changes, values, mean, not_shown=found.insufficient_reason)
            continue
        difference = Estimate(found.value, found.low, found.high)
        yield Tried(changes, values, mean, difference, found.insufficient_reason)


def _best(tried: list[Tried], metric: str) -> TrainSettings:
    return max(tried, key=lambda candidate: ALL[metric].sign * candidate.mean).changes
