"""A part of an estimator that is a sum: an ensemble of trees, or a linear model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from types import ModuleType

    from slipway.explain.explanation import Method
    from slipway.project import Columns

Encode = Callable[["Columns"], np.ndarray]
"""Features to what the part reads, float64, shape (rows, columns)."""


class Attribution(Protocol):
    """Contributions of the columns that a part reads."""

    @property
    def method(self) -> Method:
        """The class of shap."""

    @property
    def baseline(self) -> np.ndarray:
        """The mean raw values of the background, shape (outputs,)."""

    def contributions(self, columns: np.ndarray) -> np.ndarray:
        """Return the contributions, shape (rows, columns, outputs)."""

    def raw(self, columns: np.ndarray) -> np.ndarray:
        """Return the raw values, computed without the contributions; shape (rows, outputs)."""


@dataclass(frozen=True)
class Part:
    """A part of an estimator."""

    encode: Encode
    attribution: Attribution


def load_shap() -> ModuleType:
    """Return the module shap, without a compiler for its loops.

    They are short here, and to compile them with numba takes some twenty seconds in each process.
    """
    from numba import config

    before = config.DISABLE_JIT
    config.DISABLE_JIT = True
    try:
        import shap
    finally:
        config.DISABLE_JIT = before
    module: ModuleType = shap
    return module


class Trees:
    """Trees by shap's TreeExplainer.

    Parameters
    ----------
    trees
        An estimator that shap reads, or the dictionary that describes trees to it.
    background
        The rows of the baseline, shape (rows, columns).
    """

    method: Method = "TreeExplainer"

    def __init__(self, trees: Any, background: np.ndarray) -> None:
        shap = load_shap()
        # "interventional" has the mean of these rows as its baseline. The alternative needs how
        # many training rows reached each node, which an ONNX file does not have.
        self._explainer = shap.TreeExplainer(
            trees, background, feature_perturbation="interventional"
        )
        self.baseline = self.raw(background).mean(0)

    def contributions(self, columns: np.ndarray) -> np.ndarray:
        # Its own check of additivity has a tolerance of 1e-2; each explanation is checked below.
        found = np.asarray(self._explainer.shap_values(columns, check_additivity=False))
        return found.reshape(*columns.shape, -1)

    def raw(self, columns: np.ndarray) -> np.ndarray:
        return np.asarray(self._explainer.model.predict(columns)).reshape(len(columns), -1)


class Linear:
    """A linear model by shap's LinearExplainer.

    Parameters
    ----------
    coefficients
        Shape (outputs, columns).
    intercepts
        Shape (outputs,).
    background
        The rows of the baseline, shape (rows, columns).
    """

    method: Method = "LinearExplainer"

    def __init__(
        self, coefficients: np.ndarray, intercepts: np.ndarray, background: np.ndarray
    ) -> None:
        shap = load_shap()
        self._coefficients, self._intercepts = coefficients, intercepts
        self._explainers = [
            shap.LinearExplainer(each, background)
            for each in zip(coefficients, intercepts, strict=True)
        ]
        self.baseline = self.raw(background).mean(0)

    def contributions(self, columns: np.ndarray) -> np.ndarray:
        return np.stack([each.shap_values(columns) for each in self._explainers], axis=-1)

    def raw(self, columns: np.ndarray) -> np.ndarray:
        return np.asarray(columns @ self._coefficients.T + self._intercepts)


def owners(encode: Encode, background: Columns) -> np.ndarray:
    """Return of each encoded column the number of its feature, -1 if none of the probes changed it.

    Raises
    ------
    NotAdditive
        A column depends on several features, so its contribution belongs to none of them.
    """
    from slipway.explain.explanation import NotAdditive

    plain = encode(background)
    found = np.full(plain.shape[1], -1)
    for number, (name, values) in enumerate(background.items()):
        for probe in _probes(values):
            changed = _differs(encode({**background, name: probe}), plain)
            if (shared := changed & (found >= 0) & (found != number)).any():
                names = list(background)
                other = names[found[shared][0]]
                raise NotAdditive(
                    f"the encoder mixes features: a column depends on {other} and {name}"
                )
            found[changed] = number
    return found


def owners_at(
    encode: Encode, background: Columns, row: Columns, known: np.ndarray, needed: np.ndarray
) -> np.ndarray:
    """Return the owners, with those of the needed columns that only the values of a row change."""
    found = known.copy()
    plain = encode(background)
    for number, name in enumerate(background):
        same = np.repeat(row[name], len(plain))
        changed = _differs(encode({**background, name: same}), plain)
        found[changed & needed & (known < 0)] = number
    return found


def _probes(values: np.ndarray) -> Sequence[np.ndarray]:
    """Return other values of a feature: those of other rows, and larger numbers."""
    moved = np.roll(values, 1)
    return (moved, values + 1) if values.dtype.kind == "f" else (moved,)


def _differs(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return in which columns two tables differ; shape (columns,)."""
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    return np.asarray(~same.all(0))


def sums_by_feature(values: np.ndarray, owner: np.ndarray, features: int) -> np.ndarray:
    """Return the contributions of columns, shape (columns, outputs), summed for each feature."""
    sums = np.zeros((features, values.shape[1]))
    np.add.at(sums, owner[owner >= 0], values[owner >= 0])
    return sums
