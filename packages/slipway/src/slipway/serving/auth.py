"""Authentication: bearer tokens, and the secret that marks the requests of a smoke test."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from enum import StrEnum
from typing import TYPE_CHECKING

from slipway.errors import SlipwayError
from slipway.serving.http import Refusal, header
from slipway.untrusted import shown

if TYPE_CHECKING:
    from asgiref.typing import HTTPScope

HOST = re.compile(r"(?:\[(?P<address>[^]]+)\]|(?P<name>[^]:[]*))(?::[0-9]*)?")
SCOPES = re.compile(r"(?P<scopes>[a-z]+(?:\+[a-z]+)*):")
NOT_LETTERS = re.compile(r"[^a-z]+")
SMOKE_TEST = b"x-slipway-smoke-test"


class Right(StrEnum):
    """What a token may do; the values are the scopes before the colon of a token."""

    PREDICT = "predict"
    EXPLAIN = "explain"
    METRICS = "metrics"
    LOG = "log"


# The log has the inputs of other callers: only a token that names its scope reads it.
WITHOUT_SCOPES = frozenset(Right) - {Right.LOG}


class Tokens:
    """The accepted bearer tokens; without any, only this machine has access.

    Parameters
    ----------
    listed
        Comma separated, as in the environment variable SLIPWAY_TOKENS. A token that begins with
        scopes and a colon, such as ``predict+explain:secret``, has these rights alone; another one
        has all of them but to read the log.

    Raises
    ------
    SlipwayError
        A token begins with scopes of which one is not known, or which are not written as scopes; or
        it is the name of a scope.
    """

    def __init__(self, listed: str) -> None:
        tokens = [token.strip() for token in listed.split(",")]
        self._rights = [(_digest(token.encode()), _rights(token)) for token in tokens if token]

    def __bool__(self) -> bool:
        return bool(self._rights)

    def check(self, scope: HTTPScope, needed: Right | None) -> None:
        """Refuse a request without a known token that has a right, in constant time.

        Parameters
        ----------
        needed
            None: each known token will do.
        """
        if not self._rights:
            _check_loopback(scope)
            if needed not in (None, *WITHOUT_SCOPES):
                raise _forbidden(needed)
            return
        scheme, _, token = header(scope, b"authorization").partition(b" ")
        given = _digest(token.strip())
        known = [rights for digest, rights in self._rights if hmac.compare_digest(given, digest)]
        if scheme.lower() != b"bearer" or not known:
            raise Refusal(
                401,
                "unauthorized",
                "send a known token: Authorization: Bearer <token>",
                headers=((b"www-authenticate", b"Bearer"),),
            )
        if needed is not None and not any(needed in rights for rights in known):
            raise _forbidden(needed)


class SmokeTest:
    """The secret that marks the requests of a smoke test: logged as such, and not counted.

    `slipway deploy` sets it for the container. Without a secret every request is traffic.
    """

    def __init__(self, secret: str) -> None:
        self._digest = _digest(secret.strip().encode()) if secret.strip() else b""

    def marks(self, scope: HTTPScope) -> bool:
        given = _digest(header(scope, SMOKE_TEST))
        return hmac.compare_digest(given, self._digest)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _forbidden(needed: Right | None) -> Refusal:
    return Refusal(403, "forbidden", f"this needs a token with the scope `{needed}`")


def _rights(token: str) -> frozenset[Right]:
    scopes = SCOPES.match(token)
    if scopes is None:
        if meant := _meant(token):
            raise _unknown(meant)
        return WITHOUT_SCOPES
    try:
        return frozenset(map(Right, scopes["scopes"].split("+")))
    except ValueError:
        raise _unknown(scopes["scopes"]) from None


def _meant(token: str) -> str:
    """Return the start of a token if it names scopes in another form; else nothing.

    As a token without scopes it would have more rights than was meant, and the first one of
    ``predict,explain:secret`` can be guessed.
    """
    start, colon, _ = token.partition(":")
    words = set(NOT_LETTERS.split(start.lower())) - {""}
    scopes = words & set(Right)
    return start if scopes and (colon or scopes == words) else ""


def _unknown(scopes: str) -> SlipwayError:
    return SlipwayError(
        f"SLIPWAY_TOKENS: a token begins with the scopes {shown(scopes)}, and the scopes are "
        f"{', '.join(Right)}",
        "join them by `+` and end them with a colon, as predict+explain:secret; a token without "
        "scopes has no colon, and is not the name of a scope",
    )


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _check_loopback(scope: HTTPScope) -> None:
    client = scope.get("client")
    if client is None or not is_loopback(client[0]):
        raise Refusal(
            403,
            "no_token_configured",
            "this service has no tokens and answers its own machine only: "
            "start it with SLIPWAY_TOKENS set in its environment",
        )
    host = header(scope, b"host").decode("latin-1")
    if host and not _names_loopback(host):
        # A web page whose name was rebound to 127.0.0.1 sends its own name.
        raise Refusal(
            403,
            "foreign_host",
            f"this service has no tokens and answers as localhost only, not as {shown(host)}: "
            "start it with SLIPWAY_TOKENS set in its environment",
        )


def _names_loopback(host: str) -> bool:
    """Return whether a Host header names this machine: localhost, 127.0.0.1 or [::1], any port."""
    named = HOST.fullmatch(host)
    if named is None:
        return False
    name = named["address"] or named["name"]
    return name.lower() == "localhost" or is_loopback(name)
