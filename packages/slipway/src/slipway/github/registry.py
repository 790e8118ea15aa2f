"""The image registry of a job, and the login to it."""

from __future__ import annotations

from collections.abc import Mapping

from slipway.docker import docker
from slipway.errors import SlipwayError

GHCR = "ghcr.io"


def registry_of(environment: Mapping[str, str]) -> str:
    """Return the repository for images: SLIPWAY_REGISTRY, or this repository's own on GHCR.

    Raises
    ------
    SlipwayError
        Neither variable is set.
    """
    if named := environment.get("SLIPWAY_REGISTRY", "").strip().rstrip("/"):
        return named
    try:
        # GHCR accepts only lower case.
        return f"{GHCR}/{environment['GITHUB_REPOSITORY'].lower()}"
    except KeyError:
        raise SlipwayError("SLIPWAY_REGISTRY is not set", "set it, as ghcr.io/owner/name") from None


def log_in(environment: Mapping[str, str]) -> tuple[str, str]:
    """Log in to the registry; return its repository for images, and a message.

    The token of the job is sent to GHCR only. For any other host, SLIPWAY_REGISTRY_USER and
    SLIPWAY_REGISTRY_TOKEN are used, or the credentials of a cloud if SLIPWAY_REGISTRY_STORE is set;
    without them there is no login.

    Raises
    ------
    SlipwayError
        The registry cannot be reached, or refuses.
    """
    repository = registry_of(environment)
    host = repository.partition("/")[0]
    user, token = environment.get("GITHUB_ACTOR", ""), environment.get("GITHUB_TOKEN", "")
    if host != GHCR:
        user = environment.get("SLIPWAY_REGISTRY_USER", "")
        token = environment.get("SLIPWAY_REGISTRY_TOKEN", "")
    if not token and environment.get("SLIPWAY_REGISTRY_STORE"):
        from slipway.github.cloud_registry import cloud_login  # not in the standard library

        user, token = cloud_login(host)
    if not token:
        return repository, f"{host}: no token is set, so the existing login is used"
    docker("login", "--username", user or "token", "--password-stdin", host, stdin=token)
    return repository, f"{host}: logged in as {user or 'token'}"
