"""Each family of estimators predicts the same from its file, in the format that holds it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tests.formats.conftest import Table
from xgboost import XGBClassifier, XGBRegressor

from slipway.errors import SlipwayError
from slipway.manifest import MANIFEST_FILE
from slipway.training.formats import boosting
from slipway.training.formats import choose as choosing
from slipway.training.formats.choose import (
    PARITY,
    Choice,
    check_parity,
    choose,
    expected_predictions,
)
from slipway.training.formats.format import NotExported
from slipway.training.formats.packages import served_packages
from slipway.training.score import Model, feature_type

TABLE = "a b c"

OWN = "model.transformers"


@dataclass(frozen=True)
class Case:
    """An estimator, the table that it learns, and the format that holds it.

    Attributes
    ----------
    remedied
        The estimator after its remedy, which ONNX holds.
    """

    estimator: Callable[[], Any]
    file: str = "onnx"
    task: str = "binary"
    features: str = TABLE
    missing: bool = False
    remedied: Callable[[], Any] | None = None


def ordinal(estimator: Any, impute: bool = False) -> Any:
    """Put an encoder before an estimator of trees, and an imputer if asked for."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
    numbers = SimpleImputer() if impute else "passthrough"
    columns = make_column_transformer((encoder, ["c"]), (numbers, ["a", "b"]))
    return make_pipeline(columns, estimator)


