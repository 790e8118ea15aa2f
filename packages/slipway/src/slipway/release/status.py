"""The status of a target: what runs, since when, by whom, its health, and what is unfinished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from slipway.errors import NO, YES
from slipway.release.records import Record

VERSION = 1

EVENTS = 20  # of the history, in a status
SHOWN_EVENTS = 5  # of those, on a terminal

HEALTHY = "healthy"


@dataclass(frozen=True)
class RunningRelease:
    """A release on a target.

    Attributes
    ----------
    slot, container
        Where it runs.
    health
        ``healthy``, or what is wrong with it.
    traffic
        Share of the predictions that it answers.
    restarts
        Of its containers; None if unknown.
    """

    record: Record
    slot: str
    container: str
    health: str
    traffic: float
    restarts: int | None

    @property
    def age_seconds(self) -> int:
        return round((datetime.now(UTC) - datetime.fromisoformat(self.record.at)).total_seconds())

    def to_json(self) -> dict[str, object]:
        own = {key: value for key, value in vars(self).items() if key != "record"}
        return self.record.to_json() | own | {"age_seconds": self.age_seconds}


@dataclass(frozen=True)
class Operation:
    """A deployment, rollback or removal that is under way, or that was interrupted.

    Attributes
    ----------
    running
        Whether its deployer still holds the lease.
    holder
        Who that is, in words.
    """

    what: str = ""
    record: Record | None = None
    slot: str = ""
    by: str = ""
    since: str = ""
    step: str = ""
    running: bool = True
    holder: str = ""

    def to_json(self) -> dict[str, object]:
        """Return the keys that are known."""
        found = asdict(self) | {"record": self.record and self.record.to_json()}
        return {key: value for key, value in found.items() if value not in ("", None)}

    @classmethod
    def from_json(cls, found: Mapping[str, object]) -> Operation:
        """Return what `to_json` wrote; raises KeyError, TypeError or ValueError otherwise."""
        what, slot, by, since, step = (
            str(found.get(key, "")) for key in ("what", "slot", "by", "since", "step")
        )
        return cls(what, Record.from_json(found["record"]), slot, by, since, step)


@dataclass
class Status:
    """The status of a target.

    Attributes
    ----------
    engine
        The Docker engine or the cluster, in words.
    prefix
        Of the names of everything that belongs to this service there; on a cluster the namespace.
    room_mb
        Free space on the disk of the engine's volumes.
    problems
        A sentence for each; ``words`` in JSON.
    """

    target: str
    engine: str
    prefix: str
    address: str
    healthy: bool = False
    live: RunningRelease | None = None
    standby: RunningRelease | None = None
    doing: Operation | None = None
    history: list[Record] = field(default_factory=list)
    room_mb: int | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 if a release answers and no deployment was interrupted, else 1."""
        interrupted = self.doing is not None and not self.doing.running
        return YES if self.healthy and not interrupted else NO

    def to_json(self) -> dict[str, object]:
        """Return the keys that docs/deploy.md describes."""
        return {
            "version": VERSION,
            "target": self.target,
            "engine": self.engine,
            "prefix": self.prefix,
            "address": self.address,
            "healthy": self.healthy,
            "live": self.live and self.live.to_json(),
            "standby": self.standby and self.standby.to_json(),
            "doing": self.doing and self.doing.to_json(),
            "history": [record.to_json() for record in self.history[-EVENTS:]],
            "room_mb": self.room_mb,
            "words": self.problems,
        }

    def to_text(self) -> str:
        """Return the status for a terminal."""
        lines = [f"{self.target}: {self.engine}, {self.address}"]
        for role, release in (("live", self.live), ("standby", self.standby)):
            if release:
                lines += _release_lines(role, release)
        lines += [f"! {sentence}" for sentence in self.problems]
        if self.history:
            lines.append("history, newest last:")
            lines += [_event_line(record) for record in self.history[-SHOWN_EVENTS:]]
        return "\n".join(lines)


def _release_lines(role: str, release: RunningRelease) -> list[str]:
    record = release.record
    by = f" by {record.by}" if record.by else ""
    age = _duration(release.age_seconds)
    share = f"{release.traffic:.0%} of the traffic"
    lines = [
        f"{role}: {record.name}, {share}, {release.health}, for {age}{by}",
        f"  image   {record.image}",
        f"  model   {record.model_sha256}",
        f"  commit  {record.commit}",
    ]
    further = {"source": record.source, "verdict": record.verdict}
    return lines + [f"  {key:<7} {value}" for key, value in further.items() if value]


def _event_line(record: Record) -> str:
    reason = f": {record.reason.splitlines()[0]}" if record.reason else ""
    return f"  {record.at[:16]}  {record.event} {record.name} by {record.by}{reason}"


def _duration(seconds: int) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
