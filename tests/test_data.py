"""The data fit the schema, and the schema refuses other data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from slipway import project
from slipway.dataset.months import month_files
from slipway.dataset.validate import validate_files
from slipway.project import Columns
from slipway.settings import read_params


def test_every_file_fits_the_schema() -> None:
    report = validate_files(month_files(), read_params())
    assert report.exit_code == 0, report


def test_a_file_that_lacks_a_column_is_refused(tmp_path: Path) -> None:
    newest = month_files()[-1]
    broken = tmp_path / newest.name
    pd.read_parquet(newest).drop(columns=project.inputs()[-1]).to_parquet(broken, index=False)

    assert validate_files([broken], read_params()).exit_code == 1


def test_keys_are_unique(columns: Columns) -> None:
    keys = columns[project.key()]
    assert len(np.unique(keys)) == len(keys)


def test_there_are_rows_of_both_classes(labels: np.ndarray) -> None:
    assert set(np.unique(labels)) == {0.0, 1.0}
