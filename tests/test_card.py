"""The model card does not contradict the model; what is not written yet is a warning."""

from __future__ import annotations

from pathlib import Path

from slipway.actions import annotate
from slipway.card.check import check_card
from slipway.training.score import Model


def test_the_card_does_not_contradict_the_model(model: Model) -> None:
    findings = check_card(Path.cwd(), model.manifest)
    for sentence in findings.open:
        annotate("warning", "The model card is not complete", sentence)  # a release will stop
    assert findings.wrong == []
