"""The newest digest of an image's tag, from its registry over HTTP.

An image that is pinned by digest gets no security fix until the pin is updated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from slipway.errors import SlipwayError

if TYPE_CHECKING:
    import httpx

PINNED = re.compile(
    r"(?P<name>[^\s@:]+(?::\d+/[^\s@:]+)?):(?P<tag>[\w.-]+)@(?P<digest>sha256:[0-9a-f]{64})"
)

# The list of an image for several processors first: its digest is valid on each of them.
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)

CHALLENGE = re.compile(r'(\w+)="([^"]*)"')

DOCKER_HUB = "registry-1.docker.io"

# No manifest is larger; registries refuse those above 4 MiB.
LARGEST = 4_194_304

SECONDS = 30.0

UNAUTHORIZED = 401


@dataclass(frozen=True)
class Renewal:
    """An image, with the digest that it is pinned to and the one that its tag has now."""

    image: str
    old: str
    new: str


def renew(text: str, images: list[str]) -> tuple[str, list[Renewal]]:
    """Return a text with each image pinned to its tag's newest digest, and the changes.

    An image without a tag or a digest is not changed.
    """
    found = []
    for image in images:
        pinned = PINNED.fullmatch(image)
        if not pinned:
            continue
        new = newest_digest(pinned["name"], pinned["tag"])
        if new != pinned["digest"]:
            text = text.replace(image, f"{pinned['name']}:{pinned['tag']}@{new}")
            found.append(Renewal(f"{pinned['name']}:{pinned['tag']}", pinned["digest"], new))
    return text, found


def newest_digest(name: str, tag: str) -> str:
    """Return the digest of a tag, computed from the manifest that the registry sent."""
    import httpx

    host, repository = place_of(name)
    local = host.rpartition(":")[0] in ("127.0.0.1", "localhost")
    url = f"{'http' if local else 'https'}://{host}/v2/{repository}/manifests/{tag}"
    try:
        with httpx.Client(timeout=SECONDS, trust_env=not local) as client:
            answer = client.get(url, headers={"Accept": MANIFESTS})
            if answer.status_code == UNAUTHORIZED:
                token = _anonymous_token(client, answer.headers.get("WWW-Authenticate", ""))
                headers = {"Accept": MANIFESTS, "Authorization": f"Bearer {token}"}
                answer = client.get(url, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SlipwayError(f"{host}: no answer ({error})", "retry later") from None
    return _digest(answer, f"{name}:{tag}")


def place_of(name: str) -> tuple[str, str]:
    """Return the registry of an image and its name there: Docker Hub unless it names another."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host = DOCKER_HUB if first in ("docker.io", "index.docker.io") else first
        return host, rest if "/" in rest or host != DOCKER_HUB else f"library/{rest}"
    return DOCKER_HUB, name if slash else f"library/{name}"


def _anonymous_token(client: httpx.Client, challenge: str) -> str:
    """Return the token that a registry issues to anyone for reading a public image."""
    asked: Mapping[str, str] = dict(CHALLENGE.findall(challenge))
    if not challenge.lower().startswith("bearer ") or "realm" not in asked:
        raise SlipwayError(
            "the registry requires a password", "only images that anyone may pull are renewed"
        )
    query = {key: asked[key] for key in ("service", "scope") if key in asked}
    answer = client.get(asked["realm"], params=query)
    try:
        found = answer.raise_for_status().json()
        return str(found.get("token") or found["access_token"])
    except (ValueError, KeyError, AttributeError):
        raise SlipwayError(f"{asked['realm']}: no token in the answer", "retry later") from None


def _digest(answer: httpx.Response, image: str) -> str:
    if not answer.is_success:
        raise SlipwayError(
            f"{image}: the registry answers {answer.status_code}",
            "check the name and the tag in params.yaml",
        )
    if len(answer.content) > LARGEST:
        raise SlipwayError(f"{image}: the manifest has more than {LARGEST:,} bytes")
    digest = f"sha256:{sha256(answer.content).hexdigest()}"
    claimed = answer.headers.get("Docker-Content-Digest", digest)
    if claimed != digest:
        raise SlipwayError(
            f"{image}: the registry names {claimed} and sends {digest}",
            "do not use that image: something on the way changes it",
        )
    return digest
