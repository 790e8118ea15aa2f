"""Erasures: which records were erased on request, without the name of whose they were.

The list is committed. It has a keyed hash of the subject, the SHA-256 of the ids of predictions
(which are random), and the numbers of the erased records in their files: an erased record that no
entry has was erased by someone else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway.errors import SlipwayError
from slipway.repository.git import read_file
from slipway.texts import read_text

ERASURES = Path("reports/erasures.jsonl")


class Erasure(BaseModel):
    """What was erased of one subject.

    `subject` is a keyed hash, `column` where its value was. `lines` has the numbers of the erased
    records (from 0) by file of the log, `unlinked` the number of lines that were removed from files
    without a chain, `predictions` the hashes of their ids, `revisions` the md5 of the data, and of
    other folders of DVC, that can no longer be restored. It is not `done` while a run was
    interrupted.
    """

    model_config = ConfigDict(extra="forbid")

    time: str
    subject: str = Field(pattern="^[0-9a-f]{32}$")
    column: str
    done: bool = False
    rows: int = 0
    labels: int = 0
    objects: int = 0
    revisions: list[str] = []
    lines: dict[str, list[int]] = {}
    unlinked: dict[str, int] = {}
    predictions: list[str] = []

    def add_record(self, file: str, number: int | None, prediction: str) -> None:
        """Add a record that is to be erased; `number` is None in a file without a chain."""
        is_new = (name := name_of(prediction)) not in self.predictions
        if number is None:
            self.unlinked[file] = self.unlinked.get(file, 0) + is_new
        elif number not in self.lines.setdefault(file, []):
            self.lines[file].append(number)
        if is_new:
            self.predictions.append(name)


def name_of(prediction: str) -> str:
    """Return the hash by which the list has the id of a prediction."""
    return sha256(prediction.encode()).hexdigest()[:32]


def read_erasures(path: Path = ERASURES) -> list[Erasure]:
    """Return all erasures; none if the list does not exist.

    Raises
    ------
    SlipwayError
        A line is not an entry.
    """
    return _parse(read_text(path), path) if path.is_file() else []


def uncommitted(root: Path) -> int:
    """Return how many records are erased by the list of a folder, and not by that of its commit.

    Raises
    ------
    SlipwayError
        A line is not an entry.
    """
    committed = _parse(read_file(root, "HEAD", ERASURES.as_posix()) or "", ERASURES)
    known, now = erased_lines(committed), erased_lines(read_erasures(root / ERASURES))
    return sum(len(numbers - known.get(file, set())) for file, numbers in now.items())


def _parse(text: str, path: Path) -> list[Erasure]:
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            found.append(Erasure.model_validate_json(line))
        except ValidationError as error:
            raise SlipwayError(
                f"{path}: line {number} is not an entry ({error.errors()[0]['msg']})",
                f"restore the file: `git checkout {path}`",
            ) from None
    return found


def write_erasures(erasures: Iterable[Erasure], path: Path = ERASURES) -> None:
    """Replace the list; an interrupted run leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".new")
    with partial.open("w", encoding="utf-8") as file:
        file.writelines(f"{each.model_dump_json()}\n" for each in erasures)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def erased_lines(erasures: Iterable[Erasure]) -> Mapping[str, set[int]]:
    """Return the numbers of erased records by file."""
    found: dict[str, set[int]] = {}
    for each in erasures:
        for file, numbers in each.lines.items():
            found.setdefault(file, set()).update(numbers)
    return found


def erasure_of(prediction: str, erasures: Iterable[Erasure]) -> Erasure | None:
    """Return the erasure of a prediction, by its id."""
    name = name_of(prediction)
    return next((each for each in erasures if name in each.predictions), None)


def erasure_of_data(md5: str, erasures: Iterable[Erasure]) -> Erasure | None:
    """Return the erasure because of which a revision of the data can no longer be restored."""
    return next((each for each in erasures if md5 in each.revisions), None)
