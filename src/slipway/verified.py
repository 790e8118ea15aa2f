"""What `slipway verify` has found, and whether what lies here is that, at each hand-over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipway.errors import Refused, SlipwayError
from slipway.score import MANIFEST_FILE, MODEL, MODEL_FILE
from slipway.tables import digest, files_of, read_json

VERIFIED = Path("build/verified.json")

# What names a release from its verification to the service that runs.
IDENTITY = ("commit", "model_sha256", "manifest_sha256")

AGAIN = "release what was verified: run the workflow again from its first job"


def check_verified(root: Path, image: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `slipway verify` found, if it is about this image and the files that are here.

    Parameters
    ----------
    image
        Its `commit`, `model_sha256` and `manifest_sha256`.

    Raises
    ------
    Refused
        It is about another commit, or other files.
    SlipwayError
        It has not run here.
    """
    found = read_verified(root)
    for name in IDENTITY:
        if found[name] != image.get(name):
            given = str(image.get(name) or "nothing")[:12]
            raise Refused(f"{name} is {given}, and {found[name][:12]} was verified", AGAIN)
    check_files(root, found)
    report = found.get("report")
    if report and digest(root / report) != found.get("report_sha256"):
        raise Refused(f"{report}: not the report of what was verified", AGAIN)
    return found


def check_files(root: Path, found: Mapping[str, Any]) -> None:
    """Refuse a model folder whose files are not those that were verified; hash each again."""
    here = files_of(root / MODEL)
    wrong = sorted(
        name for name in here.keys() | found["files"] if here.get(name) != found["files"].get(name)
    )
    if wrong:
        names = ", ".join(f"{MODEL / name}" for name in wrong[:5])
        raise Refused(f"{names}: not the file that was verified", AGAIN)


def read_verified(root: Path) -> dict[str, Any]:
    """Return what `slipway verify` wrote.

    Raises
    ------
    SlipwayError
        It has not run here, or another version of it has.
    """
    found: dict[str, Any] = read_json(root / VERIFIED, "slipway verify")
    files = found.get("files")
    names = {MODEL_FILE: "model_sha256", MANIFEST_FILE: "manifest_sha256"}
    if (
        not all(isinstance(found.get(name), str) for name in IDENTITY)
        or not isinstance(files, dict)
        or any(files.get(file) != found[name] for file, name in names.items())
    ):
        raise SlipwayError(
            f"{VERIFIED}: does not name the files that were verified", "run `slipway verify` again"
        )
    return found
