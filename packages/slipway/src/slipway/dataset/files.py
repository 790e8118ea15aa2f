"""Files of rows: which ones of a folder are read, and why a file cannot be read."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from slipway.errors import SlipwayError
from slipway.untrusted import shown_name

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

PARQUET = ".parquet"

# Text that is divided into columns, by whatever character.
CSV = (".csv", ".tsv")

READ = (PARQUET, *CSV)
"""Endings of the files that are read, in any case."""

# Files that may hold rows: left unread in data/, their rows would be missing from training.
OF_ROWS = re.compile(
    r"\.(parquet|parq|pqt?|csv|tsv|tab|psv|jsonl?|ndjson|feather|arrow|ipc|orc|avro|xls[xm]?|ods|"
    r"pkl|pickle|h5|hdf5|sqlite3?|db|duckdb|npz|dta|sas7bdat|sav)",
    re.IGNORECASE,
)
COMPRESSED = re.compile(
    r"\.(gz|gzip|bz2|xz|zstd?|lz4|sz|snappy|br|z|zip|7z|rar|tar|tgz|tbz2?|txz)", re.IGNORECASE
)

# Suffixes that programs and people add to the name of a copy.
COPIES = re.compile(r"\.(\d+|bak|backup|old|orig|copy|save|tmp|part)", re.IGNORECASE)
COPIED = re.compile(r"(~| \(\d+\)| copy| - copy)$", re.IGNORECASE)

# Of a parquet file's footer; a million columns and row groups fit.
MOST_FOOTER_BYTES = 64 << 20

# A byte may encode many rows of one repeated value, but keys differ in each row: a file that claims
# more rows than these is made to exhaust the memory.
MOST_ROWS_OF_A_BYTE, ROWS_ALWAYS_ALLOWED = 1_000, 10_000_000

MOST_FILES_OF_A_FOLDER = 10_000

RESTORE = "write it again, or restore it with `slipway restore`"

# First bytes of other formats, their description, and the fix.
STARTS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the data", "run `git lfs pull`"),
    (b"/annex/objects/", "a git-annex pointer, not the data", "run `git annex get`"),
    (b"outs:", "a pointer that DVC wrote, not the data", "run `make data`"),
    (b"<!doctype html", "a web page, not the data", "download it again, signed in if need be"),
    (b"<html", "a web page, not the data", "download it again, signed in if need be"),
    (b"\x1f\x8b", "compressed with gzip", "decompress it with `gzip -d`"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "decompress it with `zstd -d`"),
    (b"BZh", "compressed with bzip2", "decompress it with `bzip2 -d`"),
    (b"\xfd7zXZ", "compressed with xz", "decompress it with `xz -d`"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "unpack it, or export it as parquet"),
    (b"ARROW1", "an Arrow (Feather) file", "write it again with `DataFrame.to_parquet`"),
    (b"ORC", "an ORC file", "write it again with `DataFrame.to_parquet`"),
    (b"Obj\x01", "an Avro file", "write it again with `DataFrame.to_parquet`"),
)


# Those of `STARTS` that are text.
TEXTS = {mark for mark, _, _ in STARTS if mark.islower()}

CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1f]")


@dataclass(frozen=True)
class NotRead:
    """A file of a folder that is not read.

    Attributes
    ----------
    may_hold_rows
        Its name is that of a table: without it the data is not complete.
    """

    file: str
    reason: str
    may_hold_rows: bool

    def text(self) -> str:
        return f"{shown_name(self.file)} ({self.reason})"


@dataclass(frozen=True)
class Listing:
    """The files of a folder to read, by name, and its other files."""

    read: list[Path]
    not_read: list[NotRead]


def is_csv(path: Path) -> bool:
    return path.suffix.lower() in CSV


def list_folder(folder: Path) -> Listing:
    """Return which files of a folder are read: those with an ending of `READ`.

    No file is opened. Files in subfolders, hidden files and irregular files are not read.

    Raises
    ------
    SlipwayError
        The folder does not exist, or may not be read.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise _system_error(folder, error) from None
    read: list[Path] = []
    rest: list[NotRead] = []
    for path in entries:
        reason, may_hold_rows = _why_not_read(path)
        if reason:
            rest.append(NotRead(path.as_posix(), reason, may_hold_rows))
        else:
            read.append(path)
    return Listing(read, rest)


