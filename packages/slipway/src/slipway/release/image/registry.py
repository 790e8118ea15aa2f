"""Push an image to a registry, and name it by its digest there."""

from __future__ import annotations

import os
import re

from slipway.docker import docker
from slipway.errors import SlipwayError
from slipway.settings import Deploy

REGISTRY = "SLIPWAY_REGISTRY"

PUSH_SECONDS = 900

_NAME = re.compile(r"[a-z0-9.\-]+(:\d+)?(/[a-z0-9]+([._\-]+[a-z0-9]+)*)+")


def repository(settings: Deploy) -> str:
    """Return the repository that images are pushed to, as ``ghcr.io/owner/name``."""
    # GitHub's names may have upper-case letters, those of images may not.
    name = (os.environ.get(REGISTRY) or settings.registry).lower()
    if not name:
        raise SlipwayError(
            "no registry is set",
            f"set deploy.registry in params.yaml, or {REGISTRY}: ghcr.io/owner/name for GitHub's",
        )
    if not _NAME.fullmatch(name):
        raise SlipwayError(
            f"registry {name!r}: not the name of an image repository",
            "write host/name without https:// and without a tag, as ghcr.io/owner/name",
        )
    return name


def push_image(image: str, where: str, tag: str) -> str:
    """Push an image and return its name by digest, ``repository@sha256:…``.

    The tag is for people; Slipway never uses it.
    """
    docker("tag", image, f"{where}:{tag}")
    output = docker("push", f"{where}:{tag}", seconds=PUSH_SECONDS)
    found = re.search(r"digest: (sha256:[0-9a-f]{64})", output)
    if found is None:
        raise SlipwayError(
            f"{where}: the push ended without a digest: {output.strip()[-200:]}",
            "push again; `docker push` must end with the digest",
        )
    return f"{where}@{found[1]}"
