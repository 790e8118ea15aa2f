"""Each release is listed with what is known of it, and two are shown side by side."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.services.repository import commit

from slipway.catalogue.releases import RELEASES, read_history, read_releases
from slipway.catalogue.releases_document import (
    comparison_document,
    find_releases,
    releases_document,
)
from slipway.documents.document import Table
from slipway.documents.text import to_text
from slipway.errors import SlipwayError
from slipway.release.records import Record
from slipway.repository.git import git


def metrics(value: float) -> dict[str, Any]:
    return {"log_loss": {"value": value, "low": value - 0.1, "high": value + 0.1}}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two commits that changed the metrics, and no records of a target."""
    git(tmp_path, "init", "-q", "-b", "main")
    for number, rate in enumerate((0.1, 0.3)):
        settings = {"params.yaml": {"train": {"rate": rate, "seed": 0}}}
        lock = {"stages": {"train": {"cmd": "slipway train", "params": settings}}}
        (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock))
        (tmp_path / "reports").mkdir(exist_ok=True)
        measured = json.dumps({"model": metrics(0.4 + number / 10)})
        (tmp_path / "reports/metrics.json").write_text(measured)
        commit(tmp_path, f"Change #{number + 1}")
    return tmp_path


def record(root: Path, commits: list[str]) -> None:
    """Write the records of a target on which some commits were deployed, a day apart."""
    made = [
        Record(
            event="deployed",
            name=each[:7],
            commit=each,
            data="d" * 32,
            model_sha256=f"{number}" * 64,
            image=f"registry.example/name@sha256:{number}",
            at=f"2026-01-0{number + 1}T12:00:00.000+00:00",
            by="Ada",
            source=f"https://example.org/pull/{number}",
            verdict="Better",
            target="local",
        ).to_json()
        for number, each in enumerate(commits)
    ]
    (root / RELEASES).parent.mkdir(exist_ok=True)
    (root / RELEASES).write_text(json.dumps(made))


def commits(root: Path) -> list[str]:
    return git(root, "log", "--reverse", "--format=%H").split()


def cells(table: object, column: str) -> list[str]:
    assert isinstance(table, Table)
    return [str(row[list(table.head).index(column)]) for row in table.rows]


def test_without_records_they_are_the_commits_that_changed_the_metrics(repository: Path) -> None:
    found = read_history(repository)

    assert [each.name for each in found.releases] == ["#1", "#2"]
    assert "slipway log fetch" in to_text(releases_document(found))


def declare(root: Path, target: str, key: str) -> None:
    """Write the code of a target and commit it with metrics of its model."""
    code = root / "src/model"
    code.mkdir(parents=True, exist_ok=True)
    (code / "target.py").write_text(target)
    (code / "schema.py").write_text(f"KEY = {key}\n")
    (root / "reports/metrics.json").write_text(json.dumps({"model": metrics(len(commits(root)))}))
    commit(root, f"Change #{len(commits(root)) + 1}")


def test_models_of_another_target_are_counted_and_not_listed(repository: Path) -> None:
    declare(repository, 'NAME = "late"\n', '"id"')
    declare(repository, 'NAME = "churn"\n', '"id"')  # another target
    declare(repository, 'NAME = "churn"\nTASK = "regression"\n', '"id"')  # another task
    declare(repository, 'NAME = "churn"\n', '["id", "month"]')  # another key
    declare(repository, 'NAME: str = "churn"  # yes\nTASK = "binary"\n', "['id', 'month']")

    found = read_history(repository)

    assert [each.name for each in found.releases] == ["#6", "#7"]
    last = to_text(releases_document(found)).splitlines()[-1]
    assert last == "5 earlier models of another target are not listed."


def test_after_an_adoption_that_is_not_committed_there_is_no_release(repository: Path) -> None:
    declare(repository, 'NAME = "late"\n', '"id"')
    (repository / "src/model/target.py").write_text('NAME = "churn"\n')

    document = releases_document(read_history(repository))

    assert document.tone == "waiting"
    assert document.blocks[-1] == "3 earlier models of another target are not listed."


@pytest.mark.parametrize("content", ['{"model": 1}', '{"model": "a"}', "[]", "{"])
def test_a_file_that_is_no_record_gives_a_release_no_verdict(
    repository: Path, content: str
) -> None:
    (repository / "reports/judgements").mkdir()
    (repository / "reports/judgements/a-b-c.json").write_text(content)
    (repository / "reports/metrics.json").write_text(json.dumps({"model": metrics(0.7)}))
    commit(repository, "Change #3")

    found = read_releases(repository)

    assert [(each.name, each.verdict) for each in found][-1] == ("#3", "")


def test_recorded_releases_have_the_metrics_of_their_commit(repository: Path) -> None:
    record(repository, commits(repository))

    found = read_releases(repository)

    assert [each.metrics["log_loss"].value for each in found if each.metrics] == [0.4, 0.5]
    assert {each.by for each in found} == {"Ada"}


def test_a_release_is_live_until_the_next_one(repository: Path) -> None:
    record(repository, commits(repository))
    now = datetime(2026, 1, 12, 12, tzinfo=UTC)

    document = releases_document(read_history(repository), now)

    assert cells(document.blocks[0], "Days live") == ["10.0", "1.0"]


def test_two_releases_are_compared_by_settings_and_metrics(repository: Path) -> None:
    both = commits(repository)
    record(repository, both)
    one, other = find_releases(read_releases(repository), [both[0][:7], "1" * 12])

    text = to_text(comparison_document(repository, one, other))

    assert "train.rate" in text
    assert "train.seed" not in text
    assert "0.400" in text
    assert "0.500" in text


def test_a_commit_that_git_does_not_have_is_named(repository: Path) -> None:
    record(repository, [commits(repository)[0], "f" * 40])
    one, other = read_releases(repository)

    assert other.name in to_text(comparison_document(repository, one, other)).splitlines()[-1]


def test_a_release_that_there_is_not_is_refused(repository: Path) -> None:
    with pytest.raises(SlipwayError):
        find_releases(read_releases(repository), ["#1", "#3"])


def test_no_release_yet(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    assert releases_document(read_history(tmp_path)).tone == "waiting"
