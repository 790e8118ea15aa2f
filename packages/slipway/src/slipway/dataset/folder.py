"""The folder ``data/``: which of its files are read, and why others are not."""

from __future__ import annotations

from pathlib import Path

from slipway.dataset.files import READ, Listing, NotRead, list_folder
from slipway.errors import SlipwayError

DATA = Path("data")
"""The folder that ``data.dvc`` names. The rows are in `data.folder` of the settings."""

MOST_NAMED = 5


def list_data(folder: Path = DATA) -> Listing:
    """Return the files of a data folder that are read, by name, and its other files.

    Raises
    ------
    SlipwayError
        It has no file that is read.
    """
    found = list_folder(folder) if folder.is_dir() else Listing([], [])
    if not found.read:
        refuse_unread(found.not_read)
        do = "fetch the data with `slipway restore` (or `make data`)"
        if folder.resolve() != DATA.resolve():
            do = "run the stage of dvc.yaml that makes it (`dvc repro`), or correct `data.folder`"
        raise SlipwayError(f"{folder}/: no parquet or CSV file", do)
    return found


def refuse_unread(files: list[NotRead]) -> None:
    """Refuse a folder with files that may hold rows and are not read.

    Raises
    ------
    SlipwayError
        Names them.
    """
    tables = [file for file in files if file.may_hold_rows]
    if tables:
        raise SlipwayError(
            f"not read, but may hold rows: {named(tables)}",
            f"write them as {', '.join(READ)} files in data/ itself, or move them out of data/",
        )


def named(files: list[NotRead]) -> str:
    """Return files that are not read with the reasons, and the number of further ones."""
    more = f" and {len(files) - MOST_NAMED:,} more" if len(files) > MOST_NAMED else ""
    return ", ".join(file.text() for file in files[:MOST_NAMED]) + more
