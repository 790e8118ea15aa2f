"""The labels that have arrived: parquet parts that are only added; the latest label counts.

Every import that changes something writes one part under a temporary name and then moves it into
place, so a reader sees all of it or nothing. Parts have unique names and are never changed, so
concurrent imports need no lock: a label in two parts counts once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from slipway import project
from slipway.dataset.csv_format import FOUND, Stated
from slipway.dataset.files import PARQUET, may_hold_rows, read_parquet_bytes
from slipway.dataset.tables import digest
from slipway.errors import SlipwayError
from slipway.numbers import counted
from slipway.predictions.files import LogFile, LogFolder, NoFolderError
from slipway.predictions.labels.arrivals import OUTCOME, Arrivals, read_arrivals
from slipway.storage import is_bucket, reaching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd
    import pyarrow as pa

    from slipway.settings import Params
    from slipway.tasks import Task

FIELDS = ("key", "label", "arrived", "source")

NAME = "%Y%m%dT%H%M%S.%fZ"
FILE = b"slipway.file_sha256"


@dataclass(frozen=True)
class Imported:
    """The result of an import: `before` is the time of an earlier import of the same file."""

    source: str
    new: int = 0
    unchanged: int = 0
    corrected: int = 0
    unlabelled: int = 0
    before: datetime | None = None

    def text(self) -> str:
        if self.before:
            return f"{self.source}: already imported, {self.before:%Y-%m-%d %H:%M} UTC"
        counts = [f"{self.new:,} new", f"{self.unchanged:,} unchanged"]
        counts.append(f"{self.corrected:,} corrected")
        if self.unlabelled:
            counts.append(f"{counted(self.unlabelled, 'row')} without a label yet")
        return f"{self.source}: {', '.join(counts)}"


def labels_place(params: Params) -> str:
    """Return the folder or URL of this repository's labels."""
    return os.environ.get("SLIPWAY_LABELS") or params.monitoring.labels


def read_labels(url: str | Path, task: Task | None = None) -> pd.DataFrame:
    """Return the latest labels: `key`, `label`, `arrived` (UTC) and `stored`, each key once.

    `label` is `stored` as `Task.read` codes it, float64; NaN if the task does not have it.

    Parameters
    ----------
    url
        A folder, or any URL that fsspec reads. If it does not exist, no label has arrived.
    task
        Of the model that the labels are compared with; by default that of the project.

    Raises
    ------
    SlipwayError
        A part cannot be read.
    """
    latest = _latest(history(url))[["key", "label", "arrived"]]
    codes, bad = (task or project.task()).read(latest["label"].to_numpy(dtype=object))
    labels = np.where(bad, np.nan, codes).astype("float64")
    return latest.assign(stored=latest["label"], label=labels)


def read_outcomes(url: str | Path) -> pd.DataFrame:
    """Return the latest labels with the columns that they are derived from.

    Columns that an import did not have are NaN.
    """
    latest = _latest(history(url))
    kept = [name for name in latest.columns if str(name).startswith(OUTCOME)]
    named = {name: str(name).removeprefix(OUTCOME) for name in kept}
    return latest[["key", "label", *kept]].rename(columns=named)


def history(url: str | Path) -> pd.DataFrame:
    """Return every label and correction, in the order of their imports.

    Returns
    -------
    DataFrame
        `key`, `label`, `arrived`, `source` (name of the file) and ``outcome.<name>``; a key
        is repeated only if its label or outcome has changed.
    """
    return _history(_Store(url).parts())


def erase_labels(url: str | Path, is_erased: Callable[[Any], bool], *, dry_run: bool) -> int:
    """Remove the labels of some keys, with their history; return how many there were.

    A part stays, also without rows: a file that was imported is still known, and its labels do not
    come back.

    Parameters
    ----------
    is_erased
        Whether a key is one of those.

    Raises
    ------
    SlipwayError
        A part cannot be read or written.
    """
    import pyarrow as pa

    store, number = _Store(url), 0
    for part in store.parts():
        bad = np.array([is_erased(key) for key in part.table["key"].to_pylist()], dtype=bool)
        number += int(bad.sum())
        if bad.any() and not dry_run:
            store.replace(part.name, part.table.filter(pa.array(~bad)))
    return number


def import_labels(
    paths: Iterable[Path], url: str | Path, stated: Stated = FOUND
) -> tuple[list[Imported], set[Any]]:
    """Import some files; all are read before the first is added.

    Parameters
    ----------
    stated
        How CSV files are written.

    Returns
    -------
    tuple
        The result of each file, and the keys of all files.

    Raises
    ------
    Refused
        Something in a file is not valid.
    SlipwayError
        A file or the stored labels cannot be read, or the store cannot be written.
    """
    files = [(path, read_arrivals(path, stated), digest(path)) for path in paths]
    keys = {key for _, arrivals, _ in files for key in arrivals.rows["key"]}
    store = _Store(url)
    return [store.add(path.name, sha256, arrivals) for path, arrivals, sha256 in files], keys


