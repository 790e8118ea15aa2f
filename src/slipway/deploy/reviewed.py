"""Is the image that is to be deployed the one that was reviewed?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slipway.deploy.engine import pull
from slipway.deploy.release import MODEL_HASHES, Record, check_digest, read_image
from slipway.deploy.site import Site
from slipway.docker import docker
from slipway.errors import Refused, SlipwayError
from slipway.prove import Expected
from slipway.score import MANIFEST_FILE, MODEL, MODEL_FILE
from slipway.tables import digest
from slipway.verified import VERIFIED, read_verified

FILES = {"model_sha256": MODEL_FILE, "manifest_sha256": MANIFEST_FILE}

LABELS = {
    "commit": "slipway.commit",
    "data": "slipway.data",
    "model_sha256": "slipway.model",
    "manifest_sha256": "slipway.manifest",
}


def find_image(given: str) -> dict[str, Any]:
    """Return what is to be deployed: build/image.json, or what another image says of itself.

    Raises
    ------
    SlipwayError
        It is not named by digest, cannot be had, or `slipway build` did not make it.
    """
    if not given:
        return read_image()
    check_digest(given)
    pull(given)
    labels = _about(given)["Config"]["Labels"] or {}
    missing = [label for label in LABELS.values() if not labels.get(label)]
    if missing:
        raise SlipwayError(
            f"{given}: no label {', '.join(missing)}: `slipway build --image` did not make it",
            "deploy an image that it made",
        )
    return {"image": given} | {key: labels[label] for key, label in LABELS.items()}


def check_reviewed(site: Site, record: Record) -> None:
    """Refuse an image that is not what was reviewed; the history remembers the attempt.

    Raises
    ------
    Refused
        Its labels, or the model of this tree, say something else.
    SlipwayError
        It is for another kind of machine.
    """
    about = _about(record.image)
    if reason := _difference(about, record):
        site.remember(record.became("refused", reason))
        live = site.state.live
        runs = f"{live.record.words()} answers as before" if live else "nothing runs, as before"
        raise Refused(
            f"not what was reviewed: {reason}. {runs}.",
            "build it again from the reviewed commit: `slipway build --image`",
        )
    engine = docker("version", "--format", "{{.Server.Arch}}").strip()
    if about["Architecture"] != engine:
        raise SlipwayError(
            f"the image is for {about['Architecture']}, the engine is {engine}",
            "build it on a machine like the engine, or on the engine itself (DOCKER_HOST)",
        )


def _difference(about: dict[str, Any], record: Record) -> str:
    labels = about["Config"]["Labels"] or {}
    for key, label in LABELS.items():
        found, expected = labels.get(label) or "nothing", getattr(record, key)
        if found != expected:
            return f"its label {label} says {found}, build/image.json {expected}"
    return model_difference(record)


def model_difference(record: Record) -> str:
    """Return how a release differs from the model that is here, or that was verified, or ''."""
    verified = read_verified(Path()) if VERIFIED.exists() else {}
    if verified.get("commit") == record.commit:
        for name in MODEL_HASHES:
            if getattr(record, name) != verified[name]:
                return f"{name} is {getattr(record, name)}, and {verified[name]} was verified"
    for name in MODEL_HASHES:
        file = FILES[name]
        if (here := digest(MODEL / file)) != (there := getattr(record, name)):
            return f"it holds the {file} {there or 'of no known hash'}, {MODEL / file} is {here}"
    return ""


def expected_of(record: Record, golden: Sequence[Mapping[str, Any]]) -> Expected:
    """Return what a release must answer of itself, and its golden predictions."""
    return Expected(
        model_sha256=record.model_sha256,
        commit=record.commit,
        data=record.data,
        golden=golden,
        manifest_sha256=record.manifest_sha256,
    )


def _about(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("image", "inspect", image))[0]
    return found
