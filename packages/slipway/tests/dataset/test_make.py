"""Months that `slipway data` takes from a source of the user's own."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from model import source
from slipway.dataset.make import default_months, make_months
from slipway.errors import SlipwayError


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Another source: two months of one row."""
    module = ModuleType("model.source")
    vars(module)["MONTHS"] = ("2025-03", "2025-04")
    vars(module)["month"] = lambda name: pd.DataFrame({"name": [name]})
    monkeypatch.setitem(sys.modules, "model.source", module)
    return module


def test_all_months_of_another_source_are_made_by_default(own: ModuleType, tmp_path: Path) -> None:
    files = make_months(default_months(), tmp_path)

    assert [file.name for file in files] == ["2025-03.parquet", "2025-04.parquet"]


@pytest.mark.parametrize("name", ["MONTHS", "month"])
def test_what_a_source_must_define_is_named(own: ModuleType, tmp_path: Path, name: str) -> None:
    delattr(own, name)

    with pytest.raises(SlipwayError, match=rf"source\.py defines no `{name}`") as error:
        make_months(["2025-03"], tmp_path)
    assert "docs/data.md" in error.value.do


def test_a_source_without_a_month_is_an_error_with_both_ways_to_data(
    own: ModuleType, tmp_path: Path
) -> None:
    vars(own)["MONTHS"] = ()

    with pytest.raises(SlipwayError, match="`MONTHS` is empty") as error:
        make_months(default_months(), tmp_path)
    assert "copy your files to data/" in error.value.do


def test_a_month_that_is_no_table_is_refused(own: ModuleType, tmp_path: Path) -> None:
    vars(own)["month"] = lambda name: {"name": [name]}

    with pytest.raises(SlipwayError, match="`month` returns a dict for 2025-03"):
        make_months(["2025-03"], tmp_path)


def test_a_missing_column_in_the_source_is_not_reported_as_a_missing_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(source, "_flights", lambda: pd.DataFrame({"day": [1]}))

    with pytest.raises(SlipwayError, match=r"source\.py, line \d+, in month: KeyError: 'month'"):
        make_months(["2013-01"], tmp_path)
