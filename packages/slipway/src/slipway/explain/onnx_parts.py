"""The trees and linear models in an ONNX file.

https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleClassifier.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.explain.explanation import NotAdditive
from slipway.explain.part import Attribution, Encode, Linear, Part, Trees
from slipway.numbers import counted
from slipway.training.formats.onnx import ONNX

if TYPE_CHECKING:
    from slipway.project import Columns
    from slipway.training.formats.format import Types

Attributes = Mapping[str, object]
"""Those of a node: numbers, bytes, lists of these, and tensors."""

# Members of an ensemble by a calibration or bagging; more are those of boosting.
MOST_MEMBERS = 20

LESS_OR_EQUAL, LESS, GREATER_OR_EQUAL, GREATER, LEAF = (
    b"BRANCH_LEQ",
    b"BRANCH_LT",
    b"BRANCH_GTE",
    b"BRANCH_GT",
    b"LEAF",
)


def onnx_parts(content: bytes, types: Types, background: Columns) -> list[Part]:
    """Return the parts of a model file; several are the members of an ensemble.

    Raises
    ------
    NotAdditive
        It has none, or one depends on another.
    """
    import onnx

    model = onnx.load_model_from_string(content)
    nodes = [node for node in model.graph.node if node.op_type in READERS]
    if not nodes:
        raise NotAdditive("the model has neither trees nor a linear model")
    if len({node.op_type for node in nodes}) > 1:
        raise NotAdditive("the model combines estimators of several kinds")
    if len(nodes) > MOST_MEMBERS:
        raise NotAdditive(f"the model combines {len(nodes)} estimators")
    if any(node.input[0] in _after(model.graph, node) for node in nodes):
        raise NotAdditive("the model predicts from the predictions of other estimators")
    return list(_parts(model, nodes, types, background))


def _parts(model: Any, nodes: list[Any], types: Types, background: Columns) -> Iterator[Part]:
    from onnx.helper import get_attribute_value

    for node in nodes:
        attributes = {each.name: get_attribute_value(each) for each in node.attribute}
        encode = _encoder(model, node.input[0], types)
        read = READERS[node.op_type]
        yield Part(encode, read(attributes, encode(background)))


def _after(graph: Any, start: Any) -> set[str]:
    """Return the names of all that is computed from the other estimators of a graph."""
    found: set[str] = set()
    for node in graph.node:  # ONNX requires that nodes are sorted by what they read
        if found & set(node.input) or (node.op_type in READERS and node is not start):
            found |= set(node.output)
    return found


def _encoder(model: Any, output: str, types: Types) -> Encode:
    """Return how the features become one of the tensors of a graph."""
    import onnx

    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.output[:]
    part.graph.output.append(onnx.helper.make_empty_tensor_value_info(output))
    _keep_needed(part.graph, output)
    predict = ONNX.load(part.SerializeToString(), types, ())

    def encode(features: Columns) -> np.ndarray:
        rows = len(next(iter(features.values())))
        return predict(features).reshape(rows, -1)

    return encode


def _keep_needed(graph: Any, output: str) -> None:
    """Remove the nodes that a tensor does not depend on."""
    needed, kept = {output}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))


def _trees(of: str) -> Callable[[Attributes, np.ndarray], Attribution]:
    """Return the reader of an ensemble; `of` is `class` or `target`, as its leaves are named."""

    def read(attributes: Attributes, background: np.ndarray) -> Attribution:
        values, offset = _leaves(attributes, of)
        described = {
            "trees": list(_described(attributes, values)),
            "base_offset": offset,
            "input_dtype": np.float64,
            "internal_dtype": np.float64,
        }
        return Trees(described, background)

    return read


def _leaves(attributes: Attributes, of: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of all nodes, shape (nodes, outputs), and those that are added once."""
    trees = np.array(attributes["nodes_treeids"])
    ids = np.array(attributes[f"{of}_ids"])
    aggregate = attributes.get("aggregate_function", b"SUM")
    if aggregate not in (b"SUM", b"AVERAGE"):
        name = aggregate.decode() if isinstance(aggregate, bytes) else aggregate
        raise NotAdditive(f"the model is the {name} of its trees, not their sum")
    labels = np.array(
        attributes.get("classlabels_int64s") or attributes.get("classlabels_strings") or ()
    )
    # Of two classes only one may have values: then they are those of the second class.
    outputs = 1 if len(set(ids.tolist())) == 1 and len(labels) <= 2 else max(len(labels), 1)
    if outputs == 1:
        ids = np.zeros_like(ids)
    starts = np.searchsorted(trees, np.array(attributes[f"{of}_treeids"]))
    values = np.zeros((len(trees), outputs))
    at = starts + np.array(attributes[f"{of}_nodeids"])
    np.add.at(values, (at, ids), _floats(attributes, f"{of}_weights"))
    if aggregate == b"AVERAGE":
        values /= len(set(trees.tolist()))
    base = _floats(attributes, "base_values")
    if len(base) not in (0, outputs):
        values_of = f"{counted(len(base), 'base value')} for {counted(outputs, 'output')}"
        raise NotAdditive(f"the model has {values_of}")
    return values, base if len(base) else np.zeros(outputs)


