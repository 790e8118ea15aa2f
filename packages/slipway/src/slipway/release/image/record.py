"""The record of a built image: ``build/image.json``."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path

from slipway.dataset.tables import read_json, write_json
from slipway.errors import SlipwayError

IMAGE = Path("build/image.json")

VERSION = 1

REQUIRED = ("image", "commit", "data", "model_sha256", "manifest_sha256")


@dataclass(frozen=True)
class ImageRecord:
    """An image and what is in it.

    Attributes
    ----------
    image
        ``repository@sha256:…`` when it was pushed, else the engine's own ``sha256:…``.
    bytes
        Its size on the engine, unpacked; 0 if unknown.
    sbom
        Its SBOM, relative to the repository.
    """

    image: str
    commit: str
    data: str
    model_sha256: str
    manifest_sha256: str
    bytes: int = 0
    created_at: str = ""
    sbom: str = ""

    def text(self) -> str:
        return (
            f"{self.image}\n"
            f"  model sha256 {self.model_sha256[:12]}…, {self.bytes / 1e6:.0f} MB; "
            f"record: {IMAGE}, SBOM: {self.sbom}"
        )

    def write(self, root: Path = Path()) -> None:
        write_json({"version": VERSION} | asdict(self), root / IMAGE)

    @classmethod
    def read(cls, root: Path = Path()) -> ImageRecord:
        """Return what `slipway build --image` wrote."""
        path = root / IMAGE
        found = read_json(path, "slipway build --image")
        if missing := [key for key in REQUIRED if not found.get(key)]:
            raise SlipwayError(
                f"{path}: `{'`, `'.join(missing)}` missing", "make it with `slipway build --image`"
            )
        check_digest(found["image"])
        return cls(**{key: found[key] for key in cls.__dataclass_fields__ if key in found})


def check_digest(image: str) -> None:
    """Refuse an image name that can later name another image."""
    if not re.fullmatch(r"(?:[^@\s]+@)?sha256:[0-9a-f]{64}", image):
        raise SlipwayError(
            f"{image}: an image is named by its digest, as repository@sha256:… or sha256:…",
            f"`slipway build --image` writes it to {IMAGE}",
        )