def _why_not_read(path: Path) -> tuple[str, bool]:
    """Return why a file is not read, or '', and whether it may hold rows."""
    table = may_hold_rows(path.name)
    if path.name.startswith((".", "_")):
        return "hidden: its name begins with a dot or an underscore", False
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "a symbolic link to a file that does not exist", table
    except OSError as error:
        return error.strerror or "it cannot be reached", table
    if stat.S_ISDIR(mode):
        files, tables = _count_files(path)
        name = f"a folder, of {files:,} file{'' if files == 1 else 's'}; folders are not searched"
        return name, table or tables > 0
    if not stat.S_ISREG(mode):
        return f"{_kind(mode)}, not a file", table
    if path.suffix.lower() in READ:
        return "", False
    return f"only {', '.join(READ)} files are read" if table else "not a table", table


def may_hold_rows(name: str) -> bool:
    """Return whether a file of this name may be a table, whether or not it is read."""
    endings = Path(COPIED.sub("", name)).suffixes
    while endings and COPIES.fullmatch(endings[-1]):
        endings.pop()
    while endings and COMPRESSED.fullmatch(endings[-1]):
        endings.pop()
        if not endings:
            return True
    return bool(endings) and OF_ROWS.fullmatch(endings[-1]) is not None


def _count_files(folder: Path) -> tuple[int, int]:
    files = tables = 0
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        files += len(names)
        tables += sum(may_hold_rows(name) and not name.startswith((".", "_")) for name in names)
        if files > MOST_FILES_OF_A_FOLDER:
            break
    return files, tables


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}
    return kinds.get(stat.S_IFMT(mode), "a device")


# --- why a file cannot be read -------------------------------------------------------------


