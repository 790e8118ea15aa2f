"""`slipway search`: which settings of `train` learn best, found out on training data only.

Months are held out in the order of time, each predicted by a model that learned from the months
before it. The holdout is not read: it is for the judge, who trusts nobody that has seen it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import contract, stats
from slipway.errors import NO, YES, SlipwayError
from slipway.months import DATA, month_files, split_months
from slipway.prepare import labelled, require_both_labels
from slipway.progress import track
from slipway.tables import read_columns, write_json
from slipway.workers import workers

if TYPE_CHECKING:
    from slipway.settings import Params

SEARCH = Path("build/search.json")

FOLDS = 3

HIGHER_IS_BETTER = {"auc": True, "log_loss": False, "brier": False}


@dataclass(frozen=True)
class Tried:
    """A candidate: what it changes, and its metric on each held month; none for the settings."""

    changes: dict[str, Any]
    values: list[float]
    mean: float


@dataclass(frozen=True)
class Search:
    """What came of a search.

    Parameters
    ----------
    metric
        `judge.primary` of the parameters.
    held
        The months predicted, each by a model of the months before it.
    tried
        The settings as they are, then every challenger.
    chosen
        What the best candidate changes; empty if that is the settings as they are.
    where
        What did the work.
    """

    metric: str
    held: list[str]
    rows: int
    tried: list[Tried]
    chosen: dict[str, Any]
    where: str

    @property
    def exit_code(self) -> int:
        return YES if self.chosen else NO

    def as_dict(self) -> dict[str, Any]:
        return {"version": 1} | asdict(self)

    def text(self) -> str:
        held = f"{', '.join(self.held)} ({self.rows:,} rows)"
        how = "each month predicted by a model of the months before it"
        lines = [f"{self.metric} on {held}, {how}; {self.where}"]
        for tried in self.tried:
            mark = "→" if tried.changes == self.chosen else " "
            values = "  ".join(f"{value:.4f}" for value in tried.values)
            lines.append(f"{mark} {tried.mean:.4f}  ({values})  {named(tried.changes)}")
        if self.chosen:
            lines.append(
                f"best: {named(self.chosen)}; `slipway retrain` would let the judge decide"
            )
        else:
            lines.append("no challenger learns better than the settings as they are")
        return "\n".join(lines)


def search(params: Params, folder: Path = DATA, out: Path | None = SEARCH) -> Search:
    """Try the challengers of the parameters; write and return what came of it.

    Raises
    ------
    SlipwayError
        There is no challenger or no month to hold out, a challenger changes what `train` does
        not have, or the cluster cannot be used.
    """
    candidates = [{}, *_challengers(params)]
    files, _ = split_months(month_files(folder), params.prepare.holdout_months)
    months = [_read(path) for path in files]
    metric, folds = params.judge.primary, _folds(len(months))
    jobs = [
        (params.train | changes, metric, learned, held)
        for changes in candidates
        for learned, held in folds
    ]
    with workers() as found:
        values = list(track(found.run(_try, jobs, months), "Trying challengers", len(jobs)))
        where = found.where
    tried = [
        Tried(changes, part, float(np.mean(part)))
        for changes, part in zip(candidates, _parts(values, len(folds)), strict=True)
    ]
    held = [files[at].stem for _, at in folds]
    rows = sum(len(months[at][1]) for _, at in folds)
    answer = Search(metric, held, rows, tried, _best(tried, metric), where)
    if out:
        write_json(answer.as_dict(), out)
    return answer


def named(changes: Mapping[str, Any]) -> str:
    """Return changed settings in a line."""
    listed = ", ".join(f"{name} {value}" for name, value in changes.items())
    return listed or "the settings as they are"


def _challengers(params: Params) -> list[dict[str, Any]]:
    if not params.challengers:
        raise SlipwayError(
            "params.yaml lists no challenger", "name other settings under `challengers`"
        )
    for changes in params.challengers:
        unknown = set(changes) - set(params.train)
        if unknown or not changes:
            raise SlipwayError(
                f"params.yaml: challenger {changes}: "
                + (
                    f"`train` has no {', '.join(sorted(unknown))}" if unknown else "changes nothing"
                ),
                f"change some of: {', '.join(params.train)}",
            )
    return params.challengers


Month = tuple[dict[str, np.ndarray], np.ndarray]


def _read(path: Path) -> Month:
    """Return the features and labels of a month's labelled rows."""
    rows, labels = labelled(read_columns([path]))
    require_both_labels(path.stem, labels)
    return contract.features({name: rows[name] for name in contract.inputs()}), labels


def _folds(months: int) -> list[tuple[list[int], int]]:
    """Return which months to learn from and which one to predict, always a later one."""
    from sklearn.model_selection import TimeSeriesSplit

    if months < 2:
        raise SlipwayError(
            f"{months} month of training data: none can be held out of it",
            "add a month, or lower `prepare.holdout_months` in params.yaml",
        )
    split = TimeSeriesSplit(n_splits=min(FOLDS, months - 1), test_size=1)
    return [(learned.tolist(), int(held[0])) for learned, held in split.split(np.zeros(months))]


def _try(
    train: dict[str, Any], metric: str, learned: list[int], held: int, months: list[Month]
) -> float:
    """Fit on some months and return the metric on a later one."""
    import pandas as pd

    from slipway.train import fit

    names = months[held][0]
    features = {name: np.concatenate([months[at][0][name] for at in learned]) for name in names}
    labels = np.concatenate([months[at][1] for at in learned])
    try:
        fitted = fit(train, features, labels)
    except SlipwayError as error:
        raise SlipwayError(
            f"nothing can be learned with {named(train)}: {' '.join(str(error).split())[:300]}",
            "correct the challenger in params.yaml",
        ) from None
    scores = fitted.predict_proba(pd.DataFrame(months[held][0]))[:, 1]
    truth = months[held][1].astype("float64")
    if metric == "auc":
        return stats.auc(truth, scores).value
    losses = stats.log_losses if metric == "log_loss" else stats.brier
    return float(losses(truth, scores).mean())


def _best(tried: list[Tried], metric: str) -> dict[str, Any]:
    sign = 1 if HIGHER_IS_BETTER[metric] else -1
    return max(tried, key=lambda candidate: sign * candidate.mean).changes


def _parts(values: list[float], size: int) -> list[list[float]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
