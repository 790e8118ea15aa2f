"""A format of the model file: how an estimator is written, and how the file predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from slipway.project import Columns

MACHINE = "slipway-ml"

# Of the packages in each image, those that models import too.
EVERY_IMAGE = ("numpy",)

Types = Mapping[str, str]
"""The features in their sequence, name to `number` (float32) or `category` (text)."""

Predict = Callable[["Columns"], np.ndarray]
"""Features to predictions, float64: probabilities of shape (rows, classes), or shape (rows,)."""


class NotExported(Exception):
    """An estimator that a format cannot hold: the reason, and in `do` how to change that."""

    def __init__(self, reason: str, do: str = "") -> None:
        super().__init__(reason)
        self.do = do


@dataclass(frozen=True)
class Exported:
    """A model file.

    Attributes
    ----------
    types
        Names of the Python types that loading it creates, beyond numbers, texts and containers.
    """

    content: bytes
    types: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes
    ----------
    file
        Name of the model file.
    extras
        The extras of this package with all that the service imports.
    packages
        What loading such a file imports, as a lock names it.
    exact_versions
        Whether a file is for the versions of the packages with which it was made.
    export
        Writes a fitted estimator; raises `NotExported`.
    load
        Returns how a file predicts, from its bytes, the features, and the types that its manifest
        lists; raises SlipwayError.
    """

    name: str
    file: str
    extras: str
    packages: tuple[str, ...]
    export: Callable[[Any, Types], Exported]
    load: Callable[[bytes, Types, Iterable[str]], Predict]
    exact_versions: bool = False

    def dependencies(self, names: Iterable[str]) -> list[str]:
        """Return the dependencies, as in pyproject.toml, by which an image gets these packages."""
        others = sorted(set(names) - {*self.packages, *EVERY_IMAGE})
        return [f"{MACHINE}[{self.extras}]", *others]


def predictions(estimator: Any, frame: pd.DataFrame) -> np.ndarray:
    """Return what an estimator predicts, float64.

    Returns
    -------
    Probabilities of shape (rows, classes) if it has `predict_proba`, else values of shape (rows,).
    """
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(frame), dtype="float64")
    return np.asarray(estimator.predict(frame), dtype="float64").reshape(-1)
