"""Converters to ONNX of the boosting libraries, imported if an estimator has a model of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from slipway.training.formats.format import NotExported
from slipway.training.formats.parts import library, parts

# As skl2onnx declares them for its own classifiers.
CLASSIFIER = {"zipmap": [True, False, "columns"], "nocl": [True, False]}


def register(fitted: Any) -> None:
    """Register the converters of the boosting libraries in an estimator.

    Raises
    ------
    NotExported
        One needs onnxmltools, which is not installed.
    """
    for name in sorted({library(part) for part in parts(fitted)} & LIBRARIES.keys()):
        if name in NEED_ONNXMLTOOLS and not _has_onnxmltools():
            raise NotExported(
                f"the converter of {name} is in the package onnxmltools, which is not installed",
                "add onnxmltools to the extra `pipeline` in pyproject.toml, then `make lock` and "
                "`make setup`",
            )
        LIBRARIES[name]()


def _has_onnxmltools() -> bool:
    return find_spec("onnxmltools") is not None


def _lightgbm() -> None:
    from lightgbm import LGBMClassifier, LGBMRegressor
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    _register(LGBMClassifier, convert_lightgbm, CLASSIFIER)
    _register(LGBMRegressor, convert_lightgbm, {"split": None})


def _xgboost() -> None:
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier, XGBRFRegressor

    def convert(scope: Any, operator: Any, container: Any) -> None:
        """Convert without the names of the columns, which the converter cannot read."""
        booster = operator.raw_operator.get_booster()
        names = booster.feature_names
        booster.feature_names = None
        try:
            convert_xgboost(scope, operator, container)
        finally:
            booster.feature_names = names

    for classifier in (XGBClassifier, XGBRFClassifier):
        _register(classifier, convert, CLASSIFIER)
    for regressor in (XGBRegressor, XGBRFRegressor):
        _register(regressor, convert, {})


def _catboost() -> None:
    from catboost import CatBoostClassifier, CatBoostRegressor

    _register(CatBoostClassifier, _convert_catboost, CLASSIFIER, _parse_catboost_classifier)
    _register(CatBoostRegressor, _convert_catboost, {})


def _parse_catboost_classifier(scope: Any, model: Any, inputs: list[Any], **_: Any) -> Any:
    """Declare two outputs: skl2onnx does so by itself for classes of scikit-learn only."""
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    operator = scope.declare_local_operator(type(model).__name__, model)
    operator.inputs += inputs
    label = Int64TensorType() if model.classes_.dtype.kind in "iu" else StringTensorType()
    operator.outputs.append(scope.declare_local_variable("label", label))
    operator.outputs.append(scope.declare_local_variable("probabilities", FloatTensorType()))
    return operator.outputs


def _convert_catboost(scope: Any, operator: Any, container: Any) -> None:
    """Add the ensemble of CatBoost's own export, which is the first node of its graph.

    A classifier has a second one, which makes a list of dictionaries from the probabilities.
    """
    from catboost.utils import convert_to_onnx_object
    from onnx.helper import get_attribute_value

    graph = convert_to_onnx_object(operator.raw_operator).graph
    ensemble = graph.node[0]
    if not ensemble.op_type.startswith("TreeEnsemble") or len(graph.node) > 2 or graph.initializer:
        raise NotExported("CatBoost's export has other parts than an ensemble of trees")
    container.add_node(
        ensemble.op_type,
        [each.full_name for each in operator.inputs],
        [each.full_name for each in operator.outputs],
        op_domain="ai.onnx.ml",
        op_version=1,
        name=scope.get_unique_operator_name("CatBoost"),
        **{each.name: get_attribute_value(each) for each in ensemble.attribute},
    )


def _register(
    model: type,
    convert: Callable[..., None],
    options: Mapping[str, object],
    parser: Callable[..., Any] | None = None,
) -> None:
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    shapes = (
        calculate_linear_classifier_output_shapes
        if "zipmap" in options
        else calculate_linear_regressor_output_shapes
    )
    update_registered_converter(
        model, model.__name__, shapes, convert, parser=parser, options=options
    )


LIBRARIES: dict[str, Callable[[], None]] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "catboost": _catboost,
}

NEED_ONNXMLTOOLS = ("lightgbm", "xgboost")
