"""Sealed files of the log: complete, verified once, and listed in a file that git keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway.errors import SlipwayError
from slipway.repository.git import read_file
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

    def is_in(self, entries: Mapping[str, Sealed]) -> bool:
        """Return whether a later list has this entry, but for erased records and a removal."""
        now = entries.get(self.file)
        if now is None or now.link != self.link or self.removed not in ("", now.removed):
            return False
        is_same = (now.records, now.sha256) == (self.records, self.sha256)
        return is_same or (not self.link and now.erased > self.erased)


def read_sealed(path: Path = SEALED) -> dict[str, Sealed]:
    """Return the sealed files by their names; none if the list does not exist.

    Raises
    ------
    SlipwayError
        A line is not an entry, or a file has two.
    """
    return _parse(read_text(path), path) if path.is_file() else {}


def changed_seals(root: Path) -> list[str]:
    """Return the files whose entries in the commit of a folder are gone, or are others now.

    Erasing and retention note what they do in an entry, and leave its link.

    Raises
    ------
    SlipwayError
        The list of the commit cannot be read.
    """
    committed = read_file(root, "HEAD", SEALED.as_posix()) or ""
    now = read_sealed(root / SEALED)
    return [name for name, each in _parse(committed, SEALED).items() if not each.is_in(now)]


def _parse(text: str, path: Path) -> dict[str, Sealed]:
    found: dict[str, Sealed] = {}
    for number, line in enumerate(text.splitlines(), start=1):
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
