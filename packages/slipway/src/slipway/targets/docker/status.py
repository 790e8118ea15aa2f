"""The status of an engine. It is read without the lease, so it works during a deployment."""

from __future__ import annotations

from dataclasses import dataclass, replace

from slipway.containers import Container, Inspected
from slipway.release.records import Record, read_history
from slipway.release.smoke_test.run import check_predicts
from slipway.release.status import HEALTHY, Operation, RunningRelease, Status
from slipway.targets.docker.engine import Engine
from slipway.targets.docker.lease import STAT, Holder, Servers, decode, free_mb, read_servers
from slipway.targets.docker.recover import outdated_proxy, read_operation
from slipway.targets.docker.slot import is_up
from slipway.targets.docker.state import CONFIG, DOING, FULL, HISTORY, SLOTS, Placed, State

UNKNOWN = {"status": "", "check_status": ""}

SCRIPT = f"""
cd /state
for file in {CONFIG} {DOING} {HISTORY} holder; do base64 -w0 "$file" 2>/dev/null; echo; done
flock -n lock true && echo free || echo held
df -Pk . | base64 -w0; echo
timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9999 && echo "{STAT}" >&3 && cat <&3' \\
  2>/dev/null | base64 -w0
"""


@dataclass(frozen=True)
class _Snapshot:
    """The files of the state volume, and the proxy's counters."""

    config: str
    doing: Operation | None
    history: list[Record]
    room_mb: int
    servers: Servers

    @property
    def state(self) -> State:
        return State.from_config(self.config)


def status_of(engine: Engine) -> Status:
    """Return the status of an engine."""
    address = f"{engine.settings.address}:{engine.port}"
    status = Status(engine.target, engine.place, engine.prefix, address)
    proxy = engine.proxy.state()
    if not proxy or not proxy.running:
        known = "the proxy has stopped" if proxy else "nothing is deployed"
        status.problems.append(f"{known} on {engine.place}: `slipway deploy`")
        return status
    snapshot = _read(engine)
    status.doing, status.history = snapshot.doing, snapshot.history
    status.room_mb = snapshot.room_mb
    status.live = _running(engine, snapshot.state.live, snapshot.servers)
    status.standby = _running(engine, snapshot.state.standby, snapshot.servers)
    status.healthy = status.live is not None and status.live.health == HEALTHY
    status.problems = _problems(status, snapshot)
    if snapshot.servers and not _has_candidates(snapshot.servers):
        status.problems.append(outdated_proxy(engine.proxy, snapshot.config))
    elif not status.doing:
        status.problems += _wrong_weights(snapshot)
    return status


def _read(engine: Engine) -> _Snapshot:
    parts = [*engine.proxy.run("bash", "-c", SCRIPT).split("\n"), *[""] * 8]
    config, doing, history, holder = (decode(part) for part in parts[:4])
    operation, running = read_operation(doing), parts[4] == "held"
    if operation or running:
        name = str(Holder.from_text(holder))
        operation = replace(operation or Operation(), running=running, holder=name)
    return _Snapshot(
        config=config,
        doing=operation,
        history=read_history(history),
        room_mb=int(free_mb(decode(parts[5]))),
        servers=read_servers(decode(parts[6])),
    )


def _running(engine: Engine, placed: Placed | None, servers: Servers) -> RunningRelease | None:
    if placed is None:
        return None
    container = engine.slot(placed.slot)
    inspected = container.inspect()
    return RunningRelease(
        record=placed.record,
        slot=placed.slot,
        container=container.name,
        health=_health(container, inspected, servers.get(placed.slot, {})),
        traffic=_traffic(placed.slot, servers),
        restarts=inspected.restarts if inspected else None,
    )


def _traffic(slot: str, servers: Servers) -> float:
    """Return the share of the predictions that a slot answers."""
    candidates = {name: _weight(servers, f"candidate/{name}") / FULL for name in SLOTS}
    live = _weight(servers, slot) / FULL
    return live * (1 - sum(candidates.values())) + candidates[slot]


def _weight(servers: Servers, server: str) -> int:
    return int(servers.get(server, {}).get("weight") or 0)


def _health(container: Container, inspected: Inspected | None, server: dict[str, str]) -> str:
    if inspected is None:
        return "its container is gone"
    state = inspected.state
    if not state.running:
        return f"stopped ({state.exit_code})"
    if not server or not is_up(server):
        return f"the proxy sees it as {server.get('status', 'unknown').lower()}"
    return check_predicts(container) or HEALTHY


def _problems(status: Status, snapshot: _Snapshot) -> list[str]:
    problems, doing = [], status.doing
    if doing and doing.running:
        step = f", step `{doing.step}`" if doing.step else ""
        problems.append(f"under way: {doing.holder or 'another command holds the lease'}{step}")
    elif doing:
        problems.append(
            f"half done: the {doing.what} of {doing.by} died in the step `{doing.step}`; the next "
            "deploy or rollback restores the state"
        )
    if not status.live:
        problems.append("no release has the traffic: `slipway deploy`")
    elif not status.healthy:
        problems.append(f"the live release does not answer: {status.live.health}")
        standby = status.standby
        if standby and standby.health == HEALTHY and _live_is_down(snapshot):
            problems.append(
                f"the standby {standby.record.name} answers in its place: `slipway rollback` makes "
                "that permanent"
            )
    return problems


def _live_is_down(snapshot: _Snapshot) -> bool:
    live = snapshot.state.live
    return live is not None and not is_up(snapshot.servers.get(live.slot, UNKNOWN))


def _has_candidates(servers: Servers) -> bool:
    return any(row["pxname"] == "candidate" for row in servers.values())


def _wrong_weights(snapshot: _Snapshot) -> list[str]:
    """Return a sentence about the servers whose weight is not that of the state."""
    wrong = [
        f"{server} {weight} instead of {expected}"
        for server, expected in snapshot.state.traffic().weights().items()
        if (weight := _weight(snapshot.servers, server.removeprefix("slots/"))) != expected
    ]
    return (
        [f"the proxy does not share the traffic as the state does: {', '.join(wrong)}"]
        if wrong
        else []
    )
