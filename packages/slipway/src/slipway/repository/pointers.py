"""`data.dvc` and `dvc.lock`: files in git that name the content that DVC stores."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from slipway.errors import SlipwayError
from slipway.texts import decode, parse_yaml

POINTER = Path("data.dvc")
LOCK = Path("dvc.lock")
PIPELINE = Path("dvc.yaml")

CONFLICT = re.compile(r"^(<{7}|\|{7}|>{7}) ", re.MULTILINE)

ENDS_CONFLICT = {
    POINTER.name: "keep one side (`git checkout --ours data.dvc`, `slipway restore`), put the "
    "files of the other side into data/, then `dvc add data`",
    LOCK.name: "keep one side (`git checkout --ours dvc.lock`), then `dvc repro` and commit "
    "dvc.lock with reports/",
}


class InConflict(SlipwayError):
    """A file has git's conflict markers."""


def read_text(path: Path) -> str:
    """Return the text of a file that DVC wrote.

    Raises
    ------
    InConflict
        It has conflict markers.
    SlipwayError
        It does not exist or is not UTF-8.
    """
    try:
        text = decode(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise SlipwayError(f"{path}: no such file", _made_by(path)) from None
    if CONFLICT.search(text):
        default = "keep one side, then commit the file"
        raise InConflict(
            f"{path}: in conflict: it holds both sides of a merge",
            ENDS_CONFLICT.get(path.name, default),
        )
    return text


def check_conflicts(root: Path) -> None:
    """Refuse a tree with an unfinished merge of DVC's files; raises InConflict."""
    for name in (POINTER, LOCK, PIPELINE):
        if (root / name).exists():
            read_text(root / name)


def read_yaml(path: Path) -> Any:
    """Return the content of a file that DVC wrote; raises as `read_text` does, or if not YAML."""
    try:
        return parse_yaml(read_text(path), str(path))
    except InConflict:
        raise
    except SlipwayError as error:
        raise SlipwayError(str(error), _made_by(path)) from None


def data_revision(pointer: Path = POINTER) -> str:
    """Return the md5 of the data of this commit in DVC."""
    try:
        return str(read_yaml(pointer)["outs"][0]["md5"])
    except (KeyError, TypeError, IndexError):
        raise SlipwayError(f"{pointer}: not written by DVC", _made_by(pointer)) from None


class _Part(BaseModel):
    """A part of a lock; its other keys count where two locks are compared."""

    # Building the validators takes longer than many commands need.
    model_config = ConfigDict(extra="allow", defer_build=True)


class Output(_Part):
    path: str
    md5: str


class Dependency(_Part):
    path: str
    md5: str = ""


class Stage(_Part):
    """What a lock records of a stage.

    Attributes
    ----------
    cmd
        One command, or a list.
    params
        The settings of each file, by its path.
    """

    cmd: object = None
    deps: list[Dependency] = []
    params: dict[str, dict[str, object]] = {}
    outs: list[Output] = []


Stages = dict[str, Stage]
"""The stages of a lock, by name."""

_STAGES = TypeAdapter(Stages, config=ConfigDict(defer_build=True))


def read_stages(path: Path) -> Stages:
    """Return the stages of a lock file; raises as `read_yaml` and `stages_of` do."""
    lock = read_yaml(path)
    return stages_of(lock.get("stages") if isinstance(lock, dict) else None, path)


def stages_of(stages: object, path: Path) -> Stages:
    """Return the section `stages` of a lock file.

    Raises
    ------
    SlipwayError
        It is not one.
    """
    try:
        return _STAGES.validate_python(stages)
    except ValidationError:
        raise SlipwayError(f"{path}: not a lock file of DVC", _made_by(path)) from None


def _made_by(path: Path) -> str:
    if path.name == POINTER.name:
        return "track the data with `dvc add data`"
    return "run `dvc repro` and commit dvc.lock with reports/"
