"""Folds of rows without an event time: rows that depend on each other are in one fold.

Each fold is scored by a fit on the others. The folds are the periods of a
`slipway.metrics.sample.Sample`, whose clusters are not ordered.
"""

from __future__ import annotations

import numpy as np

from slipway.errors import SlipwayError
from slipway.metrics.clusters import Clusters

FOLDS = 5


def grouped_folds(labels: np.ndarray, clusters: Clusters, folds: int = FOLDS) -> list[np.ndarray]:
    """Return the positions of the rows of each fold, ascending.

    No cluster of the first way is in two folds, and each fold has about the same share of
    positives. Without clusters, every row is its own.

    Raises
    ------
    SlipwayError
        There are fewer clusters than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    codes = clusters.ways[0].codes if clusters.ways else np.arange(len(labels))
    count = clusters.ways[0].count if clusters.ways else len(labels)
    if count < folds:
        raise SlipwayError(
            f"{count} clusters of rows cannot be divided into {folds} folds",
            "name a column with more values in `CLUSTERS` of src/model/schema.py",
        )
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    return [np.sort(scored) for _, scored in split.split(codes, labels, codes)]
