"""The service returns the predictions of the trained model, and refuses invalid rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from slipway.predictions.answers import answers_of
from slipway.serving.start import serving
from slipway.training.score import Model


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A running service with its own prediction log."""
    log = tmp_path_factory.mktemp("log")
    environment = {**os.environ, "SLIPWAY_LOG": str(log), "SLIPWAY_TOKENS": ""}
    with (
        serving(Path.cwd(), environment=environment) as running,
        httpx.Client(base_url=running.url, trust_env=False) as client,
    ):
        yield client


def test_the_service_returns_the_prediction_of_the_training(
    service: httpx.Client, model: Model
) -> None:
    example = model.manifest["golden"][0]
    answer = service.post("/predict", json=example["row"]).raise_for_status().json()
    found = answers_of(model.task, model.manifest).score(answer)
    np.testing.assert_allclose(found, example["probability"], rtol=1e-5, atol=1e-5)


def test_an_invalid_row_is_refused_with_the_missing_fields(
    service: httpx.Client, model: Model
) -> None:
    row = dict(model.manifest["golden"][0]["row"])
    missing, _ = row.popitem()
    answer = service.post("/predict", json=row)
    assert answer.status_code == 422
    assert missing in {fault["field"] for fault in answer.json()["error"]["faults"]}
