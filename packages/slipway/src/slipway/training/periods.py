"""Periods of rows, read once, on which several models are fitted and that they score."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slipway import project
from slipway.dataset.labelled import LabelledRows
from slipway.dataset.split import evenly_spaced
from slipway.training.train import fit, scores_of
from slipway.user_code import user_code

if TYPE_CHECKING:
    from slipway.settings import TrainSettings


@dataclass(frozen=True)
class Period:
    """The features and the labels of the labelled rows of a period, or of several."""

    features: dict[str, np.ndarray]
    labels: np.ndarray

    @classmethod
    def of(cls, rows: LabelledRows) -> Period:
        return cls(project.features(rows.inputs()), rows.labels)


def joined(periods: Iterable[Period], most: int | None = None) -> Period:
    """Return the rows of some periods as one; at most `most` of them, evenly spaced."""
    parts = list(periods)
    features = {
        name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features
    }
    labels = np.concatenate([part.labels for part in parts])
    if most is not None and most < len(labels):
        labels = evenly_spaced({"label": labels}, most)["label"]
        features = evenly_spaced(features, most)
    return Period(features, labels)


def fit_and_score(train: TrainSettings, learned: Period, later: Period) -> np.ndarray:
    """Fit the user's estimator on some rows and return its scores for later ones.

    Parameters
    ----------
    train
        The section `train` of ``params.yaml``.

    Raises
    ------
    SlipwayError
        It cannot be fitted, or cannot score the later rows.
    """
    import pandas as pd

    fitted = fit(train, learned.features, learned.labels)
    with user_code("the estimator of src/model/estimator.py cannot score rows of a later period"):
        return scores_of(fitted, pd.DataFrame(later.features))
