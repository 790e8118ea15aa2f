"""An origin: a point in time at which a model is fitted on the past and scores the period after it.

A procedure is compared at several origins, which are called rolling origins: one holdout shows
how it does in one month, several show how it does in general.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from slipway.dataset.labelled import LabelledRows
from slipway.dataset.tables import digest, read_columns


@dataclass(frozen=True)
class Origin:
    """The monthly files before a point in time, which are learned from, and those scored after it.

    Both are in the order of time.
    """

    learned: tuple[Path, ...]
    scored: tuple[Path, ...]

    @cached_property
    def sha256(self) -> str:
        """The digest of the names and the content of both parts.

        Equal digests mean that the same rows, byte for byte, are learned and scored.
        """
        found = hashlib.sha256()
        for role, files in (("learned", self.learned), ("scored", self.scored)):
            for file in files:
                # A name cannot hold the byte 0, so that no two lists of files give the same text.
                found.update(f"{role}\0{file.name}\0{digest(file)}\n".encode())
        return found.hexdigest()

    @property
    def name(self) -> str:
        """The first month that is scored, such as ``2013-06``."""
        return self.scored_months[0]

    @property
    def learned_months(self) -> list[str]:
        return months_of(self.learned)

    @property
    def scored_months(self) -> list[str]:
        return months_of(self.scored)

    def read_scored(self) -> LabelledRows:
        """Return the scored rows with a known label, in the order of the files.

        Raises
        ------
        SlipwayError
            They do not have both labels, or a file cannot be read.
        """
        return LabelledRows.of(read_columns(self.scored)).labelled(self.name)


def months_of(files: Iterable[Path]) -> list[str]:
    return [file.stem for file in files]
