"""What evaluation asks of a task: baselines, and the data of its plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from slipway.metrics.calibration import BinCurves
    from slipway.tasks.predictions import Predictions


Table = Sequence[Mapping[str, object]]
"""The rows of a CSV file."""

# Weight, in rows, of the mean of all labels in that of a category.
SHRINKAGE = 20


@dataclass(frozen=True)
class Axes:
    """How DVC draws a file of the plots."""

    file: str
    x: str
    y: str
    title: str
    template: str = ""


class Diagnostics(Protocol):
    """How models of a task are compared with simple ones, and shown.

    Attributes
    ----------
    simplest
        What the baseline that learns nothing but the labels is called.
    regressor
        What the baseline on the same features is called.
    """

    simplest: str
    regressor: str

    @property
    def axes(self) -> Sequence[Axes]:
        """Those of each of the plots, for dvc.yaml."""

    def strength(self, values: np.ndarray, labels: np.ndarray) -> float:
        """Return how well a number orders the labels: 0.5 is chance, 1 perfect, either way."""

    def estimator(self) -> Any:
        """Return the regressor or classifier of the baseline on the same features, not fitted."""

    def plots(self, curves: BinCurves, model: Predictions) -> dict[str, Table]:
        """Return the tables of the plots, by file name."""

    def of_slice(self, labels: np.ndarray, model: Predictions) -> dict[str, str]:
        """Return what the table of slices has next to the metrics."""


def strength_of(diagnostics: Diagnostics, values: np.ndarray, labels: np.ndarray) -> float:
    """Return how well a feature orders the labels, with its missing values first or last.

    Rows that lack a value may be those of a label: where there was no event, its time is missing.
    """
    if values.dtype.kind != "f" or not np.isnan(values).any():
        return diagnostics.strength(values, labels)
    ends = (np.where(np.isnan(values), end, values) for end in (-np.inf, np.inf))
    return max(diagnostics.strength(each, labels) for each in ends)


def ordinal(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return a feature as numbers: a category by the shrunk mean of its labels.

    The mean is that of the other half of the rows: the text of one row does not predict itself.
    """
    if values.dtype.kind not in "OU":
        return np.nan_to_num(values)
    names, codes = np.unique(values.astype(str), return_inverse=True)
    half = np.random.default_rng(0).permutation(len(codes)) % 2
    found = np.empty(len(codes))
    for part in (0, 1):
        seen, asked = codes[half != part], half == part
        rows = np.bincount(seen, minlength=len(names))
        sums = np.bincount(seen, weights=labels[half != part], minlength=len(names))
        means = (sums + SHRINKAGE * labels.mean()) / (rows + SHRINKAGE)
        found[asked] = means[codes[asked]]
    return found
