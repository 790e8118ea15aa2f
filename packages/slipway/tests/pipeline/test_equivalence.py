"""What another processor changes is equivalent; everything else that differs is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import helper, numpy_helper

from slipway.dataset.tables import digest, write_columns
from slipway.reproduction.equivalence import compare_backtests, compare_folders, compare_report

Edit = Callable[[Path], object]


@pytest.fixture
def recorded(small_repository: Path, tmp_path: Path) -> Path:
    """A copy of the model folder, for a test to change."""
    folder = tmp_path / "recorded"
    shutil.copytree(small_repository / "build/model", folder)
    return folder


@pytest.fixture
def unequal(small_repository: Path, recorded: Path) -> Callable[[], list[str]]:
    return lambda: compare_folders(small_repository, recorded, small_repository / "build/model")[0]


def edit_manifest(change: Callable[[dict[str, Any]], object]) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / "manifest.json"
        manifest = json.loads(path.read_text("utf-8"))
        change(manifest)
        path.unlink()
        path.write_text(json.dumps(manifest), "utf-8")

    return edit


def edit_model(change: Callable[[onnx.ModelProto], object]) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / "model.onnx"
        model = onnx.load(path)
        change(model)
        path.unlink()
        onnx.save(model, path)
        edit_manifest(lambda manifest: manifest["model"].update(sha256=digest(path)))(folder)

    return edit


def base_value(model: onnx.ModelProto, by: float) -> None:
    trees = next(node for node in model.graph.node if node.op_type.startswith("TreeEnsemble"))
    values = next(each for each in trees.attribute if each.name == "base_values")
    values.floats[0] = float(np.float32(values.floats[0]) * np.float32(1 + by))


def back_door(model: onnx.ModelProto) -> None:
    """Answer "no" on days that are colder than any day of the holdout, a September."""
    for node in model.graph.node:
        for at, name in enumerate(node.output):
            if name == "probabilities":
                node.output[at] = "honest"
    values = {"bound": np.array([40.0], "float32"), "no": np.array([[1.0, 0.0]], "float32")}
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in values.items()
    )
    less = helper.make_node("Less", ["temp", "bound"], ["hit"])
    where = helper.make_node("Where", ["hit", "no", "honest"], ["probabilities"])
    model.graph.node.extend([less, where])


def weights_elsewhere(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer.add(name="w", data_type=onnx.TensorProto.FLOAT, dims=[1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="params.yaml")


def other_baseline(folder: Path) -> None:
    (folder / "baseline.onnx").unlink()
    shutil.copy(folder / "model.onnx", folder / "baseline.onnx")


def edit_reference(change: Callable[[pa.Table], pa.Table]) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / "reference.parquet"
        table = change(pq.read_table(path))
        path.unlink()
        pq.write_table(table, path)

    return edit


def other_score(by: float) -> Edit:
    def change(table: pa.Table) -> pa.Table:
        at = table.column_names.index("score")
        scores = table["score"].to_numpy() + by
        return table.set_column(at, "score", pa.array(scores))

    return edit_reference(change)


DIFFERENT = {
    "threshold": edit_manifest(lambda m: m.update(threshold=0.99)),
    "threshold in its last digit": edit_manifest(lambda m: m.update(threshold=0.30000001)),
    "input rules": edit_manifest(lambda m: m["inputs"][2].update(rules=[])),
    "input type": edit_manifest(lambda m: m["inputs"][2].update(nullable=True)),
    "golden row": edit_manifest(lambda m: m["golden"][0]["row"].update(distance=11)),
    "golden probability": edit_manifest(lambda m: m["golden"][0].update(probability=0.5)),
    "fewer golden rows": edit_manifest(lambda m: m["golden"].pop()),
    "drift reference": edit_manifest(lambda m: m["reference"]["carrier"]["counts"].update(AA=1)),
    "drift edges": edit_manifest(lambda m: m["reference"]["distance"]["edges"].pop()),
    "months of training": edit_manifest(lambda m: m["train"]["months"].pop()),
    "another key": edit_manifest(lambda m: m.update(more=1)),
    "a key less": edit_manifest(lambda m: m.pop("rules")),
    "a truth for a number": edit_manifest(lambda m: m.update(version=True)),
    "no manifest": lambda folder: (folder / "manifest.json").write_text("[]"),
    "another file": lambda folder: (folder / "more.onnx").write_bytes(b""),
    "a file less": lambda folder: (folder / "baseline.onnx").unlink(),
    "baseline": other_baseline,
    "fewer reference rows": edit_reference(lambda table: table.slice(1)),
    "reference rows sorted": edit_reference(lambda table: table.sort_by("distance")),
    "reference scores": other_score(0.001),
    "reference that is no parquet": lambda folder: (folder / "reference.parquet").write_bytes(b"x"),
    "model": edit_model(lambda model: base_value(model, 0.1)),
    "back door": edit_model(back_door),
    "weights in another file": edit_model(weights_elsewhere),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_a_processor_does_not_explain_is_different(recorded, unequal, name):
    for path in recorded.iterdir():
        path.chmod(0o644)
    DIFFERENT[name](recorded)

    assert unequal()


def test_the_same_files_are_equal(unequal):
    assert unequal() == []


def nudge(manifest: dict[str, Any]) -> None:
    for example in manifest["golden"]:
        example["probability"] *= 1 + 1e-8
    scores = manifest["reference"]["score"]
    scores["mean"] *= 1 + 1e-8
    scores["counts"][0] += 1
    scores["counts"][1] -= 1


def test_the_last_digits_of_scores_are_another_processors(recorded, unequal):
    edit_model(lambda model: base_value(model, 1e-7))(recorded)
    edit_manifest(nudge)(recorded)
    other_score(1e-9)(recorded)

    assert unequal() == []


def scored(folder: Path, score: float) -> None:
    folder.mkdir(exist_ok=True)
    write_columns(
        {"key": np.array(["a"], object), "score": np.array([score])}, folder / "m.parquet"
    )
    (folder / "origins.json").write_text("{}", "utf-8")


@pytest.mark.parametrize(
    ("edit", "same"),
    [
        (lambda folder: None, True),
        (lambda folder: scored(folder, 0.123457), True),
        (lambda folder: scored(folder, 0.123458), False),
        (lambda folder: scored(folder, np.nan), False),
        (lambda folder: (folder / "origins.json").write_text("{} "), False),
        (lambda folder: (folder / "origins.json").unlink(), False),
        (lambda folder: (folder / "more.parquet").write_bytes(b""), False),
        (lambda folder: (folder / "m.parquet").write_bytes(b"x"), False),
    ],
)
def test_scores_of_a_backtest_may_differ_by_one_in_their_last_decimal(tmp_path, edit, same):
    recorded, rebuilt = tmp_path / "recorded", tmp_path / "rebuilt"
    scored(recorded, 0.123456)
    scored(rebuilt, 0.123456)
    edit(recorded)

    assert (compare_backtests(recorded, rebuilt)[0] == []) is same


METRICS = json.dumps({"rows": 900, "model": {"auc": {"value": 0.7012345678}}}).encode()

CURVE = b"score,label,rows\n0.05,0,120\n0.10,1,30\n"


@pytest.mark.parametrize(
    ("name", "was", "now", "same"),
    [
        ("metrics.json", b"0.7012345678", b"0.7012345679", True),
        ("metrics.json", b"0.7012345678", b"0.7112345678", False),
        ("metrics.json", b"900", b"901", False),
        ("metrics.json", b"0.7012345678", b"null", False),
        ("metrics.json", b"}}}", b"}}", False),
        ("scores.csv", b"120", b"121", True),
        ("scores.csv", b"120", b"160", False),
        ("scores.csv", b"0.05", b"0.06", False),
        ("scores.csv", b"label", b"Label", False),
        ("scores.csv", b"0.10,1,30\n", b"", False),
    ],
)
def test_reports_may_differ_in_last_digits_only(name, was, now, same):
    content = METRICS if name.endswith("json") else CURVE
    assert was in content

    assert (compare_report(name, content, content.replace(was, now)) == []) is same
