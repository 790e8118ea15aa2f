"""Releases and judgements are runs of a real MLflow server, with models that answer as served."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.services.batches import batch_records
from tests.services.mlflow import MlflowServer
from tests.services.repository import commit, edit_params

from slipway.catalogue.releases import RELEASES
from slipway.dataset.tables import write_json
from slipway.errors import SlipwayError
from slipway.export.mlflow_export import Exported, export
from slipway.export.mlflow_store import KEY, MISSING, Store
from slipway.export.runs import DRIFT
from slipway.manifest import MODEL, Golden, read_manifest
from slipway.release.records import Record
from slipway.repository.git import git, resolve
from slipway.repository.restore import restore
from slipway.repository.worktrees import run

LOST = "f" * 40
WEEKS = {"2026-01-07": 0.41, "2026-01-14": 0.44}

# A feature with the other sign: its trees are wrong for the code of the other model.
OTHER_SIGN = """

_features = features


def features(columns):
    made = _features(columns)
    return made | {"dep_minute": -made["dep_minute"]}
"""


@dataclass(frozen=True)
class Models:
    """A repository with a release, one whose commit is lost, and a judged challenger.

    `golden` are rows with the answers at the training of the champion and of the challenger.
    """

    root: Path
    champion: str
    challenger: str
    golden: tuple[list[Golden], list[Golden]]


def record(commit: str, model: str, day: int) -> Any:
    return Record(
        event="deployed",
        name=commit[:7],
        commit=commit,
        data="d" * 32,
        model_sha256=model,
        image=f"sha256:{day}",
        at=f"2026-01-0{day}T12:00:00.000+00:00",
        by="Ada",
        source="",
        verdict="Better",
        target="docker",
    ).to_json()


def weeks() -> list[dict[str, Any]]:
    none: dict[str, Any] = {"label_rate": None, "expected_rate": None, "shifts": {}, "evidence": {}}
    about = {"rows": 70, "labelled": 60, "status": "judged", "coverage": 0.9} | none
    return [
        about
        | {"first": day, "last": day}
        | {"metrics": {"log_loss": {"value": value, "low": 0.3, "high": 0.5}}}
        for day, value in WEEKS.items()
    ]


def drift_report(model: str) -> dict[str, Any]:
    from slipway.monitoring.report import make_report

    selection = {"status": "nearly all labelled", "higher": None, "p_value": None, "words": ""}
    performance = {"words": "", "status": "not worse", "rows": 140, "labelled": 120}
    performance |= {"coverage": 0.9, "metrics": {}, "selection": selection, "weeks": weeks()}
    report = make_report("quiet", "No drift", model, "predictions", performance=performance)
    return report.model_dump()


@pytest.fixture(scope="session")
def models(small_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Models:
    root = tmp_path_factory.mktemp("exported") / "repository"
    shutil.copytree(small_repository, root, symlinks=True)
    manifest = read_manifest(root / MODEL)
    champion = manifest["model"]["sha256"]
    released = resolve(root, "HEAD")
    git(root, "switch", "-q", "-c", "change")
    with (root / "src/model/features.py").open("a") as file:
        file.write(OTHER_SIGN)
    edit_params(root, train={"iterations": 20})
    run(["dvc", "repro", "-q", "train"], root)
    other = read_manifest(root / MODEL)
    challenger = other["model"]["sha256"]
    judged: dict[str, object] = {"holdout": "1" * 12, "model": challenger, "champion": champion}
    judged |= {"best": {"model": champion, "commit": released, "value": 0.4}}
    judged |= {"primary": "log_loss", "value": 0.39, "verdict": "not worse", "may_merge": True}
    name = f"{'1' * 12}-{challenger[:12]}-{champion[:12]}.json"
    write_json(judged, root / "reports/judgements" / name)
    commit(root, "Other sign")
    git(root, "switch", "-q", "main")
    restore(root, MODEL, force=True)
    lost, live = record(LOST, "0" * 64, 1), record(released, champion, 2)
    write_json([lost, live], root / RELEASES)
    write_json(drift_report(champion), root / DRIFT)
    return Models(root, champion, challenger, (manifest["golden"], other["golden"]))


@pytest.fixture(scope="session")
def exported(models: Models, mlflow_server: MlflowServer) -> Exported:
    return export(models.root, mlflow_server.url)


@pytest.fixture
def client(exported: Exported) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(exported.to, exported.to)


def runs_of(client: Any, exported: Exported) -> list[Any]:
    experiment = client.get_experiment_by_name(exported.name)
    return list(client.search_runs([experiment.experiment_id]))


def run_of(client: Any, exported: Exported, kind: str) -> Any:
    (found,) = [
        each
        for each in runs_of(client, exported)
        if each.data.tags["slipway.kind"] == kind and each.data.tags["slipway.commit"] != LOST
    ]
    return found


def load(exported: Exported, alias: str) -> Any:
    import mlflow

    mlflow.set_tracking_uri(exported.to)
    return mlflow.pyfunc.load_model(f"models:/{exported.name}@{alias}")


@pytest.fixture(scope="session")
def champion(exported: Exported) -> Any:
    return load(exported, "champion")


def test_a_release_is_a_run_with_settings_metrics_identity_and_card(
    models: Models, exported: Exported, client: Any
) -> None:
    found = run_of(client, exported, "release")

    assert found.data.params["train.iterations"] == "120"
    measured = json.loads((models.root / "reports/metrics.json").read_bytes())["model"]
    for name, interval in measured.items():
        ends = [found.data.metrics[f"{name}{end}"] for end in ("", ".low", ".high")]
        assert ends == [interval[end] for end in ("value", "low", "high")]
    assert found.data.tags["slipway.verdict"] == "Better"
    assert found.data.tags["slipway.commit"] == resolve(models.root, "main")
    assert found.data.tags["slipway.data"] == "d" * 32
    assert found.data.tags["slipway.model_sha256"] == models.champion
    assert {file.path for file in client.list_artifacts(found.info.run_id)} == {
        *("card.md", "metrics.json", "model", "release.json")
    }


def test_a_judgement_is_a_run_with_its_verdict(
    models: Models, exported: Exported, client: Any
) -> None:
    found = run_of(client, exported, "judgement")

    assert found.data.tags["slipway.verdict"] == "not worse"
    assert found.data.tags["slipway.model_sha256"] == models.challenger
    assert "train.iterations" in found.data.params
    assert found.data.metrics["judged.log_loss"] == 0.39


def test_the_registered_champion_answers_as_the_service(
    models: Models, champion: Any, tmp_path: Path
) -> None:
    records = batch_records(models.root, models.root / "data/2013-09.parquet", tmp_path / "out")
    rows = pd.DataFrame([record["input"] for record in records])

    answers = champion.predict(rows)

    columns = ["probability", "decision", "review", "reasons"]
    assert list(answers) == columns
    expected = [{name: each[name] for name in columns} for each in records]
    differing = [
        (one, other)
        for one, other in zip(answers.to_dict("records"), expected, strict=True)
        if one != other
    ]
    assert differing[:1] == []


def test_two_models_in_a_process_run_their_own_code(
    models: Models, exported: Exported, champion: Any
) -> None:
    both = champion, load(exported, "challenger")
    for _ in range(2):
        for model, golden in zip(both, models.golden, strict=True):
            answers = model.predict(pd.DataFrame([each["row"] for each in golden]))
            assert list(answers["probability"]) == [each["probability"] for each in golden]


@pytest.mark.parametrize("wrong", [{"weekday": 9}, {"temp": float("inf")}])
def test_a_row_that_the_service_refuses_is_refused(
    models: Models, champion: Any, wrong: dict[str, Any]
) -> None:
    row = models.golden[0][0]["row"] | wrong

    with pytest.raises(ValueError, match=next(iter(wrong))):
        champion.predict(pd.DataFrame([row]))


def test_performance_in_production_has_the_times_of_its_weeks(
    exported: Exported, client: Any
) -> None:
    found = run_of(client, exported, "release")

    history = client.get_metric_history(found.info.run_id, "production.log_loss")

    days = [pd.Timestamp(each.timestamp, unit="ms").date().isoformat() for each in history]
    assert dict(zip(days, [each.value for each in history], strict=True)) == WEEKS


def test_a_model_that_cannot_be_restored_is_counted_and_named(
    exported: Exported, client: Any
) -> None:
    (missing,) = exported.missing

    assert LOST[:7] in missing
    assert missing in exported.text()
    assert [
        each.data.tags["slipway.commit"]
        for each in runs_of(client, exported)
        if MISSING in each.data.tags
    ] == [LOST]


def snapshot(client: Any, exported: Exported) -> object:
    """Return all that is in the experiment and the registry, with times."""
    runs = [
        (
            each.to_dictionary(),
            [vars(point) for name in each.data.metrics for point in history(client, each, name)],
            files(client, each.info.run_id),
        )
        for each in runs_of(client, exported)
    ]
    versions = client.search_model_versions(f"name = '{exported.name}'")
    registered = client.get_registered_model(exported.name)
    return runs, [dict(each) for each in versions], dict(registered)


def history(client: Any, run: Any, name: str) -> list[Any]:
    return list(client.get_metric_history(run.info.run_id, name))


def files(client: Any, run: str, path: str | None = None) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for each in client.list_artifacts(run, path):
        found += files(client, run, each.path) if each.is_dir else [(each.path, each.file_size)]
    return found


def test_exporting_twice_changes_nothing(models: Models, exported: Exported, client: Any) -> None:
    before = snapshot(client, exported)

    again = export(models.root, exported.to)

    assert again.new == 0
    assert again.missing == exported.missing
    assert snapshot(client, exported) == before


def test_the_aliases_follow_the_releases(
    models: Models, exported: Exported, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    """In a local folder: the challenger is released, and then the one before it again.

    The commit of the last release is lost, so that nothing is packed: its model has a version.
    """
    shutil.copy(mlflow_server.empty, tmp_path / "mlflow.db")
    first = record(resolve(models.root, "main"), models.champion, 1)
    again = record(LOST, models.champion, 3)
    other = record(resolve(models.root, "change"), models.challenger, 2)
    root = shutil.copytree(models.root, tmp_path / "repository", symlinks=True)
    git(root, "branch", "-q", "-D", "change")  # and with it the judgement

    named = []
    for released in ([first, other], [first, other, again]):
        write_json(released, root / RELEASES)
        named.append(export(root, str(tmp_path)).aliases)

    assert [models.challenger[:12] in each["champion"] for each in named] == [True, False]
    assert [models.champion[:12] in each["champion"] for each in named] == [False, True]
    assert ["challenger" in each for each in named] == [False, False]


def test_a_run_of_an_export_that_was_interrupted_is_replaced(
    mlflow_server: MlflowServer, client: Any
) -> None:
    store = Store(mlflow_server.url, None, "interrupted")
    experiment = client.get_experiment_by_name("interrupted").experiment_id
    half = client.create_run(experiment, tags={KEY: "release 1"})

    assert Store(mlflow_server.url, None, "interrupted").stored == store.stored == {}
    assert client.get_run(half.info.run_id).info.lifecycle_stage == "deleted"


@pytest.mark.parametrize(
    ("to", "problem"),
    [
        ("http://127.0.0.1:9", "127.0.0.1:9"),
        ("ftp://somewhere", "ftp"),
        ("sqlite:////no/such/folder/mlflow.db", "no such folder"),
        ("file:///tmp/runs", "plain files"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused(models: Models, to: str, problem: str) -> None:
    with pytest.raises(SlipwayError, match=problem):
        export(models.root, to)


def test_without_a_release_nothing_is_exported(small_repository: Path, tmp_path: Path) -> None:
    with pytest.raises(SlipwayError, match="no release"):
        export(small_repository, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_without_mlflow_the_extra_is_named(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlflow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(SlipwayError, match="not installed") as refused:
        export(models.root, str(tmp_path))
    assert "slipway-ml[mlflow]" in refused.value.do
