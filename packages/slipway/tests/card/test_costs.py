"""A threshold follows from the costs of both errors, and one that disagrees is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import orjson
import pytest
from tests.services.repository import edit_params
from typer.testing import CliRunner

from slipway.cli import app
from slipway.errors import SlipwayError
from slipway.metrics.clusters import Clusters, Way
from slipway.metrics.sample import Sample
from slipway.settings import Costs, Evaluate
from slipway.tasks import declared_task
from slipway.training.decision_costs import cost_curve, decision_costs, disagreement

BINARY, REGRESSION = declared_task("binary", ()), declared_task("regression", ())
CLASSES = declared_task("multiclass", ("a", "b", "c"))


def settings(threshold: float = 0.5, **costs: object) -> Evaluate:
    return Evaluate(threshold=threshold, costs=Costs.model_validate(costs))


def calibrated(rows: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Return scores, and labels that are 1 with the probability of the score."""
    random = np.random.default_rng(0)
    scores = random.beta(1, 2, rows)
    return (random.random(rows) < scores).astype("float64"), scores


@pytest.mark.parametrize(("positive", "negative"), [(1, 1), (1, 4), (3, 7), (9, 1)])
def test_with_calibrated_scores_costs_are_lowest_at_the_threshold_of_the_costs(
    positive: float, negative: float
) -> None:
    labels, scores = calibrated()
    found = decision_costs(
        Sample.of(labels),
        scores,
        settings(false_positive=positive, false_negative=negative),
        BINARY,
    )
    derived = positive / (positive + negative)
    assert found["threshold"] == pytest.approx(derived)
    assert found["lowest_threshold"] == pytest.approx(derived, abs=0.06)
    assert found["lowest_from"] <= derived <= found["lowest_to"]  # type: ignore[operator]


def test_the_cost_of_a_threshold_is_that_of_its_errors() -> None:
    labels, scores = calibrated(500)
    at = settings(0.3, false_positive=2, false_negative=5)
    found = decision_costs(Sample.of(labels), scores, at, BINARY)["now"]
    decided = scores >= 0.3
    expected = np.mean(2 * (decided & (labels == 0)) + 5 * (~decided & (labels == 1)))
    assert isinstance(found, dict)
    assert found["value"] == pytest.approx(expected)
    curve = {row["threshold"]: row for row in cost_curve(Sample.of(labels), scores, at)}
    assert float(curve["0.30"]["cost"]) == pytest.approx(expected, rel=1e-4)


def test_the_interval_of_a_cost_is_that_of_rows_that_depend_on_each_other() -> None:
    labels, scores = calibrated(1_000)
    labels, scores = np.repeat(labels, 10), np.repeat(scores, 10)
    clusters = Clusters((Way.of(np.repeat(np.arange(1_000), 10)),))
    at = settings(false_positive=1, false_negative=1)
    alone, together = (
        decision_costs(Sample.of(labels, each), scores, at, BINARY)["now"]
        for each in (None, clusters)
    )
    assert isinstance(alone, dict)
    assert isinstance(together, dict)
    width = {name: each["high"] - each["low"] for name, each in (("a", alone), ("t", together))}
    assert width["t"] > 2.5 * width["a"]


@pytest.mark.parametrize("threshold", [0.3, 0.304])
def test_a_threshold_that_follows_from_the_costs_is_no_finding(threshold: float) -> None:
    assert disagreement(settings(threshold, false_positive=3, false_negative=7), BINARY) == ""
    assert disagreement(Evaluate(threshold=threshold), BINARY) == ""


def test_a_threshold_that_disagrees_with_the_costs_is_named_with_what_to_set() -> None:
    found = disagreement(settings(0.45, false_positive=1, false_negative=4), BINARY)
    assert "0.45" in found
    assert "set the threshold to 0.2" in found


def test_a_mean_disagrees_with_unequal_costs_and_their_quantile_does_not() -> None:
    at = settings(over=1, under=9)
    assert "QUANTILE = 0.9" in disagreement(at, REGRESSION)
    assert disagreement(at, declared_task("quantile", (), 0.9)) == ""
    assert disagreement(settings(over=2, under=2), REGRESSION) == ""


def test_the_quantile_of_the_costs_costs_least() -> None:
    labels = np.random.default_rng(0).gamma(2, 3, 20_000)
    at = settings(over=1, under=9)

    def cost(level: float) -> float:
        scores = np.full(len(labels), np.quantile(labels, level))
        found = decision_costs(Sample.of(labels), scores, at, REGRESSION)["now"]
        assert isinstance(found, dict)
        return found["value"]

    assert min((cost(level), level) for level in (0.5, 0.8, 0.9, 0.95))[1] == 0.9


def test_costs_of_classes_decide_the_class_of_the_lowest_expected_cost() -> None:
    random = np.random.default_rng(0)
    scores = random.dirichlet((1, 1, 1), 2_000)
    labels = np.array([random.choice(3, p=row) for row in scores], dtype="float64")
    at = settings(classes={"a": {"b": 10}, "c": {"a": 0}})
    found = decision_costs(Sample.of(labels), scores, at, CLASSES)
    matrix = np.array([[0, 10, 1], [1, 0, 1], [0, 1, 0]])
    expected = matrix[labels.astype(int), (scores @ matrix).argmin(1)].mean()
    derived, difference = found["derived"], found["difference"]
    assert isinstance(derived, dict)
    assert isinstance(difference, dict)
    assert derived["value"] == pytest.approx(expected)
    assert difference["low"] > 0


@pytest.mark.parametrize(
    "costs",
    [
        {"false_positive": 1},
        {"over": 1, "under": 1, "false_positive": 1, "false_negative": 1},
        {"false_positive": 0, "false_negative": 0},
        {"false_positive": -1, "false_negative": 2},
        {},
    ],
)
def test_costs_that_are_not_whole_are_refused(costs: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"costs|expected|greater"):
        Costs.model_validate(costs)


@pytest.mark.parametrize(
    ("task", "costs"),
    [
        (REGRESSION, {"false_positive": 1, "false_negative": 1}),
        (BINARY, {"over": 1, "under": 1}),
        (CLASSES, {"classes": {"a": {"z": 2}}}),
    ],
)
def test_costs_of_another_task_or_class_are_refused(task, costs) -> None:
    sample = Sample.of(np.array([0.0, 1.0]))
    with pytest.raises(SlipwayError, match=r"evaluate\.costs"):
        decision_costs(sample, np.array([0.2, 0.7]), settings(**costs), task)


def test_the_canvas_shows_costs_and_names_a_threshold_that_disagrees(
    small_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shutil.copytree(small_repository, tmp_path / "repository", symlinks=True)
    monkeypatch.chdir(root)
    edit_params(root, evaluate={"costs": {"false_positive": 1, "false_negative": 4}})
    evaluated = CliRunner().invoke(app, ["evaluate"])
    assert "set the threshold to 0.2" in evaluated.output
    shown = CliRunner().invoke(app, ["canvas", "--html", "c.html", "--json", "c.json"])
    assert shown.exit_code == 0, shown.output
    assert "set the threshold to 0.2" in shown.output
    assert "<svg" in Path("c.html").read_text("utf-8")
    assert orjson.loads(Path("c.json").read_bytes())["expected_costs"]["threshold"] == 0.2
    assert CliRunner().invoke(app, ["canvas", "--check"]).exit_code == 1
    Path("docs/canvas.md").unlink()
    assert CliRunner().invoke(app, ["canvas", "--new"]).exit_code == 0
    assert "to be filled in" in CliRunner().invoke(app, ["canvas", "--check"]).output
