"""Sealed files of the log: complete, verified once, and listed in a file that git keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway.errors import SlipwayError
from slipway.texts import read_text

SEALED = Path("reports/sealed.jsonl")


class Sealed(BaseModel):
    """A complete file of the log.

    `link` is the last one of its chain. A file that an earlier version wrote has none; of those,
    `sha256` is that of all bytes. `erased` counts the records that were erased since, `removed` is
    the day on which retention has removed the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(min_length=1, max_length=200)
    records: int = Field(ge=0)
    link: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    erased: int = Field(default=0, ge=0)
    removed: str = Field(default="", pattern=r"^(\d{4}-\d\d-\d\d)?$")


def read_sealed(path: Path = SEALED) -> dict[str, Sealed]:
    """Return the sealed files by their names; none if the list does not exist.

    Raises
    ------
    SlipwayError
        A line is not an entry, or a file has two.
    """
    if not path.is_file():
        return {}
    found: dict[str, Sealed] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        try:
            entry = Sealed.model_validate_json(line)
        except ValidationError as error:
            reason = str(error.errors()[0]["msg"])
        else:
            if found.setdefault(entry.file, entry) is entry:
                continue
            reason = f"{entry.file} is listed twice"
        raise SlipwayError(
            f"{path}: line {number} is not an entry ({reason})",
            f"restore the file: `git checkout {path}`",
        )
    return found


def write_sealed(entries: Mapping[str, Sealed], path: Path = SEALED) -> None:
    """Write the list, sorted by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [entries[name].model_dump_json(exclude_defaults=True) for name in sorted(entries)]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
