"""One deployment at a time: a Lease in the namespace, which its holder renews."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from slipway.errors import SlipwayError
from slipway.release.outcome import Busy
from slipway.targets.kubernetes.kubectl import Manifest, get, kubectl, send

NAME = "slipway-deploy"
SECONDS = 30  # after which a holder that does not renew counts as dead
BEAT = 8.0


class Lease:
    """Holds the lease of a namespace while the block lasts.

    Parameters
    ----------
    holder
        Shown to others that want the lease.

    Raises
    ------
    Busy
        Another command holds it.
    """

    def __init__(self, namespace: str, holder: str) -> None:
        self._namespace = namespace
        self._holder = holder
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._version = ""

    def __enter__(self) -> Self:
        found = get("lease", NAME, self._namespace)
        if found and (holder := holder_of(found)):
            raise Busy(holder)
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
        """Raise `SlipwayError` if another command may have taken the lease."""
        if self._lost.is_set():
            raise SlipwayError(
                "the connection to the cluster was cut for so long that another deployment may run",
                "check with `slipway status`, then run it again",
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
        """Write the lease; fails if another command has written it since that version."""
        metadata = {"name": NAME, "namespace": self._namespace}
        lease: Manifest = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata | ({"resourceVersion": version} if version else {}),
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": SECONDS,
                "renewTime": datetime.now(UTC).isoformat(timespec="microseconds"),
            },
        }
        verb = "replace" if version else "create"
        written = json.loads(send(verb, lease, "--output", "json"))
        self._version = written["metadata"]["resourceVersion"]


def holder_of(lease: Manifest) -> str:
    """Return the holder of a lease; empty if it counts as dead."""
    spec = lease["spec"]
    renewed = datetime.fromisoformat(spec["renewTime"])
    alive = datetime.now(UTC) - renewed < timedelta(seconds=spec["leaseDurationSeconds"])
    return spec["holderIdentity"] if alive else ""
