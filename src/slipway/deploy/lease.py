"""One deployment at a time: a Lease in the namespace, kept alive by its holder."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from slipway.deploy.kubectl import get, kubectl
from slipway.errors import SlipwayError

NAME = "slipway-deploy"
SECONDS = 30  # after which a holder that says nothing is taken for dead
BEAT = 8.0


class Lease:
    """Holds the lease of a namespace while the block lasts.

    Parameters
    ----------
    who
        Told to anybody else who wants it.

    Raises
    ------
    SlipwayError
        Somebody else holds it.
    """

    def __init__(self, namespace: str, who: str) -> None:
        self._namespace = namespace
        self._who = who
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._version = ""

    def __enter__(self) -> Self:
        found = get("lease", NAME, self._namespace)
        if found and (holder := holder_of(found)):
            raise SlipwayError(
                f"another one deploys here: {holder}",
                "wait until it has ended (`slipway status`), then try again",
            )
        self._write(found["metadata"]["resourceVersion"] if found else "")
        self._beats = threading.Thread(target=self._beat, daemon=True)
        self._beats.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._beats.join()
        if not self._lost.is_set():
            kubectl("delete", "lease", NAME, "--namespace", self._namespace, "--ignore-not-found")

    def check(self) -> None:
        """Make sure that nobody has taken it over."""
        if self._lost.is_set():
            raise SlipwayError(
                "the line to the cluster was cut for so long that another one may deploy by now",
                "look with `slipway status`, then run it again",
            )

    def _beat(self) -> None:
        last = datetime.now(UTC)
        while not self._ended.wait(BEAT):
            try:
                self._write(self._version)
            except SlipwayError as error:
                late = datetime.now(UTC) - last > timedelta(seconds=SECONDS - BEAT)
                if late or "conflict" in str(error).lower() or "modified" in str(error).lower():
                    self._lost.set()
                    return
            else:
                last = datetime.now(UTC)

    def _write(self, version: str) -> None:
        """Write it, or fail if somebody else has written it since."""
        metadata = {"name": NAME, "namespace": self._namespace}
        lease: dict[str, Any] = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata | ({"resourceVersion": version} if version else {}),
            "spec": {
                "holderIdentity": self._who,
                "leaseDurationSeconds": SECONDS,
                "renewTime": datetime.now(UTC).isoformat(timespec="microseconds"),
            },
        }
        verb = "replace" if version else "create"
        said = kubectl(verb, "--filename", "-", "--output", "json", stdin=json.dumps(lease))
        self._version = json.loads(said)["metadata"]["resourceVersion"]


def holder_of(lease: dict[str, Any]) -> str:
    """Return who holds a lease; empty if its holder is dead."""
    spec = lease["spec"]
    renewed = datetime.fromisoformat(spec["renewTime"])
    alive = datetime.now(UTC) - renewed < timedelta(seconds=spec["leaseDurationSeconds"])
    return spec["holderIdentity"] if alive else ""