def _described(attributes: Attributes, values: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """Yield each tree as shap reads it: a row goes left if its value is at most the threshold."""
    trees, nodes = (np.array(attributes[name]) for name in ("nodes_treeids", "nodes_nodeids"))
    modes = np.array(attributes["nodes_modes"], object)
    true, false = (np.array(attributes[f"nodes_{way}nodeids"]) for way in ("true", "false"))
    thresholds = _floats(attributes, "nodes_values").astype("float32")
    missing = np.array(attributes.get("nodes_missing_value_tracks_true") or np.zeros(len(trees)))
    other = set(modes) - {LESS_OR_EQUAL, LESS, GREATER_OR_EQUAL, GREATER, LEAF}
    if other:
        raise NotAdditive("trees split by single values of a category, which shap does not read")
    default = np.where(missing == 1, true, false)
    swapped = np.isin(modes, [GREATER, GREATER_OR_EQUAL])
    left, right = np.where(swapped, false, true), np.where(swapped, true, false)
    strict = np.isin(modes, [LESS, GREATER_OR_EQUAL])
    thresholds = np.where(strict, np.nextafter(thresholds, np.float32(-np.inf)), thresholds)
    leaf = modes == LEAF
    left, right, default = (np.where(leaf, -1, each) for each in (left, right, default))
    features = np.array(attributes["nodes_featureids"])
    _, starts, tree = np.unique(trees, return_index=True, return_inverse=True)
    if (np.diff(trees) < 0).any() or (nodes != np.arange(len(nodes)) - starts[tree]).any():
        raise NotAdditive("the nodes of a tree are not numbered in their sequence")
    for start, end in zip(starts, [*starts[1:], len(trees)], strict=True):
        own = slice(start, end)
        yield {
            "children_left": left[own],
            "children_right": right[own],
            "children_default": default[own],
            "features": features[own],
            "thresholds": thresholds[own].astype("float64"),
            "values": values[own],
            "node_sample_weight": np.ones(end - start),
        }


def _floats(attributes: Attributes, name: str) -> np.ndarray:
    """Return numbers that are float32, or double in a tensor."""
    if (tensor := attributes.get(f"{name}_as_tensor")) is not None:
        from onnx.numpy_helper import to_array

        return np.asarray(to_array(tensor), "float64")
    return np.array(attributes.get(name, ()), "float32").astype("float64")


def _linear(attributes: Attributes, background: np.ndarray) -> Attribution:
    coefficients = _floats(attributes, "coefficients").reshape(-1, background.shape[1])
    intercepts = _floats(attributes, "intercepts")
    if not len(intercepts):
        intercepts = np.zeros(len(coefficients))
    return Linear(coefficients, intercepts, background)


READERS: Mapping[str, Callable[[Attributes, np.ndarray], Attribution]] = {
    "TreeEnsembleClassifier": _trees("class"),
    "TreeEnsembleRegressor": _trees("target"),
    "LinearClassifier": _linear,
    "LinearRegressor": _linear,
}
