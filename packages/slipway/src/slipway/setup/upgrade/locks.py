"""The locks of a fork: upstream's pins, with the packages that the fork adds or leaves out."""

from __future__ import annotations

import re
from collections.abc import Mapping

from slipway.errors import SlipwayError
from slipway.repository.layout import MACHINE
from slipway.setup.upgrade.record import read_section

LOCKS = ("requirements.lock", "requirements-serve.lock", f"{MACHINE}/requirements-test.lock")

_NAME = re.compile(r"[\w.-]+")
_ENTRY = re.compile(r"(?m)^(?=[\w])")


def merge_lock(base: str, ours: str, theirs: str) -> str:
    """Merge the entries of three locks; upstream's pin counts where both changed one."""
    sides = [_entries(text) for text in (base, ours, theirs)]
    merged = {}
    for name in sides[1] | sides[2]:
        of_base, of_ours, of_theirs = (side.get(name, "") for side in sides)
        merged[name] = of_ours if of_theirs == of_base else of_theirs
    return "".join(merged[name] for name in sorted(merged))


def _entries(text: str) -> dict[str, str]:
    """Return the entries of a lock by package; one may have several, for several platforms."""
    entries: dict[str, str] = {}
    for entry in _ENTRY.split(text):
        if found := _NAME.match(entry):
            entries[found[0]] = entries.get(found[0], "") + entry
    return entries


def needs_compilation(
    projects: Mapping[str, tuple[str, str]], locks: Mapping[str, str], merged: str
) -> bool:
    """Return whether the merged lock has to be compiled again.

    It need not be if it is the lock of a side, and the requirements are those of that side.

    Parameters
    ----------
    projects
        The two files of requirements, of the repository and of the package, of `ours`, `theirs`
        and `merged`.
    locks
        requirements.lock of `ours` and `theirs`.
    merged
        requirements.lock after the merge.
    """
    try:
        wanted = {side: _requirements(*texts) for side, texts in projects.items()}
    except SlipwayError:  # it has conflicts: a person must compile the lock
        return True
    sides = (side for side in ("ours", "theirs") if locks[side] == merged)
    return not any(wanted[side] == wanted["merged"] for side in sides)


def _requirements(root: str, machine: str) -> list[object]:
    projects = [read_section(text, "project") for text in (root, machine)]
    return [
        read_section(root, "tool", "uv").get("sources"),
        *(
            project.get(key)
            for project in projects
            for key in ("dependencies", "optional-dependencies", "requires-python")
        ),
    ]
