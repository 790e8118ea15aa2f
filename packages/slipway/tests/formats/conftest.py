"""A small table, and a transformer in the user's package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import model
from slipway.training.formats import choose as choosing

ROWS = 300

OWN = """
from sklearn.base import BaseEstimator, TransformerMixin


class Ratio(TransformerMixin, BaseEstimator):
    def fit(self, frame, labels=None):
        return self

    def transform(self, frame):
        return frame[["a"]].to_numpy() / (1 + frame[["b"]].to_numpy() ** 2)


def doubled(frame):
    return 2 * frame
"""


@dataclass(frozen=True)
class Table:
    """Two numbers, a category and a text, with the targets of three tasks."""

    features: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]

    def take(self, names: str, missing: bool) -> dict[str, np.ndarray]:
        """Return the features of these names, with missing numbers in every seventh row."""
        taken = {name: self.features[name].copy() for name in names.split()}
        for name, values in taken.items():
            if missing and name == "a":
                values[::7] = np.nan
        return taken


@pytest.fixture(scope="session")
def table() -> Table:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, ROWS)).astype("float32")
    c = random.choice(np.array(["x", "y", "z"], object), ROWS)
    words = np.array(["Red fish", "blue", "it's", "one-two", "TREE"], object)
    text = np.array([" ".join(random.choice(words, 4)) for _ in range(ROWS)], object)
    signal = 2 * a + b + (c == "x") + ["blue" in each for each in text]
    noisy = signal + random.normal(scale=0.5, size=ROWS)
    targets = {
        "binary": (noisy > 0.5).astype(int),
        "multiclass": np.digitize(noisy, [-0.5, 1.5]),
        "regression": 50 + 10 * noisy,
    }
    return Table({"a": a, "b": b, "c": c, "text": text}, targets)


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A module of the user's package with a transformer and a function."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "transformers.py").write_text(OWN, "utf-8")
    model.__path__.append(str(folder))
    yield folder
    model.__path__.remove(str(folder))
    sys.modules.pop("model.transformers", None)


@pytest.fixture(autouse=True)
def few_timed_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "TIMED_ROWS", 3)
