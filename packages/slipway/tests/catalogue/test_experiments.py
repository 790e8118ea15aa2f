"""What was tried is listed, and what the working tree repeats is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.services.repository import commit

from slipway.catalogue.experiments import differing, experiments, present, tried
from slipway.catalogue.experiments_document import experiments_document, in_order
from slipway.documents.text import to_text
from slipway.errors import SlipwayError
from slipway.repository.git import git

TRIED = "was tried before"


class Repository:
    """A repository with the files that decide about a model, without any of their contents."""

    def __init__(self, root: Path) -> None:
        self.root = root
        git(root, "init", "-q", "-b", "main")
        (root / "src/model").mkdir(parents=True)
        (root / "src/model/estimator.py").write_text("DEPTH = 3\n")
        self.write("data.dvc", {"outs": [{"md5": "d" * 32, "path": "data"}]})
        self.settle(0.1)
        commit(root, "Start")

    def write(self, name: str, content: Any) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content) if path.suffix == ".json" else yaml.safe_dump(content))

    def settle(self, rate: float) -> None:
        """Write a learning rate, with the lock of a pipeline that ran with it."""
        settings = {"train": {"rate": rate, "seed": 0}}
        self.write("params.yaml", settings)
        digests = {"train": "0123456789abcdef"}
        params = {"params.yaml": settings, "machine.yaml": digests}
        self.write("dvc.lock", {"stages": {"train": {"cmd": "slipway train", "params": params}}})

    def judge(self, branch: str, rate: float, value: float, verdict: str = "not worse") -> str:
        """Leave the records of a judgement on two periods in a branch; return to main."""
        git(self.root, "switch", "-q", "-c", branch, "main")
        self.settle(rate)
        model = f"{rate * 1000:.0f}".zfill(12)
        record: dict[str, Any] = {
            "holdout": "h",
            "model": model,
            "champion": "c" * 12,
            "primary": "log_loss",
        }
        best = {"model": "c" * 64, "commit": "c" * 40, "value": 0.4}
        record |= {"value": value, "best": best, "verdict": verdict, "may_merge": True}
        for period in ("1" * 12, "2" * 12):
            self.write(f"reports/judgements/{period}-{model}-{'c' * 12}.json", record)
        made = commit(self.root, f"Rate {rate}")
        git(self.root, "switch", "-q", "main")
        return made


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_nothing_was_tried_yet(repository: Repository) -> None:
    assert experiments(repository.root) == []
    assert experiments_document([], present(repository.root)).tone == "waiting"


def test_judgements_of_all_branches_are_listed_once(repository: Repository) -> None:
    made = repository.judge("one", 0.2, 0.41, "better")
    repository.judge("two", 0.3, 0.45)

    found = {each.settings["train.rate"]: each for each in experiments(repository.root)}

    assert found.keys() == {0.2, 0.3}
    assert (found[0.2].commit, found[0.2].author, found[0.2].periods) == (made, "Ada", 2)
    assert (found[0.2].verdict, found[0.2].value, found[0.2].kind) == ("better", 0.41, "judged")
    assert differing(list(found.values())) == ["train.rate"]


def test_an_experiment_of_dvc_is_listed_by_its_name(repository: Repository) -> None:
    git(repository.root, "switch", "-q", "-c", "kept")
    repository.settle(0.7)
    metrics = {"model": {"log_loss": {"value": 0.39, "low": 0.3, "high": 0.5}}}
    repository.write("reports/metrics.json", metrics)
    made = commit(repository.root, "dvc: commit experiment")
    git(repository.root, "update-ref", "refs/exps/ab/cdef/tepid-owl", made)
    git(repository.root, "update-ref", "refs/exps/exec/EXEC_HEAD", made)
    git(repository.root, "switch", "-q", "main")

    (found,) = experiments(repository.root)

    assert (found.kind, found.name, found.primary, found.value) == (
        "experiment",
        "tepid-owl",
        "log_loss",
        0.39,
    )


def test_what_the_working_tree_repeats_is_named(repository: Repository) -> None:
    repository.judge("one", 0.2, 0.41)
    found = experiments(repository.root)

    assert TRIED not in to_text(experiments_document(found, present(repository.root)))
    repository.settle(0.2)
    assert TRIED in to_text(experiments_document(found, present(repository.root)))


def test_a_changed_parameter_is_compared_before_the_pipeline_has_run(
    repository: Repository,
) -> None:
    repository.judge("one", 0.2, 0.41)
    repository.write("params.yaml", {"train": {"rate": 0.2, "seed": 0}})

    (found,) = experiments(repository.root)

    now = present(repository.root)
    assert now is not None
    assert found.is_same(now)


@pytest.mark.parametrize("changed", ["src/model/estimator.py", "data.dvc"])
def test_other_code_or_data_is_another_experiment(repository: Repository, changed: str) -> None:
    repository.judge("one", 0.2, 0.41)
    repository.settle(0.2)
    if changed == "data.dvc":
        repository.write(changed, {"outs": [{"md5": "e" * 32, "path": "data"}]})
    else:
        (repository.root / changed).write_text("DEPTH = 4\n")

    found = experiments(repository.root)

    assert TRIED not in to_text(experiments_document(found, present(repository.root)))


def test_the_best_value_is_first_whichever_way_the_metric_goes(repository: Repository) -> None:
    repository.judge("one", 0.2, 0.45)
    repository.judge("two", 0.3, 0.41)

    found = in_order(experiments(repository.root), "value")

    assert [each.value for each in found] == [0.41, 0.45]


def test_settings_are_sorted_as_numbers(repository: Repository) -> None:
    for branch, rate in (("one", 0.9), ("two", 0.1), ("three", 10.0)):
        repository.judge(branch, rate, 0.4)

    found = in_order(experiments(repository.root), "train.rate")

    assert [each.settings["train.rate"] for each in found] == [0.1, 0.9, 10.0]


def test_an_unknown_column_is_refused(repository: Repository) -> None:
    repository.judge("one", 0.2, 0.45)
    with pytest.raises(SlipwayError):
        in_order(experiments(repository.root), "train.speed")


@pytest.mark.parametrize("name", ["a-b-c.json", "no-record.json"])
def test_a_file_that_is_no_record_is_left_out_and_named(repository: Repository, name: str) -> None:
    repository.judge("one", 0.2, 0.45)
    repository.write(f"reports/judgements/{name}", {"model": "b"})
    made = commit(repository.root, "Write a record by hand")

    known = tried(repository.root)

    assert [each.value for each in known.experiments] == [0.45]
    assert known.unreadable == [f"reports/judgements/{name} (commit {made[:7]})"]
    for found in (known.experiments, []):
        document = experiments_document(found, None, "date", known.unreadable)
        assert name in to_text(document)
