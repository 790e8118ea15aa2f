"""Which files are the template's, and which lines of them are the fork's.

A file of the fork's model is never touched. Of every other file, what upstream changed is merged
with what the fork changed. Lines that `slipway adopt` and `slipway upgrade` write are made equal
on all sides first, so that a change of upstream next to them is not a conflict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from slipway.repository.layout import MODEL_CODE
from slipway.repository.pointers import LOCK, POINTER
from slipway.setup.starter import OF_THE_STARTER, PLOTS, packages_of_starter, without_packages
from slipway.setup.upgrade.merge import File, Three, Tree
from slipway.setup.upgrade.record import FILE, SOURCE, without_record

# The model, its data and settings, what is made from them, and the first page of the repository.
OF_THE_FORK = (f"{MODEL_CODE}/model/", "data/", "data-remote/", "reports/")
OWN_FILES = {str(POINTER), str(LOCK), "params.yaml", "README.md", ".github/CODEOWNERS"}

PIPELINE = "dvc.yaml"

# The name, version and description of the project, and where the package is.
OWN_LINES = [re.compile(rf'(?m)^{name} = ".*"$') for name in ("name", "version", "description")]
OWN_LINES += [SOURCE]


def is_template(path: str) -> bool:
    """Return whether a file is the template's, and not the model's."""
    return not path.startswith(OF_THE_FORK) and path not in OWN_FILES


def is_left_out(path: str, base: Tree, ours: Tree) -> bool:
    """Return whether a new file belongs to a folder that the fork has deleted."""
    folders = {str(parent) for parent in Path(path).parents}
    return bool((folders & base.folders) - ours.folders)


def is_in_the_way(path: str, base: Tree, ours: Tree) -> bool:
    """Return whether the fork has a folder of its own of this name, or a file where a folder is.

    What it has from its version is removed by the new one.
    """
    parents = [str(parent) for parent in Path(path).parents]
    inside = [name for name in ours.entries if name.startswith(f"{path}/")]
    return any(ours.entries.get(name) != base.entries.get(name) for name in [*parents, *inside])


def is_adopted(base: Iterable[File], ours: Iterable[File], replaced: bool) -> bool:
    """Return whether the pages of a fork have lost their parts about the starter.

    Parameters
    ----------
    base, ours
        The pages in the version that the fork has, and in the fork.
    replaced
        Whether the target is another one: decides where the version has no marked parts yet.
    """
    if any(OF_THE_STARTER.search(_text(page)) for page in base):
        return not any(OF_THE_STARTER.search(_text(page)) for page in ours)
    return replaced


def align(path: str, three: Three, adopted: bool) -> Three:
    """Return the three sides with the lines of the fork made equal."""
    if three.ours and path == FILE:
        return _align_project(three, three.ours)
    if three.ours and path == PIPELINE:
        return _keep_own(three, three.ours, [PLOTS])
    if adopted and path.startswith("docs/") and path.endswith(".md"):
        return _edit(three, lambda text: OF_THE_STARTER.sub("", text))
    return three


def _align_project(three: Three, ours: File) -> Three:
    """Align a pyproject.toml: the record, the starter's packages, the name and the package."""
    ours = _edited(ours, without_record)
    own, marked = _text(ours), _text(three.theirs) if three.theirs else ""
    absent = [name for name in packages_of_starter(marked) if f'"{name}' not in own]
    three = _edit(
        Three(three.base, ours, three.theirs), lambda text: without_packages(text, absent)
    )
    return _keep_own(three, ours, OWN_LINES)


def _keep_own(three: Three, ours: File, patterns: Iterable[re.Pattern[str]]) -> Three:
    """Give the other sides the parts of the fork that differ from its version's."""
    for pattern in patterns:
        own = pattern.search(_text(ours))
        base = pattern.search(_text(three.base)) if three.base else None
        if own and (base is None or base[0] != own[0]):
            three = _edit(three, partial(_substitute, pattern, own[0]))
    return three


def _substitute(pattern: re.Pattern[str], part: str, text: str) -> str:
    return pattern.sub(lambda _: part, text, count=1)


def _edit(three: Three, change: Callable[[str], str]) -> Three:
    """Edit the two sides of upstream."""
    base, theirs = (file and _edited(file, change) for file in (three.base, three.theirs))
    return Three(base, three.ours, theirs)


def _edited(file: File, change: Callable[[str], str]) -> File:
    return File(file.mode, change(_text(file)).encode("utf-8", "surrogateescape"))


def _text(file: File) -> str:
    return file.content.decode("utf-8", "surrogateescape")
