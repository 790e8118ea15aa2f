"""What the image of a model needs is named, and an image that lacks it is not built."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.errors import SlipwayError
from slipway.release.build import check_requirements
from slipway.training.formats.onnx import ONNX
from slipway.training.formats.packages import served_packages
from slipway.training.formats.registry import FORMATS, format_of, model_path
from slipway.training.formats.skops import SKOPS

NEEDED = {"lightgbm": "4.7.0", "scikit-learn": "1.9.1", "skops": "0.16.0", "xgboost-cpu": "3.2.0"}

LOCKED = {**NEEDED, "pandas": "3.1.1", "numpy": "2.4.6"}


def repository(folder: Path, locked: dict[str, str], file_format: str = "skops") -> Path:
    lines = [
        f"{name}=={version} \\\n    --hash=sha256:{'0' * 64}" for name, version in locked.items()
    ]
    (folder / "requirements-serve.lock").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "build/model").mkdir(parents=True)
    model = {"format": file_format, "packages": NEEDED}
    (folder / "build/model/manifest.json").write_text(json.dumps({"model": model}), "utf-8")
    return folder


def test_a_lock_with_every_package_is_accepted(tmp_path):
    check_requirements(repository(tmp_path, LOCKED))


@pytest.mark.parametrize(
    ("missing", "dependency"),
    [
        ("lightgbm", '"lightgbm"'),
        ("scikit-learn", '"slipway-ml[serve,serve-sklearn]"'),
        ("xgboost-cpu", '"xgboost-cpu"'),
    ],
)
def test_a_lock_without_a_package_is_refused_with_the_dependency(tmp_path, missing, dependency):
    locked = {name: version for name, version in LOCKED.items() if name != missing}

    with pytest.raises(
        SlipwayError, match=rf"requirements-serve\.lock: lacks {missing}, "
    ) as refused:
        check_requirements(repository(tmp_path, locked))

    assert dependency in refused.value.do
    assert "make lock" in refused.value.do


def test_another_version_is_refused_where_the_file_is_for_one_version(tmp_path):
    locked = LOCKED | {"scikit-learn": "1.8.0"}

    with pytest.raises(SlipwayError, match=r"scikit-learn 1\.8\.0 instead of 1\.9\.1"):
        check_requirements(repository(tmp_path, locked))


def test_another_version_is_accepted_for_onnx(tmp_path):
    locked = LOCKED | {"scikit-learn": "1.8.0"}

    check_requirements(repository(tmp_path, locked, file_format="onnx"))


def test_an_older_manifest_names_neither_format_nor_packages(tmp_path):
    tree = repository(tmp_path, {})
    (tree / "build/model/manifest.json").write_text('{"model": {"file": "model.onnx"}}', "utf-8")

    check_requirements(tree)
    assert format_of({"model": {"file": "model.onnx"}}) is ONNX


def test_a_format_that_is_not_known_is_refused():
    with pytest.raises(SlipwayError, match="'pickle', expected one of onnx, skops"):
        format_of({"model": {"format": "pickle"}})


@pytest.mark.parametrize("names", [[], ["model.onnx", "model.skops"], ["model.pkl"]])
def test_a_folder_without_exactly_one_model_file_is_refused(tmp_path, names):
    for name in names:
        (tmp_path / name).touch()

    with pytest.raises(SlipwayError, match=r"expected one of model\.onnx, model\.skops"):
        model_path(tmp_path)


def test_each_format_is_found_by_its_own_name():
    assert [each.name for each in FORMATS.values()] == list(FORMATS)
    assert len({each.file for each in FORMATS.values()}) == len(FORMATS)


def test_what_served_modules_import_is_needed_too(own, monkeypatch):
    (own / "helpers.py").write_text("import orjson\nfrom . import transformers\n", "utf-8")
    (own / "checks.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "import json\n"
        "from model.helpers import text\n"
        "if TYPE_CHECKING:\n"
        "    import httpx\n",
        "utf-8",
    )

    found = served_packages(ONNX, ["model.checks.Check"])

    assert {"onnxruntime", "orjson", "scikit-learn", "numpy"} <= found.keys()
    assert not {"httpx", "slipway-ml", "flights"} & found.keys()


def test_the_packages_of_the_estimator_are_named_as_the_lock_names_them():
    found = served_packages(SKOPS, ["xgboost.core.Booster", "sklearn.tree._tree.Tree"])

    assert {"xgboost-cpu", "scikit-learn", "skops", "pandas"} <= found.keys()
    assert SKOPS.dependencies(found) == ["slipway-ml[serve,serve-sklearn]", "xgboost-cpu"]


def test_the_package_of_the_tests_is_not_imported_by_the_machine():
    names = {"lightgbm", "xgboost", "catboost", "onnxmltools"}
    code = (
        "import sys; import slipway.training.train, slipway.training.formats.boosting; "
        f"print(sorted(sys.modules.keys() & {names!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