def one_hot(estimator: Any) -> Any:
    """Put an encoder, an imputer and a scaler before an estimator."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["c"]), (numbers, ["a", "b"])
    )
    return make_pipeline(columns, estimator)


def pandas_columns(estimator: Any) -> Any:
    """Put an encoder before an estimator, which sees the names of the columns."""
    found = ordinal(estimator)
    found[0].set_output(transform="pandas")
    found[0].set_params(verbose_feature_names_out=False)
    return found


def forest(kind: Any = RandomForestClassifier) -> Any:
    return kind(10, random_state=0)


def histogram(**options: Any) -> Any:
    return HistGradientBoostingClassifier(max_iter=10, random_state=0, **options)


def catboost(kind: Any = CatBoostClassifier, **options: Any) -> Any:
    return kind(iterations=10, verbose=0, random_seed=0, allow_writing_files=False, **options)


def light(kind: Any = LGBMClassifier) -> Any:
    return kind(n_estimators=10, verbose=-1)


def voting(**options: Any) -> Any:
    members = [("linear", LogisticRegression()), ("tree", DecisionTreeClassifier(max_depth=3))]
    return VotingClassifier(members, voting="soft", **options)


def stacking(*members: Any) -> Any:
    return StackingClassifier([(str(at), each) for at, each in enumerate(members)], cv=3)


def of_text(lowercase: bool) -> Any:
    words = (TfidfVectorizer(lowercase=lowercase), "text")
    return make_pipeline(
        make_column_transformer(words, ("passthrough", ["a"])), LogisticRegression()
    )


def own_transformer() -> Any:
    return make_pipeline(import_module(OWN).Ratio(), LogisticRegression())


def own_function() -> Any:
    doubled = FunctionTransformer(import_module(OWN).doubled)
    return make_pipeline(doubled, StandardScaler(), LogisticRegression())


CASES = {
    "linear": Case(lambda: one_hot(LogisticRegression()), missing=True),
    "linear of 3 classes": Case(lambda: one_hot(LogisticRegression()), task="multiclass"),
    "linear regression": Case(lambda: one_hot(Ridge()), missing=True, task="regression"),
    "linear without a pipeline": Case(LogisticRegression, features="a b"),
    "selected features": Case(
        lambda: one_hot(make_pipeline(SelectKBest(f_classif, k=2), LogisticRegression()))
    ),
    "forest": Case(lambda: ordinal(forest())),
    "forest of 3 classes": Case(lambda: ordinal(forest()), task="multiclass"),
    "forest with missing numbers": Case(
        lambda: ordinal(forest()),
        missing=True,
        remedied=lambda: ordinal(forest(), impute=True),
        file="skops",
    ),
    "forest regression with missing numbers": Case(
        lambda: ordinal(forest(RandomForestRegressor)),
        missing=True,
        remedied=lambda: ordinal(forest(RandomForestRegressor), impute=True),
        file="skops",
        task="regression",
    ),
    "histogram boosting": Case(lambda: ordinal(histogram()), missing=True),
    "histogram boosting of 3 classes": Case(
        lambda: ordinal(histogram()), missing=True, task="multiclass"
    ),
    "histogram regression": Case(
        lambda: ordinal(HistGradientBoostingRegressor(max_iter=10)), missing=True, task="regression"
    ),
    "histogram boosting with categories": Case(
        lambda: ordinal(histogram(categorical_features=[0])),
        missing=True,
        remedied=lambda: ordinal(histogram()),
        file="skops",
    ),
    "gradient boosting": Case(
        lambda: ordinal(GradientBoostingClassifier(n_estimators=10, random_state=0))
    ),
    "AdaBoost": Case(lambda: ordinal(AdaBoostClassifier(n_estimators=5, random_state=0))),
    "bagging": Case(lambda: ordinal(BaggingClassifier(n_estimators=5, random_state=0))),
    "naive Bayes": Case(lambda: ordinal(GaussianNB())),
    "LightGBM": Case(lambda: ordinal(light()), missing=True),
    "LightGBM of 3 classes": Case(lambda: ordinal(light()), missing=True, task="multiclass"),
    "LightGBM regression": Case(
        lambda: pandas_columns(light(LGBMRegressor)), missing=True, task="regression"
    ),
    "XGBoost": Case(lambda: ordinal(XGBClassifier(n_estimators=10)), missing=True),
    "XGBoost of 3 classes": Case(
        lambda: pandas_columns(XGBClassifier(n_estimators=10)), missing=True, task="multiclass"
    ),
    "XGBoost regression": Case(
        lambda: pandas_columns(XGBRegressor(n_estimators=10)), missing=True, task="regression"
    ),
    "XGBoost without a pipeline": Case(lambda: XGBClassifier(n_estimators=10), features="a b"),
    "CatBoost": Case(lambda: ordinal(catboost()), missing=True),
    "CatBoost of 3 classes": Case(lambda: ordinal(catboost()), missing=True, task="multiclass"),
    "CatBoost regression": Case(
        lambda: ordinal(catboost(CatBoostRegressor)), missing=True, task="regression"
    ),
    "CatBoost with categories": Case(
        lambda: catboost(cat_features=["c"]),
        missing=True,
        remedied=lambda: ordinal(catboost()),
        file="skops",
    ),
    "neighbours after scaling": Case(lambda: one_hot(KNeighborsClassifier())),
    "neighbours regression": Case(lambda: one_hot(KNeighborsRegressor()), task="regression"),
    "support vectors": Case(lambda: one_hot(CalibratedClassifierCV(SVC(), ensemble=False))),
    "support vectors of 3 classes": Case(
        lambda: one_hot(CalibratedClassifierCV(SVC(), ensemble=False)), task="multiclass"
    ),
    "support vectors with own probabilities": Case(
        lambda: one_hot(SVC(probability=True, random_state=0))
    ),
    "support vector regression": Case(lambda: one_hot(SVR()), task="regression"),
    "neural network": Case(lambda: one_hot(MLPClassifier((8,), max_iter=20, random_state=0))),
    "neural network regression": Case(
        lambda: one_hot(MLPRegressor(hidden_layer_sizes=(8,), max_iter=20, random_state=0)),
        task="regression",
    ),
    "sigmoid calibration": Case(lambda: one_hot(CalibratedClassifierCV(LogisticRegression()))),
    "isotonic calibration": Case(
        lambda: one_hot(CalibratedClassifierCV(LogisticRegression(), method="isotonic")),
        remedied=lambda: one_hot(CalibratedClassifierCV(LogisticRegression())),
        file="skops",
    ),
    "isotonic calibration of 3 classes": Case(
        lambda: one_hot(CalibratedClassifierCV(LogisticRegression(), method="isotonic")),
        file="skops",
        task="multiclass",
    ),
    "calibration of a pipeline": Case(
        lambda: CalibratedClassifierCV(ordinal(forest()), cv=3),
        remedied=lambda: ordinal(CalibratedClassifierCV(forest(), cv=3)),
        file="skops",
    ),
    "voting": Case(
        lambda: one_hot(voting()),
        remedied=lambda: one_hot(voting(flatten_transform=False)),
        file="skops",
    ),
    "voting regression": Case(
        lambda: one_hot(VotingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor())])),
        task="regression",
    ),
    "stacking": Case(
        lambda: one_hot(stacking(LogisticRegression(), DecisionTreeClassifier(max_depth=3)))
    ),
    "stacking of histogram boosting": Case(
        lambda: one_hot(stacking(KNeighborsClassifier(), histogram())),
        file="skops",
        task="multiclass",
    ),
    "stacking regression": Case(
        lambda: one_hot(StackingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor())])),
        task="regression",
    ),
    "own transformer": Case(own_transformer, file="skops"),
    "own function": Case(own_function, features="a b", file="skops"),
    "text": Case(
        lambda: of_text(lowercase=True),
        features="text a",
        remedied=lambda: of_text(lowercase=False),
        file="skops",
    ),
}


Made = tuple[Choice, Any, dict[str, np.ndarray]]


def chosen(case: Case, table: Table, make: Callable[[], Any]) -> Made:
    """Return the choice for a fitted estimator, the estimator, and its features."""
    features = table.take(case.features, case.missing)
    fitted = make().fit(pd.DataFrame(features), table.targets[case.task])
    types = {name: feature_type(values) for name, values in features.items()}
    return choose(fitted, features, types), fitted, features


@pytest.fixture(scope="session")
def made(table: Table, own: Path) -> Callable[[str], Made]:
    """Return the choice for a case, its estimator and features: made once."""
    return cache(lambda name: chosen(CASES[name], table, CASES[name].estimator))


def write(choice: Choice, features: dict[str, np.ndarray], folder: Path) -> None:
    content = choice.exported.content
    manifest = {
        "model": {
            "format": choice.format.name,
            "sha256": sha256(content).hexdigest(),
            "types": list(choice.exported.types),
        },
        "features": [
            {"name": name, "type": feature_type(values)} for name, values in features.items()
        ],
    }
    folder.mkdir()
    (folder / choice.format.file).write_bytes(content)
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest), "utf-8")


# scikit-learn 1.9 advises against `probability`; a network of few steps has not converged.
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:Stochastic Optimizer")
@pytest.mark.parametrize("name", CASES)
def test_the_file_predicts_what_the_estimator_predicts(name, made, tmp_path):
    case = CASES[name]
    choice, fitted, features = made(name)

    write(choice, features, tmp_path / "model")
    found = Model.load(tmp_path / "model").predict(features)

    frame = pd.DataFrame(features)
    assert choice.format.name == case.file
    assert found.dtype == np.float64
    if case.task == "regression":
        expected = fitted.predict(frame)
        assert found.shape == (len(frame),)
        assert np.abs(found - expected).max() <= PARITY * expected.std()
    else:
        expected = fitted.predict_proba(frame)
        assert found.shape == (len(frame), 2 if case.task == "binary" else 3)
        assert np.abs(found - expected).max() <= PARITY
    if case.task == "binary":
        scores = Model.load(tmp_path / "model").score_features(features)
        assert np.array_equal(scores, found[:, 1].astype("float32"))


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].remedied])
def test_the_remedy_that_is_named_leads_to_onnx(name, made, table):
    case = CASES[name]
    assert case.remedied
    before, *_ = made(name)
    after, *_ = chosen(case, table, case.remedied)

    assert len(before.rejected[0].remedies) == 1
    assert after.format.name == "onnx"


@pytest.mark.parametrize(
    "name",
    [
        "CatBoost with categories",
        "forest with missing numbers",
        "histogram boosting with categories",
        "own transformer",
        "text",
    ],
)
def test_the_same_estimator_gives_the_same_bytes(name, made, table):
    again, *_ = chosen(CASES[name], table, CASES[name].estimator)

    assert made(name)[0].exported == again.exported


def test_another_process_loads_each_file_that_holds_types(made, own, tmp_path):
    expected = {}
    for name in (
        "own transformer",
        "CatBoost with categories",
        "text",
        "stacking of histogram boosting",
    ):
        choice, fitted, features = made(name)
        write(choice, features, tmp_path / name)
        np.savez(
            tmp_path / name / "features.npz", **{k: v.astype(str) for k, v in features.items()}
        )
        expected[name] = fitted.predict_proba(pd.DataFrame(features)).tolist()
    program = f"""
