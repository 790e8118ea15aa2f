"""The program that finds out whether a running service answers predictions; standard library only.

Runs inside its container. A golden row, marked as a smoke test, shows that it scores; an empty
one, as a caller would send it, that callers get an answer: it is refused, so it is logged nowhere.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from pathlib import Path
from typing import Any

SECONDS = 3.0


def ask(port: int, body: str, smoke_test: bool) -> str:
    """Return the status of the answer, or what came instead."""
    headers = {"Content-Type": "application/json"}
    token = os.environ.get("SLIPWAY_TOKENS", "").split(",")[0].strip()
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if smoke_test:
        headers["X-Slipway-Smoke-Test"] = os.environ.get("SLIPWAY_SMOKE_SECRET", "").strip()
        headers["X-Slipway-Proof"] = "1"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("POST", "/predict", body, headers)
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return f"no answer within {SECONDS:g} s ({error})"
    finally:
        connection.close()


def look(asked: dict[str, Any]) -> dict[str, str]:
    """Return how each of both questions was answered."""
    row = json.loads(Path(asked["manifest"]).read_text("utf-8"))["golden"][0]["row"]
    return {
        "scored": ask(asked["port"], json.dumps(row), smoke_test=True),
        "refused": ask(asked["port"], "{}", smoke_test=False),
    }


if __name__ == "__main__":
    json.dump(look(json.load(sys.stdin)), sys.stdout)
