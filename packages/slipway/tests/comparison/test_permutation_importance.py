"""What a metric loses by a shuffled feature, with an interval that knows which rows depend."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from tests.explain.test_explainer import FEATURES, ROWS, TARGETS, model_of, one_hot

from slipway.comparison.permutation_importance import losses_of, permutation_importance
from slipway.comparison.report import Loss
from slipway.metrics.clusters import Clusters, Way
from slipway.metrics.registry import Sample
from slipway.training.score import Model

REPEATED = 9
LABELS = TARGETS["regression"]


@pytest.fixture(scope="module")
def model() -> Model:
    """A linear model of the features, one of which the label does not depend on."""
    features = FEATURES | {"noise": np.roll(FEATURES["n1"], 7)}
    fitted = one_hot(Ridge()).fit(pd.DataFrame(features), LABELS)
    return model_of(fitted, "regression", "onnx", features)[0]


@pytest.fixture(scope="module")
def features() -> dict[str, np.ndarray]:
    return FEATURES | {"noise": np.roll(FEATURES["n1"], 7)}


def test_the_interval_of_a_feature_that_matters_is_above_0_and_that_of_another_is_not(
    model, features
):
    found = permutation_importance(model, features, Sample.of(LABELS), 0.95)

    by_name = {each.feature: each for each in found}
    assert found[0].feature == "n0"
    assert by_name["n0"].low is not None
    assert by_name["n0"].low > 0
    noise = by_name["noise"].loss
    assert noise.low is not None
    assert noise.low < 0


def test_rows_that_are_copies_of_each_other_do_not_narrow_the_interval(model, features):
    copies = np.repeat(np.arange(ROWS), REPEATED)
    more = {name: values[copies] for name, values in features.items()}
    labels = LABELS[copies]

    alone = width(losses_of(model, more, Sample.of(labels), 0.95)["n0"])
    clustered = Sample.of(labels, Clusters((Way.of(copies),)))
    together = width(losses_of(model, more, clustered, 0.95)["n0"])

    assert together > 1.5 * alone


def test_the_champion_is_next_to_the_challenger_by_the_name_of_the_feature(model, features):
    champion = {"n0": Loss(value=1.0, low=0.5, high=1.5)}

    found = permutation_importance(model, features, Sample.of(LABELS), 0.95, champion)

    assert {each.feature: each.champion for each in found if each.champion} == champion


def width(loss: Loss) -> float:
    assert loss.low is not None
    assert loss.high is not None
    return loss.high - loss.low
