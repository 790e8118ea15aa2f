"""Requests and answers (ASGI): headers, bodies, refusals and their limits."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from slipway.untrusted import shown

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

Headers = tuple[tuple[bytes, bytes], ...]

JSON = b"application/json"
GZIP = b"\x1f\x8b"  # its first bytes


@dataclass(frozen=True, slots=True)
class Request:
    """The body of a request, whether it is of a smoke test, and its headers, in lower case."""

    body: bytes
    smoke_test: bool = False
    headers: Iterable[tuple[bytes, bytes]] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: bytes = JSON
    headers: Headers = ()


class Refusal(Exception):
    """The request gets a 4xx or 5xx. Programs read `code` and `faults`, people the message."""

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


class BodyBudget:
    """Bytes that the bodies of all current requests may take together."""

    def __init__(self, size: int) -> None:
        self._free = size

    @contextmanager
    def hold(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that takes some bytes or raises Refusal; the block's end frees them."""
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
    scope: HTTPScope, receive: ASGIReceiveCallable, limit: int, take: Callable[[int], None]
) -> bytes:
    """Return the body of a request; holds at most one chunk more than `limit` bytes.

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
        if message["type"] != "http.request":
            raise Refusal(400, "disconnected", "the request ended before its body")
        chunk: bytes = message.get("body", b"")
        take(len(chunk))
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return body


def check_json(scope: HTTPScope) -> None:
    """Refuse a body that is not declared as JSON, so that no web page can send one."""
    media_type = header(scope, b"content-type").partition(b";")[0].strip().lower()
    if media_type != JSON:
        raise Refusal(415, "not_json", "send JSON, with Content-Type: application/json")
    coding = header(scope, b"content-encoding").strip().lower()
    if coding not in (b"", b"identity"):
        raise _encoded(f"Content-Encoding is {shown(coding.decode('latin-1'))}")


def as_utf8(body: bytes) -> bytes:
    """Return a body without its byte order mark; refuse a compressed one and other encodings."""
    if body[:2] == GZIP:
        raise _encoded("the body is gzip")
    encoding = json.detect_encoding(body[:4])
    if encoding.startswith("utf-8"):
        return body.removeprefix(BOM_UTF8)
    message = f"the body is {encoding[:6].upper()}: send UTF-8"
    fault = {"row": 0, "field": "", "rule": "json", "message": message}
    raise Refusal(400, "bad_json", message, [fault])


def header(scope: HTTPScope, name: bytes) -> bytes:
    """Return the first header with a name; empty without one."""
    return next((bytes(value) for key, value in scope["headers"] if key == name), b"")


async def respond(send: ASGISendCallable, answer: Answer) -> None:
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", b"%d" % len(answer.body)),
        *answer.headers,
    ]
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": headers,
            "trailers": False,
        }
    )
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def _encoded(what: str) -> Refusal:
    return Refusal(
        415,
        "encoded_body",
        f"{what}: send the JSON as it is, without compression",
        headers=((b"accept-encoding", b"identity"),),
    )


def _too_large(limit: int) -> Refusal:
    # Closing the connection avoids the rest of the body.
    return Refusal(
        413,
        "body_too_large",
        f"the body is larger than {limit:,} bytes: send fewer rows at a time",
        headers=((b"connection", b"close"),),
    )
