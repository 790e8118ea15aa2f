"""Check that an image is the one that was reviewed."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import AliasPath, BaseModel, Field

from slipway.dataset.tables import digest
from slipway.docker import docker, pull
from slipway.errors import SlipwayError
from slipway.manifest import MODEL
from slipway.release.image.record import ImageRecord, check_digest
from slipway.release.records import Record
from slipway.release.verified import VERIFIED, Verified, released_files

LABELS = {
    "commit": "slipway.commit",
    "data": "slipway.data",
    "model_sha256": "slipway.model",
    "manifest_sha256": "slipway.manifest",
}


class Image(BaseModel):
    """What is read of the result of ``docker image inspect``."""

    architecture: str = Field(validation_alias="Architecture")
    labels: dict[str, str] | None = Field(
        default=None, validation_alias=AliasPath("Config", "Labels")
    )


def find_image(image: str) -> ImageRecord:
    """Return the image to deploy: that of build/image.json, or another by its labels."""
    if not image:
        return ImageRecord.read()
    check_digest(image)
    pull(image)
    labels = inspect_image(image).labels or {}
    if missing := [label for label in LABELS.values() if not labels.get(label)]:
        raise SlipwayError(
            f"{image}: no label {', '.join(missing)}: `slipway build --image` did not make it",
            "deploy an image that it made",
        )
    commit, data, model_sha256, manifest_sha256 = (labels[label] for label in LABELS.values())
    return ImageRecord(image, commit, data, model_sha256, manifest_sha256)


def inspect_image(image: str) -> Image:
    (found,) = json.loads(docker("image", "inspect", image))
    return Image.model_validate(found)


def image_difference(image: Image, record: Record) -> str:
    """Return how an inspected image differs from its record and the reviewed model; else empty."""
    labels = image.labels or {}
    for key, label in LABELS.items():
        found, expected = labels.get(label) or "nothing", getattr(record, key)
        if found != expected:
            return f"its label {label} is {found}, build/image.json has {expected}"
    return model_difference(record)


def model_difference(record: Record) -> str:
    """Return how a release differs from the verified model and that in build/model, or empty."""
    verified = Verified.read(Path()) if VERIFIED.exists() else None
    for key, file in released_files(MODEL).items():
        released = getattr(record, key)
        if verified and verified.commit == record.commit and released != getattr(verified, key):
            return f"{key} is {released}, and {getattr(verified, key)} was verified"
        if (here := digest(MODEL / file)) != released:
            return f"it holds the {file} {released or 'of unknown hash'}, {MODEL / file} is {here}"
    return ""
