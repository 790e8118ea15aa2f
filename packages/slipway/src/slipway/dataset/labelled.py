"""Rows with their labels, known or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipway import project
from slipway.dataset.tables import keys_digest, take
from slipway.errors import SlipwayError


@dataclass(frozen=True)
class LabelledRows:
    """Rows and their labels, float32: 0 or 1, NaN for an unknown label."""

    columns: dict[str, np.ndarray]
    labels: np.ndarray

    @classmethod
    def of(cls, columns: dict[str, np.ndarray]) -> LabelledRows:
        """Compute the labels of some rows; raises SlipwayError if they are not binary."""
        return cls(columns, project.label(columns))

    @property
    def unlabelled(self) -> int:
        return int(np.isnan(self.labels).sum())

    @property
    def keys_sha256(self) -> str:
        return keys_digest(self.columns[project.key()])

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
            They do not have both labels.
        """
        rows = self.known()
        require_both_labels(name, rows.labels)
        return rows


def require_both_labels(name: str, labels: np.ndarray) -> None:
    """Refuse rows that all have the same label: a model can neither learn nor be measured on them.

    Raises
    ------
    SlipwayError
        Names the rows, and the label that they have.
    """
    values = np.unique(labels)
    if len(values) < 2:
        only = f"only the label {values[0]:g}" if len(values) else "no label"
        raise SlipwayError(
            f"the {name} rows have {only} (`{project.TARGET}`), and 0 and 1 are needed",
            "check `label` in src/model/target.py, or hold out more rows: `prepare.holdout` or "
            "`prepare.holdout_months` in params.yaml",
        )
