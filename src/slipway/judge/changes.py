"""What a change changes: data, parameters, dependencies, code."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from slipway.git import names, read_file, shown
from slipway.workspace import run

# A change in the share of empty values smaller than this is not worth a line.
MISSING_MOVED = 0.005

# Largest distance between two cumulative distributions that goes without a word.
MOVED = 0.1

# Who edits these edits what the change is judged by.
JUDGES = (
    "src/model/behaviours.py",
    "src/model/schema.py",
    "src/model/rules.py",
    "src/model/slices.py",
    "src/model/target.py",
)

JUDGING_PARAMS = ("judge.", "prepare.", "validate.")

# What the steps write: it follows from the rest.
WRITTEN = ("data.dvc", "dvc.lock", "reports/", "params.yaml", "requirements.lock", "data-remote/")


def changes(root: Path, base: str) -> dict[str, Any]:
    """Return parameters, dependencies and files that differ between a commit and this tree."""
    old_params = yaml.safe_load(_at(root, base, "params.yaml") or "{}")
    new_params = yaml.safe_load((root / "params.yaml").read_text("utf-8"))
    params = _differences(_flat(old_params), _flat(new_params))
    files = _changed_files(root, base)
    edited = [name for name in files if name in JUDGES]
    edited += [row["name"] for row in params if row["name"].startswith(JUDGING_PARAMS)]
    return {
        "params": params,
        "dependencies": _differences(
            _pins(_at(root, base, "requirements.lock")),
            _pins((root / "requirements.lock").read_text("utf-8")),
        ),
        "files": [name for name in files if not name.startswith(WRITTEN)],
        "judges": edited,
    }


def data_changes(
    root: Path, base: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Any]:
    """Return how the data of two models differ, from what their manifests say of it.

    Distributions and missing values are those of the two holdouts.
    """
    same = before["data"]["md5"] == after["data"]["md5"]
    old, new = before["reference"], after["reference"]
    both = [name for name in old if name in new and name != "score"]
    return {
        "champion": before["data"]["md5"],
        "challenger": after["data"]["md5"],
        "months": {"champion": before["data"]["months"], "challenger": after["data"]["months"]},
        "files": {"added": [], "deleted": [], "modified": []} if same else _files(root, base),
        "rows": {"champion": _rows(before), "challenger": _rows(after)},
        "label_rate": {
            part: {"champion": _rate(before[part]), "challenger": _rate(after[part])}
            for part in ("train", "holdout")
        },
        "columns": {
            "added": sorted(set(new) - set(old)),
            "removed": sorted(set(old) - set(new)),
        },
        "missing": [
            {"column": name, "champion": _missing(old[name]), "challenger": _missing(new[name])}
            for name in both
            if abs(_missing(old[name]) - _missing(new[name])) >= MISSING_MOVED
        ],
        "moved": [row for row in _distances(old, new, both) if row["distance"] >= MOVED],
    }


def distance(old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
    """Return how far two profiles of a column lie apart: 0 the same, 1 nothing in common.

    Numbers: the largest difference of their cumulative distributions at the old bin edges.
    Categories: half the sum of the differences of their shares.
    """
    if old["type"] != new["type"]:
        return 1.0
    totals = sum(_counts(old)), sum(_counts(new))
    if not all(totals):
        return 0.0 if totals[0] == totals[1] else 1.0
    if old["type"] == "category":
        names = old["counts"].keys() | new["counts"].keys()
        gaps = (
            old["counts"].get(name, 0) / totals[0] - new["counts"].get(name, 0) / totals[1]
            for name in sorted(names)
        )
        return float(sum(map(abs, gaps)) / 2)
    edges = np.asarray(old["edges"])
    return float(np.abs(_cumulative(old, edges) - _cumulative(new, edges)).max(initial=0))


def _cumulative(profile: Mapping[str, Any], at: np.ndarray) -> np.ndarray:
    shares = np.cumsum(profile["counts"]) / sum(profile["counts"])
    edges = [profile["min"], *profile["edges"], profile["max"]]
    found: np.ndarray = np.interp(at, edges, [0, *shares[:-1], 1])
    return found


def _distances(old: Mapping[str, Any], new: Mapping[str, Any], names: list[str]) -> list[Any]:
    rows = [{"column": name, "distance": distance(old[name], new[name])} for name in names]
    return sorted(rows, key=lambda row: -float(row["distance"]))


def _counts(profile: Mapping[str, Any]) -> list[int]:
    counts = profile["counts"]
    return list(counts.values()) if profile["type"] == "category" else list(counts)


def _missing(profile: Mapping[str, Any]) -> float:
    return float(profile["missing"] / max(profile["rows"], 1))


def _rows(manifest: Mapping[str, Any]) -> int:
    parts = (manifest["train"], manifest["holdout"])
    return sum(int(part["rows"]) + int(part.get("unlabelled", 0)) for part in parts)


def _rate(part: Mapping[str, Any]) -> float:
    return float(part["positives"] / max(part["rows"], 1))


def _files(root: Path, base: str) -> dict[str, list[str]]:
    found = json.loads(run(["dvc", "diff", "--json", "--targets", "data", "--", base], root))
    return {
        kind: [file["path"] for file in found.get(kind, []) if not file["path"].endswith("/")]
        for kind in ("added", "deleted", "modified")
    }


def _changed_files(root: Path, base: str) -> list[str]:
    tracked = names(root, "diff", "--name-only", "-z", base, "--")
    fresh = names(root, "ls-files", "-z", "--others", "--exclude-standard")
    return sorted({shown(name) for name in tracked + fresh})


def _at(root: Path, commit: str, name: str) -> str:
    return read_file(root, commit, name) or ""


def _flat(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        return {
            key: text
            for part, inner in value.items()
            for key, text in _flat(inner, f"{name}.{part}" if name else str(part)).items()
        }
    return {name: json.dumps(value, ensure_ascii=False)}


def _pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.\-]+(?:\[[\w,\-]+\])?)==([^\s;\\]+)", lock, re.MULTILINE))


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"name": name, "champion": before.get(name, ""), "challenger": after.get(name, "")}
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
