"""What the service answers to those who ask properly."""

from __future__ import annotations

import numpy as np
import pytest
from tests.serving.conftest import as_bytes

from slipway import project
from slipway.dataset.tables import digest, read_columns, take
from slipway.predictions.answers import BinaryAnswers
from slipway.schema.validator import Rows, RowValidator
from slipway.serving import CANDIDATE_BYTES
from slipway.serving.human_review import Review
from slipway.training.score import Model


def test_each_golden_row_gets_exactly_the_probability_of_the_training_environment(service, golden):
    for example in golden:
        answer = service.predict(example["row"]).json()

        assert answer["probability"] == example["probability"]


def test_a_list_of_rows_gets_a_list_of_answers_that_equal_the_model_on_the_raw_columns(
    service, model, tree, golden
):
    rows = [example["row"] for example in golden]
    parsed = RowValidator(model.manifest["inputs"], project.RULES).parse(
        service.client.build_request("POST", "/predict", json=rows).content
    )
    assert isinstance(parsed, Rows)

    answers = service.predict(rows).json()

    assert [answer["probability"] for answer in answers] == model.score(parsed.columns).tolist()


def test_a_list_of_one_row_gets_a_list_of_one_answer(service, row):
    (answer,) = service.predict([row]).json()

    assert answer["probability"] == service.predict(row).json()["probability"]


def test_the_decision_is_yes_from_the_threshold_of_the_manifest_on(service, model, golden):
    answers = service.predict([example["row"] for example in golden]).json()

    assert {answer["decision"] for answer in answers} == {True, False}
    for answer in answers:
        assert answer["decision"] == (answer["probability"] >= model.manifest["threshold"])


def test_an_answer_names_its_model(service, model, row):
    assert service.predict(row).headers["model-sha256"] == model.sha256


def test_ids_differ_and_sort_in_the_order_of_the_answers(service, row):
    ids = [service.predict(row).json()["id"] for _ in range(5)]
    ids += [
        answer["id"]
        for answer in service.predict([row | {"flight_id": key} for key in KEYS]).json()
    ]

    assert ids == sorted(set(ids))


KEYS = [f"20130801-UA{number}-EWR" for number in range(1, 30)]


def test_a_value_that_the_model_has_never_seen_is_for_a_person_to_look_at(service, row):
    answer = service.predict(row | {"dest": "ZZZ"}).json()

    assert answer["review"] is True
    assert {"rule": "unseen", "field": "dest"}.items() <= answer["reasons"][-1].items()
    assert "'ZZZ'" in answer["reasons"][-1]["message"]


def test_a_probability_near_the_threshold_is_for_a_person_to_look_at_and_another_is_not(
    service, model, tree
):
    columns = read_columns([tree / "data/2013-08.parquet"], project.inputs())
    distance = np.abs(model.score(columns) - model.manifest["threshold"])
    nearest, farthest = np.argsort(distance)[[0, -1]]

    near = service.predict(_row(columns, nearest)).json()
    far = service.predict(_row(columns, farthest)).json()

    assert near["review"] is True
    assert [reason["rule"] for reason in near["reasons"]] == ["uncertain"]
    assert far["review"] is False
    assert far["reasons"] == []


def _row(columns, place):
    from slipway.dataset.tables import as_rows

    (row,) = as_rows(take(columns, np.array([place])))
    return row


def test_the_model_page_shows_the_manifest_the_commit_and_the_data(service, model, tree, commit):
    about = service.client.get("/model").json()

    assert about["manifest"].items() <= model.manifest.items()
    assert about["manifest"]["threshold"] == model.manifest["threshold"]
    assert about["sha256"] == model.sha256 == digest(tree / "build/model/model.onnx")
    assert about["commit"] == commit
    assert about["data"] == model.manifest["data"]["md5"]


def test_the_model_page_shows_no_row_of_the_data_and_no_distribution(service, golden):
    answer = service.client.get("/model")

    assert not {"golden", "reference", "past"} & answer.json()["manifest"].keys()
    assert golden[0]["row"]["flight_id"] not in answer.text


def test_requests_rows_decisions_reviews_scores_and_log_bytes_are_counted(service, row):
    names = [
        'slipway_requests_total{path="/predict",status="200"}',
        'slipway_request_seconds_count{path="/predict"}',
        "slipway_score_count",
        "slipway_request_score_count",
        "slipway_reviews_total",
        "slipway_log_seconds_count",
    ]
    before = [service.count(name) for name in names]
    decided = sum(
        service.count(f'slipway_decisions_total{{decision="{d}"}}') for d in ("yes", "no")
    )
    written = service.count("slipway_log_bytes_total")

    service.predict([row | {"dest": "ZZZ", "flight_id": key} for key in KEYS[:3]])

    after = [service.count(name) for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 3, 1, 3, 1]
    assert decided + 3 == sum(
        service.count(f'slipway_decisions_total{{decision="{d}"}}') for d in ("yes", "no")
    )
    assert service.count("slipway_log_bytes_total") > written


def test_a_request_that_no_candidate_gets_is_not_in_the_scores_that_a_canary_compares(service, row):
    before = service.count("slipway_request_score_count")

    for size in (CANDIDATE_BYTES - 1, CANDIDATE_BYTES):
        body = as_bytes(row).ljust(size)
        headers = {"content-type": "application/json"}
        assert service.client.post("/predict", content=body, headers=headers).status_code == 200

    assert service.count("slipway_request_score_count") - before == 1


def test_every_number_carries_the_sha256_of_the_model(service, model: Model):
    lines = service.client.get("/metrics").text.splitlines()

    ours = [line for line in lines if line.startswith("slipway_")]
    assert ours
    assert all(f'model="{model.sha256}"' in line for line in ours)


def test_two_workers_are_counted_together(open_service, row):
    name = 'slipway_requests_total{path="/predict",status="200"}'
    before = open_service.count(name)

    for _ in range(20):
        open_service.predict(row, headers={"Connection": "close"}).raise_for_status()

    assert open_service.count(name) == before + 20


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_need_no_token(service, path):
    assert service.client.get(path, headers={"Authorization": ""}).status_code == 200


@pytest.mark.parametrize(("seen", "reasons"), [({"", "a"}, 0), ({"a"}, 1)])
def test_a_missing_category_is_unseen_only_where_the_model_has_never_had_one(seen, reasons):
    review = Review(BinaryAnswers({"threshold": 0.5}), 0.0, {"kind": seen})

    (found,) = review.reasons({"kind": np.array([None], dtype=object)}, [0.9])

    assert len(found) == reasons
    assert all("a missing value" in str(reason["message"]) for reason in found)
