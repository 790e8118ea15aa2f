"""The protected parts of a change, which a reviewer must see first."""

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
    is_judging_setting,
    pipeline_changes,
    setting_changes,
    unexplained,
)

ORDER = (*GROUPS[:2], LINKS, OBJECTS, PIPELINE, *GROUPS[2:5], SETTINGS, OPERATIONS, *GROUPS[5:])


@dataclass(frozen=True)
class Dangers:
    """The protected parts of a change.

    Attributes
    ----------
    files
        By group: paths, or descriptions of a problem, the most dangerous group first.
    packages
        The changes of each requirements lock.
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
        """Return all protected parts of the change, the most dangerous first."""
        return [name for names in self.files.values() for name in names]


def find_dangers(
    changed: Mapping[str, str], links: Iterable[str], before: Read, after: Read
) -> Dangers:
    """Return the protected parts of a change.

    Parameters
    ----------
    changed
        The status of each changed path: ``added``, ``removed``, or anything else for changed.
        A renamed file is one removed and one added.
    links
        Those of them that are symbolic links or submodules after the change.
    before, after
        Return the text of a file in a commit, None if it does not exist.
    """
    files: dict[Group, list[str]] = {
        LINKS: sorted(links),
        OBJECTS: [f"{path} ({status})" for path, status in unexplained(changed, after)],
    }
    if changed.keys() & {DATA, LOCK}:
        files[PIPELINE] = list(pipeline_changes(before, after))
    if PARAMS in changed:
        settings = setting_changes(before, after)
        files[SETTINGS] = [name for name in settings if is_judging_setting(name)]
        files[OPERATIONS] = [name for name in settings if not is_judging_setting(name)]
    for path in sorted(changed):
        if group := group_of(path):
            files.setdefault(group, []).append(path)
    packages = {
        lock: package_changes(before(lock) or "", after(lock) or "")
        for lock in LOCKS
        if lock in changed
    }
    return Dangers({group: files[group] for group in ORDER if files.get(group)}, packages)
