"""skops: the estimator itself, as arrays and names of types. Loading runs no code of the file.

skops creates an object only if its type is trusted. Most types of scikit-learn are trusted by
skops itself; the others must be listed in the manifest and match `TRUSTED`, which also bounds what
the file may do with each: an object is created without a call of its constructor, and a function is
named, never called. A file could otherwise name a function that runs what it is given.
https://skops.readthedocs.io/en/stable/persistence.html
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from slipway.errors import SlipwayError, first_line
from slipway.training.formats.format import (
    Exported,
    Format,
    NotExported,
    Predict,
    Types,
    predictions,
)
from slipway.training.formats.parts import library, parts

if TYPE_CHECKING:
    import numpy as np

    from slipway.project import Columns

SCHEMA = "schema.json"

# The parts of a file that create an object of a type, or name it; and those that name a function.
# https://github.com/skops-dev/skops/blob/main/skops/io/_general.py
CLASS = frozenset({"ObjectNode", "TreeNode", "DictNode", "TypeNode"})
FUNCTION = frozenset({"FunctionNode"})

# Patterns of names, and the parts of a file in which they may be.
TRUSTED: tuple[tuple[str, frozenset[str]], ...] = (
    ("sklearn.*", CLASS),
    ("sklearn.feature_selection.*", FUNCTION),
    ("sklearn.metrics.pairwise.*", FUNCTION),
    ("sklearn.utils.validation.check_array", FUNCTION),
    ("lightgbm.basic.Booster", CLASS),
    ("lightgbm.sklearn.LGBM*", CLASS),
    ("xgboost.core.Booster", CLASS),
    ("xgboost.sklearn.XGB*", CLASS),
    ("catboost.core.CatBoost*", CLASS),
    ("model.*", CLASS | FUNCTION),
    ("numpy.dtype", frozenset({"DTypeNode"})),
    ("scipy.sparse.*", frozenset({"SparseMatrixNode"})),
    ("collections.OrderedDict", frozenset({"DictNode", "TypeNode"})),
    ("functools.partial", frozenset({"PartialNode"})),
)

# A random name and the time of the fit, which no prediction depends on.
CATBOOST_IDENTITY = ("model_guid", "train_finish_time")

# Modules of these packages that are no part of a model.
NOT_OF_MODELS = ("test", "conftest", "__main__")

# To start further threads takes longer than to predict these.
FEW_ROWS = 1_000

ALLOWED = "types of scikit-learn, LightGBM, XGBoost, CatBoost and src/model"

REBUILD = "do not use it: rebuild it with `dvc repro`"


class Untrusted(Exception):
    """A file that names something that a model file may not have."""


def export(fitted: Any, _: Types) -> Exported:
    """Write an estimator as skops; the same estimator gives the same bytes.

    Raises
    ------
    NotExported
        skops cannot write it, or it has objects of types that are not trusted.
    """
    import skops.io

    for part in parts(fitted):
        if library(part) == "catboost":
            for name in CATBOOST_IDENTITY:
                part.get_metadata()[name] = ""
    try:
        content = _canonical(skops.io.dumps(fitted))
        types = tuple(skops.io.get_untrusted_types(data=content))
        check_types(content, types)
    except Untrusted as error:
        raise NotExported(f"{error}; allowed are {ALLOWED}") from None
    except Exception as error:
        raise NotExported(
            f"skops cannot write it: {first_line(error)}",
            "keep what a transformer learns in numpy arrays, numbers and text, not in DataFrames",
        ) from error
    return Exported(content, types)


def load(content: bytes, types: Types, listed: Iterable[str]) -> Predict:
    """Return how a skops file predicts.

    Raises
    ------
    SlipwayError
        It is no such file, or names a type that is not trusted or that the manifest does not list.
    """
    import joblib
    import pandas as pd
    import skops.io
    from threadpoolctl import ThreadpoolController

    trusted = list(listed)
    try:
        check_types(content, trusted)
        estimator = skops.io.loads(content, trusted=trusted)
    except Untrusted as error:
        raise SlipwayError(f"{SKOPS.file}: {error}; allowed are {ALLOWED}", REBUILD) from None
    except Exception as error:
        raise SlipwayError(f"{SKOPS.file}: not readable: {first_line(error)}", REBUILD) from error

    threads = ThreadpoolController()

    def predict(features: Columns) -> np.ndarray:
        frame = pd.DataFrame({name: features[name] for name in types})
        # Forests add the trees of their processes in any sequence, which changes the last digit.
        with joblib.parallel_config(backend="sequential"):
            if len(frame) > FEW_ROWS:
                return predictions(estimator, frame)
            with threads.limit(limits=1):
                return predictions(estimator, frame)

    return predict


def check_types(content: bytes, listed: Iterable[str]) -> None:
    """Refuse a file with a type that is not trusted or not listed, before it is loaded.

    Raises
    ------
    Untrusted
        Names the type.
    """
    import skops.io
    from skops.io._protocol import PROTOCOL

    with ZipFile(BytesIO(content)) as file:
        schema = json.loads(file.read(SCHEMA))
    # Files of older versions are read by other code, with other checks.
    if schema["protocol"] != PROTOCOL:
        raise Untrusted(f"it has version {schema['protocol']} of skops's format, not {PROTOCOL}")
    uses = _uses(schema)
    found = skops.io.get_untrusted_types(data=content)
    for name in sorted({*found, *listed}):
        if name in found and name not in listed:
            raise Untrusted(f"it has {name}, which the manifest does not list")
        _check_type(name, uses.get(name, frozenset()))


def _check_type(name: str, uses: frozenset[str]) -> None:
    """Refuse a name that no pattern allows in these parts of a file, or that is an alias."""
    allowed = frozenset[str]().union(
        *(parts for pattern, parts in TRUSTED if fnmatchcase(name, pattern))
    )
    module, _, attribute = name.rpartition(".")
    inner = any(part.lstrip("_").startswith(NOT_OF_MODELS) for part in module.split(".")[1:])
    if not allowed or not uses <= allowed or inner:
        raise Untrusted(f"it has {name}, which is not trusted")
    # A module also has what it imports: `model.source.run` may be that of `subprocess`.
    found = getattr(import_module(module), attribute, None)
    names = (getattr(found, "__module__", None), getattr(found, "__qualname__", None))
    if names != (module, attribute):
        raise Untrusted(f"it has {name}, which {module} does not define")
    if not inspect.isclass(found) and not uses <= FUNCTION:
        raise Untrusted(f"it has {name}, which is not a class")


def _uses(schema: Any) -> dict[str, frozenset[str]]:
    """Return the names in a file, with the parts of the file that they are in.

    Raises
    ------
    Untrusted
        Two parts have the same number, or a dictionary has keys of another type.
    """
    uses: dict[str, frozenset[str]] = {}
    numbered: dict[int, tuple[str, str]] = {}
    for node in _nodes(schema):
        name, part = f"{node['__module__']}.{node['__class__']}", node["__loader__"]
        uses[name] = uses.get(name, frozenset()) | {part}
        # skops takes a part for one that had its number before.
        if numbered.setdefault(node.get("__id__", id(node)), (name, part)) != (name, part):
            raise Untrusted(f"it has two objects with the number {node['__id__']}")
        if not _has_plain_keys(node):
            raise Untrusted("it has a dictionary whose keys are neither numbers nor text")
    return uses


def _has_plain_keys(node: Mapping[str, Any]) -> bool:
    """Return whether keys are numbers or text: skops calls the type of a key with its text."""
    return "key_types" not in node or all(
        key["__loader__"] == "TypeNode" and key["__module__"] in ("builtins", "numpy")
        for key in node["key_types"]["content"]
    )


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield the parts of a file, in its sequence."""
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if isinstance(value.get("__loader__"), str):
                yield value
            waiting += reversed(value.values())
        elif isinstance(value, list):
            waiting += reversed(value)


def _canonical(content: bytes) -> bytes:
    """Return a file in which addresses of objects, random names and times are replaced."""
    made = BytesIO()
    with ZipFile(BytesIO(content)) as source, ZipFile(made, "w") as target:
        schema = json.loads(source.read(SCHEMA))
        numbers: dict[int, int] = {}
        names: dict[str, str] = {}
        for node in _nodes(schema):
            if node["__loader__"] == "SetNode":
                node["content"].sort(key=lambda each: str(each.get("content")))
            if "__id__" in node:
                node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
            if "file" in node:
                suffix = node["file"].rpartition(".")[2]
                node["file"] = names.setdefault(node["file"], f"{len(names)}.{suffix}")
        text = json.dumps(schema, separators=(",", ":")).encode()
        for name, data in ((SCHEMA, text), *((to, source.read(old)) for old, to in names.items())):
            entry = ZipInfo(name)
            entry.create_system = 3
            target.writestr(entry, data, compress_type=ZIP_DEFLATED)
    return made.getvalue()


SKOPS = Format(
    "skops",
    "model.skops",
    "serve,serve-sklearn",
    ("pandas", "scikit-learn", "skops"),
    export,
    load,
    exact_versions=True,
)
