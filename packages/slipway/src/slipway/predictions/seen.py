"""The ids of a log that were read before: exact, in memory that does not grow with the log.

A prediction counts once, by its id. Ids are kept as hashes of 64 bits in sorted runs. A run has
the lowest and the highest of its ids, and the ids of the service sort by time, so that most runs
are not searched. Large runs are in a temporary file: 16 bytes a record.
"""

from __future__ import annotations

from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, cast

import numpy as np

from slipway.errors import SlipwayError

# This many runs of a size are merged.
TOGETHER = 8

# A run with this many records or more is in the file.
LARGE = 500_000


@dataclass(frozen=True)
class _Run:
    """Sorted ids and the contents of their records, in `pairs` of shape (2, rows).

    `pairs` is None if they are in the file, from byte `at`.
    """

    low: str
    high: str
    rows: int
    level: int
    pairs: np.ndarray | None
    at: int = 0


class Seen:
    """Records by the hash of their id, with the hash of their content."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._file: IO[bytes] | None = None

    def add(
        self, ids: np.ndarray, contents: np.ndarray, low: str, high: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add records in the order in which they are read.

        Parameters
        ----------
        ids, contents
            Hashes as uint64, shape (rows,).
        low, high
            The lowest and the highest id, as text.

        Returns
        -------
        tuple
            Which ids are new, and which are known with another content; both of shape (rows,).
        """
        new, differs = np.ones(len(ids), dtype=bool), np.zeros(len(ids), dtype=bool)
        if not len(ids):
            return new, differs
        order = np.argsort(ids, kind="stable")
        ordered, sorted_contents = ids[order], contents[order]
        first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        if len(first) < len(ids):
            group = np.cumsum(np.append(False, ordered[1:] != ordered[:-1]))
            again = np.ones(len(ids), dtype=bool)
            again[first] = False
            new[order[again]] = False
            changed = sorted_contents != sorted_contents[first[group]]
            differs[order[again]] = changed[again]
        for run in self._runs:
            if run.low <= high and low <= run.high:
                self._compare(run, ids, contents, new, differs)
        kept = order[new[order]]
        if len(kept):
            self._keep(_Run(low, high, len(kept), 0, np.stack([ids[kept], contents[kept]])))
        return new, differs

    def known(self, ids: np.ndarray, low: str, high: str) -> tuple[np.ndarray, np.ndarray]:
        """Return those of some ids that were added before, and the contents of their records."""
        met = [np.empty((2, 0), dtype="uint64")]
        for run in self._runs:
            if run.low <= high and low <= run.high and len(ids):
                known, contents = self._pairs(run)
                at = np.minimum(np.searchsorted(known, ids), run.rows - 1)
                same = known[at] == ids
                met.append(np.stack([ids[same], contents[at[same]]]))
        found = np.concatenate(met, axis=1)
        return found[0], found[1]

    def _compare(
        self,
        run: _Run,
        ids: np.ndarray,
        contents: np.ndarray,
        new: np.ndarray,
        differs: np.ndarray,
    ) -> None:
        known, known_contents = self._pairs(run)
        at = np.minimum(np.searchsorted(known, ids), run.rows - 1)
        met = known[at] == ids
        if met.any():
            new[met] = False
            differs[met] = known_contents[at[met]] != contents[met]

    def _keep(self, run: _Run) -> None:
        self._runs.append(run)
        while self._last_have_one_level():
            some, self._runs = self._runs[-TOGETHER:], self._runs[:-TOGETHER]
            pairs = np.concatenate([self._pairs(each) for each in some], axis=1)
            pairs = pairs[:, np.argsort(pairs[0], kind="stable")]
            low, high = min(each.low for each in some), max(each.high for each in some)
            merged = _Run(low, high, pairs.shape[1], some[0].level + 1, pairs)
            self._runs.append(self._stored(merged) if merged.rows >= LARGE else merged)

    def _last_have_one_level(self) -> bool:
        last = self._runs[-TOGETHER:]
        return (
            len(last) == TOGETHER
            and len({run.level for run in last}) == 1
            and all(run.pairs is not None for run in last)
        )

    def _stored(self, run: _Run) -> _Run:
        try:
            if self._file is None:
                self._file = TemporaryFile(prefix="slipway-ids-")  # noqa: SIM115 - lives as long as self
            at = self._file.seek(0, 2)
            self._file.write(np.ascontiguousarray(run.pairs).tobytes())
            self._file.flush()
        except OSError as error:
            raise SlipwayError(
                f"the ids of the log do not fit into the temporary folder ({error.strerror})",
                "free some disk space, or name another folder in TMPDIR; 16 bytes a record",
            ) from None
        return _Run(run.low, run.high, run.rows, run.level, None, at)

    def _pairs(self, run: _Run) -> np.ndarray:
        if run.pairs is not None:
            return run.pairs
        return np.memmap(cast("IO[bytes]", self._file), "uint64", "r", run.at, (2, run.rows))
