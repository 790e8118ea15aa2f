"""Model card and costs of errors do not contradict the model; what is not written is a warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway import project
from slipway.actions import annotate
from slipway.card.check import check_card
from slipway.settings import read_params
from slipway.training.decision_costs import check_costs, disagreement
from slipway.training.score import Model


def test_the_card_does_not_contradict_the_model(
    model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = check_card(Path.cwd(), model.manifest)
    with capsys.disabled():
        for sentence in findings.open:  # a release stops at these: docs/card.md
            annotate("warning", "The model card is not complete", sentence)
    assert not findings.wrong, "\n".join(findings.wrong)


def test_the_costs_of_errors_are_those_of_the_task(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate, task = read_params().evaluate, project.task()
    if evaluate.costs:
        check_costs(evaluate.costs, task)
    if found := disagreement(evaluate, task):
        with capsys.disabled():
            annotate("warning", "Threshold and costs disagree", found)
