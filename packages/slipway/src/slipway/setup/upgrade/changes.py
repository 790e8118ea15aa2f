"""The changes of an upgrade, made in memory before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slipway.repository.layout import MACHINE, MODEL_CODE
from slipway.setup.sections import sections_of
from slipway.setup.upgrade.files import (
    PIPELINE,
    align,
    is_adopted,
    is_in_the_way,
    is_left_out,
    is_template,
)
from slipway.setup.upgrade.locks import LOCKS, merge_lock, needs_compilation
from slipway.setup.upgrade.merge import Change, File, Kind, Three, Tree, merge
from slipway.setup.upgrade.params import NAME as PARAMS
from slipway.setup.upgrade.record import FILE, SOURCE, WHEEL, Record, with_record
from slipway.stages import FILE as DIGESTS

PROJECT_OF_MACHINE = f"{MACHINE}/pyproject.toml"
TARGET = f"{MODEL_CODE}/model/target.py"

# Merged by rules of their own, where the fork has them.
MADE = {str(DIGESTS), *LOCKS}

SECTION_OF_STAGE = re.compile(r"(?m)^      - ([a-z_]+)\b(?![/:])")


@dataclass(frozen=True)
class Trees:
    """The version that the fork has, the fork, and the new version."""

    base: Tree
    ours: Tree
    theirs: Tree

    def three(self, paths: list[str]) -> dict[str, Three]:
        """Return the three sides of some paths."""
        base, ours, theirs = (tree.files(paths) for tree in (self.base, self.ours, self.theirs))
        return {path: Three(base.get(path), ours.get(path), theirs.get(path)) for path in paths}

    def of(self, path: str) -> Three:
        """Return the three sides of a path."""
        return self.three([path])[path]


@dataclass(frozen=True)
class Changes:
    """What an upgrade changes.

    Attributes
    ----------
    files
        By path.
    needs_lock
        Whether the locks and the digests of the stages must be made again (`make lock`).
    """

    files: list[Change]
    needs_lock: bool


def make_changes(root: Path, trees: Trees, record: Record, version: str, wheel: str) -> Changes:
    """Merge all files of the template.

    Parameters
    ----------
    record
        What pyproject.toml records from now on.
    version
        Its version as text.
    wheel
        Address of the released package; empty if the fork uses the folder.
    """
    made = {change.path: change for change in _ordinary(root, trees)}
    changed = [_project(root, trees, record, version, wheel), *_locks(trees), _digests(trees)]
    made |= {change.path: change for change in changed if change}
    if change := _sections(trees, made.get(PIPELINE)):
        made[PARAMS] = change
    files = [made[path] for path in sorted(made)]
    return Changes(files, _needs_lock(trees, made))


def _ordinary(root: Path, trees: Trees) -> Iterator[Change]:
    base, ours, theirs = trees.base, trees.ours, trees.theirs
    special = {FILE, PARAMS} | (MADE & ours.entries.keys())
    paths = [
        path
        for path in sorted(base.entries.keys() | theirs.entries)
        if is_template(path)
        and path not in special
        and base.entries.get(path) != theirs.entries.get(path)
        and (path in ours.entries or not is_left_out(path, base, ours))
    ]
    adopted = _is_adopted(trees)
    for path, three in trees.three(paths).items():
        aligned = align(path, three, adopted)
        in_the_way = path not in base.entries and is_in_the_way(path, base, ours)
        if change := merge(root, path, aligned, in_the_way):
            yield change


def _is_adopted(trees: Trees) -> bool:
    pages = [path for path in trees.base.entries if re.fullmatch(r"docs/[^/]+\.md", path)]
    target = trees.of(TARGET)
    base, ours = (tree.files(pages).values() for tree in (trees.base, trees.ours))
    return is_adopted(base, ours, replaced=target.base != target.ours)


def _project(root: Path, trees: Trees, record: Record, version: str, wheel: str) -> Change | None:
    """Merge pyproject.toml, and record the version."""
    three = trees.of(FILE)
    aligned = align(FILE, three, adopted=False)
    if not (three.ours and aligned.ours):
        return None  # `plan_upgrade` refuses a fork without it
    change = merge(root, FILE, aligned)

    def recorded(file: File) -> File:
        text = with_record(_text(file), record, version)
        if wheel:
            text = SOURCE.sub(lambda line: WHEEL.sub(f'url = "{wheel}"', line[0]), text)
        return File(file.mode, text.encode("utf-8", "surrogateescape"))

    result = recorded(change.result if change and change.result else aligned.ours)
    if change and change.kind is Kind.CONFLICT:  # whichever side a person takes has the record
        theirs = recorded(aligned.theirs or aligned.ours)
        return Change(
            FILE, change.kind, Three(aligned.base, recorded(aligned.ours), theirs), result
        )
    if result == three.ours:
        return None
    return Change(FILE, change.kind if change else Kind.UPDATED, three, result)


def _locks(trees: Trees) -> Iterator[Change]:
    for path, three in trees.three(list(LOCKS)).items():
        if three.ours and three.theirs and three.base != three.theirs:
            sides = (_text(side) for side in (three.base, three.ours, three.theirs))
            result = File(three.ours.mode, merge_lock(*sides).encode())
            if result != three.ours:
                kind = Kind.UPDATED if result.content == three.theirs.content else Kind.MERGED
                yield Change(path, kind, three, result)


def _digests(trees: Trees) -> Change | None:
    """Take the digests of upstream's package, unless the fork uses a released one."""
    three, folder = trees.of(str(DIGESTS)), MACHINE.as_posix()
    released = folder in trees.base.folders and folder not in trees.ours.folders
    if released or three.ours is None or three.theirs in (None, three.ours):
        return None
    return Change(str(DIGESTS), Kind.UPDATED, three, three.theirs)


