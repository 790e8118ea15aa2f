"""An origin: a point in time at which a model is fitted on the past and scores the period after it.

A procedure is compared at several origins, which are called rolling origins: one holdout shows
how it does in one period, several show how it does in general. Where rows are divided by a hash,
the parts are folds: an earlier origin scores a fold by a model fitted on the other ones, without
the holdout.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from slipway.dataset.labelled import LabelledRows
from slipway.dataset.table import Table


@dataclass(frozen=True)
class Origin:
    """The periods before a point in time, which are learned from, and those scored after it."""

    table: Table
    learned: Sequence[int]
    scored: range

    @cached_property
    def sha256(self) -> str:
        """The digest of the rows of both parts.

        Equal digests mean that the same rows are learned and scored, in the same order.
        """
        found = hashlib.sha256()
        for role, parts in (("learned", self.learned), ("scored", self.scored)):
            for part in parts:
                found.update(f"{role} {self.table.digests[part]}\n".encode())
        return found.hexdigest()

    @property
    def name(self) -> str:
        """The first period that is scored, such as ``2013-06``."""
        return self.scored_periods[0]

    @property
    def learned_periods(self) -> list[str]:
        return [self.table.names[part] for part in self.learned]

    @property
    def scored_periods(self) -> list[str]:
        return [self.table.names[part] for part in self.scored]

    def read_scored(self) -> LabelledRows:
        """Return the scored rows with a known label, in the order of time.

        Raises
        ------
        SlipwayError
            They do not have both labels, or a file cannot be read.
        """
        return LabelledRows.of(self.table.read(self.scored)).labelled(self.name)
