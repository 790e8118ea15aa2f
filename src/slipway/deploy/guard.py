"""The one who changes something on an engine: lock, dead man's switch, and the proxy's API.

All three are one shell in the proxy's container, reached by one `docker exec`. If the
deployer dies, or the line to the engine is cut, the shell puts the traffic back where it was
and lets go of the lock.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import select
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from slipway.deploy.state import Traffic
from slipway.errors import SlipwayError

BEAT_SECONDS = 3.0
ANSWER_SECONDS = 30.0

STAT = "show stat -1 4 -1"  # servers of all backends


class GuardLost(SlipwayError):
    """The line to the engine is cut: the traffic is back where it was, the lock is free."""


@dataclass(frozen=True)
class Holder:
    """The command that holds the lock of an engine; all empty where it has just begun.

    Attributes
    ----------
    what
        ``stop``, ``recover``, or a release in words; empty if version 0.1 holds it, whose line is
        `who`.
    since
        In UTC.
    """

    who: str = ""
    what: str = ""
    since: str = ""

    @classmethod
    def from_text(cls, text: str) -> Holder:
        try:
            found = json.loads(text)
            return cls(str(found["who"]), str(found["what"]), str(found["since"]))
        except (ValueError, KeyError, TypeError):
            return cls(text.strip())

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    def words(self) -> str:
        since = f"since {self.since[:19]} UTC" if self.since else ""
        return ", ".join(filter(None, (self.who, self.what, since)))


class Busy(SlipwayError):
    """Another command changes something there."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(
            f"another one deploys here: {holder.words() or 'just begun'}",
            "wait until it has ended (`slipway status`), then try again",
        )
        self.holder = holder


