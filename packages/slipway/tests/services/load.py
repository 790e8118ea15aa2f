"""Steady traffic: a fixed rate of requests over connections that stay open, each one counted.

It asks at its own pace, whatever the service does, as callers do: a service that pauses finds
a queue, and every wait in it is measured from when the request was due.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

CONNECTIONS = 16
SECONDS_TO_ANSWER = 20.0


@dataclass(frozen=True)
class Answer:
    """One answer, or what came instead of it.

    Attributes
    ----------
    at, waited
        Seconds: when it came, and how long after it was due.
    status
        0 if there was no answer.
    model
        The header that names the model.
    ids
        Of the predictions that it holds.
    fault
        What went wrong, if there was no answer.
    """

    at: float
    waited: float
    status: int
    model: str = ""
    ids: tuple[str, ...] = ()
    fault: str = ""


@dataclass
class Tally:
    """All answers until now; grows while the traffic goes on."""

    answers: list[Answer] = field(default_factory=list)

    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)

    def failed(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status != 200]

    def models(self) -> set[str]:
        return {answer.model for answer in self.answers if answer.status == 200}

    def ids(self) -> set[str]:
        return set(itertools.chain.from_iterable(answer.ids for answer in self.answers))

    def pause(self) -> float:
        """Return the longest time, in seconds, without an answer."""
        moments = sorted(answer.at for answer in self.answers if answer.status == 200)
        return max((after - before for before, after in itertools.pairwise(moments)), default=0.0)

    def wait(self, since: float = -math.inf, until: float = math.inf) -> float:
        """Return the longest time, in seconds, that a caller waited for an answer of that time."""
        answers = [answer for answer in self.answers if since <= answer.at < until]
        return max((answer.waited for answer in answers), default=0.0)


@contextmanager
def traffic(port: int, bodies: Sequence[str], token: str, rate: float = 200.0) -> Iterator[Tally]:
    """Send the bodies to /predict, over and over, while the block lasts."""
    load = _Load(port, bodies, token, rate)
    thread = threading.Thread(target=load.run, daemon=True)
    thread.start()
    try:
        yield load.tally
    finally:
        load.stop()
        thread.join(2 * SECONDS_TO_ANSWER)
        assert not thread.is_alive(), "the traffic did not end"


class _Load:
    def __init__(self, port: int, bodies: Sequence[str], token: str, rate: float) -> None:
        self.tally = Tally()
        self._port = port
        self._token = token
        self._every = CONNECTIONS / rate
        self._bodies = itertools.cycle([body.encode() for body in bodies])
        self._ended = threading.Event()

    def stop(self) -> None:
        self._ended.set()

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        start = time.monotonic()
        step = self._every / CONNECTIONS
        await asyncio.gather(*(self._caller(start + n * step) for n in range(CONNECTIONS)))

    async def _caller(self, due: float) -> None:
        """One connection: asks when it is time, or at once if it is late."""
        streams: _Streams | None = None
        while not self._ended.is_set():
            await asyncio.sleep(due - time.monotonic())
            try:
                if streams is None:
                    streams = await asyncio.open_connection("127.0.0.1", self._port)
                async with asyncio.timeout(SECONDS_TO_ANSWER):
                    answer, stays = await self._ask(streams, due)
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                answer, stays = self._none(due, error), False
            self.tally.answers.append(answer)
            if not stays and streams is not None:
                streams[1].close()
                streams = None
            due += self._every
        if streams is not None:
            streams[1].close()

    async def _ask(self, streams: _Streams, due: float) -> tuple[Answer, bool]:
        reader, writer = streams
        body = next(self._bodies)
        writer.write(
            f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self._token}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(head.split(" ", 2)[1])
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
        }
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        now = time.monotonic()
        ids = (json.loads(content)["id"],) if status == 200 else ()
        fault = "" if status == 200 else content[:200].decode("utf-8", "replace")
        answer = Answer(now, now - due, status, headers.get("model-sha256", ""), ids, fault)
        return answer, headers.get("connection", "") != "close"

    def _none(self, due: float, error: Exception) -> Answer:
        now = time.monotonic()
        return Answer(now, now - due, 0, fault=f"{type(error).__name__}: {error}")


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
