"""A skops file is refused, before it is loaded, if it names what a model file may not have."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from slipway.errors import SlipwayError
from slipway.training.formats.format import NotExported
from slipway.training.formats.skops import SKOPS

TYPES = {"a": "number", "b": "number"}

Node = dict[str, Any]


@pytest.fixture
def features(table) -> dict[str, np.ndarray]:
    return table.take("a b", missing=False)


@pytest.fixture
def content(features, table, own) -> bytes:
    """The file of an estimator with a function of the user's package."""
    doubled = FunctionTransformer(import_module("model.transformers").doubled)
    estimator = make_pipeline(doubled, LogisticRegression())
    return SKOPS.export(estimator.fit(pd.DataFrame(features), table.targets["binary"]), {}).content


def changed(content: bytes, change: Callable[[Node], None]) -> bytes:
    """Return a file whose schema is changed."""
    made = BytesIO()
    with ZipFile(BytesIO(content)) as source, ZipFile(made, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "schema.json":
                schema = json.loads(data)
                change(schema)
                data = json.dumps(schema).encode()
            target.writestr(name, data)
    return made.getvalue()


def node(schema: Any, loader: str) -> Node:
    """Return the first part of a schema with a loader."""
    if isinstance(schema, dict):
        if schema.get("__loader__") == loader:
            return schema
        schema = list(schema.values())
    found = (node(each, loader) for each in schema if isinstance(each, (dict, list)))
    return next((each for each in found if each), {})


def function(module: str, name: str) -> Callable[[Node], None]:
    def change(schema: Node) -> None:
        node(schema, "FunctionNode").update(__module__=module, __class__=name)

    return change


def called(module: str, name: str, *arguments: object) -> Callable[[Node], None]:
    """Replace a function by the result of a call, which skops makes on loading."""

    def change(schema: Node) -> None:
        texts = [
            {
                "__class__": "str",
                "__module__": "builtins",
                "__loader__": "JsonNode",
                "content": json.dumps(argument),
            }
            for argument in arguments
        ]
        node(schema, "FunctionNode").update(
            __module__=module,
            __class__=name,
            __loader__="ConstructorFromReduceNode",
            content={
                "__class__": "tuple",
                "__module__": "builtins",
                "__loader__": "TupleNode",
                "content": texts,
            },
        )

    return change


def key_type(schema: Node) -> None:
    """Let a function make the keys of a dictionary: skops calls it with each of them."""
    keys = node(schema, "DictNode")["key_types"]["content"]
    keys[0].update(__module__="model.transformers", __class__="doubled", __loader__="FunctionNode")


def same_number(schema: Node) -> None:
    """Give the type of a key the number of a function: skops takes the function for it."""
    keys = node(schema, "DictNode")["key_types"]["content"]
    keys[0]["__id__"] = node(schema, "FunctionNode")["__id__"]


ATTACKS = {
    "os.system": (function("os", "system"), "os.system"),
    "posix.system": (called("posix", "system", "touch ran"), "posix.system"),
    "eval": (called("builtins", "eval", "open('ran', 'w')"), "builtins.eval"),
    "a function of numpy that runs text": (
        called("numpy.testing._private.utils", "runstring", "open('ran', 'w')", {}),
        "numpy.testing._private.utils.runstring",
    ),
    "a function of scikit-learn that is not of a model": (
        function("sklearn.datasets._base", "load_files"),
        "sklearn.datasets._base.load_files",
    ),
    "a test of scikit-learn": (
        called("sklearn.utils._testing", "TempMemmap", "ran"),
        "sklearn.utils._testing.TempMemmap",
    ),
    "a call of a class of scikit-learn": (
        called("sklearn.neighbors._kd_tree", "KDTree64", "ran"),
        "sklearn.neighbors._kd_tree.KDTree64",
    ),
    "a call of the user's function": (
        called("model.transformers", "doubled", "ran"),
        "model.transformers.doubled",
    ),
    "what the user's module imports": (
        function("model.transformers", "BaseEstimator"),
        "model.transformers.BaseEstimator",
    ),
    "a function that makes keys": (key_type, "keys"),
    "two objects with one number": (same_number, "number"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_changed_file_is_refused_and_runs_nothing(attack, content, tmp_path, monkeypatch):
    change, reason = ATTACKS[attack]
    tampered = changed(content, change)
    monkeypatch.chdir(tmp_path)
    # As if the manifest had been changed with it.
    listed = ["model.transformers.doubled", *([reason] if "." in reason else [])]

    with pytest.raises(SlipwayError, match=rf"model\.skops: .*{reason}"):
        SKOPS.load(tampered, TYPES, listed)

    assert not Path("ran").exists()


def test_the_attack_would_run_without_these_checks(content, tmp_path, monkeypatch):
    import skops.io

    change, _ = ATTACKS["a function of numpy that runs text"]
    tampered = changed(content, change)
    monkeypatch.chdir(tmp_path)

    skops.io.loads(tampered, trusted=skops.io.get_untrusted_types(data=tampered))

    assert Path("ran").exists()


def test_an_unchanged_file_is_loaded(content, features):
    predict = SKOPS.load(content, TYPES, ["model.transformers.doubled"])

    assert predict(features).shape == (300, 2)


def test_a_type_that_the_manifest_does_not_list_is_refused(content):
    with pytest.raises(SlipwayError, match=r"model\.transformers\.doubled, which the manifest"):
        SKOPS.load(content, TYPES, [])


@pytest.mark.parametrize("name", ["os.system", "numpy.save", "pandas.io.pickle.read_pickle"])
def test_a_manifest_that_lists_another_type_is_refused(content, name):
    with pytest.raises(SlipwayError, match=rf"{name}, which is not trusted"):
        SKOPS.load(content, TYPES, ["model.transformers.doubled", name])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a file"])
def test_a_file_that_cannot_be_read_is_refused(content):
    with pytest.raises(SlipwayError, match=r"model\.skops: not readable"):
        SKOPS.load(content, TYPES, [])


def test_a_file_of_another_version_of_skops_is_refused(content):
    older = changed(content, lambda schema: schema.update(protocol=0))

    with pytest.raises(SlipwayError, match="version 0"):
        SKOPS.load(older, TYPES, ["model.transformers.doubled"])


def test_an_estimator_that_keeps_a_table_is_not_written(table, own, features):
    ratio = import_module("model.transformers").Ratio().fit(pd.DataFrame(features))
    ratio.means_ = pd.DataFrame(features).mean()

    with pytest.raises(NotExported) as refused:
        SKOPS.export(ratio, TYPES)

    assert "numpy arrays" in refused.value.do


def test_an_estimator_with_an_object_of_another_library_is_not_written(table, features):
    import operator

    estimator = FunctionTransformer(operator.itemgetter("a"))

    with pytest.raises(NotExported, match=r"operator\.itemgetter"):
        SKOPS.export(estimator.fit(pd.DataFrame(features)), TYPES)