def require_file(path: Path) -> None:
    """Refuse a path that cannot be a file of rows, without opening it.

    Raises
    ------
    SlipwayError
        It does not exist, is not a regular file, is empty, or may not be read; or its name is not
        UTF-8, which Arrow requires of a path.
    """
    try:
        os.fsencode(path).decode("utf-8")
        found = path.stat()
    except UnicodeDecodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise SlipwayError(f"{shown}: the name is not UTF-8", "rename the file") from None
    except FileNotFoundError:
        what, do = "no such file", "check the path"
        if path.is_symlink():
            what = f"a symbolic link to {shown_name(str(path.readlink()))}, which does not exist"
            do = "restore it with `slipway restore`, or replace the link by the file"
        raise SlipwayError(f"{path}: {what}", do) from None
    except OSError as error:
        raise _system_error(path, error) from None
    if stat.S_ISDIR(found.st_mode):
        raise SlipwayError(f"{path}: a folder, not a file", "name one file of it")
    if not stat.S_ISREG(found.st_mode):
        raise SlipwayError(
            f"{path}: {_kind(found.st_mode)}, not a file", "write the rows to a regular file"
        )
    if not found.st_size:
        raise SlipwayError(f"{path}: cannot be read: the file is empty (0 bytes)", RESTORE)


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Add cause and fix to an error that ends the reading of a file.

    Raises
    ------
    SlipwayError
        The file is damaged, in another format, or may not be read.
    """
    import pyarrow as pa

    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise _system_error(path, error) from None
        raise _reading_error(path, error) from None
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _reading_error(path, error) from None


def _system_error(path: Path | str, error: OSError) -> SlipwayError:
    if error.errno in (errno.EACCES, errno.EPERM):
        do = "let this user read it (`chmod u+r`), or run as the user that owns it"
        return SlipwayError(f"{path}: cannot be read: permission denied", do)
    do = {
        errno.ENOENT: "check the path",
        errno.ENOTDIR: "name a folder",
        errno.EIO: "check the disk that it is on",
        errno.ELOOP: "replace the symbolic links by the file",
    }.get(error.errno or 0, "check the path and the disk that it is on")
    return SlipwayError(f"{path}: {error.strerror or error}", do)


# Parts of messages of Arrow, and the fix.
ADVICE = (
    ("encrypted", "write it without encryption"),
    ("decrypt", "write it without encryption"),
    ("UTF8", "correct `data.encoding` in params.yaml, or save it as UTF-8"),
    ("codec can't decode", "correct `data.encoding` in params.yaml, or save it as UTF-8"),
    ("Expected", "give each row as many values as the header has names, or quote the delimiter"),
    ("straddling", "close the quotation mark that is open, or shorten the value"),
    ("Empty CSV", "write the column names into the first line"),
    ("not built", "write it with the codec zstd or snappy"),
    ("codec", "write it with the codec zstd or snappy"),
)


def _reading_error(path: Path | str, error: Exception) -> SlipwayError:
    reason = " ".join(str(error).split())[:200]
    do = next((do for part, do in ADVICE if part in reason), RESTORE)
    return SlipwayError(f"{path}: cannot be read: {reason}", do)


def check_first_bytes(path: Path) -> None:
    """Refuse a file whose first bytes are those of another format.

    Raises
    ------
    SlipwayError
        Names the format.
    """
    with reading(path), path.open("rb") as file:
        start = file.read(64)
    is_text = is_csv(path) and not CONTROL.search(start)
    for mark, what, do in STARTS:
        # The name of a column may begin with the mark of a binary format, such as ORC.
        if is_text and mark not in TEXTS:
            continue
        if start.lower().lstrip().startswith(mark.lower()):
            raise SlipwayError(f"{path}: cannot be read: it is {what}", do)
    if is_csv(path) and start.startswith(b"PAR1"):
        raise SlipwayError(
            f"{path}: cannot be read: it is a parquet file named {path.suffix}",
            "rename it to .parquet",
        )


# --- parquet ----------------------------------------------------------------------------


def open_parquet(path: Path, **options: object) -> pq.ParquetFile:
    """Open a parquet file whose footer is plausible.

    Raises
    ------
    SlipwayError
        It is not a parquet file, is damaged or encrypted, or claims more rows than it can hold.
    """
    import pyarrow.parquet as pq

    require_file(path)
    check_first_bytes(path)
    with reading(path):
        with path.open("rb") as file:
            size = _check_footer(path, file)
        opened = pq.ParquetFile(path, **options)
    _check_claims(path, opened.metadata, size)
    return opened


def read_parquet_bytes(content: bytes, name: str) -> pa.Table:
    """Return the rows of a parquet file that is in memory, checked as `open_parquet` does.

    Raises
    ------
    SlipwayError
        As `open_parquet`; `name` is for the message.
    """
    from io import BytesIO

    import pyarrow as pa
    import pyarrow.parquet as pq

    with reading(name):
        size = _check_footer(name, BytesIO(content))
        # As a buffer: Arrow's threads must not hold a Python file when the process ends.
        opened = pq.ParquetFile(pa.BufferReader(content))
        _check_claims(name, opened.metadata, size)
        return opened.read()


def _check_footer(path: Path | str, file: BinaryIO) -> int:
    """Check the marks at both ends and the length between them; return the file's size."""
    start = file.read(4)
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 8, 0))
    end = file.read(8)
    if start == b"PARE" or end[4:] == b"PARE":
        raise SlipwayError(
            f"{path}: cannot be read: it is encrypted", "write it without encryption"
        )
    if start != b"PAR1":
        do = "write it with `DataFrame.to_parquet`, or name it .csv if it is one"
        raise SlipwayError(
            f"{path}: cannot be read: it is not a parquet file (it does not begin with PAR1)", do
        )
    if size < 12 or end[4:] != b"PAR1":
        do = "copy it again, or restore it with `slipway restore`"
        raise SlipwayError(
            f"{path}: cannot be read: it is cut short (the end of a parquet file is missing)", do
        )
    footer = int.from_bytes(end[:4], "little")
    if footer > min(size - 12, MOST_FOOTER_BYTES):
        limit = f"{MOST_FOOTER_BYTES:,}" if footer <= size - 12 else f"{size - 12:,}"
        what = f"its footer claims {footer:,} bytes; at most {limit} are possible"
        raise SlipwayError(f"{path}: cannot be read: {what}", RESTORE)
    return size


def _check_claims(path: Path | str, metadata: pq.FileMetaData, size: int) -> None:
    """Refuse more rows than the file's bytes can hold: reading them would exhaust the memory."""
    groups = [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)]
    most = max(ROWS_ALWAYS_ALLOWED, MOST_ROWS_OF_A_BYTE * size)
    if min(groups, default=0) < 0 or sum(groups) != metadata.num_rows:
        what = f"it claims {metadata.num_rows:,} rows, its row groups {sum(groups):,}"
        raise SlipwayError(f"{path}: cannot be read: {what}", RESTORE)
    if metadata.num_rows > most:
        what = f"it claims {metadata.num_rows:,} rows in {size:,} bytes"
        do = "check its origin; divide it into smaller files if it is correct"
        raise SlipwayError(f"{path}: cannot be read: {what}", do)


def require_columns(path: Path, names: Iterable[str], found: Iterable[str]) -> None:
    """Refuse a file without some columns.

    Raises
    ------
    SlipwayError
        Names those that are missing.
    """
    if missing := set(names) - set(found):
        raise SlipwayError(
            f"{path}: {'column' if len(missing) == 1 else 'columns'} "
            f"{', '.join(map(shown_name, sorted(missing)))} {'is' if len(missing) == 1 else 'are'} "
            "missing",
            f"see `slipway validate {path}`",
        )
