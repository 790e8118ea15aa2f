"""Only labels of two classes are learned from; others are refused before anything is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model import target
from slipway import project
from slipway.dataset.tables import keys_digest, read_columns, write_columns
from slipway.errors import SlipwayError
from slipway.patterns import end_at_the_end

ROWS = {"arr_delay": np.arange(4.0)}


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 2, 0],
        [0.0, 0.5, 1.0, np.nan],
        ["late", "early", "late", "early"],
        [0, 1, np.inf, 0],
        [[0], [1], [0], [1]],
        [0, 1, 0],
        1,
    ],
)
def test_labels_that_are_not_binary_are_refused(
    labels: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "label", lambda columns: labels)
    with pytest.raises(SlipwayError, match=r"src/model/target.py: `label`, which computes `late`"):
        project.label(ROWS)


@pytest.mark.parametrize(
    "labels",
    [
        [False, True, True, False],
        np.array([0, 1, 1, 0], "int8"),
        pd.array([False, True, None, False], dtype="boolean"),
        [0.0, 1.0, None, np.nan],
    ],
)
def test_booleans_and_numbers_that_are_0_or_1_are_labels(
    labels: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "label", lambda columns: labels)
    found = project.label(ROWS)
    assert found.dtype == np.float32
    assert set(found[~np.isnan(found)]) == {0, 1}


@pytest.mark.parametrize("labels", [np.zeros(3), np.ones(3), np.zeros(0)])
def test_rows_of_one_class_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(SlipwayError, match="the holdout rows have"):
        project.task().require("holdout", "late", labels)


def test_keys_may_be_whole_numbers() -> None:
    assert keys_digest(np.array([2, 10])) == keys_digest(["10", "2"])


def test_a_category_without_any_value_is_written_and_read(tmp_path: Path) -> None:
    write_columns({"job": np.array([None, None], dtype=object)}, tmp_path / "rows.parquet")
    assert read_columns([tmp_path / "rows.parquet"])["job"].tolist() == [None, None]


@pytest.mark.parametrize(
    ("pattern", "ended"),
    [
        ("^[A-Z]{3}$", r"^[A-Z]{3}\Z"),
        (r"a\$", r"a\$"),
        ("[$]$", r"[$]\Z"),
        ("[]$]", "[]$]"),
        ("a$|b$", r"a\Z|b\Z"),
        ("(?m)a$", "(?m)a$"),
    ],
)
def test_a_pattern_ends_where_the_text_ends(pattern: str, ended: str) -> None:
    assert end_at_the_end(pattern) == ended
