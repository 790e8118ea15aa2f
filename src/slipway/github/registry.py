"""Which registry a job pushes to and pulls from, and how it gets in."""

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
        Neither is known.
    """
    if named := environment.get("SLIPWAY_REGISTRY", "").strip().rstrip("/"):
        return named
    try:
        # GHCR takes small letters only, and GitHub both.
        return f"{GHCR}/{environment['GITHUB_REPOSITORY'].lower()}"
    except KeyError:
        raise SlipwayError("SLIPWAY_REGISTRY is not set", "set it, as ghcr.io/owner/name") from None


def log_in(environment: Mapping[str, str]) -> tuple[str, str]:
    """Log in to the registry; return its repository for images, and what was done.

    The token of the job is for GHCR. It is shown to no other host: there SLIPWAY_REGISTRY_USER
    and SLIPWAY_REGISTRY_TOKEN count, and without them nothing is done.

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
    if not token:
        return repository, f"{host}: as whoever is logged in already"
    docker("login", "--username", user or "token", "--password-stdin", host, stdin=token)
    return repository, f"{host}: logged in as {user or 'token'}"
