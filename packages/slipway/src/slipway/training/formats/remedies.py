"""Changes of an estimator that let it be written as ONNX; each is tried in the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from slipway.training.formats.parts import library
from slipway.user_code import PACKAGE


@dataclass(frozen=True)
class Remedy:
    """A change for an estimator with some part.

    Attributes
    ----------
    applies
        To a part, and whether rows have missing numbers.
    """

    applies: Callable[[Any, bool], bool]
    text: str


def remedies(fitted: Any, missing: bool) -> list[str]:
    """Return the changes that let an estimator be written as ONNX, which may be none.

    Parameters
    ----------
    missing
        Whether training rows have missing numbers.
    """
    named = list(_named(fitted))
    return [each.text for each in REMEDIES if any(each.applies(part, missing) for part in named)]


def _named(fitted: Any) -> Iterator[Any]:
    """Yield an estimator and the parameters that its author gave it, also to its parts."""
    yield fitted
    if hasattr(fitted, "get_params"):
        yield from fitted.get_params(deep=True).values()


def _is(*names: str) -> Callable[[Any], bool]:
    return lambda part: type(part).__name__ in names


def _own(part: Any) -> bool:
    return library(part) == PACKAGE


_FOREST = _is(
    *(
        f"{kind}{task}"
        for kind in ("RandomForest", "ExtraTrees")
        for task in ("Classifier", "Regressor")
    ),
    *(
        f"{kind}{task}"
        for kind in ("DecisionTree", "ExtraTree")
        for task in ("Classifier", "Regressor")
    ),
)
_HISTOGRAM = _is("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")


def _has_categories(part: Any) -> bool:
    """Return whether a histogram model has categories; a part of an ensemble is not fitted."""
    declared = part.categorical_features
    named = declared is not None and not isinstance(declared, str)
    return named or getattr(part, "is_categorical_", None) is not None


_CALIBRATED = _is("CalibratedClassifierCV")
_TEXT = _is("TfidfVectorizer", "CountVectorizer")
_CATBOOST = _is("CatBoostClassifier", "CatBoostRegressor")

REMEDIES = (
    Remedy(
        lambda part, _: _is("FunctionTransformer")(part),
        "move the code of its FunctionTransformer to src/model/features.py",
    ),
    Remedy(
        lambda part, _: _own(part),
        "move the code of its own transformer to src/model/features.py",
    ),
    Remedy(
        lambda part, missing: missing and _FOREST(part),
        "put a SimpleImputer before its trees",
    ),
    Remedy(
        lambda part, _: _HISTOGRAM(part) and _has_categories(part),
        "encode the categories with an OrdinalEncoder, without `categorical_features`",
    ),
    Remedy(
        lambda part, _: _CATBOOST(part) and bool(part.get_params().get("cat_features")),
        "encode the categories with an OrdinalEncoder, without `cat_features`",
    ),
    Remedy(
        lambda part, _: _CALIBRATED(part) and part.method == "isotonic",
        "calibrate with method='sigmoid'",
    ),
    Remedy(
        lambda part, _: _CALIBRATED(part) and _is("Pipeline")(part.estimator),
        "put the preprocessing before CalibratedClassifierCV, not into it",
    ),
    Remedy(
        lambda part, _: _is("VotingClassifier")(part) and part.flatten_transform,
        "set flatten_transform=False in its VotingClassifier",
    ),
    Remedy(
        lambda part, _: _TEXT(part) and part.lowercase,
        "make the text lower case in src/model/features.py, and set lowercase=False",
    ),
)
