"""The lease of an engine: one shell in the proxy's container, reached by one `docker exec`.

It holds the lock, gives access to the proxy's API and to the state, and is a dead man's switch: if
the deployer dies or the connection is cut, the shell restores the traffic and releases the lock.
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

from slipway.errors import SlipwayError
from slipway.release.outcome import Busy
from slipway.targets.docker.state import Traffic

BEAT_SECONDS = 3.0
ANSWER_SECONDS = 30.0

STAT = "show stat -1 4 -1"  # servers of all backends

SCRIPT = Path(__file__).with_name("lease.sh")

Servers = dict[str, dict[str, str]]
"""The columns of HAProxy's `show stat`, by the name of a slot, else by ``backend/slot``."""


class LeaseLost(SlipwayError):
    """The connection to the engine is cut: the traffic is restored, the lock is free."""


@dataclass(frozen=True)
class Holder:
    """The command that holds the lease; all empty where it has just begun.

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

    def __str__(self) -> str:
        since = f"since {self.since[:19]} UTC" if self.since else ""
        return ", ".join(filter(None, (self.who, self.what, since)))


class LeaseHeld(Busy):
    """Another command holds the lease."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(str(holder))
        self.holder = holder


class Lease:
    """Holds the lease of an engine while the block lasts.

    Parameters
    ----------
    proxy
        Name of the proxy's container.

    Raises
    ------
    LeaseHeld
        Another command holds it.
    SlipwayError
        The proxy does not run, or the engine cannot be reached.
    """

    def __init__(self, proxy: str, holder: Holder) -> None:
        self._proxy = proxy
        self._holder = holder
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._received = b""

    def __enter__(self) -> Self:
        command = ["bash", "-c", SCRIPT.read_text("utf-8"), "lease", self._holder.to_text()]
        self._shell = subprocess.Popen(
            ["docker", "exec", "-i", self._proxy, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C goes to the deployer only, which still needs this to undo its work.
            start_new_session=True,
        )
        self._input = cast("BinaryIO", self._shell.stdin)
        self._output = cast("BinaryIO", self._shell.stdout)
        self._errors = cast("BinaryIO", self._shell.stderr)
        try:
            first, _, holder = self._line().partition(" ")
            if first == "held":
                raise LeaseHeld(Holder.from_text(decode(holder)))
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
                self._request("bye")
        finally:
            self._close()

    def undo_with(self, traffic: Traffic) -> None:
        """Set the traffic that is restored if this deployer dies."""
        self._request("undo", data=f"{traffic.to_commands()}\n")

    def api(self, commands: str) -> str:
        """Run commands of the proxy, separated by semicolons; return its output."""
        return self._request("api", data=f"{commands}\n")

    def share(self, traffic: Traffic) -> None:
        """Share the traffic among the slots, at once."""
        if output := self.api(traffic.to_commands()).strip():
            raise SlipwayError(f"the proxy refused new weights: {output}", "run `slipway status`")

    def servers(self) -> Servers:
        """Return the proxy's counters of each slot, and its address.

        The counters of a slot as a candidate are under ``candidate/`` and its name.
        """
        servers = read_servers(self.api(STAT))
        for line in self.api("show servers state slots").splitlines():
            fields = line.split()
            if len(fields) > 4 and fields[3] in servers:
                servers[fields[3]]["addr"] = fields[4]
        return servers

    def get(self, host: str, path: str, token: str = "") -> tuple[int, str]:
        """Send a GET request to a container of the engine's network; return status and body."""
        lines = [f"GET {path} HTTP/1.0", f"Host: {host}"]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        answer = self._request("ask", host, "3000", data="\r\n".join([*lines, "", ""]))
        head, _, body = answer.partition("\r\n\r\n")
        status = head.split(" ", 2)[1:2]
        if not status or not status[0].isdigit():
            raise SlipwayError(f"{host} did not answer {path}")
        return int(status[0]), body

    def read(self, name: str) -> str:
        """Return a file of the state; empty if it does not exist."""
        try:
            return self._request("read", name)
        except LeaseLost:
            raise
        except SlipwayError:
            return ""

    def write(self, name: str, text: str) -> None:
        self._request("write", name, data=text)

    def append(self, name: str, text: str) -> None:
        self._request("append", name, data=text)

    def remove(self, name: str) -> None:
        self._request("remove", name)

    def room_mb(self) -> float:
        """Return the free space on the disk of the engine's volumes."""
        return free_mb(self._request("room"))

    def beat(self) -> None:
        """Check that the lease is still held."""
        self._request("beat")

    def _request(self, verb: str, first: str = "-", second: str = "-", data: str = "") -> str:
        line = f"{verb} {first} {second} {base64.b64encode(data.encode()).decode()}\n"
        with self._lock:
            try:
                self._input.write(line.encode())
                self._input.flush()
            except OSError:
                raise self._lost() from None
            status, _, answer = self._line().partition(" ")
        if status == "ok":
            return decode(answer)
        raise SlipwayError(
            f"the proxy's container could not {verb} {first.strip('-')}: "
            f"{decode(answer).strip() or 'no answer'}",
            "check that the engine has free space (`docker system df`), then retry",
        )

    def _line(self) -> str:
        deadline = time.monotonic() + ANSWER_SECONDS
        handle = self._output.fileno()
        while b"\n" not in self._received:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([handle], [], [], left)[0]:
                raise self._lost()
            chunk = os.read(handle, 1 << 16)
            if not chunk:
                raise self._lost()
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return line.decode()

    def _lost(self) -> LeaseLost:
        self._ended.set()
        self._shell.kill()
        # The output is complete by now, but a child of the shell may keep the pipe open for long.
        os.set_blocking(self._errors.fileno(), False)
        errors = (self._errors.read() or b"").decode("utf-8", "replace").strip().splitlines()
        return LeaseLost(
            f"the connection to {self._proxy} is cut{': ' + errors[-1] if errors else ''}",
            "the engine restores the traffic by itself within 15 seconds: check that it can be "
            "reached (`docker info`), look at `slipway status`, then run the same command again",
        )

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                self.beat()
            except SlipwayError:
                return  # the next request of the deployer fails

    def _close(self) -> None:
        self._ended.set()
        for stream in (self._input, self._output, self._errors):
            with suppress(OSError):  # unsent requests
                stream.close()
        self._shell.kill()
        self._shell.wait()


def read_servers(stat: str) -> Servers:
    """Return the rows of the proxy's `show stat`."""
    rows = csv.DictReader(io.StringIO(stat.removeprefix("# ").strip()))
    return {
        row["svname"] if row["pxname"] == "slots" else f"{row['pxname']}/{row['svname']}": row
        for row in rows
    }


def free_mb(df: str) -> float:
    """Return the free space in the output of ``df -Pk``."""
    return int(df.splitlines()[-1].split()[3]) / 1024


def decode(text: str) -> str:
    """Return text that the shell sent as base64."""
    return base64.b64decode(text).decode("utf-8", "replace")
