"""The program of the smoke test: runs inside the container, with the standard library only.

Reads the parameters from standard input and writes the answers to standard output, both as JSON.
They are checked outside, by `slipway.release.smoke_test.checks`.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from slipway.project import Row

TIMEOUT = 10.0  # seconds for one answer
PING_SECONDS = 3.0  # for one answer of a service that should be live
ROUND = 3.0  # seconds of load before the memory is measured, however many requests that were
SHOWN = 4000  # characters of a refusal's body
LARGE = 1 << 40  # bytes, above any limit
OK = 200


class Asked(TypedDict):
    """The parameters of the smoke test."""

    port: int
    pid: int
    rows: list[Row]
    start_seconds: float
    seconds: float
    rounds: int
    requests: int
    connections: int


class Answer(TypedDict):
    """An answer of the service; status 0 if there was none."""

    status: int
    body: str
    model: str
    error: NotRequired[str]
    seconds: NotRequired[float]
    waited: NotRequired[float]


class Asker:
    """A connection to the service, reopened after any error.

    Parameters
    ----------
    deadline
        Time (monotonic) after which no request is sent.
    marked
        Whether the requests are marked as those of a smoke test, which are not counted.
    """

    def __init__(
        self, port: int, deadline: float, *, timeout: float = TIMEOUT, marked: bool = True
    ) -> None:
        self.port = port
        self.deadline = deadline
        self.timeout = timeout
        self.headers = {"Content-Type": "application/json"}
        if marked:
            secret = os.environ.get("SLIPWAY_SMOKE_SECRET", "").strip()
            # The second is for releases that were built before the secret existed.
            self.headers |= {"X-Slipway-Smoke-Test": secret, "X-Slipway-Proof": "1"}
        token = os.environ.get("SLIPWAY_TOKENS", "").split(",")[0].strip()
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        self._connection: http.client.HTTPConnection | None = None

    def ask(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Return the answer to a request, and the seconds that it took."""
        started = time.perf_counter()
        answer = self._ask(method, path, body, self.headers | (headers or {}))
        return answer | {"seconds": time.perf_counter() - started}

    def predict(self, rows: object) -> Answer:
        return self.ask("POST", "/predict", json.dumps(rows))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        if time.monotonic() > self.deadline:
            return {"status": 0, "body": "", "model": "", "error": "no time was left"}
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    "127.0.0.1", self.port, timeout=self.timeout
                )
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return {"status": 0, "body": "", "model": "", "error": repr(error)}
        if answer.will_close:
            self.close()
        return {
            "status": answer.status,
            "body": text,
            "model": answer.getheader("model-sha256") or "",
        }


def wait_until_ready(port: int, seconds: float) -> Answer:
    """Poll /readyz until it answers 200 or the time is over."""
    started = time.monotonic()
    asker = Asker(port, started + seconds + TIMEOUT)
    while True:
        answer = asker.ask("GET", "/readyz")
        waited = time.monotonic() - started
        if answer["status"] == OK or waited > seconds:
            asker.close()
            return answer | {"waited": waited}
        time.sleep(0.05)


def bad_input(asker: Asker, row: Row) -> dict[str, Answer]:
    """Send requests that must be refused."""
    field = next(iter(row))
    incomplete = {name: value for name, value in row.items() if name != field}
    bodies: dict[str, object] = {
        f"a row without `{field}`": incomplete,
        "a field that does not exist": row | {"no such field": 1},
        "an object in place of a value": row | {field: {"a": 1}},
        "an invalid row after a valid one": [row, {}],
    }
    valid = json.dumps(row)
    found = {case: asker.predict(body) for case, body in bodies.items()}
    found |= {
        "a body that is not JSON": asker.ask("POST", "/predict", "{"),
        "a body that is not declared as JSON": asker.ask(
            "POST", "/predict", valid, {"Content-Type": "text/plain"}
        ),
        "a body beyond any limit": asker.ask(
            "POST", "/predict", "", {"Content-Length": str(LARGE)}
        ),
        "a path that does not exist": asker.ask("GET", "/no-such-path"),
        "another method": asker.ask("GET", "/predict"),
    }
    if "Authorization" in asker.headers:
        wrong = {"Authorization": f"Bearer {os.urandom(16).hex()}"}
        found["an unknown token"] = asker.ask("POST", "/predict", valid, wrong)
    return {case: one | {"body": one["body"][:SHOWN]} for case, one in found.items()}


