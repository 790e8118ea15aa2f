"""The trees and linear models in an estimator of scikit-learn or of a boosting library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.errors import first_line
from slipway.explain.explanation import NotAdditive
from slipway.explain.part import Attribution, Encode, Linear, Part, Trees
from slipway.training.formats.skops import check_types

if TYPE_CHECKING:
    from slipway.project import Columns
    from slipway.training.formats.format import Types

Transform = Callable[[Any], Any]
"""A table of features to what the next step of a pipeline reads."""

# An attribute that holds the fitted estimator within another one that predicts by it alone.
INNER = ("best_estimator_", "regressor_")

# The options by which LightGBM, XGBoost and CatBoost predict raw values. shap knows nothing of some
# of their models: the weights of trees of DART, linear models in leaves.
OWN_RAW = ({"raw_score": True}, {"output_margin": True}, {"prediction_type": "RawFormulaVal"})

SAME = 1e-4


def skops_parts(
    content: bytes, types: Types, listed: Sequence[str], background: Columns
) -> list[Part]:
    """Return the parts of a file of skops; several are the folds of a calibration.

    Raises
    ------
    NotAdditive
        shap reads neither trees nor a linear model in it.
    """
    import skops.io

    check_types(content, listed)
    fitted = skops.io.loads(content, trusted=list(listed))
    return fitted_parts(fitted, types, background)


def fitted_parts(fitted: Any, types: Types, background: Columns) -> list[Part]:
    """Return the parts of a fitted estimator."""
    found = []
    for transform, estimator in _members(fitted, lambda table: table):
        encode = _encoder(transform, types)
        try:
            columns = encode(background)
        except (TypeError, ValueError) as error:
            raise NotAdditive(
                f"what the encoder returns are not numbers: {first_line(error)}"
            ) from error
        found.append(Part(encode, _attribution(estimator, columns)))
    return found


def _members(fitted: Any, before: Transform) -> Iterator[tuple[Transform, Any]]:
    """Yield the estimators that predict, each with the steps before it."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import Pipeline

    if isinstance(fitted, Pipeline):
        steps = [step for _, step in fitted.steps[:-1] if step not in (None, "passthrough")]
        yield from _members(fitted.steps[-1][1], _chain(before, steps))
    elif isinstance(fitted, CalibratedClassifierCV):
        for each in fitted.calibrated_classifiers_:
            yield from _members(each.estimator, before)
    elif isinstance(fitted, FrozenEstimator):
        yield from _members(fitted.estimator, before)
    elif inner := next((getattr(fitted, name) for name in INNER if hasattr(fitted, name)), None):
        yield from _members(inner, before)
    else:
        yield before, fitted


def _chain(before: Transform, steps: Sequence[Any]) -> Transform:
    def transform(table: Any) -> Any:
        table = before(table)
        for step in steps:
            table = step.transform(table)
        return table

    return transform


def _encoder(transform: Transform, types: Types) -> Encode:
    import pandas as pd

    def encode(features: Columns) -> np.ndarray:
        made = transform(pd.DataFrame({name: features[name] for name in types}))
        return np.asarray(made.toarray() if hasattr(made, "toarray") else made, "float64")

    return encode


def _attribution(estimator: Any, background: np.ndarray) -> Attribution:
    coefficients = getattr(estimator, "coef_", None)
    if isinstance(coefficients, np.ndarray):
        rows = np.atleast_2d(coefficients).astype("float64")
        intercepts = np.broadcast_to(np.asarray(estimator.intercept_, "float64"), len(rows))
        return Linear(rows, intercepts, background)
    name = type(estimator).__name__
    try:
        trees = Trees(estimator, background)
    except Exception as error:
        raise NotAdditive(f"shap reads no trees in {name}: {first_line(error)}") from error
    own = _own_raw(estimator, background)
    if own is not None and _varies(trees.raw(background) - own, own):
        raise NotAdditive(f"shap does not read all that {name} adds up")
    return trees


def _own_raw(estimator: Any, columns: np.ndarray) -> np.ndarray | None:
    """Return the raw values by a boosting library, shape (rows, outputs); None of others."""
    for options in OWN_RAW:
        try:
            return np.asarray(estimator.predict(columns, **options)).reshape(len(columns), -1)
        except TypeError:  # it has no such option
            continue
    return None


def _varies(difference: np.ndarray, own: np.ndarray) -> bool:
    """Return whether raw values differ by more than a number that is the same for all rows."""
    return bool((np.ptp(difference, axis=0) > SAME * max(1.0, float(np.abs(own).max()))).any())
