"""What the pipeline would be as one script: no DVC, no checks, no manifest, no intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from sklearn.metrics import roc_auc_score

from model.estimator import build
from model.features import CATEGORIES, features
from model.target import label


def load(paths: list[Path]) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    rows = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    columns = {
        str(name): rows[name].dt.tz_localize(None).to_numpy()
        if isinstance(rows[name].dtype, pd.DatetimeTZDtype)
        else rows[name].to_numpy()
        for name in rows
    }
    labels = label(columns)
    known = ~np.isnan(labels)
    return pd.DataFrame(features(columns))[known], labels[known].astype(int)


def main() -> None:
    months = sorted(Path("data").glob("*.parquet"))
    params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))["train"]
    rows, labels = load(months[:-1])
    estimator = build(params, CATEGORIES).fit(rows, labels)
    later, outcome = load(months[-1:])
    print(f"AUC {roc_auc_score(outcome, estimator.predict_proba(later)[:, 1]):.4f}")


if __name__ == "__main__":
    main()