def load(asked: Asked, deadline: float) -> dict[str, object]:
    """Request one row after the other on several connections; return how each request ended."""
    deadline = min(deadline, time.monotonic() + ROUND)
    waiting = list(range(asked["requests"]))
    ended: list[tuple[int, float]] = []

    def work() -> None:
        asker = Asker(asked["port"], deadline)
        while waiting and time.monotonic() < deadline:
            try:
                number = waiting.pop()
            except IndexError:  # another thread took the last one
                break
            answer = asker.predict(asked["rows"][number % len(asked["rows"])])
            ended.append((answer["status"], answer["seconds"]))
        asker.close()

    threads = [threading.Thread(target=work) for _ in range(asked["connections"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"ended": ended, "memory": memory(asked["pid"])}


def memory(root: int) -> int:
    """Return the bytes of private memory of a process and its descendants."""
    parents: dict[int, int] = {}
    held: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = path.read_text().splitlines()
        except OSError:  # it has ended
            continue
        status = {name: value for name, _, value in (line.partition(":") for line in lines)}
        pid = int(status["Pid"])
        parents[pid] = int(status["PPid"])
        held[pid] = int(status.get("RssAnon", "0").split()[0]) * 1024
    return sum(size for pid, size in held.items() if _descends(pid, root, parents))


def _descends(pid: int, root: int, parents: dict[int, int]) -> bool:
    while pid not in (0, root):
        pid = parents.get(pid, 0)
    return pid == root


class Log:
    """The part of the prediction log that is written from now on."""

    def __init__(self) -> None:
        self.folder = os.environ.get("SLIPWAY_LOG", "")
        self._sizes = {path: path.stat().st_size for path in self._files()}

    def records(self, ids: list[str]) -> dict[str, Row]:
        """Return the records of some predictions, by id."""
        found = {}
        for path in self._files():
            with path.open("rb") as file:
                file.seek(self._sizes.get(path, 0))
                for line in file:
                    if line.endswith(b"\n") and any(name.encode() in line for name in ids):
                        record = json.loads(line)
                        found[record["id"]] = {
                            name: record.get(name) for name in ("probability", "proof", "model")
                        }
        return found

    def _files(self) -> list[Path]:
        return list(Path(self.folder).glob("*.jsonl")) if self.folder else []


def _ids(found: Answer) -> list[str]:
    try:
        return [json.loads(found["body"])["id"]]
    except (ValueError, KeyError, TypeError):
        return []


def ping(port: int, manifest: str) -> dict[str, Answer]:
    """Return the answers to a golden row and, as a caller would send it, to an empty row.

    The empty row is refused, so it is not logged.
    """
    row = json.loads(Path(manifest).read_text("utf-8"))["golden"][0]["row"]
    deadline = time.monotonic() + 2 * PING_SECONDS
    answers = {}
    for name, sent, marked in (("scored", row, True), ("refused", {}, False)):
        asker = Asker(port, deadline, timeout=PING_SECONDS, marked=marked)
        answers[name] = asker.predict(sent)
        asker.close()
    return answers


def look(asked: Asked) -> dict[str, object]:
    """Send all requests of the smoke test and return the answers."""
    ready = wait_until_ready(asked["port"], asked["start_seconds"])
    if ready["status"] != OK:
        return {"ready": ready}
    deadline = time.monotonic() + asked["seconds"]
    asker, log = Asker(asked["port"], deadline), Log()
    facts: dict[str, object] = {"ready": ready, "about": asker.ask("GET", "/model")}
    facts["golden"] = golden = [asker.predict(row) for row in asked["rows"]]
    facts["batch"] = asker.predict(asked["rows"])
    ids = [name for answer in golden for name in _ids(answer)]
    facts["log"] = {"folder": log.folder, "asked": ids, "found": log.records(ids)}
    facts["bad"] = bad_input(asker, asked["rows"][0])
    facts["load"] = [load(asked, deadline) for _ in range(asked["rounds"])]
    asker.close()  # it was idle during the load, and the service closes idle connections
    facts["metrics"] = asker.ask("GET", "/metrics")
    facts["after"] = asker.predict(asked["rows"][0])
    return facts


if __name__ == "__main__":
    parameters = json.load(sys.stdin)
    answers = ping(**parameters) if "manifest" in parameters else look(parameters)
    json.dump(answers, sys.stdout)
