"""`slipway explain`: a logged prediction is explained by the model that made it."""

from __future__ import annotations

import pytest
from tests.audit.conftest import Predicted

from slipway.audit.explain import Explained, explain, explain_by
from slipway.audit.find import find_records
from slipway.documents.output import Output
from slipway.errors import SlipwayError


def test_a_prediction_of_the_log_is_explained_as_it_was_answered(predicted: Predicted, tmp_path):
    record = predicted.records[7]
    lines: list[str] = []
    output = Output(lines.append, tmp_path / "e.json", tmp_path / "e.html")

    code = explain(predicted.root, str(predicted.log), record["id"], "", output)

    found = Explained.model_validate_json((tmp_path / "e.json").read_bytes())
    explanation = found.explanation
    total = explanation.baseline.value + sum(
        each.contribution for each in explanation.contributions
    )
    assert code == 0
    assert (found.id, found.model) == (record["id"], record["model"])
    assert explanation.prediction == pytest.approx(record["probability"], abs=1e-6)
    assert total == pytest.approx(explanation.raw, abs=1e-6)
    for text in (lines[0], (tmp_path / "e.html").read_text("utf-8")):
        assert all(each.feature in text for each in explanation.contributions)


def test_a_record_that_the_model_did_not_predict_is_not_explained(predicted: Predicted, model):
    record = predicted.records[7]
    changed = predicted.write(record | {"probability": record["probability"] / 2})

    with pytest.raises(SlipwayError, match="another model"):
        explain_by(find_records(str(changed), [record["id"]])[0], model)


def test_a_class_that_the_model_does_not_have_is_refused_in_one_sentence(predicted, model):
    (found,) = find_records(str(predicted.log), [predicted.records[7]["id"]])

    with pytest.raises(SlipwayError, match="late-ish"):
        explain_by(found, model, "late-ish")
