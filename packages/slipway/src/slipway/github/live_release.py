"""Find the release that is live in production, and fetch its model from its image, by digest.

``python3 -m slipway.github.live_release FOLDER`` runs before anything is installed: the commit of
the release is checked out afterwards. It uses only the standard library and Docker.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slipway.actions import set_outputs
from slipway.docker import PULL_SECONDS, docker
from slipway.errors import SlipwayError
from slipway.exits import run_command
from slipway.github.answers import Answer, Asset, Deployment, Release
from slipway.github.api import Api, api_of_job
from slipway.github.registry import log_in

ENVIRONMENT = "production"

INSIDE = "/app/build/model"  # as `slipway.release.image.context` packs it

RECORD, MANIFEST = "image.json", "manifest.json"

LIMIT = 2**20  # of a record

RAW = "application/octet-stream"

BY_DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")

GUIDE = "docs/batch.md#on-a-schedule"


@dataclass(frozen=True)
class Live:
    """A release: its commit, its image by digest, and the sha256 of model and manifest."""

    commit: str
    image: str
    model_sha256: str
    manifest_sha256: str


class Status(Answer):
    """A status of a Deployment."""

    state: str


def find_live(api: Api) -> Live:
    """Return the release that GitHub's Deployments name as live in production.

    Raises
    ------
    SlipwayError
        There is none, or its record is incomplete.
    """
    for entry in map(Deployment.of, api.pages("deployments", environment=ENVIRONMENT)):
        states = Status.each(api.get(f"deployments/{entry.id}/statuses", per_page=1))
        if not states or states[0].state != "success":
            continue
        payload = entry.payload
        record = payload if isinstance(payload, dict) and payload else _record(api, entry.sha)
        return _live(entry.sha, record)
    raise SlipwayError(
        f"no deployment to {ENVIRONMENT} has succeeded", f"release a model first; see {GUIDE}"
    )


def _record(api: Api, commit: str) -> Mapping[str, object]:
    """Return the record of the image that the release of a commit has."""
    for release in map(Release.of, api.pages("releases")):
        if not release.is_of(commit[:7]):
            continue
        for asset in map(Asset.of, api.pages(f"releases/{release.id}/assets")):
            if asset.name == RECORD:
                found = json.loads(api.download(f"releases/assets/{asset.id}", LIMIT, RAW))
                return found if isinstance(found, dict) else {}
    return {}


def _live(commit: str, record: Mapping[str, object]) -> Live:
    names = ("image", "model_sha256", "manifest_sha256")
    live = Live(commit, *(str(record.get(name, "")) for name in names))
    if not (BY_DIGEST.fullmatch(live.image) and live.model_sha256 and live.manifest_sha256):
        raise SlipwayError(
            f"the release of {commit[:7]} has no record of its image by digest",
            f"release again: Actions → Deploy → Run workflow; see {GUIDE}",
        )
    return live


def fetch_model(live: Live, out: Path) -> None:
    """Copy the model folder out of the image; its files must have the recorded hashes.

    Raises
    ------
    SlipwayError
        The image cannot be pulled, or has another model.
    """
    docker("pull", "--quiet", live.image, seconds=PULL_SECONDS)
    container = docker("create", live.image, "none").strip()
    try:
        docker("cp", f"{container}:{INSIDE}", str(out))
    finally:
        docker("rm", container)
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir()}
    manifest = files.pop(MANIFEST, "")
    if manifest != live.manifest_sha256 or live.model_sha256 not in files.values():
        raise SlipwayError(
            f"{live.image}: has another model than its release records",
            f"deploy again: the image or the record was replaced; see {GUIDE}",
        )


def main(out: Path) -> None:
    _, message = log_in(os.environ)
    live = find_live(api_of_job())
    fetch_model(live, out)
    set_outputs(commit=live.commit, image=live.image, model=live.model_sha256)
    sys.stdout.write(f"{message}\n{live.commit}: {live.image}, model {live.model_sha256[:12]}\n")


if __name__ == "__main__":
    run_command("slipway.github.live_release", lambda: main(Path(sys.argv[1])))