class Guard:
    """Holds the lock of an engine while the block lasts.

    Parameters
    ----------
    proxy
        Name of the proxy's container.
    holder
        What another command that asks for the lock reports.

    Raises
    ------
    Busy
        Somebody else has it.
    SlipwayError
        The proxy does not run, or the engine cannot be reached.
    """

    def __init__(self, proxy: str, holder: Holder) -> None:
        self._proxy = proxy
        self._holder = holder
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._waiting = b""

    def __enter__(self) -> Self:
        script = Path(__file__).with_name("guard.sh").read_text("utf-8")
        self._shell = subprocess.Popen(
            [
                "docker",
                "exec",
                "-i",
                self._proxy,
                "bash",
                "-c",
                script,
                "guard",
                self._holder.to_text(),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C is for the deployer, which still has to put things in order through this.
            start_new_session=True,
        )
        self._input = cast("BinaryIO", self._shell.stdin)
        self._output = cast("BinaryIO", self._shell.stdout)
        self._errors = cast("BinaryIO", self._shell.stderr)
        try:
            first, _, holder = self._line().partition(" ")
            if first == "held":
                raise Busy(Holder.from_text(_decoded(holder)))
        except BaseException:
            self._close()
            raise
        self._beats = threading.Thread(target=self._beat, daemon=True)
        self._beats.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._ended.set()
        try:
            if kind is None:
                self._ask("bye")
        finally:
            self._close()

    def undo_with(self, traffic: Traffic) -> None:
        """Note how the traffic is to be shared if this deployer dies."""
        self._ask("undo", data=f"{traffic.to_commands()}\n")

    def api(self, commands: str) -> str:
        """Give the proxy commands, separated by semicolons; return what it said.

        Raises
        ------
        SlipwayError
            It refused one.
        """
        return self._ask("api", data=f"{commands}\n")

    def share(self, traffic: Traffic) -> None:
        """Share the traffic among the slots, at once."""
        if said := self.api(traffic.to_commands()).strip():
            raise SlipwayError(f"the proxy refused new weights: {said}", "run `slipway status`")

    def servers(self) -> dict[str, dict[str, str]]:
        """Return what the proxy counted of each slot, as `show stat` names it, and its address.

        What a slot was given as a candidate is under ``candidate/`` and its name.
        """
        found = read_servers(self.api(STAT))
        for line in self.api("show servers state slots").splitlines():
            words = line.split()
            if len(words) > 4 and words[3] in found:
                found[words[3]]["addr"] = words[4]
        return found

    def get(self, host: str, path: str, token: str = "") -> tuple[int, str]:
        """Ask a container of the engine's network over HTTP; return status and body.

        Raises
        ------
        SlipwayError
            It did not answer.
        """
        lines = [f"GET {path} HTTP/1.0", f"Host: {host}"]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        head, _, body = self._ask(
            "ask", host, "3000", data="\r\n".join([*lines, "", ""])
        ).partition("\r\n\r\n")
        status = head.split(" ", 2)[1:2]
        if not status or not status[0].isdigit():
            raise SlipwayError(f"{host} did not answer {path}")
        return int(status[0]), body

    def read(self, name: str) -> str:
        """Return a file of the state; empty if there is none."""
        try:
            return self._ask("read", name)
        except GuardLost:
            raise
        except SlipwayError:
            return ""

    def write(self, name: str, text: str) -> None:
        self._ask("write", name, data=text)

    def append(self, name: str, text: str) -> None:
        self._ask("append", name, data=text)

    def remove(self, name: str) -> None:
        self._ask("remove", name)

    def room_mb(self) -> float:
        """Return how much room the disk of the engine's volumes has."""
        return int(self._ask("room").splitlines()[-1].split()[3]) / 1024

    def beat(self) -> None:
        """Make sure that the lock is still held."""
        self._ask("beat")

    def _ask(self, verb: str, first: str = "-", second: str = "-", data: str = "") -> str:
        line = f"{verb} {first} {second} {base64.b64encode(data.encode()).decode()}\n"
        with self._lock:
            try:
                self._input.write(line.encode())
                self._input.flush()
            except OSError:
                raise self._lost() from None
            word, _, said = self._line().partition(" ")
        if word == "ok":
            return _decoded(said)
        raise SlipwayError(
            f"the proxy's container could not {verb} {first.strip('-')}: "
            f"{_decoded(said).strip() or 'no answer'}",
            "see that the engine has room (`docker system df`), then try again",
        )

    def _line(self) -> str:
        deadline = time.monotonic() + ANSWER_SECONDS
        handle = self._output.fileno()
        while b"\n" not in self._waiting:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([handle], [], [], left)[0]:
                raise self._lost()
            chunk = os.read(handle, 1 << 16)
            if not chunk:
                raise self._lost()
            self._waiting += chunk
        line, _, self._waiting = self._waiting.partition(b"\n")
        return line.decode()

    def _lost(self) -> GuardLost:
        self._ended.set()
        self._shell.kill()
        # What it said is there by now; whatever it has started may hold the pipe open for long.
        os.set_blocking(self._errors.fileno(), False)
        said = (self._errors.read() or b"").decode("utf-8", "replace").strip().splitlines()
        return GuardLost(
            f"the line to {self._proxy} is cut{': ' + said[-1] if said else ''}",
            "the engine puts the traffic back by itself within 15 seconds: see that it can be "
            "reached (`docker info`), look with `slipway status`, then run the same command again",
        )

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                self.beat()
            except SlipwayError:
                return  # whoever asks next is told

    def _close(self) -> None:
        self._ended.set()
        for stream in (self._input, self._output, self._errors):
            with suppress(OSError):  # what could not be sent any more
                stream.close()
        self._shell.kill()
        self._shell.wait()


def read_servers(stat: str) -> dict[str, dict[str, str]]:
    """Return the rows of the proxy's table of servers; those of other backends by both names."""
    rows = csv.DictReader(io.StringIO(stat.removeprefix("# ").strip()))
    return {
        row["svname"] if row["pxname"] == "slots" else f"{row['pxname']}/{row['svname']}": row
        for row in rows
    }


def backends_of(servers: dict[str, dict[str, str]]) -> set[str]:
    """Return the backends to which some rows of the proxy's table of servers belong."""
    return {row["pxname"] for row in servers.values()}


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode("utf-8", "replace")
