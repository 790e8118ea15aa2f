"""Score rows with a model, in evaluation, comparison and the service alike."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import project
from slipway.errors import SlipwayError
from slipway.training.onnx_file import refuse_external_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.project import Columns

MODEL = Path("build/model")
MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
BASELINE_FILE = "baseline.onnx"


class Model:
    """A model whose sha256 is that of its manifest.

    An ONNX file is a description of arithmetic: loading it cannot run code. Its sha256 is still
    compared with the manifest before anything reads it, so that the model that was reviewed is
    the model that runs.
    """

    def __init__(self, content: bytes, manifest: Mapping[str, Any]) -> None:
        self.manifest = manifest
        self.sha256: str = manifest["model"]["sha256"]
        self._types = {feature["name"]: feature["type"] for feature in manifest["features"]}
        self._session = _session(content)

    @classmethod
    def load(cls, folder: Path = MODEL) -> Model:
        """Read a model folder.

        Raises
        ------
        SlipwayError
            A file is missing or unreadable, or the model's sha256 is not the manifest's.
        """
        manifest = read_manifest(folder)
        path = folder / MODEL_FILE
        if not path.is_file():
            raise SlipwayError(f"{path}: no such file", "train it with `dvc repro`")
        content = path.read_bytes()
        found, expected = hashlib.sha256(content).hexdigest(), manifest["model"]["sha256"]
        if found != expected:
            raise SlipwayError(
                f"{path}: sha256 is {found}, but {MANIFEST_FILE} has {expected}",
                "do not use it: restore both with `slipway restore build/model`, "
                "or rebuild with `dvc repro`",
            )
        return cls(content, manifest)

    def score(self, columns: Columns) -> np.ndarray:
        """Return each row's probability, shape (rows,), float64, from raw columns."""
        return self.score_features(project.features(columns))

    def score_features(self, features: Columns) -> np.ndarray:
        """Return each row's probability, shape (rows,), float64, from features.

        It is rounded to float32, also if the graph computes in float64 (the baseline's does, so
        that its scores do not depend on the processor).
        """
        feed = {name: _tensor(features[name], kind) for name, kind in self._types.items()}
        probabilities = self._session.run(["probabilities"], feed)[0]
        return np.asarray(probabilities[:, 1], dtype="float32").astype("float64")


def read_manifest(folder: Path = MODEL) -> dict[str, Any]:
    """Return the manifest of a model folder; raises SlipwayError if it is missing."""
    path = folder / MANIFEST_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SlipwayError(f"{path}: no such file", "train a model with `dvc repro`") from None
    return parse_manifest(content, path)


def parse_manifest(content: bytes, path: Path = Path(MANIFEST_FILE)) -> dict[str, Any]:
    """Return a manifest from its bytes; raises SlipwayError if they are not a JSON object."""
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SlipwayError(f"{path}: not JSON ({error})", "rebuild it with `dvc repro`") from None
    if not isinstance(manifest, dict):
        raise SlipwayError(f"{path}: not a JSON object", "rebuild it with `dvc repro`")
    return manifest


def score_file(rows: Path, model: Path, out: Path) -> int:
    """Score a parquet or CSV file of raw rows; write key and score; return the number of rows.

    Raises
    ------
    SlipwayError
        It is a folder, cannot be read, or lacks an input column of the model.
    """
    from slipway.dataset.tables import read_columns, write_columns

    if rows.is_dir():
        raise SlipwayError(f"{rows}: is a folder", "name one parquet file of it")
    loaded = Model.load(model)
    columns = read_columns([rows], [column["name"] for column in loaded.manifest["inputs"]])
    scores = loaded.score(columns)
    write_columns({"key": columns[loaded.manifest["key"]], "score": scores}, out)
    return len(scores)


def feature_type(values: np.ndarray) -> str:
    """Return the type of a feature for the model: `number` or `category`.

    Raises
    ------
    SlipwayError
        It is neither float32 nor text.
    """
    if values.dtype.kind in "OU":
        return "category"
    if values.dtype == np.float32:
        return "number"
    raise SlipwayError(
        f"a feature has type {values.dtype}",
        "in src/model/features.py, return numbers as float32 and categories as strings",
    )


def _tensor(values: np.ndarray, kind: str) -> np.ndarray:
    dtype = "float32" if kind == "number" else object
    return values.astype(dtype, copy=False).reshape(-1, 1)


def _session(content: bytes) -> Any:
    import onnxruntime

    refuse_external_data(content)
    options = onnxruntime.SessionOptions()
    # Else it guesses the format, and may read one that was not checked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # One thread: a row takes microseconds, and a service scales by processes.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
