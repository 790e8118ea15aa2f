"""What a commit names: its author, the hashes of data and model, and the settings of its stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from slipway.manifest import MODEL
from slipway.predictions.answers import Fields
from slipway.repository.git import git, read_file
from slipway.repository.pointers import LOCK, POINTER, Stages, stages_of
from slipway.reproduction.lock import outputs
from slipway.texts import parse_yaml

REQUIREMENTS = "requirements.lock"

_ABOUT = ("hash", "author", "date", "subject")


class Commit(BaseModel):
    """A commit; hashes that it does not name are empty.

    Attributes
    ----------
    params
        The settings of its pipeline by their path, such as ``train.l2``, as `dvc.lock` has them.
    """

    hash: str
    author: str
    date: str
    subject: str
    data_md5: str = ""
    model_md5: str = ""
    requirements: str = ""
    params: Fields = {}


def read_commit(root: Path, commit: str) -> Commit:
    """Return what is known of a commit, which exists."""
    shown = git(root, "show", "-s", "--format=%H%x00%an%x00%aI%x00%s", commit).strip()
    about = dict(zip(_ABOUT, shown.split("\0"), strict=True))
    lock = _yaml(root, commit, LOCK)
    stages = stages_of(lock.get("stages") or {}, LOCK)
    pointer = _yaml(root, commit, POINTER)
    known = {
        "data_md5": next((str(out["md5"]) for out in pointer.get("outs", ())), ""),
        "model_md5": outputs(stages).get(str(MODEL), ""),
        "requirements": object_of(root, commit, REQUIREMENTS),
        "params": params_of(stages),
    }
    return Commit.model_validate(about | known)


def params_of(stages: Stages) -> Fields:
    """Return the settings of the stages of a lock by their path.

    The digests of the machine's code are no settings.
    """
    found: Fields = {}
    for stage in stages.values():
        for file, values in stage.params.items():
            if file == "params.yaml":
                found |= flat(values)
    return found


def flat(values: Mapping[str, object], start: str = "") -> Fields:
    """Return the values of nested sections by their path."""
    return dict(_flat(values, start))


def _flat(values: Mapping[str, object], start: str) -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        path = f"{start}.{name}" if start else name
        if isinstance(value, dict):
            yield from _flat(value, path)
        else:
            yield path, value


def object_of(root: Path, commit: str, name: str) -> str:
    """Return the object of a file or folder in a commit; empty if it is not there."""
    listed = git(root, "ls-tree", commit, "--", name).split()
    return listed[2] if listed else ""


def _yaml(root: Path, commit: str, path: Path) -> Any:
    return parse_yaml(read_file(root, commit, str(path)) or "{}", str(path)) or {}
