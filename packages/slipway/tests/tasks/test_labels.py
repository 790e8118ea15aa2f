"""Each task reads its labels, and refuses others with the values found and what to do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from slipway.errors import SlipwayError
from slipway.tasks import TASKS, Task, declared_task, task_of
from slipway.training.diagnostics import DIAGNOSTICS

TEAMS = ("billing", "web", "mobile")


def task(name: str) -> Task:
    return declared_task(name, TEAMS if name == "multiclass" else ())


@pytest.mark.parametrize(
    ("name", "values", "labels"),
    [
        ("binary", [0, 1, None], [0, 1, np.nan]),
        ("binary", [True, False, np.nan], [1, 0, np.nan]),
        ("multiclass", ["web", None, "billing"], [1, np.nan, 0]),
        ("regression", [0, -2.5, None], [0, -2.5, np.nan]),
    ],
)
def test_values_of_the_task_are_labels(
    name: str, values: list[object], labels: list[float]
) -> None:
    found, bad = task(name).read(np.array(values, dtype=object))
    assert not bad.any()
    np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("binary", 2),
        ("binary", "1"),
        ("binary", np.inf),
        ("multiclass", "press"),
        ("multiclass", 1),
        ("multiclass", ["web"]),
        ("regression", "3"),
        ("regression", -np.inf),
    ],
)
def test_other_values_are_no_labels(name: str, value: object) -> None:
    values = np.empty(1, dtype=object)
    values[0] = value
    assert task(name).read(values)[1].all()


def test_numbered_classes_may_be_floats_as_in_a_column_with_missing_values() -> None:
    numbered = declared_task("multiclass", [10, 20, 30])
    labels, bad = numbered.read(pd.Series([10, None, 30]).to_numpy())
    assert not bad.any()
    np.testing.assert_array_equal(labels, [0, np.nan, 2])


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("labels", [[], [1.0, 1.0, 1.0]], ids=["none", "all the same"])
def test_labels_that_do_not_differ_are_refused(name: str, labels: list[float]) -> None:
    with pytest.raises(SlipwayError, match="holdout rows have"):
        task(name).require("holdout", "team", np.array(labels))


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("ranking", ()),
        (None, ()),
        ("binary", ("a", "b")),
        ("regression", ("a", "b")),
        ("multiclass", ()),
        ("multiclass", "ab"),
        ("multiclass", ("a",)),
        ("multiclass", ("a", "a", "b")),
        ("multiclass", ("a", 1)),
        ("multiclass", (0.5, 1.5)),
        ("multiclass", tuple(range(201))),
    ],
)
def test_a_task_that_does_not_exist_or_has_other_classes_is_refused(
    name: object, classes: object
) -> None:
    with pytest.raises(SlipwayError, match=r"src/model/target\.py"):
        declared_task(name, classes)  # type: ignore[arg-type]


def test_a_class_never_seen_in_training_has_the_probability_zero() -> None:
    raw = np.array([[0.25, 0.75]])
    assert task("multiclass").scores(raw, [0, 2]).tolist() == [[0.25, 0, 0.75]]


@pytest.mark.parametrize(
    ("name", "scores"),
    [
        ("binary", [1.5]),
        ("binary", [np.nan]),
        ("multiclass", [[0.5, 0.6, 0.1]]),
        ("multiclass", [[np.nan, 0.5, 0.5]]),
        ("regression", [np.inf]),
    ],
)
def test_scores_that_no_model_of_the_task_returns_are_invalid(name: str, scores: object) -> None:
    assert task(name).invalid(np.array(scores)).all()


def test_rounding_changes_no_score_of_any_size_noticeably() -> None:
    scores = np.array([0.0, 123456789.0, -1.2345678e-8, 5e-320])
    rounded = task("regression").rounded(scores)
    np.testing.assert_allclose(rounded, scores, rtol=1e-5, atol=1e-300)
    assert rounded[1] == 123457000.0


def test_models_of_earlier_versions_are_binary() -> None:
    assert task_of({"target": {"name": "late"}}).name == "binary"


@pytest.mark.parametrize(
    ("declared", "classes", "texts", "labels"),
    [
        ("binary", (), ["1", " FALSE ", "", "0.0"], [1, 0, np.nan, 0]),
        ("multiclass", TEAMS, ["web", "", "billing"], [1, np.nan, 0]),
        ("multiclass", (10, 20), ["20", "10,0", " "], [1, 0, np.nan]),
        ("multiclass", (False, True), ["True", "false", ""], [1, 0, np.nan]),
        ("regression", (), ["-2,5", "1e3", "", "7"], [-2.5, 1000, np.nan, 7]),
    ],
)
def test_texts_of_a_file_are_labels(
    declared: str, classes: tuple[object, ...], texts: list[str], labels: list[float]
) -> None:
    read = declared_task(declared, classes)
    values = [read.from_text(text, "," if "," in "".join(texts) else ".") for text in texts]
    found, bad = read.read(np.array(values, dtype=object))
    assert not bad.any()
    np.testing.assert_array_equal(found, labels)
    known = found[~np.isnan(found)]
    again, _ = read.read(np.array(read.stored(known).tolist(), dtype=object))
    np.testing.assert_array_equal(again, known)


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("binary", "maybe"),
        ("multiclass", "press"),
        ("multiclass", "Web"),
        ("regression", "1,234.5"),
        ("regression", "inf"),
        ("regression", "0x10"),
    ],
)
def test_other_texts_are_no_labels(declared: str, text: str) -> None:
    value = task(declared).from_text(text, ".")
    assert task(declared).read(np.array([value], dtype=object))[1].all()


def test_the_linear_baseline_of_numbers_learns_from_many_categories() -> None:
    indicators = sparse.eye_array(50, format="csr")
    labels = np.arange(50.0)
    fitted = DIAGNOSTICS["regression"].estimator().fit(indicators, labels)
    assert np.corrcoef(fitted.predict(indicators), labels)[0, 1] > 0.99
