"""ONNX: a description of arithmetic. Loading it cannot run code, and a row takes microseconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import project
from slipway.errors import SlipwayError, first_line
from slipway.training.formats.boosting import register
from slipway.training.formats.format import Exported, Format, NotExported, Predict, Types
from slipway.training.onnx_file import refuse_external_data

if TYPE_CHECKING:
    from slipway.project import Columns

# The newest sets of operators that every converter writes; LightGBM's needs the second one.
OPERATORS = {"": 18, "ai.onnx.ml": 3}

# Lower case by the locale of the machine, which an image may not have.
BY_LOCALE = "StringNormalizer"


def export(fitted: Any, types: Types) -> Exported:
    """Write an estimator as ONNX: one input a feature; the last output has the predictions.

    Raises
    ------
    NotExported
        Some part of it has no converter, or depends on the machine.
    """
    register(fitted)
    errors = []
    for each in _forms(fitted, types):
        try:
            return Exported(_convert(each, types))
        except NotExported:
            raise
        except Exception as error:  # noqa: BLE001 - converters raise errors of any kind
            errors.append(error)
    raise NotExported(f"skl2onnx cannot convert it: {first_line(errors[0])}") from errors[0]


def load(content: bytes, types: Types, _: Iterable[str]) -> Predict:
    """Return how an ONNX file predicts.

    Raises
    ------
    SlipwayError
        It refers to other files, or onnxruntime cannot run it.
    """
    import onnxruntime

    refuse_external_data(content)
    options = onnxruntime.SessionOptions()
    # Else it guesses the format, and may read one that was not checked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # One thread: a row takes microseconds, and a service scales by processes.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; a warning is about what a converter wrote
    try:
        session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except Exception as error:
        raise SlipwayError(
            f"{ONNX.file}: onnxruntime cannot run it: {first_line(error)}",
            "rebuild it with `dvc repro`",
        ) from error
    outputs = [output.name for output in session.get_outputs()]
    is_classifier = len(outputs) > 1  # its first output is the label
    # skl2onnx keeps the sequence of the features, and replaces spaces and signs in their names.
    inputs = [entry.name for entry in session.get_inputs()]
    if len(inputs) != len(types):
        raise SlipwayError(
            f"{ONNX.file}: its number of inputs is {len(inputs)}, that of features {len(types)}",
            "rebuild it with `dvc repro`",
        )
    names = list(types) if set(inputs) == set(types) else inputs

    def predict(features: Columns) -> np.ndarray:
        feed = {
            entry: _tensor(features[name], kind)
            for entry, (name, kind) in zip(names, types.items(), strict=True)
        }
        found = np.asarray(session.run(outputs[-1:], feed)[0], dtype="float64")
        return found if is_classifier else found.reshape(-1)

    return predict


def _forms(fitted: Any, types: Types) -> Iterator[Any]:
    """Yield the estimator, and with its numbers as one matrix: a bare one takes only that."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline

    yield fitted
    if "category" not in types.values():
        columns = make_column_transformer(("passthrough", list(types)))
        columns.fit(pd.DataFrame({name: np.zeros(1, "float32") for name in types}))
        yield make_pipeline(columns, fitted)


def _convert(fitted: Any, types: Types) -> bytes:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    tensors = {"number": FloatTensorType, "category": StringTensorType}
    model = convert_sklearn(
        fitted,
        name=project.TARGET,
        initial_types=[(name, tensors[kind]([None, 1])) for name, kind in types.items()],
        options={"zipmap": False} if hasattr(fitted, "predict_proba") else None,
        target_opset=OPERATORS,
    )
    if any(node.op_type == BY_LOCALE for node in model.graph.node):
        raise NotExported("in ONNX, lower case depends on the locale of the machine")
    # The converter lists the operator sets in the order of a hash; bytes must not depend on it.
    domains = sorted(model.opset_import, key=lambda operators: str(operators.domain))
    del model.opset_import[:]
    model.opset_import.extend(domains)
    return bytes(model.SerializeToString(deterministic=True))


def _tensor(values: np.ndarray, kind: str) -> np.ndarray:
    dtype = "float32" if kind == "number" else object
    return values.astype(dtype, copy=False).reshape(-1, 1)


ONNX = Format("onnx", "model.onnx", "serve", ("onnxruntime",), export, load)
