"""The protected parts of a pull request, by GitHub's own list of its files.

Runs from the default branch. Files of the pull request are read as text, up to a limit, and none of
them is checked out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice

from slipway.errors import SlipwayError
from slipway.github.answers import Answer, Comparison, Pull, Tree
from slipway.github.api import Api
from slipway.protected.changes import Dangers, find_dangers
from slipway.protected.packages import Change
from slipway.untrusted import quote

# GitHub lists at most this many files, and does not report that it left some out.
MOST_FILES = 3000

# The largest file that is read: a lock has some 400,000 bytes, the list of a data folder more.
LARGEST, LARGEST_LISTING = 2_000_000, 20_000_000

# What fits into a comment, of each group; more are counted.
SHOWN = 40

LINK_MODES = ("120000", "160000")

JUDGED = "This pull request changes how it is judged"

TOUCHED = "This pull request changes protected files"

UNKNOWN = "What this pull request changes could not be listed"

CLOSING = (
    "Listed by the default branch's code. The verdict below was computed by the pull request's "
    "own code."
)


class File(Answer):
    """A file that a pull request changes; `previous_filename` only of a renamed one."""

    filename: str
    status: str
    previous_filename: str | None = None

    def changes(self) -> list[tuple[str, str]]:
        """Return paths, each with its status; a rename removes one path and adds another."""
        if self.status != "renamed":
            return [(self.filename, "added" if self.status == "copied" else self.status)]
        if self.previous_filename is None:
            raise SlipwayError("GitHub does not name the old path of a renamed file")
        return [(self.filename, "added"), (self.previous_filename, "removed")]


@dataclass(frozen=True)
class ProtectedParts:
    """The protected parts of a pull request.

    Attributes
    ----------
    gaps
        Sentences on files that GitHub did not list, which count as protected.
    """

    dangers: Dangers
    gaps: list[str]


def warning_of(api: Api, number: int, commit: str) -> list[str]:
    """Return a title and paragraphs for above the verdict; nothing if no part is protected."""
    try:
        parts = find_protected(api, number, commit)
    except Exception as error:  # noqa: BLE001 -- whatever fails here must not hide a change
        reason = str(error) if isinstance(error, SlipwayError) else type(error).__name__
        return [UNKNOWN, f"Read its files on GitHub before its verdict: {quote(reason, 300)}."]
    return _warning(parts)


def find_protected(api: Api, number: int, commit: str) -> ProtectedParts:
    """Return the protected parts of a pull request at its newest commit.

    Raises
    ------
    SlipwayError
        GitHub does not answer, or a file that must be compared is too large.
    """
    pull = Pull.of(api.get(f"pulls/{number}"))
    listed = api.pages(f"pulls/{number}/files")
    files = [File.of(entry) for entry in islice(listed, MOST_FILES)]
    compared = Comparison.of(api.get(f"compare/{pull.base.sha}...{commit}", per_page=1))
    base = compared.merge_base_commit.sha
    changed = _changed(files)
    links, gaps = _links(api, commit, changed)
    if len(files) >= MOST_FILES or len(files) < pull.changed_files:
        gaps.append(
            f"GitHub lists {len(files):,} of {pull.changed_files:,} changed files: the others "
            "count as protected."
        )
    dangers = find_dangers(changed, links, _reader(api, base), _reader(api, commit))
    return ProtectedParts(dangers, gaps)


def _changed(files: Iterable[File]) -> dict[str, str]:
    """Return the status of each path."""
    changed: dict[str, str] = {}
    for file in files:
        for path, kind in file.changes():
            changed[path] = "changed" if path in changed else kind
    return changed


def _links(api: Api, commit: str, changed: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the changed paths that are links or submodules, and gaps in GitHub's list."""
    tree = Tree.of(api.get(f"git/trees/{commit}", recursive=1))
    links = [
        entry.path for entry in tree.tree if entry.mode in LINK_MODES and entry.path in changed
    ]
    gap = "GitHub lists only a part of the tree: a changed file may be a symbolic link."
    return links, [gap] if tree.truncated else []


def _reader(api: Api, commit: str) -> Callable[[str], str | None]:
    @cache
    def read(path: str) -> str | None:
        limit = LARGEST_LISTING if path.endswith(".dir") else LARGEST
        content = api.file(path, commit, limit)
        return None if content is None else content.decode("utf-8", "replace")

    return read


def _warning(parts: ProtectedParts) -> list[str]:
    dangers = parts.dangers
    if not dangers and not parts.gaps:
        return []
    lines = [f"- **{group.name}:** {_listed(names)}" for group, names in dangers.files.items()]
    lines += [f"- **{lock}:** {_changes(changes)}" for lock, changes in dangers.packages.items()]
    lines += [f"- **{gap}**" for gap in parts.gaps]
    return [JUDGED if dangers.judges or parts.gaps else TOUCHED, "\n".join(lines), CLOSING]


def _listed(names: list[str]) -> str:
    shown = ", ".join(quote(name, 120) for name in names[:SHOWN])
    return f"{shown} **and {len(names) - SHOWN:,} more**" if len(names) > SHOWN else shown


def _changes(changes: list[Change]) -> str:
    if not changes:
        return "no entry changed"
    shown = "; ".join(_change(change) for change in changes[:SHOWN])
    grave = sum(change.grave for change in changes[SHOWN:])
    rest = len(changes) - SHOWN
    more = f" **and {rest:,} more ({grave:,} of them more than a version)**" if rest > 0 else ""
    return f"{len(changes):,} changed: {shown}{more}"


def _change(change: Change) -> str:
    before = quote(change.before, 60) if change.before else "new"
    after = quote(change.after, 120) if change.after else "removed"
    text = f"{quote(change.name, 120)} {before} → {after}"
    return f"**{text}**" if change.grave else text