import json, model, numpy as np
from pathlib import Path
from slipway.training.score import Model
model.__path__.append({str(own)!r})
found = {{}}
for folder in Path({str(tmp_path)!r}).iterdir():
    loaded = Model.load(folder)
    types = {{each["name"]: each["type"] for each in loaded.manifest["features"]}}
    columns = np.load(folder / "features.npz")
    dtypes = {{"number": "float32", "category": object}}
    features = {{name: columns[name].astype(dtypes[kind]) for name, kind in types.items()}}
    found[folder.name] = loaded.predict(features).tolist()
print(json.dumps(found))
"""
    path = ":".join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": path, "PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    found = json.loads(done.stdout)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert np.abs(np.array(found[name]) - values).max() <= PARITY


def test_rows_with_a_missing_number_are_compared_wherever_they_are(table, monkeypatch):
    monkeypatch.setattr(choosing, "COMPARED_ROWS", 3)
    features = {name: table.features[name].copy() for name in ("a", "b")}
    features["a"][[at for at in range(300) if at % 100 in range(1, 15)]] = np.nan
    fitted = forest().fit(pd.DataFrame(features), table.targets["binary"])

    choice = choose(fitted, features, {"a": "number", "b": "number"})

    assert choice.format.name == "skops"
    assert "SimpleImputer" in choice.rejected[0].remedies[0]


def parity(predict: Callable[[Any, Any], Any], table: Table) -> None:
    """Compare a file with an estimator of a table with a category."""
    features = table.take(TABLE, missing=False)
    fitted = ordinal(forest()).fit(pd.DataFrame(features), table.targets["binary"])
    types = {name: feature_type(values) for name, values in features.items()}
    check_parity(lambda rows: predict(rows, fitted), expected_predictions(fitted, features, types))


def test_equal_predictions_pass(table):
    parity(lambda rows, fitted: fitted.predict_proba(pd.DataFrame(rows)), table)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.5 + 2 * PARITY])
def test_a_prediction_that_is_missing_or_other_is_a_difference(wrong, table):
    def predict(rows: Any, fitted: Any) -> Any:
        found = fitted.predict_proba(pd.DataFrame(rows))
        found[17, 1] = wrong
        return found

    with pytest.raises(NotExported, match="differ"):
        parity(predict, table)


def test_predictions_of_another_shape_are_a_difference(table):
    with pytest.raises(NotExported, match="inf"):
        parity(lambda rows, fitted: fitted.predict_proba(pd.DataFrame(rows))[:, :1], table)


def test_unknown_categories_are_compared(table):
    def predict(rows: Any, fitted: Any) -> Any:
        known = {**rows, "c": np.where(np.isin(rows["c"], ["x", "y", "z"]), rows["c"], "z")}
        return fitted.predict_proba(pd.DataFrame(known))

    with pytest.raises(NotExported, match="differ"):
        parity(predict, table)


def test_a_library_without_its_converter_is_served_in_skops_and_the_package_named(
    table, monkeypatch
):
    monkeypatch.setattr(boosting, "_has_onnxmltools", lambda: False)

    choice, *_ = chosen(CASES["LightGBM"], table, CASES["LightGBM"].estimator)

    assert choice.format.name == "skops"
    assert "onnxmltools" in choice.rejected[0].remedies[0]
    assert served_packages(choice.format, choice.exported.types).keys() >= {"lightgbm", "skops"}


def test_a_classifier_without_probabilities_is_refused(table):
    case = Case(lambda: one_hot(SVC()))

    with pytest.raises(SlipwayError, match="predict_proba") as refused:
        chosen(case, table, case.estimator)

    assert "CalibratedClassifierCV" in refused.value.do


def test_a_file_that_predicts_otherwise_in_every_format_is_refused(table, own, monkeypatch):
    class Random(LogisticRegression):
        def predict_proba(self, frame: Any) -> Any:
            return np.random.default_rng().dirichlet((1, 1), len(frame))

    Random.__module__, Random.__qualname__ = OWN, "Random"
    monkeypatch.setattr(import_module(OWN), "Random", Random, raising=False)
    case = Case(Random, features="a b")

    with pytest.raises(SlipwayError, match=r"onnx.*skops.*differ"):
        chosen(case, table, case.estimator)
