"""How it learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder


def build(params: Mapping[str, Any], categories: Sequence[str]) -> ClassifierMixin:
    """Return the estimator, not yet fitted.

    Parameters
    ----------
    params
        The section `train` of ``params.yaml``.
    categories
        The features that hold strings.

    Notes
    -----
    Any classifier with the interface of scikit-learn and `predict_proba` will do.
    Early stopping stays off: it would hold back other rows on every run.
    """
    encode = ColumnTransformer(
        [
            (
                "categories",
                OrdinalEncoder(
                    handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32
                ),
                list(categories),
            )
        ],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    boost = HistGradientBoostingClassifier(
        learning_rate=params["learning_rate"],
        max_iter=params["iterations"],
        max_leaf_nodes=params["max_leaf_nodes"],
        min_samples_leaf=params["min_samples_leaf"],
        l2_regularization=params["l2"],
        random_state=params["seed"],
        early_stopping=False,
    )
    return Pipeline([("encode", encode), ("boost", boost)])
