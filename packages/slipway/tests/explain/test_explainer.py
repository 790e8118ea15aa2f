"""Contributions sum up to what the fitted estimator itself returns, in its raw units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from xgboost import XGBClassifier, XGBRegressor

from slipway.errors import SlipwayError
from slipway.explain.explainer import Explainer
from slipway.explain.explanation import Explanation, NotInstalled, require_packages
from slipway.manifest import Manifest
from slipway.training.formats.registry import FORMATS
from slipway.training.score import Model

ROWS, BACKGROUND, EXPLAINED = 200, 20, 8

Frame = dict[str, np.ndarray]

Raw = Callable[[Any, pd.DataFrame], np.ndarray]


def table(numbers: int = 2) -> tuple[Frame, dict[str, np.ndarray]]:
    """Return features, with a category and missing numbers, and the targets of three tasks."""
    random = np.random.default_rng(0)
    values = random.normal(size=(numbers, ROWS)).astype("float32")
    category = random.choice(np.array(["x", "y", "z"], object), ROWS)
    signal = 2 * values[0] + values[1] + (category == "x") + random.normal(scale=0.3, size=ROWS)
    features = {f"n{at}": each for at, each in enumerate(values)} | {"c": category}
    targets = {
        "binary": (signal > 0.5).astype(int),
        "multiclass": np.digitize(signal, [-0.5, 1.5]),
        "regression": 1_000 + 500 * signal,
    }
    return features, targets


FEATURES, TARGETS = table()
LABELS = (TARGETS["binary"], 1 - TARGETS["binary"])
MISSING = FEATURES | {"n0": np.where(np.arange(ROWS) % 7, FEATURES["n0"], np.float32("nan"))}


def ordinal(estimator: Any) -> Any:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
    return make_pipeline(
        make_column_transformer((encoder, ["c"]), remainder="passthrough"), estimator
    )


def one_hot(*steps: Any) -> Any:
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(make_column_transformer((encoder, ["c"]), remainder="passthrough"), *steps)


def histogram(**options: Any) -> Any:
    return HistGradientBoostingClassifier(max_iter=5, random_state=0, **options)


def cat(kind: Any) -> Any:
    return kind(iterations=5, verbose=0, random_seed=0, allow_writing_files=False)


def light(kind: Any) -> Any:
    return kind(n_estimators=5, verbose=-1)


def decision(fitted: Any, frame: pd.DataFrame) -> np.ndarray:
    return np.asarray(fitted.decision_function(frame))


def last(**options: Any) -> Raw:
    """Return what the last step of a pipeline predicts with an option of its library."""

    def raw(fitted: Any, frame: pd.DataFrame) -> np.ndarray:
        return np.asarray(fitted[-1].predict(fitted[:-1].transform(frame), **options))

    return raw


def probability(fitted: Any, frame: pd.DataFrame) -> np.ndarray:
    return np.asarray(fitted.predict_proba(frame))


def folds(fitted: Any, frame: pd.DataFrame) -> np.ndarray:
    members = [each.estimator for each in fitted.calibrated_classifiers_]
    return np.mean([each.decision_function(frame) for each in members], axis=0)


def inner(fitted: Any, frame: pd.DataFrame) -> np.ndarray:
    return np.asarray(fitted.regressor_.predict(frame))


@dataclass(frozen=True)
class Case:
    """An estimator, and its raw values by its own library."""

    estimator: Callable[[], Any]
    raw: Raw
    task: str = "binary"
    method: str = "TreeExplainer"
    last_step: str = "logistic"
    format: str = "onnx"
    missing: bool = False


def of_classes(estimator: Callable[[], Any], raw: Raw, last_step: str = "softmax") -> Case:
    return Case(estimator, raw, "multiclass", last_step=last_step)


def of_numbers(estimator: Callable[[], Any]) -> Case:
    return Case(estimator, last(), "regression", last_step="none")


CASES = {
    "histogram boosting": Case(lambda: ordinal(histogram()), decision, missing=True),
    "gradient boosting": Case(
        lambda: ordinal(GradientBoostingClassifier(n_estimators=5)), decision
    ),
    "LightGBM": Case(lambda: ordinal(light(LGBMClassifier)), last(raw_score=True), missing=True),
    "XGBoost": Case(
        lambda: ordinal(XGBClassifier(n_estimators=5)), last(output_margin=True), missing=True
    ),
    "CatBoost": Case(
        lambda: ordinal(cat(CatBoostClassifier)), last(prediction_type="RawFormulaVal")
    ),
    "forest": Case(
        lambda: ordinal(RandomForestClassifier(5, random_state=0)), probability, last_step="none"
    ),
    "linear": Case(lambda: one_hot(LogisticRegression()), decision, method="LinearExplainer"),
    "calibration": Case(
        lambda: CalibratedClassifierCV(ordinal(histogram()), cv=3, ensemble=False),
        folds,
        last_step="calibration",
        format="skops",
    ),
    "calibration of folds": Case(
        lambda: CalibratedClassifierCV(ordinal(histogram()), cv=3, method="isotonic"),
        folds,
        last_step="mean of members",
        format="skops",
    ),
    "histogram boosting of 3 classes": of_classes(lambda: ordinal(histogram()), decision),
    "LightGBM of 3 classes": of_classes(
        lambda: ordinal(light(LGBMClassifier)), last(raw_score=True)
    ),
    "XGBoost of 3 classes": of_classes(
        lambda: ordinal(XGBClassifier(n_estimators=5)), last(output_margin=True)
    ),
    "CatBoost of 3 classes": of_classes(
        lambda: ordinal(cat(CatBoostClassifier)), last(prediction_type="RawFormulaVal")
    ),
    "forest of 3 classes": of_classes(
        lambda: ordinal(RandomForestClassifier(5, random_state=0)),
        probability,
        last_step="none",
    ),
    "linear of 3 classes": Case(
        lambda: one_hot(LogisticRegression()),
        decision,
        task="multiclass",
        method="LinearExplainer",
        last_step="softmax",
    ),
    "histogram regression": of_numbers(lambda: ordinal(HistGradientBoostingRegressor(max_iter=5))),
    "quantile": of_numbers(
        lambda: ordinal(HistGradientBoostingRegressor(loss="quantile", quantile=0.9, max_iter=5))
    ),
    "LightGBM regression": of_numbers(lambda: ordinal(light(LGBMRegressor))),
    "XGBoost regression": of_numbers(lambda: ordinal(XGBRegressor(n_estimators=5))),
    "CatBoost regression": of_numbers(lambda: ordinal(cat(CatBoostRegressor))),
    "forest regression": of_numbers(lambda: ordinal(RandomForestRegressor(5, random_state=0))),
    "linear regression": Case(
        lambda: one_hot(Ridge()),
        last(),
        task="regression",
        method="LinearExplainer",
        last_step="none",
    ),
    "regression of a logarithm": Case(
        lambda: TransformedTargetRegressor(
            ordinal(HistGradientBoostingRegressor(max_iter=5)),
            func=np.arcsinh,
            inverse_func=np.sinh,
        ),
        inner,
        task="regression",
        last_step="calibration",
        format="skops",
    ),
    "histogram boosting with categories": Case(
        lambda: ordinal(histogram(categorical_features=[0])), decision, format="skops"
    ),
    "neighbours": Case(
        lambda: one_hot(KNeighborsClassifier()),
        probability,
        method="ExactExplainer",
        last_step="none",
    ),
}


@dataclass(frozen=True)
class Made:
    """An explainer, the estimator of its model, and its features."""

    explainer: Explainer
    fitted: Any
    features: Frame

    def explain(self, row: int, explained_class: str = "") -> Explanation:
        return self.explainer.explain(rows(self.features, row, row + 1), explained_class)


def rows(features: Frame, start: int, end: int) -> Frame:
    return {name: values[start:end] for name, values in features.items()}


def made(estimator: Any, task: str, format_name: str, features: Frame) -> Made:
    """Fit an estimator and explain its model file."""
    fitted = estimator.fit(pd.DataFrame(features), TARGETS[task])
    model, content = model_of(fitted, task, format_name, features)
    return Made(Explainer(model, content, rows(features, 0, BACKGROUND)), fitted, features)


def model_of(fitted: Any, task: str, format_name: str, features: Frame) -> tuple[Model, bytes]:
    """Return the model of a fitted estimator, and its file."""
    types = {
        name: "number" if values.dtype.kind == "f" else "category"
        for name, values in features.items()
    }
    exported = FORMATS[format_name].export(fitted, types)
    classes = ["low", "middle", "high"] if task == "multiclass" else []
    manifest: Manifest = {
        "model": {
            "format": format_name,
            "sha256": sha256(exported.content).hexdigest(),
            "types": list(exported.types),
        },
        "target": {
            "task": task,
            "classes": classes,
            "seen": [] if task == "regression" else np.unique(TARGETS[task]).tolist(),
        },
        "features": [{"name": name, "type": kind} for name, kind in types.items()],
    }
    return Model(exported.content, manifest), exported.content


@pytest.mark.parametrize("name", CASES)
def test_baseline_and_contributions_are_the_raw_value_of_the_estimators_own_library(name):
    case = CASES[name]
    found = made(case.estimator(), case.task, case.format, MISSING if case.missing else FEATURES)
    frame = pd.DataFrame(found.features)
    raw = case.raw(found.fitted, frame).reshape(ROWS, -1)
    asked = ["low", "middle", "high"] if case.task == "multiclass" else [""]
    for row in range(BACKGROUND, BACKGROUND + EXPLAINED):
        for output, one in enumerate(asked, start=raw.shape[1] - len(asked)):
            explained = found.explain(row, one)
            total = explained.baseline.value + sum(
                each.contribution for each in explained.contributions
            )
            scale = max(1, float(np.abs(raw).max()))
            assert total == pytest.approx(explained.raw, abs=1e-9 * scale)
            # The model file has float32 values, the library float64.
            assert total == pytest.approx(raw[row, output], abs=1e-6 * scale)
            assert explained.baseline.value == pytest.approx(
                raw[:BACKGROUND, output].mean(), abs=1e-6 * scale
            )
            assert [explained.method, explained.last_step] == [case.method, case.last_step]
            assert {each.feature for each in explained.contributions} == set(FEATURES)
            assert explained.exact


def test_the_predicted_class_is_explained_unless_another_is_asked_for():
    found = made(ordinal(histogram()), "multiclass", "onnx", FEATURES)
    expected = ["low", "middle", "high"][found.fitted.predict(pd.DataFrame(FEATURES))[30]]

    assert found.explain(30).explained_class == expected
    assert found.explain(30, "low").explained_class == "low"
    with pytest.raises(SlipwayError, match="other"):
        found.explain(30, "other")


def test_a_linear_model_has_its_coefficients_times_the_distance_from_the_mean():
    found = made(one_hot(Ridge()), "regression", "onnx", FEATURES)

    contributions = {each.feature: each.contribution for each in found.explain(50).contributions}

    *_, coefficient, _ = found.fitted[-1].coef_
    distance = FEATURES["n0"][50] - FEATURES["n0"][:BACKGROUND].mean()
    assert contributions["n0"] == pytest.approx(coefficient * distance, abs=1e-3)


def test_a_feature_that_is_the_same_in_all_rows_of_the_baseline_has_its_contribution():
    features = {name: values.copy() for name, values in FEATURES.items()}
    features["c"][:BACKGROUND] = "y"
    found = made(one_hot(histogram()), "binary", "onnx", features)
    row = int(np.flatnonzero(features["c"] == "x")[0])

    assert found.explain(row).raw == pytest.approx(
        decision(found.fitted, pd.DataFrame(features))[row], abs=1e-6
    )


def test_columns_that_mix_features_are_explained_by_features_and_the_reason_is_named():
    found = made(one_hot(PCA(2), histogram()), "binary", "onnx", FEATURES)

    explained = found.explain(30)

    assert explained.method == "ExactExplainer"
    assert "n0" in explained.reason


@pytest.mark.parametrize(
    ("estimator", "task", "format_name"),
    [
        (ordinal(AdaBoostRegressor(n_estimators=5, random_state=0)), "regression", "onnx"),
        (ordinal(AdaBoostClassifier(n_estimators=5, random_state=0)), "binary", "onnx"),
        (ordinal(light(LGBMRegressor).set_params(linear_tree=True)), "regression", "skops"),
        (ordinal(XGBClassifier(n_estimators=5, booster="dart", rate_drop=0.9)), "binary", "skops"),
    ],
    ids=["median of members", "weighted members", "linear leaves", "weights of trees"],
)
def test_trees_whose_sum_is_not_the_score_of_the_model_are_explained_by_predictions(
    estimator, task, format_name
):
    assert made(estimator, task, format_name, FEATURES).explain(30).method == "ExactExplainer"


def test_members_whose_predictions_are_averaged_are_explained_by_their_mean_score():
    bagged = one_hot(BaggingClassifier(LogisticRegression(), 3, random_state=0))

    explained = made(bagged, "binary", "onnx", FEATURES).explain(30)

    assert (explained.method, explained.last_step) == ("LinearExplainer", "mean of members")


def test_sampled_contributions_have_an_error_each_and_still_sum_up():
    features, _ = table(numbers=9)
    found = made(one_hot(KNeighborsClassifier()), "binary", "onnx", features)

    explained = found.explain(30)

    assert explained.method == "PermutationExplainer"
    assert not explained.exact
    errors = {each.feature: each.error for each in explained.contributions}
    assert all(error is not None and error >= 0 for error in errors.values())
    assert max(error for error in errors.values() if error is not None) > 0
    total = explained.baseline.value + sum(each.contribution for each in explained.contributions)
    assert total == pytest.approx(explained.prediction, abs=1e-9)


def test_trees_that_do_not_give_the_predictions_are_not_explained():
    features = rows(FEATURES, 0, BACKGROUND)
    right, wrong = (ordinal(histogram()).fit(pd.DataFrame(FEATURES), each) for each in LABELS)
    model, content = model_of(right, "binary", "onnx", FEATURES)
    _, other = model_of(wrong, "binary", "onnx", FEATURES)

    of_its_own = Explainer(model, content, features).explain(rows(FEATURES, 30, 31))
    of_another = Explainer(model, other, features).explain(rows(FEATURES, 30, 31))

    assert of_its_own.method == "TreeExplainer"
    assert of_another.method == "ExactExplainer"
    assert of_another.prediction == of_its_own.prediction


def test_a_row_whose_prediction_does_not_follow_from_its_raw_value_is_explained_by_predictions():
    clipped = one_hot(SGDClassifier(loss="modified_huber", alpha=1, random_state=0))
    fitted = clipped.fit(pd.DataFrame(FEATURES), TARGETS["binary"])
    model, content = model_of(fitted, "binary", "skops", FEATURES)
    # So far from the boundary, clipped scores are the same as those of a logistic function.
    far = {name: values * 10_000 if name != "c" else values for name, values in FEATURES.items()}
    explainer = Explainer(model, content, rows(far, 0, BACKGROUND))
    scores = probability(fitted, pd.DataFrame(FEATURES))[:, 1]
    row = int(np.flatnonzero((scores > 0.6) & (scores < 0.9))[0])

    explained = explainer.explain(rows(FEATURES, row, row + 1))

    assert explainer.explain(rows(far, 0, 1)).last_step == "logistic"
    assert explained.method == "ExactExplainer"
    assert explained.reason
    assert explained.raw == pytest.approx(scores[row])


def test_without_the_extra_an_explainer_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setattr("slipway.explain.explanation.PACKAGES", ("a_package_that_is_not_here",))

    with pytest.raises(NotInstalled) as refused:
        require_packages()

    assert "explain" in refused.value.do
