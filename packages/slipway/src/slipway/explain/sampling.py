"""Contributions of any estimator, from its predictions for mixtures of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from slipway.explain.part import load_shap

if TYPE_CHECKING:
    from slipway.explain.explanation import Method
    from slipway.project import Columns

# With so few features all of their subsets are tried, which is exact.
MOST_EXACT = 8

PERMUTATIONS = 10

Predict = Callable[["Columns"], np.ndarray]
"""Features to predictions, shape (rows, outputs)."""


class Sampling:
    """Contributions by shap's ExactExplainer or PermutationExplainer.

    A feature that is left out has the value of a background row. Rows are given to shap as numbers
    of rows, so that features may be of any type.
    """

    def __init__(self, predict: Predict, background: Columns) -> None:
        shap = load_shap()
        self._predict, self._background = predict, background
        self._rows = len(next(iter(background.values())))
        self._table: Columns = background
        self.exact = len(background) <= MOST_EXACT
        self.method: Method = "ExactExplainer" if self.exact else "PermutationExplainer"
        numbers = np.repeat(np.arange(self._rows)[:, None], len(background), axis=1)
        masker = shap.maskers.Independent(numbers, max_samples=self._rows)
        self._explainer = (
            shap.ExactExplainer(self._of_numbers, masker)
            if self.exact
            else shap.PermutationExplainer(self._of_numbers, masker, seed=0)
        )
        self.baseline = predict(background).mean(0)

    def contributions(self, row: Columns) -> tuple[np.ndarray, np.ndarray | None]:
        """Return contributions and their standard errors, shape (features, outputs).

        The errors are None if all subsets were tried.
        """
        features = len(self._background)
        self._table = {
            name: np.concatenate([values, row[name]]) for name, values in self._background.items()
        }
        asked = np.full((1, features), self._rows)
        if self.exact:
            return self._shaped(self._explainer(asked, silent=True).values[0]), None
        evaluations = PERMUTATIONS * (2 * features + 1)
        found = self._explainer(asked, max_evals=evaluations, error_bounds=True, silent=True)
        # Each permutation is walked in both directions.
        errors = found.error_std[0] / np.sqrt(2 * PERMUTATIONS)
        return self._shaped(found.values[0]), self._shaped(errors)

    def _of_numbers(self, numbers: np.ndarray) -> np.ndarray:
        columns = zip(self._table.items(), np.asarray(numbers).T.astype(int), strict=True)
        return self._predict({name: values[rows] for (name, values), rows in columns})

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(values).reshape(len(self._background), -1)
