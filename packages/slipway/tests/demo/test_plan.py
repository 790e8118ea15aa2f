"""The starter has a fixed story; any other model shows its own candidates and its own holdout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from tests.comparison.cases import judged
from tests.services.projects import FLIGHTS
from tests.services.repository import edit_params

from slipway.comparison.starters import starters
from slipway.dataset.tables import write_json
from slipway.dataset.validate import validate_files
from slipway.errors import SlipwayError
from slipway.manifest import MANIFEST_FILE, MODEL
from slipway.settings import read_params
from slipway.setup.demo import plan as plans
from slipway.setup.demo.plan import STARTER, Change, plan_of, write_holdout
from slipway.setup.demo.scenario import Scenario
from slipway.setup.demo.steps import REPORTS, first_to_merge, judging, live

CANDIDATES = [{"iterations": 50}, {"learning_rate": 0.5}, {"seed": 1}]


def scenario_with(folder: Path, sha256: str, **search: Any) -> Scenario:
    """Return a copy whose model has this sha256."""
    (folder / MODEL).mkdir(parents=True)
    shutil.copy(FLIGHTS / "params.yaml", folder)
    edit_params(folder, search=search)
    manifest = {"model": {"sha256": sha256}}
    (folder / MODEL / MANIFEST_FILE).write_text(json.dumps(manifest))
    return Scenario(folder, folder / "site", Console())


def test_the_starter_has_three_changes_whose_verdicts_are_demanded(tmp_path: Path) -> None:
    shown = plan_of(scenario_with(tmp_path, min(starters())))

    assert [each.verdict for each in shown.changes] == ["better", "worse", "inconclusive"]


def test_another_model_shows_its_first_candidates_and_no_verdict_is_demanded(
    tmp_path: Path,
) -> None:
    shown = plan_of(scenario_with(tmp_path, "0" * 64, candidates=CANDIDATES))

    assert [each.train for each in shown.changes] == CANDIDATES[:2]
    assert {each.verdict for each in shown.changes} == {None}
    assert len(live(shown)) > 0


def test_without_candidates_the_other_steps_remain(tmp_path: Path) -> None:
    with_some = plan_of(scenario_with(tmp_path / "some", "0" * 64, candidates=CANDIDATES[:1]))
    shown = plan_of(scenario_with(tmp_path / "none", "0" * 64, candidates=[]))

    assert shown.changes == ()
    assert len(judging(shown)) == len(judging(with_some))
    assert len(live(shown)) == len(live(with_some))


def test_a_candidate_of_a_setting_that_train_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SlipwayError, match="tree_count"):
        plan_of(scenario_with(tmp_path, "0" * 64, candidates=[{"tree_count": 3}]))


def test_each_change_of_the_starter_changes_a_setting() -> None:
    train = read_params(FLIGHTS / "params.yaml").train
    for change in STARTER.changes:
        assert all(train[name] != value for name, value in change.train.items())


def test_a_demanded_verdict_is_the_only_one_that_passes() -> None:
    demanded = Change("more-trees", "with more trees", {"iterations": 900}, "not worse")

    demanded.check("not worse")
    with pytest.raises(SlipwayError, match="more-trees"):
        demanded.check("better")
    Change("more-trees", "with more trees", {"iterations": 900}).check("worse")


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_the_traffic_is_the_first_valid_rows_of_the_holdout(
    starter_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    shutil.copy(FLIGHTS / "params.yaml", tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("2013-07", "2013-08", "2013-09"):
        rows = pd.read_parquet(starter_data / f"{name}.parquet").iloc[::50]
        path = tmp_path / f"data/{name}{ending}"
        rows.to_csv(path, index=False) if ending == ".csv" else rows.to_parquet(path, index=False)
    monkeypatch.setattr(plans, "MOST_ROWS", 40)
    out = tmp_path / "build/holdout.parquet"

    write_holdout(Scenario(tmp_path, tmp_path / "site", Console()), out)

    assert len(rows) > 40
    assert pq.read_table(out)["flight_id"].to_pylist() == rows["flight_id"].tolist()[:40]
    assert validate_files([out], read_params()).violations == []


def test_the_first_change_that_may_be_merged_is_chosen_and_none_if_none_may(
    tmp_path: Path,
) -> None:
    scenario = Scenario(tmp_path, tmp_path / "site", Console())
    changes = tuple(Change(f"candidate-{number}", "", {}) for number in (1, 2, 3))
    for change, verdict in zip(changes, ("worse", "better", "better"), strict=True):
        report = {**judged(), "verdict": verdict, "may_merge": verdict == "better"}
        write_json(report, tmp_path / REPORTS / f"{change.name}.json")

    assert first_to_merge(scenario, changes) == changes[1]
    assert first_to_merge(scenario, changes[:1]) is None
    assert first_to_merge(scenario, ()) is None
