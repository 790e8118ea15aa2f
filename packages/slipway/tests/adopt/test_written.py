"""What `slipway adopt` writes: parameters, the threshold, the README and the card."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.adopt.conftest import ROWS, plan_of
from tests.services.projects import FLIGHTS

from slipway.card.written import CARD
from slipway.setup.adopt.estimators import Chosen, candidates, choose_estimator
from slipway.setup.adopt.project_files import remove_starter, write_pages, write_params
from slipway.setup.adopt.run import features_of


def test_rare_positives_have_limits_that_a_constant_does_not_meet(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    label = (np.arange(ROWS) < 2).astype(int)
    shutil.copy(FLIGHTS / "params.yaml", tmp_path)
    plan = plan_of(tmp_path, columns | {"label": label})
    write_params(plan, Chosen(candidates(plan)[0], {}, "loss", 0.02), tmp_path)
    written = yaml.safe_load((tmp_path / "params.yaml").read_text("utf-8"))
    # Or each probability from 0 on would be near the threshold, and for human review.
    assert 0 < written["serve"]["uncertainty_band"] < 0.01
    constant = -(0.01 * np.log(0.01) + 0.99 * np.log(0.99))
    assert written["judge"]["primary"] == "average_precision"
    assert written["judge"]["margins"]["log_loss"] < constant / 10
    assert written["monitoring"]["loss_excess"] < constant / 10
    assert written["monitoring"]["rate_gap"] < 0.01


def test_rare_positives_have_a_threshold_that_some_rows_reach(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    label = random.permutation(np.arange(3000) < 6).astype(int)
    plan = plan_of(tmp_path, {"x": random.normal(size=3000).round(3), "label": label})
    threshold = choose_estimator(plan, features_of(plan)).threshold
    assert threshold is not None
    assert 0 < threshold < 0.01


def test_a_threshold_is_in_the_middle_of_those_that_are_as_good(tmp_path: Path) -> None:
    x = np.resize([-3.0, -2.0, 2.0, 3.0], 400) + np.arange(400) / 1000
    label = np.where(np.arange(400) % 200 == 0, x < 0, x > 0).astype(int)
    plan = plan_of(tmp_path, {"x": x, "label": label})
    threshold = choose_estimator(plan, features_of(plan)).threshold
    assert threshold is not None
    assert 0.3 < threshold < 0.7


def test_other_settings_that_predict_worse_than_the_baseline_are_not_written(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 3))
    columns: dict[str, Any] = {f"x{at}": x[:, at] for at in range(3)}
    columns["label"] = (x.sum(axis=1) > 0).astype(int)  # the less regularised, the better
    plan = plan_of(tmp_path, columns)
    chosen = choose_estimator(plan, features_of(plan)).candidate
    tried = [chosen.train, *({**chosen.train, **other} for other in chosen.others)]
    assert {each["c"] for each in tried} == {1.0, 10.0}


def test_a_second_table_takes_the_place_of_the_first_in_the_readme(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    (tmp_path / "README.md").write_text(
        "# A\n\n<!-- starter -->\nOld.\n<!-- /starter -->\n\n## B\n"
    )
    (tmp_path / "pyproject.toml").write_text('description = "Old"\n  "old", # starter\n')
    for target in ("label", "amount"):
        remove_starter(plan_of(tmp_path, columns, target), tmp_path)
        readme = (tmp_path / "README.md").read_text("utf-8")
        assert f"`{target}`" in readme
        assert f"Predicts {target}" in (tmp_path / "pyproject.toml").read_text("utf-8")
    assert "`label`" not in readme
    assert "## B" in readme


@pytest.mark.parametrize(
    ("target", "stated", "settings"),
    [
        ("label", {}, {"auc_drop", "rate_gap", "loss_excess"}),
        ("plan", {"task": "multiclass"}, {"accuracy_drop", "rate_gap"}),
        ("amount", {}, {"error_rise", "bias_gap"}),
    ],
)
def test_params_name_the_alarms_of_the_task_and_no_retraining_of_rows_without_a_time(
    tmp_path: Path,
    columns: dict[str, Any],
    target: str,
    stated: dict[str, Any],
    settings: set[str],
) -> None:
    shutil.copy(FLIGHTS / "params.yaml", tmp_path)
    plan = plan_of(tmp_path, columns, target, **stated)
    write_params(plan, Chosen(candidates(plan)[0], {}, "loss", None), tmp_path)
    text = (tmp_path / "params.yaml").read_text("utf-8")
    written = yaml.safe_load(text)["monitoring"]
    others = {"labels", "retrain"}
    assert written.keys() == settings | others
    assert written["retrain"] == "never"
    assert "slipway retrain" not in text


def test_the_card_of_a_table_is_kept_until_its_target_or_task_is_another_one(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    write_pages(plan_of(tmp_path, columns), tmp_path)
    card = tmp_path / CARD
    card.write_text(card.read_text("utf-8") + "\nWritten by hand.\n", "utf-8")
    write_pages(plan_of(tmp_path, columns | {"more": columns["x"]}), tmp_path)
    assert "Written by hand." in card.read_text("utf-8")
    classes = plan_of(tmp_path, columns | {"label": np.resize(["a", "b", "c"], ROWS)})
    write_pages(classes, tmp_path)
    assert "task: multiclass" in card.read_text("utf-8")
