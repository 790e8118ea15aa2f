"""The formats, the preferred one first, and the model file of a folder."""

from __future__ import annotations

from pathlib import Path

from slipway.errors import SlipwayError
from slipway.manifest import Manifest
from slipway.training.formats.format import Format
from slipway.training.formats.onnx import ONNX
from slipway.training.formats.skops import SKOPS

FORMATS = {each.name: each for each in (ONNX, SKOPS)}

MODEL_FILES = tuple(each.file for each in FORMATS.values())


def format_of(manifest: Manifest) -> Format:
    """Return the format that a manifest names: ONNX if it names none, as before version 0.3."""
    name = manifest["model"].get("format", ONNX.name)
    if name not in FORMATS:
        raise SlipwayError(
            f"manifest.json: `model.format` is {name!r}, expected one of {', '.join(FORMATS)}",
            "use the version of slipway that made it, or rebuild it with `dvc repro`",
        )
    return FORMATS[name]


def model_paths(folder: Path) -> list[Path]:
    """Return the model files of a folder; a folder of `slipway train` has one."""
    return [folder / name for name in MODEL_FILES if (folder / name).is_file()]


def model_path(folder: Path) -> Path:
    """Return the model file of a folder; raises SlipwayError if there is not exactly one."""
    found = model_paths(folder)
    if len(found) != 1:
        names = " and ".join(path.name for path in found) or "no model file"
        raise SlipwayError(
            f"{folder}: {names}; expected one of {', '.join(MODEL_FILES)}",
            "train it again with `dvc repro`",
        )
    return found[0]
