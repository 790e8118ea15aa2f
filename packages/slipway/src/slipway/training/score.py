"""Score rows with a model, in evaluation, comparison and the service alike."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway import project
from slipway.errors import SlipwayError
from slipway.manifest import MANIFEST_FILE, MODEL, Manifest, read_manifest
from slipway.reference.profile import DECIDED, SCORE
from slipway.tasks import task_of
from slipway.training.formats.onnx import ONNX
from slipway.training.formats.registry import format_of

if TYPE_CHECKING:
    from slipway.project import Columns
    from slipway.tasks import Task
    from slipway.training.formats.format import Format

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
        self, content: bytes, manifest: Manifest, file_format: Format | None = None
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


def score_columns(scores: np.ndarray) -> dict[str, np.ndarray]:
    """Return scores of shape (rows,) or (rows, classes) as columns."""
    if scores.ndim == 1:
        return {SCORE: scores}
    return {f"{SCORE}_{code}": scores[:, code] for code in range(scores.shape[1])}


def predicted_columns(task: Task, scores: np.ndarray) -> dict[str, np.ndarray]:
    """Return the series that are watched of some scores, those of `PREDICTED` that the task has."""
    decided = task.decided(scores)
    watched = {SCORE: task.monitored(scores)}
    return watched if decided is None else watched | {DECIDED: decided}


def is_score(column: str) -> bool:
    """Return whether a column of such a file holds scores."""
    return re.fullmatch(rf"{SCORE}(_\d+)?", column) is not None


def read_scores(columns: Columns) -> np.ndarray | None:
    """Return the scores of a file that has them and a key, or None if it has other columns."""
    names = [name for name in columns if name != "key"]
    numbered = [f"{SCORE}_{code}" for code in range(len(names))]
    if "key" not in columns or names not in ([SCORE], numbered):
        return None
    if any(columns[name].dtype != np.float64 for name in names):
        return None
    return columns[SCORE] if names == [SCORE] else np.stack([columns[n] for n in names], axis=1)
