"""The data of a project, split by time: the newest months are the holdout, never trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from slipway import project
from slipway.dataset.files import NotRead
from slipway.dataset.months import DATA, list_data, month_files
from slipway.dataset.tables import keys_digest, read_columns, row_count, take
from slipway.errors import SlipwayError
from slipway.project import Columns


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

    def labelled(self, name: str) -> LabelledRows:
        """Return the rows with a known label; `name` is what an error calls them.

        Raises
        ------
        SlipwayError
            They do not have both labels.
        """
        known = ~np.isnan(self.labels)
        rows = LabelledRows(take(self.columns, known), self.labels[known])
        require_both_labels(name, rows.labels)
        return rows


@dataclass(frozen=True)
class Dataset:
    """The monthly files, oldest first, of which the last `holdout_months` are the holdout.

    Make one for each command and pass it on: the rows of the holdout are read once.
    """

    files: Sequence[Path]
    holdout_months: int
    not_read: Sequence[NotRead] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.files) <= self.holdout_months:
            raise SlipwayError(
                f"{len(self.files)} month(s) of data, of which params.yaml holds out "
                f"{self.holdout_months}",
                "add a month with `slipway data --month`, or lower `prepare.holdout_months`",
            )

    @classmethod
    def open(cls, holdout_months: int, folder: Path = DATA) -> Dataset:
        """Return the data of a folder.

        Raises
        ------
        SlipwayError
            There are not enough months, a file cannot be read, or the files are not in the order
            of time (`slipway.dataset.months`).
        """
        return cls(month_files(folder), holdout_months, list_data(folder).not_read)

    @property
    def months(self) -> list[str]:
        return months_of(self.files)

    @property
    def train_files(self) -> Sequence[Path]:
        return self.files[: -self.holdout_months]

    @property
    def holdout_files(self) -> Sequence[Path]:
        return self.files[-self.holdout_months :]

    def read_train(self, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Return the rows to train on: all columns, or those that are named."""
        return read_columns(self.train_files, names)

    @cached_property
    def holdout(self) -> LabelledRows:
        """The rows of the holdout with their labels, known or not."""
        return LabelledRows.of(read_columns(self.holdout_files))

    def labelled_holdout(self) -> LabelledRows:
        """Return the rows of the holdout that models are measured on: those with a known label."""
        return self.holdout.labelled("holdout")


def months_of(files: Iterable[Path]) -> list[str]:
    return [file.stem for file in files]


def evenly_spaced(columns: Columns, count: int) -> dict[str, np.ndarray]:
    """Return at most `count` rows, evenly spaced in the order of the files."""
    rows = row_count(columns)
    return take(columns, np.linspace(0, rows - 1, min(rows, count)).astype(int))


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
            "check `label` in src/model/target.py, or use more months: "
            "`prepare.holdout_months` in params.yaml",
        )
