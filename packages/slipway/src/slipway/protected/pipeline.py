"""Changes of what DVC runs and restores: commands, outputs, and objects of its remote."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from slipway.errors import SlipwayError
from slipway.protected.paths import REMOTE
from slipway.texts import parse_yaml

DATA, LOCK, PARAMS = "data.dvc", "dvc.lock", "params.yaml"

# Sections by which the data and the model are judged.
JUDGING = ("judge", "prepare", "validate", "evaluate")

# What a team tunes every day; every other section decides how a model is judged, released or run.
TUNED = ("train", "search", "challengers")

# The keys of an output in a lock of DVC.
OF_AN_OUTPUT = {"path", "hash", "md5", "size", "nfiles", "isexec"}

# Real files have some 10,000 characters; ten times as many take two seconds.
LARGEST = 100_000

OBJECT = re.compile(re.escape(REMOTE) + r"files/md5/([0-9a-f]{2})/([0-9a-f]{30}(?:\.dir)?)")

# Every change of the data changes these.
OF_THE_DATA = ("md5", "size", "nfiles")

# Folders whose listings are read for the objects that they name.
MOST_FOLDERS = 100

Read = Callable[[str], str | None]


def pipeline_changes(before: Read, after: Read) -> Iterator[str]:
    """Yield the changes of DVC's files other than hashes of data.

    `before` and `after` return the text of a file in a commit, None if it does not exist.
    """
    old, new = before(LOCK), after(LOCK)
    if old != new and new is not None:
        yield from _lock_changes(_stages(old), _stages(new))
    old, new = before(DATA), after(DATA)
    if old != new and _without_hashes(old) != _without_hashes(new):
        yield f"{DATA}: more than its hash"


def setting_changes(before: Read, after: Read) -> list[str]:
    """Return the settings that differ, as `judge.alpha`, except those that a team tunes."""
    old, new = _settings(before(PARAMS)), _settings(after(PARAMS))
    if old is None or new is None:
        return [f"{PARAMS}: cannot be read"]
    return [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]


def is_judging_setting(setting: str) -> bool:
    """Return whether a setting can change how a pull request is judged."""
    return setting.partition(".")[0] in {*JUDGING, PARAMS.partition(".")[0]}


def unexplained(changed: Mapping[str, str], read: Read) -> Iterator[tuple[str, str]]:
    """Yield the objects of the remote that the change has no reason to touch, and their status.

    Parameters
    ----------
    changed
        The status of each changed path: ``added``, ``removed``, or anything else for changed.
    read
        Returns the text of a file after the change.
    """
    objects = {path: status for path, status in changed.items() if path.startswith(REMOTE)}
    named = _named_objects(read) if "added" in objects.values() else set()
    for path, status in sorted(objects.items()):
        match = OBJECT.fullmatch(path)
        if status == "removed":
            yield path, "removed"
        elif status != "added":
            yield path, "content changed under the same hash"
        elif not match or match[1] + match[2] not in named:
            yield path, "added"


def _named_objects(read: Read) -> set[str]:
    """Return the hashes in data.dvc and in the outputs of dvc.lock, with those of their folders."""
    stages = (_stages(read(LOCK)) or {}).values()
    hashes = {md5 for each in (_parsed(read(DATA)), *stages) for md5 in _hashes(each)}
    folders = sorted(md5 for md5 in hashes if md5.endswith(".dir"))
    for md5 in folders[:MOST_FOLDERS]:
        listing = read(f"{REMOTE}files/md5/{md5[:2]}/{md5[2:]}")
        hashes.update(_listed(listing) if listing else ())
    return hashes


def _listed(text: str) -> Iterator[str]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        return
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("md5"), str):
            yield entry["md5"]


def _hashes(stage: object) -> Iterator[str]:
    """Yield the hashes of the outputs of a stage, or of a file of `dvc add`."""
    for out in _outs(stage):
        if isinstance(out, dict) and isinstance(out.get("md5"), str):
            yield out["md5"]


def _lock_changes(old: dict[str, object] | None, new: dict[str, object] | None) -> Iterator[str]:
    if new is None:
        yield f"{LOCK}: cannot be read"
        return
    old = old or {}
    for name in sorted(old.keys() | new.keys(), key=str):
        if name not in new:
            yield f"{LOCK}: stage {name} removed"
        elif name not in old:
            yield f"{LOCK}: stage {name} added: {_command(new[name])}"
        else:
            if _command(old[name]) != _command(new[name]):
                yield f"{LOCK}: command of {name}: {_command(new[name])}"
            if _outputs(old[name]) != _outputs(new[name]):
                yield f"{LOCK}: outputs of {name}: {', '.join(_outputs(new[name]))}"


def _command(stage: object) -> str:
    return str(stage.get("cmd")) if isinstance(stage, dict) else str(stage)


def _outputs(stage: object) -> list[str]:
    """Return the paths of the outputs of a stage, with keys that DVC does not write."""
    return [
        " ".join([str(out.get("path")), *sorted(map(str, out.keys() - OF_AN_OUTPUT))])
        if isinstance(out, dict)
        else str(out)
        for out in _outs(stage)
    ]


def _outs(stage: object) -> list[object]:
    outs = stage.get("outs") if isinstance(stage, dict) else None
    return outs if isinstance(outs, list) else []


def _stages(text: str | None) -> dict[str, object] | None:
    """Return the stages of a lock: an empty dict for a missing file, None if it is not valid."""
    if text is None:
        return {}
    stages = _parsed(text)
    stages = stages.get("stages", {}) if isinstance(stages, dict) else None
    return stages if isinstance(stages, dict) else None


def _without_hashes(text: str | None) -> object:
    pointer = _parsed(text)
    if not isinstance(pointer, dict) or not isinstance(pointer.get("outs"), list):
        return None, text
    outs = [
        {key: value for key, value in out.items() if key not in OF_THE_DATA}
        if isinstance(out, dict)
        else out
        for out in pointer["outs"]
    ]
    return {**pointer, "outs": outs}


def _settings(text: str | None) -> dict[str, object] | None:
    params = {} if text is None else _parsed(text)
    if not isinstance(params, dict):
        return None
    return {
        name: value
        for part, settings in params.items()
        if part not in TUNED
        for name, value in _flat(str(part), settings)
    }


def _flat(name: str, value: object) -> Iterator[tuple[str, object]]:
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield from _flat(f"{name}.{key}", inner)


def _parsed(text: str | None) -> Any:
    """Return the content of YAML; None if it is missing, too large or not valid."""
    if text is None or len(text) > LARGEST:
        return None
    try:
        return parse_yaml(text, "")
    except SlipwayError:
        return None
