"""Rows with their labels, known or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipway import project
from slipway.dataset.tables import keys_digest, take


@dataclass(frozen=True)
class LabelledRows:
    """Rows and their labels, as the task reads them; NaN for an unknown label."""

    columns: dict[str, np.ndarray]
    labels: np.ndarray

    @classmethod
    def of(cls, columns: dict[str, np.ndarray]) -> LabelledRows:
        """Compute the labels of some rows; raises SlipwayError if they are none of the task."""
        return cls(columns, project.label(columns))

    @property
    def unlabelled(self) -> int:
        return int(np.isnan(self.labels).sum())

    @property
    def keys_sha256(self) -> str:
        return keys_digest(project.row_keys(self.columns))

    def inputs(self) -> dict[str, np.ndarray]:
        """Return the columns that are known when the prediction is requested."""
        return {name: self.columns[name] for name in project.inputs()}

    def known(self) -> LabelledRows:
        """Return the rows with a known label."""
        known = ~np.isnan(self.labels)
        return LabelledRows(take(self.columns, known), self.labels[known])

    def labelled(self, name: str) -> LabelledRows:
        """Return the rows with a known label; `name` is what an error calls them.

        Raises
        ------
        SlipwayError
            They are too few, or all have the same label.
        """
        rows = self.known()
        project.task().require(name, project.TARGET, rows.labels)
        return rows
