"""The prediction log, read again: record by record, or as one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from slipway.errors import SlipwayError
from slipway.serve.log import VERSION, stamp
from slipway.storage import reaching

if TYPE_CHECKING:
    import pandas as pd

FIELDS = ("id", "time", "key", "probability", "decision", "review", "model", "data", "commit")
INPUT = "input."

CHUNK = 20_000  # records


def read_log(
    url: str | Path, since: datetime | None = None, until: datetime | None = None
) -> pd.DataFrame:
    """Return the predictions of a log, in the order of their ids.

    What a release was asked while it was proven is no traffic, and is left out.

    Parameters
    ----------
    url
        The log's folder: a path, or any URL that fsspec reads (``s3://bucket/predictions``).
    since, until
        Only predictions from `since` on and before `until`, both with a time zone.

    Returns
    -------
    DataFrame
        A row for each prediction: `id`, `time` (UTC), `key`, `probability`, `decision`,
        `review`, `model` (sha256), `data` (md5), `commit`, and the row as it was sent, in
        columns called ``input.<name>``. ``attrs["torn"]`` counts the torn last lines that were
        passed over; they are predictions that nobody was given.

    Raises
    ------
    SlipwayError
        There is no such folder, or a line that is not the last of its file is not a record.
    """
    import pandas as pd

    records = Records(str(url), since, until)
    chunks = [_frame(chunk) for chunk in _chunks(records)]
    frame = pd.concat(chunks or [_frame([])], ignore_index=True).sort_values("id")
    # A column without any value is in no chunk's frame, so that it cannot spoil a type.
    named = [f"{INPUT}{name}" for name in records.inputs]
    frame = frame.reindex(columns=[*FIELDS, *named]).reset_index(drop=True)
    frame.attrs["torn"] = records.torn
    return frame


class Records:
    """The records of a log, one after the other, file by file; proofs are left out.

    Attributes
    ----------
    torn, inputs
        Torn last lines that were passed over, and the names of inputs met on the way.

    Raises
    ------
    SlipwayError
        As `read_log`.
    """

    def __init__(
        self, url: str, since: datetime | None = None, until: datetime | None = None
    ) -> None:
        import fsspec

        self.torn = 0
        self.inputs: dict[str, None] = {}
        self._since = "" if since is None else stamp(since)
        self._until = "9999" if until is None else stamp(until)
        with reaching(url, "log"):
            self._files, self._folder = fsspec.core.url_to_fs(url)
            found = self._files.isdir(self._folder)
        if not found:
            raise SlipwayError(f"{url}: no such folder", "name the folder of the prediction log")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for day in self.days():
            yield from self.of_day(day)

    def days(self) -> list[str]:
        """Return the days of which there are files, as ``YYYY-MM-DD``, oldest first."""
        paths = self._files.glob(f"{self._folder}/*.jsonl")
        days = {path.rpartition("/")[2][:10] for path in paths}
        return sorted(day for day in days if self._since[:10] <= day <= self._until[:10])

    def of_day(self, day: str) -> Iterator[dict[str, Any]]:
        """Yield the records of one day."""
        for path in sorted(self._files.glob(f"{self._folder}/{day}*.jsonl")):
            yield from self._of_file(path)

    def _of_file(self, path: str) -> Iterator[dict[str, Any]]:
        with self._files.open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    self.torn += 1
                    return
                record = parse_record(line, path, number)
                if self._since <= record["time"] < self._until and not record.get("proof"):
                    self.inputs.update(dict.fromkeys(record["input"]))
                    yield record


def parse_record(line: bytes, path: str, number: int) -> dict[str, Any]:
    """Return the record in a line; raises SlipwayError with file and line if there is none."""
    try:
        record: dict[str, Any] = orjson.loads(line)
        if record["version"] == VERSION:
            return record
    except (ValueError, KeyError, TypeError):
        pass
    raise SlipwayError(
        f"{path}: line {number} is not a record of version {VERSION}",
        "the file was changed, or written by another Slipway: restore it, or take the line out",
    )


def _chunks(records: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    remaining = iter(records)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def _frame(records: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    known = pd.DataFrame({name: [record[name] for record in records] for name in FIELDS})
    known["time"] = pd.to_datetime(known["time"], format="ISO8601", utc=True).dt.as_unit("us")
    inputs = pd.DataFrame([record["input"] for record in records]).dropna(axis=1, how="all")
    return known.join(inputs.add_prefix(INPUT))
