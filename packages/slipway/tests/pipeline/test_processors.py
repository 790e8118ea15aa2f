"""The same inputs give the same bytes on each kind of processor, with each number of threads."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from slipway.dataset.tables import files_of, round_floats
from slipway.repository.worktrees import environment
from slipway.settings import read_params
from slipway.training import train
from slipway.training.evaluate import evaluate
from slipway.training.formats.choose import check_parity, expected_predictions
from slipway.training.formats.onnx import ONNX
from slipway.training.score import feature_type

# The linear algebra and the mathematical functions of an older processor.
OTHER = {
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 X86_V3",
    "OMP_NUM_THREADS": "2",
    "PYTHONHASHSEED": "2",
}


def outputs(project: Path) -> dict[str, str]:
    """The hash of each file that the stages write."""
    return files_of(project / "build") | files_of(project / "reports")


@pytest.fixture(scope="module")
def features(trained_once):
    return train.read_prepared(trained_once / "build/prepared/train.parquet")


def test_another_processor_with_two_threads_writes_the_same_bytes(trained):
    evaluate(read_params())
    here = outputs(trained)
    shutil.rmtree(trained / "build/model")
    shutil.rmtree(trained / "reports")

    for stage in ("train", "evaluate"):
        command = [sys.executable, "-m", "slipway", stage]
        subprocess.run(command, env=environment(trained) | OTHER, check=True, cwd=trained)

    assert outputs(trained) == here


@pytest.mark.parametrize(("decimals", "equal"), [(train.BASELINE_DECIMALS, True), (17, False)])
def test_a_sum_in_another_sequence_gives_the_same_baseline_only_because_it_is_rounded(
    decimals, equal, features, monkeypatch
):
    monkeypatch.setattr(train, "BASELINE_DECIMALS", decimals)
    columns, labels = features
    backwards = {name: values[::-1] for name, values in columns.items()}

    one = train.fit_baseline(columns, labels)[-1]
    other = train.fit_baseline(backwards, labels[::-1])[-1]

    assert np.array_equal(one.coef_, other.coef_) == equal


def test_the_baseline_of_many_values_knows_the_frequent_ones(features, monkeypatch):
    monkeypatch.setattr(train, "BASELINE_VALUES", 9)
    columns, labels = features

    fitted = train.fit_baseline(columns, labels)

    types = {name: feature_type(values) for name, values in columns.items()}
    numbers = sum(kind == "number" for kind in types.values())
    assert fitted[-1].coef_.size == numbers + 9
    predict = ONNX.load(ONNX.export(fitted, types).content, types, ())
    check_parity(predict, expected_predictions(fitted, columns, types))


def test_of_equally_frequent_values_the_first_ones_count():
    assert train.frequent_values(np.array(list("cabcbax")), 2).tolist() == ["a", "b"]


def test_rounding_hides_the_last_digits_and_no_more():
    numbers = {"rows": 27_010, "auc": [0.7123456789, -0.0], "name": "0.7123456789"}
    noisy = {"rows": 27_010, "auc": [0.7123456789 + 1e-10, 1e-17], "name": "0.7123456789"}
    changed = {"rows": 27_010, "auc": [0.7123556789, 0.0], "name": "0.7123456789"}

    assert round_floats(numbers) == round_floats(noisy) != round_floats(changed)
    assert round_floats(numbers)["auc"][0] == 0.712346
    assert str(round_floats(-0.0)) == "0.0"
