"""A change of the user's transformer makes the model stale, or the model is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from slipway.errors import SlipwayError
from slipway.training.formats.own_code import require_dependencies

TYPES = ["model.transformers.Ratio", "sklearn.tree._tree.Tree"]


def pipeline(folder: Path, train: list[object], backtest: list[object]) -> Path:
    stages = {"train": {"deps": train}, "backtest": {"deps": backtest}, "evaluate": {}}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}), "utf-8")
    return folder / "dvc.yaml"


@pytest.mark.parametrize("known", ["src/model/transformers.py", "src/model", "src"])
def test_a_stage_may_depend_on_the_module_or_its_folder(tmp_path, known):
    require_dependencies(TYPES, pipeline(tmp_path, [known], [{known: {"cache": False}}]))


@pytest.mark.parametrize("stage", ["train", "backtest"])
def test_a_stage_that_does_not_follow_the_module_is_refused(tmp_path, stage):
    known = ["src/model/transformers.py"]
    deps = {"train": known, "backtest": known} | {stage: ["src/model/estimator.py"]}

    with pytest.raises(SlipwayError, match=rf"`{stage}` does not depend on src/model/transformers"):
        require_dependencies(TYPES, pipeline(tmp_path, **deps))


def test_types_of_libraries_need_no_dependency(tmp_path):
    require_dependencies(TYPES[1:], pipeline(tmp_path, [], []))


def test_without_a_pipeline_nothing_is_asked(tmp_path):
    require_dependencies(TYPES, tmp_path / "dvc.yaml")
