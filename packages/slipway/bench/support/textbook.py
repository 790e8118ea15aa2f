"""The service of a first tutorial: BentoML's defaults, a DataFrame in, scikit-learn inside."""

from __future__ import annotations

import bentoml
import joblib
import pandas as pd


@bentoml.service
class Textbook:
    def __init__(self) -> None:
        self.model = joblib.load("model.joblib")

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, rows: pd.DataFrame) -> list[float]:
        return list(self.model.predict_proba(rows)[:, 1])
