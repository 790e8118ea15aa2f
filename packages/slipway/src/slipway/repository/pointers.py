"""`data.dvc` and `dvc.lock`: files in git that name the content that DVC stores."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

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


def read_stages(path: Path) -> dict[str, Any]:
    """Return the stages of a lock file."""
    try:
        stages: dict[str, Any] = read_yaml(path)["stages"]
        complete = all(
            {"path", "md5"} <= out.keys()
            for stage in stages.values()
            for out in stage.get("outs", [])
        )
    except (KeyError, TypeError, AttributeError):
        complete = False
    if not complete:
        raise SlipwayError(f"{path}: not a lock file of DVC", _made_by(path))
    return stages


def _made_by(path: Path) -> str:
    if path.name == POINTER.name:
        return "track the data with `dvc add data`"
    return "run `dvc repro` and commit dvc.lock with reports/"
