"""Differences between two requirements locks: versions, hashes, URLs, markers and options.

pip reads more than `name==version`: an option can name another index, a hash can be exchanged, a
package can come from a URL. So whole lines are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

LOCKS = ("requirements.lock", "requirements-serve.lock")

HASH = re.compile(r"\s--hash[ =](\S+)")

COMMENT = re.compile(r"(^|\s)#.*$")

WHOLE_COMMENT = re.compile(r"\s*#")

# pip decodes a file as its first two lines, or its first bytes, declare (PEP 263).
DECLARED = re.compile(r"[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")

PLAIN = "ASCII"

PINNED = re.compile(r"==([\w.!+-]+)")

SHOWN = 200


@dataclass(frozen=True)
class Entry:
    """One line of a lock, as pip reads it.

    Attributes
    ----------
    pin
        The version if the line pins one from the index, else the whole requirement.
    package
        False for an option of pip, a path, or any other line that only pip reads.
    """

    name: str
    pin: str
    condition: str
    hashes: frozenset[str]
    package: bool = True


@dataclass(frozen=True)
class Change:
    """The change of one package, or of one option of pip.

    Attributes
    ----------
    grave
        It is more than another version from the index.
    """

    name: str
    before: str
    after: str
    grave: bool


def package_changes(before: str, after: str) -> list[Change]:
    """Return the differences between two locks, those that are grave first."""
    old, new = _by_name(before), _by_name(after)
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    changes = [_change(name, old.get(name, []), new.get(name, [])) for name in names]
    encodings = _encoding(before), _encoding(after)
    if before != after and encodings != (PLAIN, PLAIN):
        changes.append(Change("encoding", *encodings, grave=True))
    return sorted(changes, key=lambda change: not change.grave)


def is_grave(before: str, after: str) -> bool:
    """Return whether a change, given as the texts of a `Change`, is more than another version."""
    pins = [pin for text in (before, after) for pin in text.split(" or ")]
    return not all(re.fullmatch(r"[\w.!+-]*", pin) for pin in pins)


def _change(name: str, old: list[Entry], new: list[Entry]) -> Change:
    before, after = _shown(old), _shown(new)
    if before == after:
        differing = [
            words
            for words, field in (("conditions", "condition"), ("hashes", "hashes"))
            if [getattr(entry, field) for entry in old] != [getattr(entry, field) for entry in new]
        ]
        after += f", same version, other {' and '.join(differing)}"
    elif _all_hashed(old) and not _all_hashed(new):
        after += ", without a hash"
    return Change(name, before, after, is_grave(before, after))


def _encoding(lock: str) -> str:
    """Return the encoding of a lock, and why pip may read other text than is shown."""
    if any(DECLARED.match(line) for line in lock.split("\n")[:2]):
        return "declared by the file, so pip may read other lines"
    return PLAIN if lock.isascii() else "has more than ASCII, so pip may read other lines"


def _all_hashed(entries: list[Entry]) -> bool:
    return all(entry.hashes or not entry.package for entry in entries)


def _shown(entries: list[Entry]) -> str:
    return " or ".join(dict.fromkeys(entry.pin for entry in entries))[:SHOWN]


def _by_name(lock: str) -> dict[str, list[Entry]]:
    entries: dict[str, list[Entry]] = {}
    for line in _lines(lock):
        entry = _entry(line)
        entries.setdefault(entry.name, []).append(entry)
    return {
        name: sorted(rows, key=lambda row: (row.pin, row.condition))
        for name, rows in entries.items()
    }


def _lines(lock: str) -> Iterator[str]:
    """Yield the lines as pip joins them: a backslash continues one, except in a comment."""
    parts: list[str] = []
    for line in lock.splitlines():
        comment = WHOLE_COMMENT.match(line)
        parts.append(f" {line}" if comment else line.strip("\\"))
        if comment or not line.endswith("\\"):
            yield from _without_comment("".join(parts))
            parts = []
    yield from _without_comment("".join(parts))


def _without_comment(line: str) -> Iterator[str]:
    if text := COMMENT.sub("", line).strip():
        yield text


def _entry(line: str) -> Entry:
    hashes = frozenset(HASH.findall(line))
    text = HASH.sub("", line).strip()
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError):
        return Entry(text, "a line for pip", "", hashes, package=False)
    condition = str(requirement.marker or "")
    name = canonicalize_name(requirement.name) + (
        f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    )
    pinned = PINNED.fullmatch(str(requirement.specifier))
    if requirement.url or not pinned:
        specifier = str(requirement.specifier) or "any version"
        pin = f"@ {requirement.url}" if requirement.url else specifier
        return Entry(name, pin, condition, hashes)
    return Entry(name, pinned[1], condition, hashes)
