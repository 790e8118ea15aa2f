"""The models that Slipway comes with: the first model of one's own replaces one of them.

No earlier model can be compared with the first one of another table. If the champion of the base is
a starter, and the change has another target or other columns, the change is *inconclusive* and may
be merged if its model passes everything else: baselines, behaviours, costs and the lock.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from slipway.manifest import Manifest
from slipway.repository.git import read_file
from slipway.repository.layout import MACHINE_CODE, PACKAGE

FILE = Path("comparison/starters.json")


def starters_at(root: Path, commit: str) -> frozenset[str]:
    """Return the sha256 of the starters that the package of a commit lists.

    A change cannot add one: the list is that of the base. If the package is not a folder of the
    commit it is a release, whose list is that of this one.
    """
    text = read_file(root, commit, str(MACHINE_CODE / PACKAGE / FILE))
    return _parse(text) if text else starters()


def starters() -> frozenset[str]:
    """Return the sha256 of the starters that this package lists."""
    return _parse((files(PACKAGE) / str(FILE)).read_text("utf-8"))


def is_other_table(champion: Manifest, challenger: Manifest) -> bool:
    """Return whether the champion predicts another target, or reads a column that is not there.

    By their manifests. With a further column it can still be compared.
    """
    if champion["target"]["name"] != challenger["target"]["name"]:
        return True
    names = {column["name"] for column in challenger["inputs"]}
    return any(column["name"] not in names for column in champion["inputs"])


def _parse(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))
