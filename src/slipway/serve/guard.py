"""The door: who may ask, in which form, and how much at once; and how an answer leaves."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from slipway.rows.words import shown

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON = b"application/json"
HOST = re.compile(r"(?:\[(?P<address>[^]]+)\]|(?P<name>[^]:[]*))(?::[0-9]*)?")
GZIP = b"\x1f\x8b"  # its first bytes
SMOKE_TEST = b"x-slipway-smoke-test"

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: bytes = JSON
    headers: Headers = ()


class Refusal(Exception):
    """The request gets a 4xx or 5xx. Programs read `code` and `faults`, people `message`."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        faults: Sequence[Any] = (),
        headers: Headers = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.faults = faults
        self.headers = headers

    def answer(self) -> Answer:
        error = {"code": self.code, "message": str(self), "faults": self.faults}
        return Answer(self.status, orjson.dumps({"error": error}), JSON, self.headers)


class Tokens:
    """The bearer tokens that may ask; without any, only this machine may.

    Parameters
    ----------
    listed
        Comma separated, as in the environment variable SLIPWAY_TOKENS.
    """

    def __init__(self, listed: str) -> None:
        tokens = [token.strip() for token in listed.split(",")]
        self._digests = [_digest(token.encode()) for token in tokens if token]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def check(self, scope: Scope) -> None:
        """Refuse a request without a known token; takes as long for any wrong one."""
        if not self._digests:
            _check_loopback(scope)
            return
        scheme, _, token = header(scope, b"authorization").partition(b" ")
        given = _digest(token.strip())
        known = [hmac.compare_digest(given, digest) for digest in self._digests]
        if scheme.lower() != b"bearer" or not any(known):
            raise Refusal(
                401,
                "unauthorized",
                "send a known token: Authorization: Bearer <token>",
                headers=((b"www-authenticate", b"Bearer"),),
            )


class SmokeTest:
    """The secret that marks the requests of a smoke test: they are logged as such, and not counted.

    Whoever deploys gives it to the container. Without one, every request is traffic.
    """

    def __init__(self, secret: str) -> None:
        self._digest = _digest(secret.strip().encode()) if secret.strip() else b""

    def marks(self, scope: Scope) -> bool:
        given = _digest(header(scope, SMOKE_TEST))
        return hmac.compare_digest(given, self._digest)


class Room:
    """Bytes that the bodies of all requests in hand may take together."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextmanager
    def hold(self) -> Iterator[Callable[[int], None]]:
        """Give a function that takes some bytes, or raises Refusal; the block's end frees them."""
        held = 0

        def take(size: int) -> None:
            nonlocal held
            if size > self._free:
                raise Refusal(503, "too_many_bodies", "too many large requests: try again later")
            self._free -= size
            held += size

        try:
            yield take
        finally:
            self._free += held


async def read_body(
    scope: Scope, receive: Receive, limit: int, take: Callable[[int], None]
) -> bytes:
    """Return the body of a request, never holding more than a chunk beyond `limit` bytes.

    Parameters
    ----------
    take
        Called with the size of each chunk; what it raises ends the request.
    """
    length = header(scope, b"content-length")
    if length and int(length) > limit:
        raise _too_large(limit)
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "disconnected", "the request ended before its body")
        chunk: bytes = message.get("body", b"")
        take(len(chunk))
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return body


def check_json(scope: Scope) -> None:
    """Refuse a body that is not declared as JSON, so that no web page can send one in passing."""
    media_type = header(scope, b"content-type").partition(b";")[0].strip().lower()
    if media_type != JSON:
        raise Refusal(415, "not_json", "send JSON, with Content-Type: application/json")
    coding = header(scope, b"content-encoding").strip().lower()
    if coding not in (b"", b"identity"):
        raise _encoded(f"Content-Encoding is {shown(coding.decode('latin-1'))}")


def as_utf8(body: bytes) -> bytes:
    """Return a body without its byte order mark.

    Raises
    ------
    Refusal
        It is compressed, or text in another encoding.
    """
    if body[:2] == GZIP:
        raise _encoded("the body is gzip")
    encoding = json.detect_encoding(body[:4])
    if encoding.startswith("utf-8"):
        return body.removeprefix(BOM_UTF8)
    name = encoding[:6].upper()
    message = f"the body is {name}: send UTF-8"
    fault = {"row": 0, "field": "", "rule": "json", "message": message}
    raise Refusal(400, "bad_json", message, [fault])


def header(scope: Scope, name: bytes) -> bytes:
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def respond(send: Send, answer: Answer) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [
                (b"content-type", answer.content_type),
                (b"content-length", b"%d" % len(answer.body)),
                *answer.headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": answer.body})


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _from_loopback(scope: Scope) -> bool:
    client = scope.get("client")
    return client is not None and is_loopback(client[0])


def _check_loopback(scope: Scope) -> None:
    if not _from_loopback(scope):
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
            f"this service has no tokens and is asked as localhost only, not as {shown(host)}: "
            "start it with SLIPWAY_TOKENS set in its environment",
        )


def _names_loopback(host: str) -> bool:
    """Return whether a Host header names this machine: localhost, 127.0.0.1 or [::1], any port."""
    named = HOST.fullmatch(host)
    if named is None:
        return False
    name = named["address"] or named["name"]
    return name.lower() == "localhost" or is_loopback(name)


def _encoded(what: str) -> Refusal:
    return Refusal(
        415,
        "encoded_body",
        f"{what}: send the JSON as it is, without compression",
        headers=((b"accept-encoding", b"identity"),),
    )


def _too_large(limit: int) -> Refusal:
    # Closing spares us the rest of the body.
    return Refusal(
        413,
        "body_too_large",
        f"the body is larger than {limit:,} bytes: send fewer rows at a time",
        headers=((b"connection", b"close"),),
    )
