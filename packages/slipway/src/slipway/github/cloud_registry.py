"""Short-lived passwords for the registries of clouds, by the credentials that the job has."""

from __future__ import annotations

import base64
import re

from slipway.errors import SlipwayError
from slipway.github.az import az

ECR = re.compile(r"\d+\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")
GOOGLE = re.compile(r"([a-z0-9-]+-docker\.pkg\.dev|([a-z]+\.)?gcr\.io)")
AZURE = re.compile(r"(?P<name>[a-z0-9-]+)\.azurecr\.io")

GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"

# The user of a token, as Azure's documentation gives it.
AZURE_USER = "00000000-0000-0000-0000-000000000000"


def cloud_login(host: str) -> tuple[str, str]:
    """Return user and password of a cloud's registry; empty for another registry.

    Raises
    ------
    SlipwayError
        The job has no credentials of the cloud, or they are refused.
    """
    try:
        if found := ECR.fullmatch(host):
            return _ecr(found["region"])
        if GOOGLE.fullmatch(host):
            return _google()
        if found := AZURE.fullmatch(host):
            shown = ("--expose-token", "--query", "accessToken", "--output", "tsv")
            return AZURE_USER, az("acr", "login", "--name", found["name"], *shown).strip()
    except SlipwayError:
        raise
    except Exception as error:  # botocore, google.auth: they have no base class in common
        reason = " ".join(str(error).split())[:200]
        raise SlipwayError(
            f"{host}: no password from the cloud ({type(error).__name__}: {reason})",
            "set SLIPWAY_REGISTRY_STORE, and compare its role with docs/cloud.md",
        ) from error
    return "", ""


def _ecr(region: str) -> tuple[str, str]:
    import botocore.session

    client = botocore.session.get_session().create_client("ecr", region_name=region)
    [found] = client.get_authorization_token()["authorizationData"]
    user, _, password = base64.b64decode(found["authorizationToken"]).decode().partition(":")
    return user, password


def _google() -> tuple[str, str]:
    import google.auth
    import google.auth.transport.requests

    credentials, _ = google.auth.default(scopes=[GOOGLE_SCOPE])
    credentials.refresh(google.auth.transport.requests.Request())  # type: ignore[no-untyped-call]
    return "oauth2accesstoken", str(credentials.token)
