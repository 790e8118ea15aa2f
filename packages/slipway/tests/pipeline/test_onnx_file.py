"""A model is one file: ONNX that keeps weights elsewhere is refused before anything loads it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from slipway.errors import SlipwayError
from slipway.training.onnx_file import refuse_external_data
from slipway.training.score import Model

FLOAT = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])


def elsewhere(place: str = "weights.bin") -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    return tensor


def model_of(*nodes: onnx.NodeProto, **graph: object) -> onnx.ModelProto:
    return helper.make_model(helper.make_graph(list(nodes), "g", [], [FLOAT], **graph))


def constant(**value: object) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["y"], **value)


def in_initializer() -> onnx.ModelProto:
    return model_of(helper.make_node("Identity", ["w"], ["y"]), initializer=[elsewhere()])


def in_attribute() -> onnx.ModelProto:
    return model_of(constant(value=elsewhere()))


def in_list_of_tensors() -> onnx.ModelProto:
    return model_of(constant(values=[elsewhere()]))


def in_sparse_tensor() -> onnx.ModelProto:
    found = in_initializer()
    found.graph.sparse_initializer.add().values.CopyFrom(found.graph.initializer[0])
    del found.graph.initializer[:]
    return found


def in_branch() -> onnx.ModelProto:
    inner = helper.make_graph([constant(value=elsewhere())], "inner", [], [FLOAT])
    return model_of(helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner))


def in_function() -> onnx.ModelProto:
    found = model_of(helper.make_node("own", [], ["y"], domain="own"))
    own = helper.make_function("own", "own", [], ["y"], [constant(value=elsewhere())], [])
    found.functions.append(own)
    return found


def marked_only() -> onnx.ModelProto:
    found = in_initializer()
    del found.graph.initializer[0].external_data[:]
    return found


def named_only() -> onnx.ModelProto:
    found = in_initializer()
    found.graph.initializer[0].data_location = TensorProto.DEFAULT
    return found


EVERYWHERE = [
    in_initializer, in_attribute, in_list_of_tensors, in_sparse_tensor, in_branch, in_function,
    marked_only, named_only,
]  # fmt: skip


@pytest.mark.parametrize("make", EVERYWHERE, ids=lambda make: make.__name__)
def test_weights_in_another_file_are_found_wherever_a_tensor_may_be(make):
    with pytest.raises(SlipwayError, match="external data"):
        refuse_external_data(make().SerializeToString())


@pytest.mark.parametrize("place", ["/etc/passwd", "../../up", "params.yaml", "*/_ORT_MEM_ADDR_/*"])
def test_a_model_folder_with_such_a_file_is_not_loaded(tmp_path: Path, place: str):
    found = in_initializer()
    found.graph.initializer[0].external_data[0].value = place
    content = found.SerializeToString()
    manifest = {"model": {"sha256": hashlib.sha256(content).hexdigest()}, "features": []}
    (tmp_path / "model.onnx").write_bytes(content)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), "utf-8")

    with pytest.raises(SlipwayError, match="external data"):
        Model.load(tmp_path)


def test_a_number_written_with_more_bytes_than_it_needs_is_read_all_the_same():
    content = in_initializer().graph.initializer[0].SerializeToString()
    marked = b"\xf0\x80\x00\x81\x00"  # data_location = EXTERNAL, each number longer than needed
    tensor = content.replace(b"\x70\x01", marked)
    assert tensor != content
    graph = b"\x2a" + bytes([len(tensor)]) + tensor

    with pytest.raises(SlipwayError, match="external data"):
        refuse_external_data(b"\x3a" + bytes([len(graph)]) + graph)


@pytest.mark.parametrize(
    "content",
    [b"not ONNX", b"\x3a\x7f", b"\x0b\x0c", b"\xff" * 30],
    ids=["text", "short", "group", "endless"],
)
def test_what_cannot_be_read_is_refused(content):
    with pytest.raises(SlipwayError, match="not a readable ONNX file"):
        refuse_external_data(content)


def test_the_models_that_are_trained_here_are_accepted(small_repository: Path):
    for name in ("model.onnx", "baseline.onnx"):
        refuse_external_data((small_repository / "build/model" / name).read_bytes())
