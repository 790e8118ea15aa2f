"""The data of a project, split by time: the newest months are the holdout, never trained on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from slipway.dataset.files import NotRead
from slipway.dataset.labelled import LabelledRows
from slipway.dataset.months import DATA, list_data, month_files
from slipway.dataset.origins import Origin, months_of
from slipway.dataset.tables import read_columns, row_count, take
from slipway.errors import SlipwayError
from slipway.project import Columns

__all__ = ["Dataset", "LabelledRows", "Origin", "evenly_spaced", "months_of"]


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

    def origins(self, count: int) -> list[Origin]:
        """Return the points in time at which models are compared, oldest first, at most `count`.

        The last one is the split itself. Each earlier one is `holdout_months` earlier, as long as
        it learns from half of the training months, and from two or more.
        """
        length, trained = self.holdout_months, len(self.train_files)
        fewest = max(2, math.ceil(trained / 2))
        earlier = [end for end in range(trained - length, 0, -length) if end >= fewest]
        ends = [trained, *earlier][:count]
        files = tuple(self.files)
        return [Origin(files[:end], files[end : end + length]) for end in reversed(ends)]

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


def evenly_spaced(columns: Columns, count: int) -> dict[str, np.ndarray]:
    """Return at most `count` rows, evenly spaced in the order of the files."""
    rows = row_count(columns)
    return take(columns, np.linspace(0, rows - 1, min(rows, count)).astype(int))
