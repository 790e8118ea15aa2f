"""``dvc.lock``: what it records, and how two of them differ."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from slipway.dataset.tables import digest
from slipway.repository.pointers import Stages
from slipway.training.formats.registry import model_paths

# Outputs under this folder are in git; all others are stored by DVC or made again.
REPORTS = "reports"


def outputs(stages: Stages) -> dict[str, str]:
    """Return the md5 of every output by its path."""
    return {out.path: out.md5 for stage in stages.values() for out in stage.outs}


def changed_inputs(recorded: Stages, rebuilt: Stages) -> list[str]:
    """Return the files and parameters that come from outside the pipeline and differ."""
    before, after = _inputs(recorded), _inputs(rebuilt)
    changed = (key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return sorted({name for _, name in changed})


def differing_outputs(recorded: Stages, rebuilt: Stages) -> list[str]:
    """Return the outputs whose bytes differ."""
    before, after = outputs(recorded), outputs(rebuilt)
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )


def edited_reports(stages: Stages, root: Path) -> list[str]:
    """Return the reports that are not the files that a lock records."""
    return sorted(
        path
        for path, md5 in outputs(stages).items()
        if is_report(path) and not ((root / path).is_file() and digest(root / path, "md5") == md5)
    )


def read_reports(stages: Stages, root: Path) -> dict[str, bytes]:
    """Return the content of the reports that a lock names and that exist, by path."""
    return {
        path: (root / path).read_bytes()
        for path in outputs(stages)
        if is_report(path) and (root / path).is_file()
    }


def folder_md5(folder: Path) -> str:
    """Return the name that DVC gives to the content of a folder."""
    listing = [
        {"md5": digest(path, "md5"), "relpath": path.relative_to(folder).as_posix()}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    content = json.dumps(listing, sort_keys=True).encode()
    return f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}.dir"


def model_sha256(folder: Path) -> str:
    """Return the sha256 of the model in a folder; empty if it has none, or two."""
    found = model_paths(folder)
    return digest(found[0]) if len(found) == 1 else ""


def _inputs(stages: Stages) -> dict[tuple[str, str], object]:
    """Return the inputs of each stage from outside the pipeline, by stage and name."""
    made = outputs(stages)
    given: dict[tuple[str, str], object] = {}
    for stage, parts in stages.items():
        given[stage, f"dvc.yaml: {stage}"] = parts.cmd
        for dep in parts.deps:
            if dep.path not in made:
                given[stage, dep.path] = dep.md5
        for file, values in parts.params.items():
            given |= {(stage, f"{file}: {name}"): value for name, value in values.items()}
    return given


def is_report(path: str) -> bool:
    return path.startswith(f"{REPORTS}/")
