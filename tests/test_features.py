"""Features of a row do not depend on other rows, and use only columns that are known in time."""

from __future__ import annotations

import numpy as np

from slipway import project
from slipway.dataset.tables import row_count, take
from slipway.project import Columns


def test_the_features_of_a_row_do_not_depend_on_other_rows(inputs: Columns) -> None:
    whole = project.features(inputs)
    for row in range(0, row_count(inputs), max(1, row_count(inputs) // 20)):
        alone = project.features(take(inputs, slice(row, row + 1)))
        for name, values in alone.items():
            np.testing.assert_array_equal(values, whole[name][row : row + 1], err_msg=name)


def test_a_feature_is_a_float32_number_or_text(inputs: Columns) -> None:
    for name, values in project.features(inputs).items():
        assert values.shape == (row_count(inputs),), name
        assert values.dtype == np.float32 or isinstance(values[0], str), name


def test_no_feature_uses_a_column_that_is_known_later(inputs: Columns) -> None:
    project.features(inputs)  # raises, and names the column, if one does


def test_a_missing_value_is_no_error(inputs: Columns) -> None:
    optional = [name for name, column in project.schema().columns.items() if column.nullable]
    for name in set(optional) & set(inputs):
        values = inputs[name]
        empty = np.full(len(values), np.nan if values.dtype.kind == "f" else None, values.dtype)
        project.features({**inputs, name: empty})
