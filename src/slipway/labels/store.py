"""The labels that have arrived: parquet parts that are only ever added to; the latest counts.

Every import that says something new leaves one part, written under another name and then moved
into place, so a reader sees all of it or nothing. Parts have names of their own and are never
changed, so two imports at once need no lock: what both say stands there twice and counts once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from slipway import contract
from slipway.errors import SlipwayError
from slipway.files import PARQUET, may_hold_rows, read_parquet_bytes
from slipway.labels.arrivals import OUTCOME, Arrivals, read_arrivals
from slipway.log_files import LogFile, LogFolder, NoFolderError
from slipway.storage import reaching
from slipway.tables import digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    import pyarrow as pa

    from slipway.settings import Params

FIELDS = ("key", "label", "arrived", "source")

NAME = "%Y%m%dT%H%M%S.%fZ"
FILE = b"slipway.file_sha256"


@dataclass(frozen=True)
class Imported:
    """What an import came to.

    Parameters
    ----------
    unlabelled
        Rows of the file that have no label yet.
    before
        When this very file was imported before; None if it was not.
    """

    source: str
    new: int = 0
    unchanged: int = 0
    corrected: int = 0
    unlabelled: int = 0
    before: datetime | None = None

    def text(self) -> str:
        if self.before:
            return f"{self.source}: was imported before, {self.before:%Y-%m-%d %H:%M} UTC"
        counts = [f"{self.new:,} new", f"{self.unchanged:,} unchanged"]
        counts.append(f"{self.corrected:,} corrected")
        if self.unlabelled:
            counts.append(f"{self.unlabelled:,} rows without a label yet")
        return f"{self.source}: {', '.join(counts)}"


def labels_place(params: Params) -> str:
    """Return where the labels of this repository are kept: a folder, or an address."""
    return os.environ.get("SLIPWAY_LABELS") or params.watch.labels


def read_labels(url: str | Path) -> pd.DataFrame:
    """Return what is known today: `key`, `label` (int8), `arrived` (UTC), each key once.

    Parameters
    ----------
    url
        A folder, or any address that fsspec reads. Where there is none, no label has arrived.

    Raises
    ------
    SlipwayError
        A part cannot be read.
    """
    return _latest(history(url))[["key", "label", "arrived"]]


def read_outcomes(url: str | Path) -> pd.DataFrame:
    """Return what is known today as columns of the schema, with `key` and `label`.

    A label that came without the columns that it is made of has none of them (NaN).
    """
    latest = _latest(history(url))
    kept = [name for name in latest.columns if str(name).startswith(OUTCOME)]
    named = {name: str(name).removeprefix(OUTCOME) for name in kept}
    return latest[["key", "label", *kept]].rename(columns=named)


def history(url: str | Path) -> pd.DataFrame:
    """Return all that was ever said, in the order in which it arrived.

    Returns
    -------
    DataFrame
        `key`, `label`, `arrived`, `source` (name of the file) and ``outcome.<name>``; a key
        comes again only where what is said of it differs from what was said before.
    """
    return _history(_Store(url).parts())


def import_labels(paths: Iterable[Path], url: str | Path) -> tuple[list[Imported], set[Any]]:
    """Add what some files say; all are read before the first is added.

    Returns
    -------
    What each came to, and the keys that they name.

    Raises
    ------
    Refused
        Something in a file is not in order.
    SlipwayError
        A file or the labels kept so far cannot be read, or nothing can be written there.
    """
    files = [(path, read_arrivals(path), digest(path)) for path in paths]
    keys = {key for _, arrivals, _ in files for key in arrivals.rows["key"]}
    store = _Store(url)
    return [store.add(path.name, sha256, arrivals) for path, arrivals, sha256 in files], keys


@dataclass(frozen=True)
class _Part:
    """What one import added; its name begins with the moment and sorts by it."""

    name: str
    table: pa.Table

    @property
    def time(self) -> datetime:
        return datetime.strptime(f"{self.name.partition('Z')[0]}Z", NAME).replace(tzinfo=UTC)

    @property
    def file_sha256(self) -> str:
        return (self.table.schema.metadata or {}).get(FILE, b"").decode()


class _Store:
    def __init__(self, url: str | Path) -> None:
        import fsspec

        self._url = str(url).rstrip("/")
        with reaching(self._url, "folder of the labels"):
            self._files, self._folder = fsspec.core.url_to_fs(self._url)

    def parts(self) -> list[_Part]:
        """Return every part, the earliest first.

        Raises
        ------
        SlipwayError
            A part is damaged, or a file that may hold labels is none.
        """
        try:
            folder = LogFolder(self._url, PARQUET, "folder of the labels")
        except NoFolderError:
            return []
        for path, why in folder.unread.items():
            name = path.rpartition("/")[2]
            if may_hold_rows(name) and not name.startswith("."):
                raise SlipwayError(
                    f"{self._url}/{name}: may hold labels and is not read: {why}",
                    "take it out of this folder, and import it with `slipway labels import`",
                )
        return [self._part(folder, file) for file in folder.files]

    def _part(self, folder: LogFolder, file: LogFile) -> _Part:
        name = file.name
        try:
            with folder.open(file) as source:
                part = _Part(name, read_parquet_bytes(source.read(), name))
            missing = set(FIELDS) - set(part.table.column_names)
            if missing:
                reason = f"it has no column {', '.join(sorted(missing))}"
            elif not _are_binary(part.table["label"]):
                reason = "it has labels other than 0 and 1"
            elif part.time:
                return part
        except (SlipwayError, OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
        raise SlipwayError(
            f"{self._url}/{name}: not a part of the labels: {reason}",
            "restore it from a copy, or take it out and import the file that it came from again",
        )

    def add(self, source: str, sha256: str, arrivals: Arrivals) -> Imported:
        """Write the rows that say something new, and remember the file."""
        parts = self.parts()
        before = next((part.time for part in parts if part.file_sha256 == sha256), None)
        if before:
            return Imported(source, before=before)
        rows = arrivals.rows
        known = _latest(_history(parts)).set_index("key").reindex(rows["key"]).reset_index()
        met = known["label"].notna()
        stored = _to_table(rows, source, sha256, datetime.now(UTC)).to_pandas()  # times are text
        changed = met & _differs(stored, known)
        newest = parts[-1].time if parts else datetime.min.replace(tzinfo=UTC)
        # After the newest part, even when the clock was set back: the latest counts.
        now = max(datetime.now(UTC), newest + timedelta(microseconds=1))
        self._write(_to_table(rows[~met | changed], source, sha256, now), now)
        return Imported(
            source=source,
            new=int((~met).sum()),
            unchanged=int((met & ~changed).sum()),
            corrected=int(changed.sum()),
            unlabelled=arrivals.unlabelled,
        )

    def _write(self, table: pa.Table, now: datetime) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        content = pa.BufferOutputStream()
        pq.write_table(table, content, compression="zstd")
        name = f"{now.strftime(NAME)}-{uuid4().hex[:8]}.parquet"
        half = f"{self._folder}/.{name}.half"
        try:
            self._files.makedirs(self._folder, exist_ok=True)
            with self._files.open(half, "wb") as file:
                file.write(content.getvalue().to_pybytes())
                file.flush()
                if Path(half).exists():
                    os.fsync(file.fileno())
            self._move(half, f"{self._folder}/{name}")
        except OSError as error:
            raise SlipwayError(
                f"{self._url}: labels cannot be written ({error.strerror or error})",
                "make it writable, or name another place in SLIPWAY_LABELS",
            ) from None

    def _move(self, source: str, target: str) -> None:
        from fsspec import AbstractFileSystem

        if type(self._files).mv is not AbstractFileSystem.mv:
            self._files.mv(source, target)
            return
        # Made of a copy, as for buckets, `mv` takes its paths as patterns; these two do not.
        self._files.cp_file(source, target)
        self._files.rm_file(source)


def _are_binary(labels: pa.ChunkedArray) -> bool:
    return not contract.as_binary(labels.to_numpy())[1].any() and not labels.null_count


def _to_table(rows: pd.DataFrame, source: str, sha256: str, now: datetime) -> pa.Table:
    """Return a part; its types are the same when it has no rows, so that all go together."""
    import pyarrow as pa

    columns = {}
    for name in rows.columns:
        values = pa.array(rows[name], from_pandas=True)
        is_text = not pa.types.is_integer(values.type) and not pa.types.is_floating(values.type)
        columns[name] = values.cast(pa.string()) if is_text else values
    moments = pa.array([now] * len(rows), pa.timestamp("us", "UTC"))
    columns |= {"arrived": moments, "source": pa.array([source] * len(rows), pa.string())}
    return pa.table(columns).replace_schema_metadata({FILE: sha256.encode()})


def _history(parts: list[_Part]) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    # Of a part without rows the types mean nothing.
    tables = [part.table.replace_schema_metadata(None) for part in parts if part.table.num_rows]
    if not tables:
        types = {"key": "str", "label": "int8", "arrived": "datetime64[us, UTC]", "source": "str"}
        return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in types.items()})
    said = pa.concat_tables(tables, promote_options="default").to_pandas()
    before = said.groupby("key", sort=False).shift()
    return said[before["label"].isna() | _differs(said, before)].reset_index(drop=True)


def _latest(said: pd.DataFrame) -> pd.DataFrame:
    return said.drop_duplicates("key", keep="last", ignore_index=True)


def _differs(rows: pd.DataFrame, before: pd.DataFrame) -> pd.Series:
    """Return where two frames differ, row by row, in the label or in what it is made of."""
    import pandas as pd

    differs = pd.Series(data=False, index=rows.index)
    for name in (str(name) for name in rows.columns):
        if name == "label" or name.startswith(OUTCOME):
            was = before[name].to_numpy() if name in before else np.full(len(rows), np.nan)
            both_missing = rows[name].isna().to_numpy() & pd.isna(was)
            differs |= (rows[name].to_numpy() != was) & ~both_missing
    return differs
