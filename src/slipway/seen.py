"""Which records of a log have been read before: exact, in memory that does not grow with the log.

A prediction counts once, by its id. Ids are kept as hashes of 64 bits in sorted runs. A run knows
the lowest and the highest of its ids, and the ids of the service sort by time, so that most runs
need not be looked at. Large runs are in a file that goes when this does: 16 bytes a record.
"""

from __future__ import annotations

from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, cast

import numpy as np

from slipway.errors import SlipwayError

# So many runs of a size become one.
TOGETHER = 8

# Records of a run from which on it is in the file.
LARGE = 500_000


@dataclass(frozen=True)
class _Run:
    """Ids, sorted, and the contents they came with, each of shape (2, rows) in `pairs`.

    Parameters
    ----------
    at
        Where the pairs are in the file, if they are not here.
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
            Which of them are new, and which have an id that is not new and another content; both
            of shape (rows,).
        """
        new, differs = np.ones(len(ids), dtype=bool), np.zeros(len(ids), dtype=bool)
        if not len(ids):
            return new, differs
        order = np.argsort(ids, kind="stable")
        ordered, said = ids[order], contents[order]
        first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        if len(first) < len(ids):
            group = np.cumsum(np.append(False, ordered[1:] != ordered[:-1]))
            again = np.ones(len(ids), dtype=bool)
            again[first] = False
            new[order[again]] = False
            differs[order[again]] = (said != said[first[group]])[again]
        for run in self._runs:
            if run.low <= high and low <= run.high:
                self._compare(run, ids, contents, new, differs)
        kept = order[new[order]]
        if len(kept):
            self._keep(_Run(low, high, len(kept), 0, np.stack([ids[kept], contents[kept]])))
        return new, differs

    def _compare(
        self,
        run: _Run,
        ids: np.ndarray,
        contents: np.ndarray,
        new: np.ndarray,
        differs: np.ndarray,
    ) -> None:
        known, said = self._pairs(run)
        at = np.minimum(np.searchsorted(known, ids), run.rows - 1)
        met = known[at] == ids
        if met.any():
            new[met] = False
            differs[met] = said[at[met]] != contents[met]

    def _keep(self, run: _Run) -> None:
        self._runs.append(run)
        while self._last_are_alike():
            some, self._runs = self._runs[-TOGETHER:], self._runs[:-TOGETHER]
            pairs = np.concatenate([self._pairs(each) for each in some], axis=1)
            pairs = pairs[:, np.argsort(pairs[0], kind="stable")]
            low, high = min(each.low for each in some), max(each.high for each in some)
            merged = _Run(low, high, pairs.shape[1], some[0].level + 1, pairs)
            self._runs.append(self._stored(merged) if merged.rows >= LARGE else merged)

    def _last_are_alike(self) -> bool:
        last = self._runs[-TOGETHER:]
        return (
            len(last) == TOGETHER
            and len({run.level for run in last}) == 1
            and all(run.pairs is not None for run in last)
        )

    def _stored(self, run: _Run) -> _Run:
        try:
            if self._file is None:
                self._file = TemporaryFile(prefix="slipway-ids-")  # noqa: SIM115 - goes with this
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
