"""Differences between a change and its base: data, parameters, dependencies, code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.comparison.report import (
    LONGEST_NAME,
    LONGEST_TEXT,
    Change,
    Changes,
    ColumnChanges,
    DataChanges,
    FileChanges,
    LabelRate,
    MissingShare,
    MonthNames,
    Rates,
    RowCounts,
    Shift,
)
from slipway.protected.changes import find_dangers
from slipway.protected.packages import Change as PackageChange
from slipway.protected.paths import JUDGES
from slipway.reference.profile import PREDICTED, number_profile
from slipway.repository.git import names, read_file, shown
from slipway.repository.worktrees import run
from slipway.texts import parse_yaml, read_yaml

if TYPE_CHECKING:
    from slipway.manifest import Manifest, Part
    from slipway.reference.profile import NumberProfile, Profile

# Smallest reported change in the share of missing values.
MISSING_SHIFT = 0.005

# Smallest reported distance between two distributions.
SHIFT = 0.1

JUDGING_PARAMS = ("fairness.", "judge.", "prepare.", "validate.")

# What makes a model besides its data: code, parameters and packages.
PROCEDURE_PARAMS = ("train.", "prepare.")
PROCEDURE_FILES = ("src/", "packages/slipway/src/", "requirements.lock", "dvc.yaml")

# Parameters that are listed; of files and dependencies more are.
MOST = 2000

# git's letters; any other letter is a change of the content.
STATUS = {"A": "added", "D": "removed"}

LINK_MODES = ("120000", "160000")

# Written by the pipeline: they follow from the rest.
WRITTEN = ("data.dvc", "dvc.lock", "reports/", "params.yaml", "requirements.lock", "data-remote/")


def changes(root: Path, base: str) -> Changes:
    """Return parameters, dependencies and files that differ between a commit and this tree.

    Protected files are listed separately: `slipway.protected`.
    """
    old_params = parse_yaml(_at(root, base, "params.yaml"), f"params.yaml of {base[:12]}") or {}
    new_params = read_yaml(root / "params.yaml")
    params = _differences(_flat(old_params), _flat(new_params))
    changed, links = _changed_files(root, base)
    dangers = find_dangers(
        changed, links, before=lambda name: read_file(root, base, name), after=_reader(root)
    )
    edited = [name for name in sorted(changed) if name in JUDGES]
    edited += [row.name for row in params if row.name.startswith(JUDGING_PARAMS)]
    files = [name for name in sorted(changed) if not name.startswith(WRITTEN)]
    return Changes(
        params=params[:MOST],
        dependencies=_dependencies(dangers.packages),
        files=[name[:LONGEST_NAME] for name in files][: 5 * MOST],
        judging_rules=[name[:LONGEST_NAME] for name in edited][:MOST],
        protected=[name[:LONGEST_NAME] for name in dangers.names()][: 5 * MOST],
        procedure=bool(
            dangers.packages
            or any(row.name.startswith(PROCEDURE_PARAMS) for row in params)
            or any(name.startswith(PROCEDURE_FILES) for name in changed)
        ),
    )


def data_changes(root: Path, base: str, before: Manifest, after: Manifest) -> DataChanges:
    """Return how the data of two models differ, by their manifests.

    Distributions and missing values are those of the two holdouts.
    """
    same = before["data"]["md5"] == after["data"]["md5"]
    old, new = (_inputs(each["reference"]) for each in (before, after))
    both = [name for name in old if name in new]
    shifts = [Shift(column=name, distance=distance(old[name], new[name])) for name in both]
    none = FileChanges(added=[], deleted=[], modified=[])
    return DataChanges(
        champion=before["data"]["md5"],
        challenger=after["data"]["md5"],
        months=MonthNames(champion=before["data"]["months"], challenger=after["data"]["months"]),
        files=none if same else _files(root, base),
        rows=RowCounts(champion=_rows(before), challenger=_rows(after)),
        label_rate=_label_rate(before, after),
        columns=ColumnChanges(
            added=sorted(set(new) - set(old)), removed=sorted(set(old) - set(new))
        ),
        missing=[
            MissingShare(column=name, champion=_missing(old[name]), challenger=_missing(new[name]))
            for name in both
            if abs(_missing(old[name]) - _missing(new[name])) >= MISSING_SHIFT
        ],
        shifted=sorted(
            (shift for shift in shifts if shift.distance >= SHIFT),
            key=lambda shift: -shift.distance,
        ),
    )


def _inputs(reference: Mapping[str, Profile]) -> dict[str, Profile]:
    return {name: profile for name, profile in reference.items() if name not in PREDICTED}


def distance(old: Profile, new: Profile) -> float:
    """Return the distance of two profiles of a column: 0 if equal, 1 if nothing is in common.

    Numbers: the largest difference of their cumulative distributions at the old bin edges.
    Categories: half the sum of the differences of their shares.
    """
    if old["type"] != new["type"]:
        return 1.0
    totals = sum(_counts(old)), sum(_counts(new))
    if not all(totals):
        return 0.0 if totals[0] == totals[1] else 1.0
    if old["type"] == "category" and new["type"] == "category":
        names = old["counts"].keys() | new["counts"].keys()
        gaps = (
            old["counts"].get(name, 0) / totals[0] - new["counts"].get(name, 0) / totals[1]
            for name in sorted(names)
        )
        return float(sum(map(abs, gaps)) / 2)
    before, after = number_profile(old), number_profile(new)
    edges = np.asarray(before["edges"])
    return float(np.abs(_cumulative(before, edges) - _cumulative(after, edges)).max(initial=0))


def _cumulative(profile: NumberProfile, at: np.ndarray) -> np.ndarray:
    shares = np.cumsum(profile["counts"]) / sum(profile["counts"])
    edges = [profile["min"], *profile["edges"], profile["max"]]
    found: np.ndarray = np.interp(at, edges, [0, *shares[:-1], 1])
    return found


def _counts(profile: Profile) -> list[int]:
    return [*profile["counts"].values()] if profile["type"] == "category" else profile["counts"]


def _missing(profile: Profile) -> float:
    return float(profile["missing"] / max(profile["rows"], 1))


def _rows(manifest: Manifest) -> int:
    parts = (manifest["train"], manifest["holdout"])
    return sum(int(part["rows"]) + int(part.get("unlabelled", 0)) for part in parts)


def _label_rate(before: Manifest, after: Manifest) -> LabelRate | None:
    """Return the label rates of two binary models; None of others."""
    if "positives" not in before["train"] or "positives" not in after["train"]:
        return None
    return LabelRate(
        train=Rates(champion=_rate(before["train"]), challenger=_rate(after["train"])),
        holdout=Rates(champion=_rate(before["holdout"]), challenger=_rate(after["holdout"])),
    )


def _rate(part: Part) -> float:
    return float(part["positives"] / max(part["rows"], 1))


def _files(root: Path, base: str) -> FileChanges:
    found = json.loads(run(["dvc", "diff", "--json", "--targets", "data", "--", base], root))
    paths = {
        kind: [file["path"] for file in found.get(kind, []) if not file["path"].endswith("/")]
        for kind in ("added", "deleted", "modified")
    }
    return FileChanges(**paths)


def _changed_files(root: Path, base: str) -> tuple[dict[str, str], list[str]]:
    """Return the status of each path that differs, and which of them are links now."""
    raw = names(root, "diff", "--raw", "-z", "--no-renames", base, "--")
    entries = dict(zip(map(shown, raw[1::2]), raw[::2], strict=True))
    fresh = names(root, "ls-files", "-z", "--others", "--exclude-standard")
    changed = {path: STATUS.get(entry[-1], "changed") for path, entry in entries.items()}
    links = {path for path, entry in entries.items() if entry.split()[1] in LINK_MODES}
    changed |= {shown(path): "added" for path in fresh if shown(path) not in changed}
    links |= {shown(path) for path in fresh if (root / path).is_symlink()}
    return changed, sorted(links)


def _reader(root: Path) -> Callable[[str], str | None]:
    def read(name: str) -> str | None:
        path = root / name
        if path.is_symlink() or not path.is_file():
            return None
        return path.read_text("utf-8", "replace")

    return read


def _dependencies(packages: Mapping[str, list[PackageChange]]) -> list[Change]:
    """Return the changes of all locks, once if they agree, the most severe first."""
    rows: dict[str, PackageChange] = {}
    for lock, found in packages.items():
        for change in found:
            same = rows.get(change.name, change) == change
            rows[change.name if same else f"{change.name} ({lock})"] = change
    ordered = sorted(rows.items(), key=lambda row: not row[1].grave)
    return [_change(name, change.before, change.after) for name, change in ordered][: 2 * MOST]


def _change(name: str, before: str, after: str) -> Change:
    return Change(
        name=name[:LONGEST_NAME],
        champion=before[:LONGEST_TEXT],
        challenger=after[:LONGEST_TEXT],
    )


def _at(root: Path, commit: str, name: str) -> str:
    return read_file(root, commit, name) or ""


def _flat(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        return {
            key: text
            for part, inner in value.items()
            for key, text in _flat(inner, f"{name}.{part}" if name else str(part)).items()
        }
    return {name: json.dumps(value, ensure_ascii=False, default=str)}


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    return [
        _change(name, before.get(name, ""), after.get(name, ""))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