def _sections(trees: Trees, pipeline: Change | None) -> Change | None:
    """Add the sections to params.yaml that dvc.yaml names and it does not have."""
    three = trees.of(PARAMS)
    if not (three.ours and three.theirs and pipeline and pipeline.result):
        return None
    own, upstream = sections_of(_text(three.ours)), sections_of(_text(three.theirs))
    named = dict.fromkeys(SECTION_OF_STAGE.findall(_text(pipeline.result)))
    added = [upstream[name] for name in named if name in upstream and name not in own]
    if not added:
        return None
    text = "\n".join([_text(three.ours).rstrip() + "\n", *added])
    return Change(PARAMS, Kind.MERGED, three, File(three.ours.mode, text.encode()))


def _needs_lock(trees: Trees, made: dict[str, Change]) -> bool:
    """Return whether locks or digests do not follow from those of upstream or of the fork."""
    own = _entries_of_code(trees.ours)
    if own and own != _entries_of_code(trees.base):
        return True  # the fork has edited the package, so its digests are its own
    if FILE in made and made[FILE].kind is Kind.CONFLICT:
        return True
    project, machine, lock = (trees.of(path) for path in (FILE, PROJECT_OF_MACHINE, LOCKS[0]))
    projects = {
        "ours": (_text(project.ours), _text(machine.ours)),
        "theirs": (_text(project.theirs), _text(machine.theirs)),
        "merged": (_result(made, project, FILE), _result(made, machine, PROJECT_OF_MACHINE)),
    }
    locks = {"ours": _text(lock.ours), "theirs": _text(lock.theirs)}
    return needs_compilation(projects, locks, _result(made, lock, LOCKS[0]))


def _result(made: dict[str, Change], three: Three, path: str) -> str:
    return _text(made[path].result if path in made else three.ours)


def _entries_of_code(tree: Tree) -> dict[str, tuple[str, str]]:
    return {path: at for path, at in tree.entries.items() if path.startswith(f"{MACHINE}/src/")}


def _text(file: File | None) -> str:
    return file.content.decode("utf-8", "surrogateescape") if file else ""
