"""Score rows with a model, in evaluation, comparison and the service alike."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import project
from slipway.errors import SlipwayError
from slipway.tasks import task_of
from slipway.training.formats.onnx import ONNX
from slipway.training.formats.registry import format_of
from slipway.training.scores import predicted_columns, score_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.project import Columns
    from slipway.training.formats.format import Format

MODEL = Path("build/model")
MANIFEST_FILE = "manifest.json"
BASELINE_FILE = "baseline.onnx"


class Model:
    """A model whose sha256 is that of its manifest.

    Loading a file runs no code of it, in each format. Its sha256 is still compared with the
    manifest before anything reads it, so that the model that was reviewed is the model that runs.

    Parameters
    ----------
    file_format
        That of the content; by default the one that the manifest names.
    """

    def __init__(
        self, content: bytes, manifest: Mapping[str, Any], file_format: Format | None = None
    ) -> None:
        self.manifest = manifest
        self.sha256: str = manifest["model"]["sha256"]
        self.task = task_of(manifest)
        self._seen = manifest.get("target", {}).get("seen", ())
        types = {feature["name"]: feature["type"] for feature in manifest["features"]}
        load = (file_format or format_of(manifest)).load
        self._predict = load(content, types, manifest["model"].get("types", ()))

    @classmethod
    def load(cls, folder: Path = MODEL) -> Model:
        """Read a model folder.

        Raises
        ------
        SlipwayError
            A file is missing or unreadable, or the model's sha256 is not the manifest's.
        """
        manifest = read_manifest(folder)
        path = folder / format_of(manifest).file
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

    @classmethod
    def load_baseline(cls, folder: Path = MODEL) -> Model:
        """Read the logistic regression of a model folder, which is an ONNX file."""
        return cls((folder / BASELINE_FILE).read_bytes(), read_manifest(folder), ONNX)

    def predict(self, features: Columns) -> np.ndarray:
        """Return what the estimator predicts from features, float64, not rounded.

        Returns
        -------
        Probabilities of shape (rows, classes) of a classifier; values of shape (rows,) else.
        """
        return self._predict(features)

    def score(self, columns: Columns) -> np.ndarray:
        """Return scores, as the task has them, float64, from raw columns."""
        return self.score_features(project.features(columns))

    def columns(self, scores: np.ndarray) -> dict[str, np.ndarray]:
        """Return scores as columns of a file: `score`, or one of each class."""
        return score_columns(scores)

    def watched(self, scores: np.ndarray) -> dict[str, np.ndarray]:
        """Return the series of scores that are monitored, by name."""
        return predicted_columns(self.task, scores)

    def score_features(self, features: Columns) -> np.ndarray:
        """Return scores, as the task has them, float64, from features.

        They are rounded to float32, also if the file computes in float64 (the baseline's does, so
        that its scores do not depend on the processor).
        """
        scores = self.task.scores(self.predict(features), self._seen)
        return np.asarray(scores, dtype="float32").astype("float64")


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

    Without a key it is the number of the row in the file.

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
    names = project.key_names(loaded.manifest["key"])
    keys = project.row_keys(columns, names) if names else np.arange(len(scores))
    write_columns({"key": keys, **score_columns(scores)}, out)
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