@dataclass(frozen=True)
class _Part:
    """The rows that one import added; its name begins with its time."""

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
            A part is damaged, or another file may hold labels.
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
                    "move it out of this folder, and import it with `slipway labels import`",
                )
        return [self._part(folder, file) for file in folder.files]

    def _part(self, folder: LogFolder, file: LogFile) -> _Part:
        name = file.name
        try:
            with folder.open(file) as source:
                part = _Part(name, read_parquet_bytes(source.read(), name))
            missing = set(FIELDS) - set(part.table.column_names)
            if missing:
                columns = "column" if len(missing) == 1 else "columns"
                reason = f"it has no {columns} {', '.join(sorted(missing))}"
            elif (task := project.task()).read(_values(part.table["label"]))[1].any():
                reason = f"a label is not {task.expected}"
            elif part.table["label"].null_count:
                reason = "a label is missing"
            elif part.time:
                return part
        except (SlipwayError, OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
        raise SlipwayError(
            f"{self._url}/{name}: not a part of the labels: {reason}",
            "restore it from a copy, or remove it and import its source file again",
        )

    def add(self, source: str, sha256: str, arrivals: Arrivals) -> Imported:
        """Write the rows that are new or changed, and record the file."""
        parts = self.parts()
        earlier = next((part.time for part in parts if part.file_sha256 == sha256), None)
        if earlier:
            return Imported(source, before=earlier)
        rows = arrivals.rows
        before = _latest(_history(parts)).set_index("key").reindex(rows["key"]).reset_index()
        known = before["label"].notna()
        stored = _to_table(rows, source, sha256, datetime.now(UTC)).to_pandas()  # times are text
        changed = known & _differs(stored, before)
        newest = parts[-1].time if parts else datetime.min.replace(tzinfo=UTC)
        # After the newest part, even if the clock was set back: the latest label counts.
        now = max(datetime.now(UTC), newest + timedelta(microseconds=1))
        self._write(_to_table(rows[~known | changed], source, sha256, now), now)
        return Imported(
            source=source,
            new=int((~known).sum()),
            unchanged=int((known & ~changed).sum()),
            corrected=int(changed.sum()),
            unlabelled=arrivals.unlabelled,
        )

    def _write(self, table: pa.Table, now: datetime) -> None:
        self.replace(f"{now.strftime(NAME)}-{uuid4().hex[:8]}.parquet", table)

    def replace(self, name: str, table: pa.Table) -> None:
        """Write a part, in place of one with this name; raises SlipwayError."""
        import pyarrow as pa
        import pyarrow.parquet as pq
        from fsspec.implementations.local import LocalFileSystem

        content = pa.BufferOutputStream()
        pq.write_table(table, content, compression="zstd")
        half = f"{self._folder}/.{name}.half"
        try:
            if is_bucket(self._url):  # without a copy: who adds labels need not be able to delete
                self._files.pipe_file(f"{self._folder}/{name}", content.getvalue().to_pybytes())
                return
            self._files.makedirs(self._folder, exist_ok=True)
            with self._files.open(half, "wb") as file:
                file.write(content.getvalue().to_pybytes())
                file.flush()
                if isinstance(self._files, LocalFileSystem):
                    os.fsync(file.fileno())
            self._move(half, f"{self._folder}/{name}")
        except OSError as error:
            raise SlipwayError(
                f"{self._url}: labels cannot be written ({error.strerror or error})",
                "make it writable, or set another folder in SLIPWAY_LABELS",
            ) from None

    def _move(self, source: str, target: str) -> None:
        from fsspec import AbstractFileSystem

        if type(self._files).mv is not AbstractFileSystem.mv:
            self._files.mv(source, target)
            return
        # The default `mv`, as for buckets, takes its paths as patterns; these two do not.
        self._files.cp_file(source, target)
        self._files.rm_file(source)


def _values(labels: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(labels.to_pandas(), dtype=object)


def _to_table(rows: pd.DataFrame, source: str, sha256: str, now: datetime) -> pa.Table:
    """Return a part; its types are the same without rows, so that parts can be concatenated."""
    import pyarrow as pa

    columns = {}
    for name in rows.columns:
        values = pa.array(rows[name], from_pandas=True)
        is_number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
        is_class = name == "label" and pa.types.is_boolean(values.type)
        columns[name] = values if is_number or is_class else values.cast(pa.string())
    moments = pa.array([now] * len(rows), pa.timestamp("us", "UTC"))
    columns |= {"arrived": moments, "source": pa.array([source] * len(rows), pa.string())}
    return pa.table(columns).replace_schema_metadata({FILE: sha256.encode()})


def _history(parts: list[_Part]) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    # A part without rows has no meaningful types.
    tables = [part.table.replace_schema_metadata(None) for part in parts if part.table.num_rows]
    if not tables:
        types = {"key": "str", "label": "int8", "arrived": "datetime64[us, UTC]", "source": "str"}
        return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in types.items()})
    rows = pa.concat_tables(tables, promote_options="default").to_pandas()
    before = rows.groupby("key", sort=False).shift()
    return rows[before["label"].isna() | _differs(rows, before)].reset_index(drop=True)


def _latest(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.drop_duplicates("key", keep="last", ignore_index=True)


def _differs(rows: pd.DataFrame, before: pd.DataFrame) -> pd.Series:
    """Return the rows in which two frames differ in the label or in the outcomes."""
    import pandas as pd

    differs = pd.Series(data=False, index=rows.index)
    for name in (str(name) for name in rows.columns):
        if name == "label" or name.startswith(OUTCOME):
            was = before[name].to_numpy() if name in before else np.full(len(rows), np.nan)
            both_missing = rows[name].isna().to_numpy() & pd.isna(was)
            differs |= (rows[name].to_numpy() != was) & ~both_missing
    return differs
