"""All that led to a prediction is found again, and its row scores to the same answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.audit.conftest import Predicted
from tests.services.repository import commit

from slipway.audit.find import find_records
from slipway.audit.replay import Decider, replay
from slipway.audit.run import Question, predictions
from slipway.audit.trail import Trail, trail
from slipway.audit.what_if import boundary, read_assignment, what_if
from slipway.documents.output import Output
from slipway.errors import NO, YES, SlipwayError
from slipway.release.records import Record
from slipway.repository.git import resolve
from slipway.repository.pointers import POINTER
from slipway.texts import read_yaml


def of(predicted: Predicted, record: dict[str, Any], root: Path | None = None) -> Trail:
    (found,) = find_records(str(predicted.write(record)), [record["id"]])
    return trail(root or predicted.root, found)


def release(record: dict[str, Any], at: str, model: str = "") -> dict[str, Any]:
    made = Record(
        event="deployed",
        name=record["commit"][:7],
        commit=record["commit"],
        data=record["data"],
        model_sha256=model or record["model"],
        image="sha256:1",
        at=at,
        by="Ada",
        source="https://example.org/pull/7",
        verdict="Better",
        target="local",
    )
    return made.to_json()


@pytest.fixture
def releases(predicted: Predicted) -> Any:
    path = predicted.root / "build/releases.json"

    def write(entries: Sequence[dict[str, Any]]) -> None:
        path.write_text(json.dumps(entries), "utf-8")

    yield write
    path.unlink(missing_ok=True)


def test_each_stored_row_scores_again_to_the_same_answer(predicted: Predicted) -> None:
    found = find_records(str(predicted.log), [record["id"] for record in predicted.records])

    again = replay(predicted.root, found)

    assert [each.id for each in again] == [record["id"] for record in predicted.records]
    assert {each.result for each in again} == {"identical"}


def test_a_record_that_its_model_did_not_write_is_different(
    predicted: Predicted, tmp_path: Path
) -> None:
    first, *others, last = predicted.records[:4]
    first = first | {"probability": first["probability"] + 6e-8}  # rounding in a batch is none
    forged = [
        others[0] | {"probability": others[0]["probability"] + 2e-6},
        others[1] | {"input": first["input"]},
        last | {"model": "0" * 64},
    ]
    log, out = predicted.write(first, *forged), tmp_path / "audit.json"
    question = Question([first["id"], *(each["id"] for each in forged)], replay=True)

    code = predictions(predicted.root, str(log), question, Output(print, out))

    assert code == NO
    results = [each["replay"]["result"] for each in json.loads(out.read_bytes())]
    assert results == ["identical", *["different"] * 3]


def test_the_chain_names_commit_data_and_parameters(predicted: Predicted) -> None:
    made = of(predicted, predicted.records[0])

    assert made.commit is not None
    assert made.commit.hash == resolve(predicted.root, "HEAD")
    pointer = read_yaml(predicted.root / POINTER)["outs"][0]["md5"]
    assert made.data == made.commit.data_md5 == pointer
    assert "train.l2" in made.commit.params
    assert made.input == predicted.records[0]["input"]


def test_what_is_not_known_is_named(predicted: Predicted) -> None:
    made = of(predicted, predicted.records[0])

    assert {each.partition(":")[0] for each in made.unknown} == {"verdict", "deployment"}


def test_a_file_that_is_no_record_of_a_judgement_is_none_of_the_chain(
    predicted: Predicted, tmp_path: Path
) -> None:
    first, root = predicted.records[0], tmp_path / "repository"
    shutil.copytree(predicted.root, root, symlinks=True)
    folder = root / "reports/judgements"
    folder.mkdir()
    for period, content in (("a", "{"), ("b", "[]"), ("c", '{"model": 1}')):
        (folder / f"{period}-{first['model'][:12]}-c.json").write_text(content, "utf-8")

    made = of(predicted, first | {"commit": commit(root, "Write records by hand")}, root)

    assert made.verdicts == []
    assert {each.partition(":")[0] for each in made.unknown} == {"verdict", "deployment"}


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"commit": "0" * 40}, "commit"),
        ({"commit": ""}, "commit"),
        ({"data": "0" * 32}, "data"),
    ],
)
def test_a_record_that_contradicts_the_repository_is_named(
    predicted: Predicted, change: dict[str, str], part: str
) -> None:
    made = of(predicted, predicted.records[0] | change)

    assert part in {each.partition(":")[0] for each in made.unknown}


def test_the_release_that_was_live_is_in_the_chain(predicted: Predicted, releases: Any) -> None:
    record = predicted.records[0]
    releases([release(record, "2000-01-01T00:00:00.000+00:00")])

    made = of(predicted, record)

    assert [(event.by, event.source) for event in made.events] == [
        ("Ada", "https://example.org/pull/7")
    ]
    assert {each.partition(":")[0] for each in made.unknown} == {"verdict"}


def test_a_release_that_was_not_live_at_that_time_is_named(
    predicted: Predicted, releases: Any
) -> None:
    record = predicted.records[0]
    others = [release(record, f"2001-01-0{day}T00:00:00.000+00:00", "0" * 64) for day in (1, 2)]
    releases([release(record, "2000-01-01T00:00:00.000+00:00"), *others])

    assert any("another release" in each for each in of(predicted, record).unknown)


def nearest_to_the_threshold(predicted: Predicted) -> dict[str, Any]:
    manifest = json.loads((predicted.root / "build/model/manifest.json").read_text("utf-8"))
    threshold = manifest["threshold"]
    return min(predicted.records, key=lambda record: abs(record["probability"] - threshold))


def test_the_decision_differs_on_the_two_sides_of_each_boundary(
    predicted: Predicted, model: Decider
) -> None:
    record = nearest_to_the_threshold(predicted)
    (found,) = find_records(str(predicted.log), [record["id"]])
    places = [boundary(found, name, model) for name in ("dep_minute", "carrier")]
    sides = [
        ({place.field: change.before}, {place.field: change.after})
        for place in places
        for change in place.changes
    ]
    answers = what_if(found, [side for pair in sides for side in pair], model)

    assert sides
    decisions = [each.answer["decision"] for each in answers]
    assert all(one != other for one, other in zip(decisions[::2], decisions[1::2], strict=True))
    assert all(place.decision == record["decision"] for place in places)


def test_a_field_that_changes_no_decision_has_no_boundary(
    predicted: Predicted, model: Decider
) -> None:
    surest = min(predicted.records, key=lambda record: float(record["probability"]))
    (found,) = find_records(str(predicted.log), [surest["id"]])

    assert boundary(found, "distance", model).changes == []


def test_a_variation_without_a_change_has_the_answer_that_was_given(
    predicted: Predicted, model: Decider
) -> None:
    record = predicted.records[0]
    (found,) = find_records(str(predicted.log), [record["id"]])
    same = [f"carrier={record['input']['carrier']}", f"distance={record['input']['distance']}"]
    answers = what_if(found, [read_assignment(text, model) for text in same], model)

    assert all(each.answer == found.answer() for each in answers)


@pytest.mark.parametrize("text", ["carrier", "no_such_field=1", "distance=far", "distance=-5"])
def test_a_variation_that_the_model_cannot_answer_is_refused(
    predicted: Predicted, model: Decider, text: str
) -> None:
    (found,) = find_records(str(predicted.log), [predicted.records[0]["id"]])
    with pytest.raises(SlipwayError):
        what_if(found, [read_assignment(text, model)], model)


@pytest.mark.parametrize("field", ["no_such_field", "scheduled_departure"])
def test_a_field_without_a_boundary_is_refused(
    predicted: Predicted, model: Decider, field: str
) -> None:
    (found,) = find_records(str(predicted.log), [predicted.records[0]["id"]])
    with pytest.raises(SlipwayError):
        boundary(found, field, model)


@pytest.mark.parametrize("commit", ["", "0" * 40, "a" * 40 + "-dirty"])
def test_a_model_of_no_commit_cannot_be_asked_again(predicted: Predicted, commit: str) -> None:
    log = predicted.write(predicted.records[0] | {"commit": commit})
    asked = Question([predicted.records[0]["id"]], replay=True)
    with pytest.raises(SlipwayError):
        predictions(predicted.root, str(log), asked, Output(print))


def test_an_id_that_no_record_has_is_refused(predicted: Predicted) -> None:
    with pytest.raises(SlipwayError):
        find_records(str(predicted.log), ["01a22921-3885-72cf-a4e2-12be596845f0"])


def test_the_answer_is_written_as_html(predicted: Predicted, tmp_path: Path) -> None:
    record, out = predicted.records[0], tmp_path / "audit.html"

    code = predictions(
        predicted.root, str(predicted.log), Question([record["id"]]), Output(print, html=out)
    )

    assert code == YES
    assert record["id"] in out.read_text("utf-8")
