"""Batch scoring as one would write it by hand: no checks, no log, no second run.

plain_batch.py MODEL               fits the estimator and writes it
plain_batch.py MODEL ROWS SCORES   reads rows, predicts, writes keys and scores
"""

from __future__ import annotations

from pathlib import Path

import joblib
import pandas as pd
import yaml

from model.estimator import build
from model.features import CATEGORIES, features
from model.schema import KEY

from .plain import load


def fit(model: Path) -> None:
    """Fit the estimator of the project and write it."""
    params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))["train"]
    rows, labels = load(sorted(Path("data").glob("*.parquet"))[:-1])
    joblib.dump(build(params, CATEGORIES).fit(rows, labels), model)


def score(model: Path, rows: Path, scores: Path) -> None:
    """Read rows, predict, and write keys and scores."""
    frame = pd.read_parquet(rows)
    columns = {
        str(name): frame[name].dt.tz_localize(None).to_numpy()
        if isinstance(frame[name].dtype, pd.DatetimeTZDtype)
        else frame[name].to_numpy()
        for name in frame
    }
    predicted = joblib.load(model).predict_proba(pd.DataFrame(features(columns)))[:, 1]
    pd.DataFrame({"key": frame[KEY], "score": predicted}).to_parquet(scores, compression="zstd")
