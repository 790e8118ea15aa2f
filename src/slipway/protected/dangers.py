"""All that a reviewer must see of a change first, found by whoever can read its two commits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from slipway.protected.packages import LOCKS, Change, package_changes
from slipway.protected.paths import (
    GROUPS,
    LINKS,
    OBJECTS,
    OPERATIONS,
    PIPELINE,
    SETTINGS,
    Group,
    group_of,
)
from slipway.protected.pipeline import (
    DATA,
    LOCK,
    PARAMS,
    Read,
    is_of_the_judge,
    pipeline_changes,
    setting_changes,
    unexplained,
)

ORDER = (*GROUPS[:2], LINKS, OBJECTS, PIPELINE, *GROUPS[2:5], SETTINGS, OPERATIONS, *GROUPS[5:])


@dataclass(frozen=True)
class Dangers:
    """What a change touches of what is protected.

    Attributes
    ----------
    files
        By group, each a path or what is wrong with it, the gravest group first.
    packages
        How each requirements lock changed.
    """

    files: dict[Group, list[str]] = field(default_factory=dict)
    packages: dict[str, list[Change]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.files)

    @property
    def judges(self) -> bool:
        """Whether the change can change how it is judged."""
        return any(group.judges for group in self.files)

    def names(self) -> list[str]:
        """Return all that is protected and touched, the gravest first."""
        return [name for names in self.files.values() for name in names]


def find_dangers(
    changed: Mapping[str, str], links: Iterable[str], before: Read, after: Read
) -> Dangers:
    """Return what a change touches of what is protected.

    Parameters
    ----------
    changed
        The status of each changed path: ``added``, ``removed``, or anything else for changed.
        A renamed file is one removed and one added.
    links
        Those of them that are symbolic links or submodules after the change.
    before, after
        Return the text of a file in a commit, None where there is none.
    """
    found: dict[Group, list[str]] = {
        LINKS: sorted(links),
        OBJECTS: [f"{path} ({how})" for path, how in unexplained(changed, after)],
    }
    if changed.keys() & {DATA, LOCK}:
        found[PIPELINE] = list(pipeline_changes(before, after))
    if PARAMS in changed:
        settings = setting_changes(before, after)
        found[SETTINGS] = [name for name in settings if is_of_the_judge(name)]
        found[OPERATIONS] = [name for name in settings if not is_of_the_judge(name)]
    for path in sorted(changed):
        if group := group_of(path):
            found.setdefault(group, []).append(path)
    packages = {
        lock: package_changes(before(lock) or "", after(lock) or "")
        for lock in LOCKS
        if lock in changed
    }
    return Dangers({group: found[group] for group in ORDER if found.get(group)}, packages)
