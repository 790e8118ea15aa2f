"""The split: the newest periods are held out, and each command reads their rows once."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from model import target as target_module
from slipway.dataset import reader
from slipway.dataset.labelled import LabelledRows
from slipway.dataset.split import Dataset, evenly_spaced
from slipway.settings import read_params
from slipway.training.evaluate import evaluate
from slipway.training.prepare import prepare
from slipway.training.train import train


@pytest.fixture
def reads(monkeypatch):
    """Count how often all columns of each month are read."""
    counted: Counter[str] = Counter()
    read = reader._read

    def counting(path, names, *options):
        counted[path.stem] += names is None
        return read(path, names, *options)

    monkeypatch.setattr(reader, "_read", counting)
    return counted


def test_the_holdout_is_read_once_however_often_it_is_used(project, reads):
    dataset = Dataset.open(read_params())

    assert dataset.holdout.unlabelled == len(dataset.holdout.labels) - len(
        dataset.labelled_holdout().labels
    )
    assert +reads == {"2013-09": 1}


def test_prepare_train_and_evaluate_read_the_holdout_once_each(project, reads):
    for stage in (prepare, train, evaluate):
        reads.clear()
        stage(read_params())
        assert reads["2013-09"] == 1, stage.__name__


def test_rows_without_a_label_are_not_measured_on(project, monkeypatch):
    labels = np.array([0, 1, np.nan, 1], dtype="float32")
    monkeypatch.setattr(target_module, "label", lambda columns: labels)

    rows = LabelledRows.of({"flight_id": np.array(list("abcd"), dtype=object)})
    assert rows.unlabelled == 1
    assert rows.labelled("holdout").columns["flight_id"].tolist() == ["a", "b", "d"]


def test_evenly_spaced_rows_are_at_most_as_many_as_there_are():
    columns = {"x": np.arange(10)}

    assert evenly_spaced(columns, 4)["x"].tolist() == [0, 3, 6, 9]
    assert evenly_spaced(columns, 99)["x"].tolist() == list(range(10))
