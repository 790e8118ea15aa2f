"""The data fit the schema, and the schema refuses other data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from slipway import project
from slipway.dataset.folder import list_data
from slipway.dataset.reader import read_rows
from slipway.dataset.validate import validate_files
from slipway.project import Columns
from slipway.settings import read_params


def test_every_file_fits_the_schema() -> None:
    report = validate_files([], read_params())
    assert report.exit_code == 0, report


def test_a_file_that_lacks_a_column_is_refused(tmp_path: Path) -> None:
    params = read_params()
    file = list_data(Path(params.data.folder)).read[0]
    rows = read_rows([file], stated=params.data).drop_columns(project.inputs()[-1])
    broken = tmp_path / "broken.parquet"
    pq.write_table(rows, broken)

    assert validate_files([broken], params).exit_code == 1


def test_keys_are_unique(columns: Columns) -> None:
    keys = project.row_keys(columns)
    assert len(np.unique(keys)) == len(keys)


def test_labels_differ(labels: np.ndarray) -> None:
    assert len(np.unique(labels)) > 1
