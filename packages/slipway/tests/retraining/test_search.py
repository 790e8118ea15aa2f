"""Candidates are tried on training data only, month by month, here or on a Dask cluster."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from tests.retraining.conftest import Slipway
from tests.services.dask import Cluster, cluster
from tests.services.repository import edit_params

from slipway.errors import SlipwayError
from slipway.settings import read_params
from slipway.training.search import Search, search
from slipway.workers import ADDRESS, MOST_CORES, workers

SMALL = {"iterations": 15, "min_samples_leaf": 50}

WORSE = {"max_leaf_nodes": 2, "iterations": 1}


@pytest.fixture
def fast(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository, with settings that learn little and at once, and two candidates."""
    monkeypatch.delenv(ADDRESS, raising=False)
    set_candidates(repository, [{"iterations": 40}, WORSE], **SMALL)
    return repository


def set_candidates(repository: Path, candidates: list[Any], **train: Any) -> None:
    path = repository / "params.yaml"
    params = yaml.safe_load(path.read_text("utf-8"))
    params["search"] = {"candidates": candidates}
    params["train"] |= train
    path.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")


def searched(repository: Path) -> Search:
    return search(read_params(repository / "params.yaml"), repository / "data", None)


def only_times(*files: Path) -> None:
    """Leave only the event times of some months: reading anything else of them fails."""
    for file in files:
        times = pq.read_table(file, columns=["scheduled_departure"])
        pq.write_table(times, file)


def test_the_best_candidate_is_named_and_of_what_models_are_compared_on_only_times_are_read(
    fast: Path, slipway: Slipway
) -> None:
    only_times(*(fast / f"data/2013-{month}.parquet" for month in ("07", "08", "09")))
    done = slipway("search")
    assert done.returncode == 0, done.stderr
    found = json.loads((fast / "build/search.json").read_text("utf-8"))
    assert found["chosen"] == {"iterations": 40}
    assert found["held"] == ["2013-02", "2013-06"]
    assert [tried["changes"] for tried in found["tried"]] == [{}, {"iterations": 40}, WORSE]
    assert "best: iterations 40, not shown to be better" in done.stdout  # days differ too much
    assert "cores of this machine" in done.stdout


def test_the_months_before_the_first_origin_are_read(fast: Path) -> None:
    only_times(fast / "data/2013-06.parquet")
    with pytest.raises(SlipwayError, match="arr_delay"):
        searched(fast)


def test_with_the_holdout_as_the_only_origin_all_training_months_are_held_out(fast: Path) -> None:
    edit_params(fast, prepare={"origins": 1})
    assert searched(fast).held == ["2013-06", "2013-07", "2013-08"]


def test_with_one_month_of_training_data_none_can_be_held_out(fast: Path) -> None:
    edit_params(fast, prepare={"holdout_months": 5})
    with pytest.raises(SlipwayError, match="1 period of training data"):
        searched(fast)


def test_a_held_month_that_cannot_be_read_stops_the_search(fast: Path) -> None:
    (fast / "data/2013-08.parquet").write_text("not parquet")
    with pytest.raises(SlipwayError, match="2013-08"):
        searched(fast)


def test_when_no_candidate_is_better_the_settings_stay(fast: Path) -> None:
    set_candidates(fast, [WORSE])
    found = searched(fast)
    assert found.chosen == {}
    assert found.exit_code == 1
    assert "no candidate is better" in found.text()
    (loss,) = [tried.difference for tried in found.tried if tried.difference]
    assert loss.high < 0


@pytest.mark.parametrize("metric", ["log_loss", "brier"])
def test_a_loss_is_better_when_it_is_smaller(metric: str, fast: Path) -> None:
    params = yaml.safe_load((fast / "params.yaml").read_text("utf-8"))
    params["judge"]["primary"] = metric
    (fast / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    found = searched(fast)
    means = [tried.mean for tried in found.tried]
    assert found.is_shown
    assert found.chosen == found.tried[means.index(min(means))].changes != WORSE


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ([], "lists no candidate"),
        ([{"iteration": 40}], "`train` has no iteration"),
        ([{}], "changes nothing"),
        ([{"learning_rate": -1.0}], "cannot be fitted with learning_rate -1.0"),
    ],
)
def test_a_candidate_that_makes_no_sense_is_no_answer(
    candidates: list[Any], message: str, fast: Path
) -> None:
    set_candidates(fast, candidates)
    with pytest.raises(SlipwayError, match=message) as error:
        searched(fast)
    assert error.value.exit_code == 2


def test_a_cluster_gives_the_same_numbers(
    fast: Path, two_workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MOST_CORES, "2")
    here = searched(fast)
    monkeypatch.setenv(ADDRESS, two_workers.address)
    there = searched(fast)
    assert there.where == f"Dask at {two_workers.address}, 2 workers"
    assert replace(there, where="") == replace(here, where="")

    set_candidates(fast, [{"learning_rate": -1.0}])
    with pytest.raises(SlipwayError, match="cannot be fitted with learning_rate -1"):
        searched(fast)


def test_a_cluster_with_other_code_is_refused(
    fast: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fast / "src/model/estimator.py"
    source.write_text(source.read_text("utf-8") + "\nEDITED = True\n", "utf-8")
    with cluster(fast, tmp_path) as started:
        monkeypatch.setenv(ADDRESS, started.address)
        with pytest.raises(SlipwayError, match="other code or libraries on 2 of 2 workers"):
            searched(fast)


def test_a_cluster_that_does_not_answer_is_reported(
    fast: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, "no address")
    with pytest.raises(SlipwayError, match="no Dask scheduler answers"):
        searched(fast)


def be_killed(_: Any) -> float:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0.0


def test_a_worker_that_is_killed_is_no_answer_and_memory_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    monkeypatch.setenv(MOST_CORES, "2")  # with one, this process would be the worker
    with workers() as found, pytest.raises(SlipwayError, match="memory") as error:
        list(found.run(be_killed, [(), ()], None))
    assert error.value.exit_code == 2
    assert MOST_CORES in error.value.do
