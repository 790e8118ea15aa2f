"""Gradient boosting of a quantile, on ordinal categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from model.target import QUANTILE  # type: ignore[attr-defined]  # mypy reads the starter's


def build(params: Mapping[str, Any], categories: Sequence[str]) -> RegressorMixin:
    """Return the estimator, not fitted."""
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
    encode = ColumnTransformer(
        [("categories", ordinal, list(categories))],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    boost = HistGradientBoostingRegressor(
        loss="quantile",
        quantile=QUANTILE,
        max_iter=params["iterations"],
        min_samples_leaf=params["min_samples_leaf"],
        random_state=params["seed"],
        early_stopping=False,
    )
    return Pipeline([("encode", encode), ("boost", boost)])
