"""The data of a project and its split; the last parts are the holdout, never trained on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway.dataset.files import NotRead
from slipway.dataset.folder import list_data, refuse_unread
from slipway.dataset.holdout import divide
from slipway.dataset.labelled import LabelledRows
from slipway.dataset.origins import Origin
from slipway.dataset.periods import Span
from slipway.dataset.table import Table
from slipway.dataset.tables import row_count, take
from slipway.project import Columns

if TYPE_CHECKING:
    from slipway.settings import Params

__all__ = ["Dataset", "LabelledRows", "Origin", "evenly_spaced"]


@dataclass(frozen=True)
class Dataset:
    """The rows of a folder in parts, oldest first, of which the last `held` are the holdout.

    Make one for each command and pass it on: the rows of the holdout are read once.
    """

    table: Table
    held: int
    not_read: Sequence[NotRead] = field(default_factory=list)

    @classmethod
    def open(cls, params: Params, folder: Path | None = None) -> Dataset:
        """Return the data of a folder; default: `data.folder` of the settings.

        Raises
        ------
        SlipwayError
            A file cannot be read, or is not read and may hold rows; or there are not enough
            periods (`slipway.dataset.holdout`).
        """
        found = list_data(folder or Path(params.data.folder))
        refuse_unread(found.not_read)
        table, held = divide(found.read, params)
        return cls(table, held, found.not_read)

    @property
    def periods(self) -> list[str]:
        """The names of all parts, oldest first."""
        return list(self.table.names)

    @property
    def span(self) -> Span:
        """The length of the holdout."""
        return Span(self.held, self.table.unit)

    @property
    def learned(self) -> range:
        """The parts to train on, as positions in `periods`."""
        return range(len(self.table.names) - self.held)

    @property
    def held_out(self) -> range:
        """The parts of the holdout."""
        return range(len(self.learned), len(self.table.names))

    def origins(self, count: int) -> list[Origin]:
        """Return the points in time at which models are compared, oldest first, at most `count`.

        The last one is the split itself. Each earlier one is as many periods earlier as are held
        out, as long as it learns from half of the training periods, and from two or more. Of rows
        that are divided by a hash, it scores one of as many folds. Where a column decides, there is
        one.
        """
        length, trained = self.held, len(self.learned)
        fewest = max(2, math.ceil(trained / 2))
        earlier = [end for end in range(trained - length, 0, -length) if end >= fewest]
        has_several = self.table.unit is not None or self.table.is_random
        ends = [trained, *earlier][: count if has_several else 1]
        return [self._origin(range(end, end + length)) for end in reversed(ends)]

    def _origin(self, scored: range) -> Origin:
        if self.table.unit or scored == self.held_out:
            return Origin(self.table, range(scored.start), scored)
        return Origin(self.table, [part for part in self.learned if part not in scored], scored)

    def unseen(self, origins: int) -> range:
        """Return the parts that no origin scores: a search may compare candidates on them."""
        return range(self.origins(origins)[0].scored.start)

    def read_train(self, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Return the rows to train on: all columns, or those that are named."""
        return self.table.read(self.learned, names)

    @cached_property
    def holdout(self) -> LabelledRows:
        """The rows of the holdout with their labels, known or not."""
        return LabelledRows.of(self.table.read(self.held_out))

    def labelled_holdout(self) -> LabelledRows:
        """Return the rows of the holdout that models are measured on: those with a known label."""
        return self.holdout.labelled("holdout")


def evenly_spaced(columns: Columns, count: int) -> dict[str, np.ndarray]:
    """Return at most `count` rows, evenly spaced in their order."""
    rows = row_count(columns)
    return take(columns, np.linspace(0, rows - 1, min(rows, count)).astype(int))
