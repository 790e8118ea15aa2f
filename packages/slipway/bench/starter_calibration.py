"""Whether a calibration of the starter's estimator would hold in the next month.

Run it alone: `.venv/bin/python bench/starter_calibration.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from support.measure import ROOT, machine, table
from support.rolling import data_files

from slipway import project
from slipway.dataset.labelled import LabelledRows
from slipway.dataset.tables import read_columns
from slipway.metrics import stats
from slipway.metrics.calibration import Binned
from slipway.progress import track
from slipway.settings import read_params
from slipway.training.formats.format import NotExported
from slipway.training.formats.onnx import ONNX
from slipway.training.periods import Period, joined
from slipway.training.score import feature_type
from slipway.training.train import fit

FIRST = 8  # months that the first fit learns

PARAMS = read_params(ROOT / "params.yaml")


def main() -> None:
    months = [Period.of(LabelledRows.of(read_columns([file])).known()) for file in data_files()]
    names = [file.stem for file in data_files()]
    ways: dict[str, Callable[[Sequence[Period]], ClassifierMixin]] = {
        "as it is": as_it_is,
        "sigmoid, cross-validated": cross_validated,
        "sigmoid, on the newest month": lambda past: on_the_newest(past, "sigmoid"),
        "isotonic, on the newest month": lambda past: on_the_newest(past, "isotonic"),
    }
    jobs = [(way, at) for way in ways for at in range(FIRST, len(months))]
    lines: dict[str, list[tuple[float, float, float]]] = {way: [] for way in ways}
    parity = {}
    for way, at in track(jobs, "Calibrating"):
        fitted = ways[way](months[:at])
        scores = fitted.predict_proba(pd.DataFrame(months[at].features))[:, 1]
        lines[way].append(measured(months[at].labels, scores))
        if at == len(months) - 1:
            parity[way] = onnx_difference(fitted, months[at])
    print(f"## Calibration of the starter\n\n{machine()}\n")
    rates = [float(month.labels.mean()) for month in months[FIRST:]]
    heads = [f"{name}: {rate:.0%} late" for name, rate in zip(names[FIRST:], rates, strict=True)]
    for title, part in (("Mean probability", 0), ("Calibration error", 1), ("Log loss", 2)):
        print(f"\n{title} in each month, learned from all months before:\n")
        print(
            table(
                {"": way}
                | {head: f"{values[part]:.3f}" for head, values in zip(heads, found, strict=True)}
                | {"mean": f"{np.mean([values[part] for values in found]):.3f}"}
                | ({"difference as ONNX": parity[way]} if not part else {})
                for way, found in lines.items()
            )
        )


def as_it_is(past: Sequence[Period]) -> ClassifierMixin:
    learned = joined(past)
    return fit(PARAMS.train, learned.features, learned.labels)


def cross_validated(past: Sequence[Period]) -> ClassifierMixin:
    learned = joined(past)
    estimator = project.estimator(PARAMS.train, categories(learned))
    calibrated = CalibratedClassifierCV(estimator, method="sigmoid", cv=3)
    return calibrated.fit(pd.DataFrame(learned.features), learned.labels.astype(int))


def on_the_newest(past: Sequence[Period], method: str) -> ClassifierMixin:
    """Learn from all months but the newest one, which fits the calibration."""
    fitted, newest = as_it_is(past[:-1]), past[-1]
    calibrated = CalibratedClassifierCV(FrozenEstimator(fitted), method=method)
    return calibrated.fit(pd.DataFrame(newest.features), newest.labels.astype(int))


def categories(month: Period) -> list[str]:
    return [name for name, values in month.features.items() if values.dtype.kind in "OU"]


def measured(labels: np.ndarray, scores: np.ndarray) -> tuple[float, float, float]:
    """Return the mean score, the calibration error and the log loss."""
    whole = [slice(0, len(labels))]
    gap = Binned.of(labels, scores, whole, PARAMS.evaluate.bins).error
    return float(scores.mean()), gap, float(stats.log_losses(labels, scores).mean())


def onnx_difference(fitted: ClassifierMixin, month: Period) -> str:
    """Return by how much the probabilities of the model file differ at most."""
    types = {name: feature_type(values) for name, values in month.features.items()}
    try:
        predict = ONNX.load(ONNX.export(fitted, types).content, types, ())
    except NotExported as error:
        return str(error)
    expected = fitted.predict_proba(pd.DataFrame(month.features))
    return f"{np.abs(predict(month.features) - expected).max():.2g}"


if __name__ == "__main__":
    main()
