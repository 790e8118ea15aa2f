"""Which slices are protected: those that `src/model/slices.py` names."""

from __future__ import annotations

import numpy as np
import pytest

from model import slices
from slipway import project
from slipway.errors import SlipwayError
from slipway.metrics.groups import group_of


def test_a_model_that_names_no_groups_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(slices, "PROTECTED", raising=False)
    assert project.protected() == ()
    assert project.protected_slices({}) == {}


@pytest.mark.parametrize("names", ["carrier", ("no such slice",), ("carrier", "carrier"), [1]])
def test_names_that_are_no_slices_are_refused_with_those_that_are(
    names: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SLICES", {"carrier": lambda columns: columns["carrier"]})
    monkeypatch.setattr(slices, "PROTECTED", names, raising=False)
    with pytest.raises(SlipwayError) as error:
        project.protected()
    assert "carrier" in str(error.value.do)


@pytest.mark.parametrize("labels", ["all", np.zeros(2), np.zeros((3, 1))])
def test_a_slice_without_a_label_for_each_row_is_refused_by_name(
    labels: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SLICES", {"size": lambda _columns: labels})
    with pytest.raises(SlipwayError, match=r"`size`.*3 rows"):
        project.sliced({"n": np.zeros(3)})


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        (np.array(["a", None, "a"], object), {"a": [0, 2], "(none)": [1]}),
        (np.array(["a", float("nan"), "(none)"], object), {"a": [0], "(none)": [1, 2]}),
        (np.array([2, 10, 2]), {"2": [0, 2], "10": [1]}),
        (np.array([0.5, np.nan]), {"0.5": [0], "(none)": [1]}),
        (np.array([True, False]), {"True": [0], "False": [1]}),
    ],
)
def test_labels_of_any_type_are_groups_and_missing_ones_are_one_group(
    labels: np.ndarray, groups: dict[str, list[int]]
) -> None:
    found = {value: rows.tolist() for value, rows in group_of(labels).members()}
    assert found == groups
