"""Features may have any name: ONNX has others for those with spaces and signs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from slipway.training.formats.onnx import export, load

NAMES = ["a b", "a_b", "größe (mm)", "$x", '"q"', "class"]


def test_a_feature_of_any_name_reaches_its_place() -> None:
    random = np.random.default_rng(0)
    features = {name: random.normal(size=300).astype("float32") for name in NAMES}
    kind = random.choice(["u", "v w"], 300).astype(object)
    labels = (features["a b"] - features["a_b"] + (kind == "u") > 0).astype(int)
    frame = pd.DataFrame(features | {"kind of": kind})
    encode = make_column_transformer((OneHotEncoder(), ["kind of"]), remainder="passthrough")
    fitted = make_pipeline(encode, LogisticRegression()).fit(frame, labels)
    types = dict.fromkeys(NAMES, "number") | {"kind of": "category"}
    predict = load(export(fitted, types).content, types, ())
    np.testing.assert_allclose(
        predict(features | {"kind of": kind}), fitted.predict_proba(frame), atol=1e-5
    )
