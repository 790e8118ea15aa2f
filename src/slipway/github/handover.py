"""From one job of a release to the next: the image, if it holds what was verified."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipway.deploy.release import read_image
from slipway.github.bind import read_event
from slipway.github.runner import add_summary, annotate
from slipway.verified import check_verified

SWITCH = "SLIPWAY_ATTEST"


def hand_over(root: Path) -> dict[str, str | bool]:
    """Return what later steps and jobs need of the image that was built.

    Returns
    -------
    ``image`` by digest, its ``name`` and ``digest`` alone, and whether to ``attest`` it.

    Raises
    ------
    Refused
        The image is of another commit or holds another model or manifest than was verified.
    SlipwayError
        The image is not in a registry, where the next job would find it.
    """
    image = read_image(root / "build/image.json")
    check_verified(root, image)
    name, _, digest = image["image"].rpartition("@")
    attest = bool(name) and may_attest(read_event(), os.environ)
    add_summary(_summary(image, attest))
    if not attest:
        annotate("notice", "The image is not attested", _why_not(name))
    return {"image": image["image"], "name": name, "digest": digest, "attest": attest}


def may_attest(event: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
    """Return whether GitHub attests for this repository: any public one; others need a plan."""
    said = environment.get(SWITCH, "")
    return said == "true" if said else not event["repository"].get("private", False)


def _why_not(name: str) -> str:
    if not name:
        return "It is in no registry."
    return (
        "GitHub attests for private repositories on the plan Enterprise Cloud only. Where you have "
        f"it, set the variable {SWITCH} to true."
    )


def _summary(image: Mapping[str, Any], attest: bool) -> str:
    size = f" ({image['bytes'] / 1e6:.0f} MB)" if image.get("bytes") else ""
    said = "with SBOM and provenance attested" if attest else "not attested"
    return (
        f"### 📦 Image\n\n`{image['image']}`{size}, {said}. It holds model "
        f"`{image['model_sha256'][:12]}` of commit `{image['commit'][:7]}`."
    )
