"""The service answers in the form of the task, and its log has the same."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from tests.services.batches import batch_records, check_batch
from tests.services.mlflow import pyfunc_of
from tests.services.projects import ROOT

from slipway.manifest import Manifest
from slipway.predictions.answers import (
    Answers,
    BinaryAnswers,
    MulticlassAnswers,
    answers_of,
    flat_score,
    is_same_answer,
    number_bins,
)
from slipway.predictions.files import Skipped
from slipway.predictions.reader import read_batches, read_log
from slipway.predictions.record import parse_record, to_line
from slipway.release.canary import Histogram, Sample, compare, read_sample
from slipway.release.smoke_test.checks import Answer, Expected, Facts, golden
from slipway.repository.worktrees import run
from slipway.serving.replay import replay
from slipway.serving.start import serving
from slipway.settings import Canary
from slipway.tasks import declared_task, task_of


@dataclass(frozen=True)
class Served:
    """A running service, its manifest and its log."""

    url: str
    manifest: Manifest
    log: Path
    rows: Path

    @property
    def form(self) -> Answers:
        return answers_of(task_of(self.manifest), self.manifest)

    def predict(self, body: Any) -> Any:
        return httpx.post(f"{self.url}/predict", json=body).raise_for_status().json()


@pytest.fixture(scope="session")
def served(main_branch: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("log")
    manifest = json.loads((main_branch / "build/model/manifest.json").read_text("utf-8"))
    with serving(main_branch, environment=os.environ | {"SLIPWAY_LOG": str(log)}) as service:
        yield Served(service.url, manifest, log, main_branch / "data/2022-05.parquet")


def test_an_answer_has_the_score_of_the_training_and_is_in_the_log(served: Served) -> None:
    answers = served.predict([example["row"] for example in served.manifest["golden"]])
    frame = read_log(served.log).set_index("id")
    for answer, example in zip(answers, served.manifest["golden"], strict=True):
        right = example["probability"]
        assert served.form.score(answer) == right
        record = frame.loc[answer["id"]]
        assert {name: record[name] for name in served.form.answer(right)} == served.form.answer(
            right
        )


def test_a_batch_has_the_answers_of_the_service(
    served: Served, main_branch: Path, tmp_path: Path
) -> None:
    records = batch_records(main_branch, served.rows, tmp_path / "out")[:100]
    answers = served.predict([record["input"] for record in records])
    for record, answer in zip(records, answers, strict=True):
        assert {name: record[name] for name in answer if name != "id"} == {
            name: value for name, value in answer.items() if name != "id"
        }
    check_batch(main_branch, served.rows, tmp_path / "out")


def test_a_stored_row_scores_again_to_the_same_answer_in_the_environment_of_its_commit(
    served: Served, main_branch: Path, tmp_path: Path
) -> None:
    answers = served.predict([example["row"] for example in served.manifest["golden"]])
    ids, out = [answer["id"] for answer in answers], tmp_path / "audit.json"
    options = ["--replay", "--log", str(served.log), "--json", str(out)]

    run(["slipway", "audit", *ids, *options], main_branch)

    results = [audit["replay"] for audit in json.loads(out.read_bytes())]
    assert {each["result"] for each in results} == {"identical"}
    assert [each["id"] for each in results] == ids


def test_a_pyfunc_answers_as_the_service(served: Served, main_branch: Path) -> None:
    rows = [example["row"] for example in served.manifest["golden"]]

    with pyfunc_of(main_branch) as model:
        answers = model.predict(pd.DataFrame(rows)).to_dict("records")

    expected = [{k: v for k, v in each.items() if k != "id"} for each in served.predict(rows)]
    assert answers == expected


def test_the_contributions_of_features_sum_up_to_a_logged_prediction(
    served: Served, main_branch: Path, tmp_path: Path
) -> None:
    answer = served.predict(served.manifest["golden"][0]["row"])
    out = tmp_path / "explanation.json"

    run(
        ["slipway", "explain", answer["id"], "--log", str(served.log), "--json", str(out)],
        main_branch,
    )

    found = json.loads(out.read_bytes())["explanation"]
    total = found["baseline"]["value"] + sum(
        each["contribution"] for each in found["contributions"]
    )
    assert total == pytest.approx(found["raw"], rel=1e-6, abs=1e-6)
    assert {each["feature"] for each in found["contributions"]} == {
        feature["name"] for feature in served.manifest["features"]
    }
    # Of several classes the predicted one is explained, which has the highest probability.
    assert found["prediction"] == pytest.approx(float(np.max(served.form.score(answer))), rel=1e-5)


def test_the_table_of_a_log_has_the_scores_of_the_task(served: Served) -> None:
    answer = served.predict(served.manifest["golden"][0]["row"])
    skipped = Skipped()
    (batch,) = read_batches(served.log, skipped, served.manifest["inputs"])
    scores = served.form.scores(batch.traffic)
    at = batch.traffic["id"].to_pylist().index(answer["id"])
    assert scores[at].tolist() == served.form.score(answer)
    assert not task_of(served.manifest).invalid(scores).any()
    assert skipped.sentences() == []


def test_a_replay_counts_all_rows_and_the_metrics_fit_a_canary(served: Served) -> None:
    tally = replay(served.rows, served.url, limit=400)
    assert (tally.answered, tally.refused) == (400, [])
    assert sum(tally.decided.values()) == (400 if served.form.decisions else 0)
    assert tally.text(by_day=True)
    sample = read_sample(httpx.get(f"{served.url}/metrics").text)
    assert sample.scores.edges == served.form.bins
    # Most bins have some of the predictions, so a shift would be seen.
    assert sum(count > 0 for count in sample.scores.counts) > len(served.form.bins) / 3
    assert not compare(sample, sample, Canary()).crossed


def test_the_share_of_reviews_is_of_numbers_that_a_service_of_each_task_has(
    served: Served,
) -> None:
    served.predict([example["row"] for example in served.manifest["golden"]])
    shown = httpx.get(f"{served.url}/metrics").text
    texts = (path.read_text("utf-8") for path in (ROOT / "deploy/monitoring").rglob("*slipway*.*"))
    shares = [
        expression
        for text in texts
        for expression in re.findall(r"expr\"?: \"?(.*reviews_total.*)", text)
    ]
    assert len(shares) == 2
    for name in re.findall(r"slipway_\w+", " ".join(shares)):
        (*_, value) = re.findall(rf"^{name}{{.*}} (\S+)$", shown, re.MULTILINE)
        assert float(value) >= 0
        assert name != "slipway_decisions_total"


def facts(answers: list[Any]) -> Facts:
    given = [Answer(status=200, body=json.dumps(each)) for each in answers]
    batch = Answer(status=200, body=json.dumps(answers))
    other = Answer(status=200, body="{}")
    log = {"folder": "", "asked": [], "found": {}}
    return Facts.model_validate(
        {"about": other, "golden": given, "batch": batch, "log": log, "bad": {}, "load": []}
        | {"metrics": other, "after": given[0]}
    )


@pytest.mark.parametrize(
    ("right", "answer", "other"),
    [
        (0.25, {"probability": 0.25}, {"probability": 0.26}),
        ([0.25, 0.75], {"probabilities": {"a": 0.25, "b": 0.75}}, {"probabilities": {"a": 0.25}}),
        (7.5e6, {"value": 7.5e6}, {"value": 7.5e6 + 100}),
    ],
)
def test_a_smoke_test_compares_the_score_of_each_task(right: Any, answer: Any, other: Any) -> None:
    expected = Expected("m", "c", "d", [{"row": {}, "probability": right}])
    assert golden(facts([answer]), expected).ok
    assert not golden(facts([other]), expected).ok


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"probability": 0.25 + 1e-7, "decision": False}, True),
        ({"probability": 0.25 + 1e-5, "decision": False}, False),
        ({"probability": 0.25, "decision": True}, False),
        ({"probability": float("nan"), "decision": False}, False),
        ({"value": 0.25, "decision": False}, False),
    ],
    ids=["rounding", "another score", "another decision", "no score", "another task"],
)
def test_answers_are_the_same_up_to_the_rounding_of_the_score(
    given: dict[str, object], expected: bool
) -> None:
    assert is_same_answer(given, {"probability": 0.25, "decision": False}) is expected


def classes(*names: str | float) -> MulticlassAnswers:
    return MulticlassAnswers({"target": {"classes": list(names)}})


def test_a_class_is_decided_in_its_own_type_and_named_by_its_json() -> None:
    for names in (("a", "b"), (4, 7), (False, True)):
        answer = classes(*names).answer([0.25, 0.75])
        assert answer["decision"] is names[1]
        assert json.loads(to_line(answer))["probabilities"].keys() == {
            "a" if name == "a" else "b" if name == "b" else json.dumps(name) for name in names
        }
        assert classes(*names).score(answer) == [0.25, 0.75]


def test_a_record_of_other_classes_has_no_score() -> None:
    of_two = classes("a", "b").answer([0.25, 0.75])
    assert np.isnan(classes("a", "b", "c").score(of_two)).any()
    assert np.isnan(classes("a", "c").score(of_two)).any()
    assert flat_score({"probabilities": {"a": "0.5"}}) == []


def test_two_nearly_equal_classes_are_for_a_person_and_numbers_have_no_such_rule() -> None:
    message = classes("a", "b", "c").uncertain([0.41, 0.2, 0.39], 0.03)
    assert message is not None
    assert "'a'" in message
    assert "'c'" in message
    assert classes("a", "b", "c").uncertain([0.5, 0.2, 0.3], 0.03) is None
    number = answers_of(declared_task("regression", ()), {})
    assert number.uncertain(0.5, 0.03) is None


def test_a_log_may_have_records_of_several_tasks(tmp_path: Path) -> None:
    common = {"version": 1, "time": "2026-01-01T00:00:00Z", "input": {"x": 1}, "model": "m"}
    answers: list[dict[str, object]] = [
        dict(BinaryAnswers({"threshold": 0.5}).answer(0.7)),
        dict(classes("a", "b").answer([0.25, 0.75])),
        {"value": -3.5},
        {"probability": 0.7, "decision": "b"},
        {"value": "3"},
    ]
    lines = [
        to_line(common | {"id": f"{number}", "key": number} | answer)
        for number, answer in enumerate(answers)
    ]
    (tmp_path / "2026-01-01.jsonl").write_bytes(b"".join(lines[:3]))
    whole = read_log(tmp_path)
    assert whole["decision"].tolist()[:2] == [True, "b"]
    assert whole["value"].tolist()[2] == -3.5
    assert [parse_record(line) is None for line in lines] == [False, False, False, True, True]
    (tmp_path / "2026-01-01.jsonl").write_bytes(b"".join(lines))
    partly = read_log(tmp_path)
    pd.testing.assert_frame_equal(partly, whole)
    assert "2 lines are not records" in partly.attrs["faults"][0]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
@pytest.mark.parametrize("offset", [0.0, -50.0])
def test_models_with_similar_predictions_share_most_bins(scale: float, offset: float) -> None:
    random = np.random.default_rng(0)
    levels = np.arange(1, 20) / 20
    values = (random.lognormal(1.0, 1.0, 5_000) + offset) * scale
    first = number_bins(np.quantile(values, levels).tolist())
    second = number_bins((np.quantile(values, levels) * 1.05).tolist())
    assert 3 < len(first) <= 62
    assert len({*first} & {*second}) > len(first) / 2


def test_predictions_of_another_size_are_not_compared_by_a_canary() -> None:
    def sample(*edges: float) -> Sample:
        scores = Histogram(edges, (100,) * (len(edges) + 1))
        return Sample(requests=100 * len(edges), scores=scores, request_scores=scores)

    near = compare(sample(1.0, 2.0, 3.0), sample(2.0, 3.0, 4.0), Canary())
    far = compare(sample(1.0, 2.0, 3.0), sample(100.0, 200.0), Canary())
    assert not near.not_compared
    assert far.not_compared
