"""Scores of any estimators on the starter data, fitted at four origins; kept in `build`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from slipway import project
from slipway.dataset.csv_format import FOUND
from slipway.dataset.dependence import Dependence
from slipway.dataset.labelled import LabelledRows
from slipway.dataset.make import make_months, source_months
from slipway.dataset.origins import Origin
from slipway.dataset.table import by_time
from slipway.dataset.tables import digest, read_columns
from slipway.metrics.clusters import Clusters
from slipway.metrics.registry import Sample
from slipway.progress import track
from slipway.training.periods import Period, fit_and_score, joined
from slipway.workers import workers

from .measure import ROOT

LIBRARIES = ("duckdb", "numpy", "pandas", "pyarrow", "scikit-learn")

CODE, CACHE = ROOT / "src/model", ROOT / "build/replication"

# Of each origin: how many months are learned, and the number of the last one that is scored.
ORIGINS = ((5, 6), (6, 7), (7, 8), (8, 12))


class Setting(NamedTuple):
    """The section `train` of params.yaml, and the features that are left out."""

    train: Mapping[str, Any]
    without: tuple[str, ...] = ()


class ScoredRows(NamedTuple):
    """The scored rows, one period a month."""

    by_day: Sample
    alone: Sample  # the same rows, independent
    is_odd: np.ndarray  # whether the day of a row is

    @classmethod
    def of(cls, months: Sequence[LabelledRows]) -> ScoredRows:
        dependence = Dependence.declared()
        columns = {
            name: np.concatenate([month.columns[name] for month in months])
            for name in dependence.needed
        }
        labels = np.concatenate([month.labels for month in months])
        ends = np.cumsum([0, *(len(month.labels) for month in months)]).tolist()
        periods = tuple(slice(start, end) for start, end in pairwise(ends))
        days = dependence.days(columns)
        return cls(
            Sample(labels, dependence.clusters(columns), periods),
            Sample(labels, Clusters(), periods),
            (days - days.astype("datetime64[M]")).astype("int64") % 2 == 0,  # the 1st is 0
        )

    def rows(self, months: range) -> np.ndarray:
        periods = self.by_day.periods
        return np.arange(periods[months[0]].start, periods[months[-1]].stop)


def scored(settings: Mapping[str, Setting]) -> tuple[ScoredRows, dict[str, np.ndarray]]:
    """Return the rows from June on, and the scores of each setting: fitted if not kept."""
    files = data_files()
    months = [LabelledRows.of(read_columns([file])).known() for file in files]
    table = by_time(files, "month", FOUND)
    origins = [Origin(table, range(at), range(at, end)) for at, end in ORIGINS]
    paths = {name: [kept(settings[name], origin) for origin in origins] for name in settings}
    jobs = {
        path: (settings[name], *ends)
        for name in settings
        for path, ends in zip(paths[name], ORIGINS, strict=True)
        if not path.exists()
    }
    with workers() as pool:
        features = [Period.of(month) for month in months] if jobs else []
        results = track(pool.run(fit, list(jobs.values()), features), "Fitting", len(jobs))
        for path, scores in zip(jobs, results, strict=True):
            np.savez_compressed(new := path.with_suffix(".new.npz"), scores=scores)
            new.rename(path)
    return ScoredRows.of(months[ORIGINS[0][0] :]), {
        name: np.concatenate([np.load(path)["scores"] for path in paths[name]]) for name in paths
    }


def data_files() -> tuple[Path, ...]:
    """Return the files of the year's months, made once."""
    folder = CACHE / f"months-{digest(CODE / 'source.py')[:16]}"
    if not folder.exists():
        make_months(source_months(), new := folder.with_suffix(".new"))
        new.rename(folder)
    return tuple(sorted(folder.glob("*.parquet")))


def kept(setting: Setting, origin: Origin) -> Path:
    """Return the file of some scores, named after all that they depend on."""
    code = [digest(CODE / f"{name}.py") for name in ("estimator", "features", "target")]
    libraries = [version(name) for name in LIBRARIES]
    made_from = [dict(setting.train), setting.without, origin.sha256, code, libraries]
    name = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
    return CACHE / f"{name[:32]}.npz"


def fit(setting: Setting, learned: int, end: int, months: Sequence[Period]) -> np.ndarray:
    """Fit on the first months, score the next ones, and round as `slipway backtest` does."""
    past, later = (
        Period(
            # Constant: the estimator names its features, and learns nothing from such a one.
            {n: np.zeros_like(v) if n in setting.without else v for n, v in part.features.items()},
            part.labels,
        )
        for part in (joined(months[:learned]), joined(months[learned:end]))
    )
    return project.task().rounded(fit_and_score(setting.train, past, later))
