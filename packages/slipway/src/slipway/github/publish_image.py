"""From one job of a release to the next: the image, if it holds what was verified."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from slipway.actions import add_summary, annotate
from slipway.documents.document import Document
from slipway.documents.markdown import to_markdown
from slipway.github.find_pull_request import Event, read_event
from slipway.release.image.record import ImageRecord
from slipway.release.verified import check_verified

SWITCH = "SLIPWAY_ATTEST"


def publish_image_outputs(root: Path) -> dict[str, str | bool]:
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
    image = ImageRecord.read(root)
    check_verified(root, image)
    name, _, digest = image.image.rpartition("@")
    attest = bool(name) and may_attest(read_event(), os.environ)
    add_summary(_summary(image, attest))
    if not attest:
        annotate("notice", "The image is not attested", _why_not(name))
    return {"image": image.image, "name": name, "digest": digest, "attest": attest}


def may_attest(event: Event, environment: Mapping[str, str]) -> bool:
    """Return whether GitHub attests for this repository: any public one; others need a plan."""
    setting = environment.get(SWITCH, "")
    return setting == "true" if setting else not event.repository.private


def _why_not(name: str) -> str:
    if not name:
        return "It is in no registry."
    return (
        "GitHub attests for private repositories on the plan Enterprise Cloud only. Where you have "
        f"it, set the variable {SWITCH} to true."
    )


def _summary(image: ImageRecord, attest: bool) -> str:
    size = f" ({image.bytes / 1e6:.0f} MB)" if image.bytes else ""
    attested = "with SBOM and provenance attested" if attest else "not attested"
    text = (
        f"`{image.image}`{size}, {attested}. It holds model `{image.model_sha256[:12]}` of commit "
        f"`{image.commit[:7]}`."
    )
    return to_markdown(Document("good", "Image", [text], [], []))
