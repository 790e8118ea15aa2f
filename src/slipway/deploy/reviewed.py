"""Is the image that is to be deployed the one that was reviewed?"""

from __future__ import annotations

import json
from typing import Any

from slipway.deploy.engine import pull
from slipway.deploy.release import Record, check_digest, read_image
from slipway.deploy.site import Site
from slipway.docker import docker
from slipway.errors import Refused, SlipwayError
from slipway.score import MODEL, read_manifest

LABELS = {"commit": "slipway.commit", "data": "slipway.data", "model_sha256": "slipway.model"}


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
    reviewed = read_manifest(MODEL)["model"]["sha256"]
    if reviewed != record.model_sha256:
        return f"it holds the model {record.model_sha256}, {MODEL} is {reviewed}"
    return ""


def _about(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("image", "inspect", image))[0]
    return found
