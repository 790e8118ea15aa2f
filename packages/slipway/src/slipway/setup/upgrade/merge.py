"""Merge the files of two versions of upstream into those of a fork, file by file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from slipway.repository.git import GitError, git, output

LINK, SUBMODULE = "120000", "160000"

MARKER = b"<<<<<<< "


class Kind(StrEnum):
    """What happens to a file; the value is what a person reads."""

    ADDED = "new"
    UPDATED = "updated"
    MERGED = "merged with your changes"
    REMOVED = "removed"
    KEPT = "removed upstream, kept because you changed it"
    ABSENT = "changed upstream, not restored because you deleted it"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class File:
    """A file of a commit: its mode in git and its content, of a link its target."""

    mode: str
    content: bytes


@dataclass(frozen=True)
class Three:
    """One path in the version that the fork has, in the fork and in the new version."""

    base: File | None
    ours: File | None
    theirs: File | None


@dataclass(frozen=True)
class Change:
    """What becomes of a path; `result` is None if it is removed, or is not written."""

    path: str
    kind: Kind
    three: Three
    result: File | None = None


class Tree:
    """The files of a commit by their paths; contents are read when they are needed."""

    def __init__(self, root: Path, commit: str) -> None:
        self._root = root
        self.entries: dict[str, tuple[str, str]] = {}
        for line in output(root, "ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0"):
            head, _, name = line.decode("utf-8", "surrogateescape").partition("\t")
            if name and not head.startswith(SUBMODULE):
                mode, _, blob = head.split()
                self.entries[name] = (mode, blob)
        self.folders = {str(parent) for name in self.entries for parent in Path(name).parents}

    def files(self, paths: Iterable[str]) -> dict[str, File]:
        """Return the files of those paths that exist, read by one process."""
        there = [path for path in paths if path in self.entries]
        given = "".join(f"{self.entries[path][1]}\n" for path in there).encode()
        data, files = output(self._root, "cat-file", "--batch", given=given), {}
        at = 0
        for path in there:
            end = data.index(b"\n", at)
            size = int(data[at:end].split()[2])
            files[path] = File(self.entries[path][0], data[end + 1 : end + 1 + size])
            at = end + size + 2
        return files


def merge(root: Path, path: str, three: Three, in_the_way: bool = False) -> Change | None:
    """Merge one file.

    Parameters
    ----------
    in_the_way
        Whether the fork has a folder of this name, or a file with the name of its folder.

    Returns
    -------
    None if the fork keeps the file as it is.
    """
    base, ours, theirs = three.base, three.ours, three.theirs
    if theirs in (base, ours):
        return None
    if ours == base:
        if theirs is None:
            return Change(path, Kind.REMOVED, three)
        if in_the_way:
            return Change(path, Kind.CONFLICT, three)
        return Change(path, Kind.UPDATED if base else Kind.ADDED, three, theirs)
    if ours is None:
        return Change(path, Kind.ABSENT, three)
    if theirs is None:
        return Change(path, Kind.KEPT, three)
    return _merge_contents(root, path, three, base, ours, theirs)


def _merge_contents(
    root: Path, path: str, three: Three, base: File | None, ours: File, theirs: File
) -> Change:
    mode = ours.mode if base is None or ours.mode != base.mode else theirs.mode
    files = [base or File(mode, b""), ours, theirs]
    if any(file.mode == LINK or b"\0" in file.content for file in files):
        return Change(path, Kind.CONFLICT, three)
    content = merge_text(root, *(file.content for file in files))
    kind = Kind.CONFLICT if content.startswith(MARKER) or b"\n" + MARKER in content else Kind.MERGED
    return Change(path, kind, three, File(mode, content))


def merge_text(root: Path, base: bytes, ours: bytes, theirs: bytes) -> bytes:
    """Return the merged text, with conflict markers where both changed the same lines."""
    with tempfile.TemporaryDirectory(prefix="slipway-") as name:
        paths = [str(Path(name) / each) for each in ("ours", "base", "theirs")]
        for path, content in zip(paths, (ours, base, theirs), strict=True):
            Path(path).write_bytes(content)
        labels = [part for label in ("yours", "base", "upstream") for part in ("-L", label)]
        try:
            git(root, "merge-file", "--quiet", *labels, *paths)
        except GitError:  # git has written the conflicts to the file, or has another reason
            if MARKER not in Path(paths[0]).read_bytes():
                raise
        return Path(paths[0]).read_bytes()


def write(root: Path, changes: Iterable[Change]) -> None:
    """Write changes to the index and to the working tree.

    Conflicts are unmerged entries of the index, as after `git merge`: git does not commit them
    before a person has added the files.
    """
    changes = list(changes)
    staged = [(change.path, *pair) for change in changes for pair in _staged(change)]
    blobs = iter(_store(root, [file.content for _, _, file in staged]))
    cleared = [f"0 {'0' * 40}\t{each.path}" for each in changes if _leaves_index(each)]
    lines = [f"{file.mode} {next(blobs)} {stage}\t{path}" for path, stage, file in staged]
    git(root, "update-index", "-z", "--index-info", given=_joined([*cleared, *lines]))
    for change in changes:
        if change.kind is Kind.REMOVED:
            _remove(root, change.path)
    done = [path for path, stage, _ in staged if stage == 0]
    git(root, "checkout-index", "--force", "--quiet", "-z", "--stdin", given=_joined(done))
    for change in changes:
        if change.kind is Kind.CONFLICT and change.result and change.three.ours:
            (root / change.path).write_bytes(change.result.content)


def _staged(change: Change) -> Iterator[tuple[int, File]]:
    """Yield the entries of the index: stage 0, or 1 to 3 of a conflict."""
    three = change.three
    if change.kind is not Kind.CONFLICT:
        yield from [(0, change.result)] if change.result else []
    elif three.ours:  # else something else is in its place: it is only named
        sides = {1: three.base, 2: three.ours, 3: three.theirs}
        yield from ((stage, file) for stage, file in sides.items() if file)


def _leaves_index(change: Change) -> bool:
    conflict = change.kind is Kind.CONFLICT and change.three.ours is not None
    return conflict or change.kind is Kind.REMOVED


def _store(root: Path, contents: list[bytes]) -> list[str]:
    """Store contents as blobs; return their names."""
    with tempfile.TemporaryDirectory(prefix="slipway-") as name:
        paths = [Path(name) / str(number) for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        given = "".join(f"{path}\n" for path in paths).encode()
        return git(root, "hash-object", "-w", "--no-filters", "--stdin-paths", given=given).split()


def _remove(root: Path, path: str) -> None:
    (root / path).unlink(missing_ok=True)
    for parent in Path(path).parents:
        folder = root / parent
        if parent == Path() or not folder.is_dir() or any(folder.iterdir()):
            return
        folder.rmdir()


def _joined(texts: Iterable[str]) -> bytes:
    return b"".join(text.encode("utf-8", "surrogateescape") + b"\0" for text in texts)
