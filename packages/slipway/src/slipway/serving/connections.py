"""Limits on connections: a client without a token must not be able to exhaust the memory.

uvicorn limits neither the headers of a request nor the time in which it has to be complete. A proxy
in front does both, but a pod and `slipway serve --host` have none.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from http import HTTPStatus
from typing import Any, Literal

from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from slipway.serving.http import Refusal


def limit_connections() -> None:
    """Make uvicorn, in this process, use the protocol with limits."""
    HTTP_PROTOCOLS["auto"] = f"{__name__}:{LimitedProtocol.__name__}"


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    max_connections = 512  # of one worker
    max_headers = 100  # of one request
    max_head_bytes = 64 * 1024  # of its line and its headers together
    max_pipelined = 16  # requests that wait for the answer to the one before

    head_seconds = 10.0  # from the first byte of a request, or of a connection, to the last header
    request_seconds = 30.0  # from the first byte of a request to the last of its body
    linger_seconds = 2.0  # in which a client may read why its connection is closed

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._phase: Literal["idle", "head", "body"] = "idle"
        self._since: float | None = None  # since when the client has to complete a request
        self._head_bytes = 0  # of the line and of complete headers
        self._unparsed_bytes = 0  # at most, of a header or trailer that is not complete
        self._began = False  # a request or a part of its body, within the data that is being parsed
        self._unread_since: float | None = None  # since when the client does not read its answer
        self._refusal: Refusal | None = None
        self._timer: TimerHandle | None = None

    # --- from the transport ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        if len(self.connections) > self.max_connections:
            self._refuse(503, "too_many_connections", "too many connections: try again later")
            transport.close()
            return
        self._timer = self.loop.call_later(self.head_seconds, self._check_time)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return  # It lingers.
        self._began = False
        super().data_received(data)
        if self._phase != "idle" and not self._began:
            self._unparsed_bytes += len(data)
            if self._unparsed_bytes > self.max_head_bytes:
                self._refuse_head()
        if self._since is None and self._answered():
            self._since = self.loop.time()  # Blank lines end the time to keep the connection.

    def pause_writing(self) -> None:
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._unread_since = None
        super().resume_writing()

    # --- from the parser; an exception here makes it call `send_400_response` ---

    def on_message_begin(self) -> None:
        self._phase, self._began = "head", True
        self._head_bytes = self._unparsed_bytes = 0
        self._since = self.loop.time()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if len(self.headers) >= self.max_headers or self._head_bytes > self.max_head_bytes:
            self._refuse_head()
            raise ValueError("too large")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= self.max_pipelined:
            self._refuse(429, "too_many_requests", "wait for answers before you send more requests")
            raise ValueError("too many")
        self._phase, self._unparsed_bytes = "body", 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._began, self._unparsed_bytes = True, 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._phase, self._since = "idle", None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "bad_http", msg)

    def _should_upgrade(self) -> bool:
        return False  # A WebSocket would be under none of these limits.

    def _unsupported_upgrade_warning(self) -> None:
        pass

    # --- limits ---

    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _check_time(self) -> None:
        now = self.loop.time()
        if self._unread_since is not None and now - self._unread_since >= self.request_seconds:
            self.transport.abort()
            return
        allowed = self.request_seconds if self._phase == "body" else self.head_seconds
        due = now + self.head_seconds if self._since is None else self._since + allowed
        if now < due:
            self._timer = self.loop.call_later(due - now, self._check_time)
        elif self._refusal is None:
            self._refuse(408, "too_slow", f"send a request within {allowed:.0f} seconds")
        else:
            self.transport.abort()

    def _refuse_head(self) -> None:
        self._refuse(
            431,
            "headers_too_large",
            f"send {self.max_headers} headers at most, of {self.max_head_bytes:,} bytes together",
        )

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer, if no other answer is under way, and end the connection."""
        if self._refusal is not None or self.transport.is_closing():
            return
        self._refusal = Refusal(status, code, message)
        if self._phase == "body" and not self.cycle.response_started:
            self.cycle.disconnected = True  # The answer is not sent any more.
            self.cycle.message_event.set()
        elif self._phase == "body" or not self._answered():
            self.transport.close()
            return
        self.transport.write(_as_http(self._refusal))
        # Closing at once would reset the connection, and the answer would be lost.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(self.linger_seconds, self.transport.abort)


def _as_http(refusal: Refusal) -> bytes:
    answer = refusal.answer()
    head = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
        f"content-type: {answer.content_type.decode()}\r\n"
        f"content-length: {len(answer.body)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + answer.body
