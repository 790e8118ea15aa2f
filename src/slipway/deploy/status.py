"""`slipway status`: what runs where, since when, by whom, how it is, and what is half done."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from slipway.deploy.engine import Engine, engine_of
from slipway.deploy.guard import STAT, Holder, backends_of, read_servers
from slipway.deploy.recover import outdated_proxy
from slipway.deploy.release import read_history
from slipway.deploy.slot import is_up
from slipway.deploy.state import CONFIG, DOING, FULL, HISTORY, SLOTS, Placed, State
from slipway.docker import Container
from slipway.errors import NO, YES
from slipway.prove.prove import check_predicts
from slipway.settings import read_params

VERSION = 1
EVENTS = 20
SHOWN = 5

NOT_THERE = {"status": "", "check_status": ""}

# Looks without the lock: a status must answer while somebody deploys.
LOOK = f"""
cd /state
for file in {CONFIG} {DOING} {HISTORY} holder; do base64 -w0 "$file" 2>/dev/null; echo; done
flock -n lock true && echo free || echo held
df -Pk . | base64 -w0; echo
timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9999 && echo "{STAT}" >&3 && cat <&3' \\
  2>/dev/null | base64 -w0
"""


def status(target: str) -> dict[str, Any]:
    """Return what an engine, or a cluster, runs; the keys are described in docs/deploy.md.

    Raises
    ------
    SlipwayError
        The engine cannot be reached.
    """
    settings = read_params().deploy
    if (target or settings.target) == "kubernetes":
        from slipway.deploy import kubernetes

        return kubernetes.status(settings)
    return status_of(engine_of(target or settings.target, settings))


def status_of(engine: Engine) -> dict[str, Any]:
    about = engine.proxy.about()
    found: dict[str, Any] = {
        "version": VERSION,
        "target": engine.target,
        "engine": engine.place,
        "prefix": engine.prefix,
        "address": f"{engine.settings.address}:{engine.port}",
        "healthy": False,
        "live": None,
        "standby": None,
        "doing": None,
        "history": [],
        "room_mb": None,
        "words": [],
    }
    if not about or not about["State"]["Running"]:
        known = "the proxy has stopped" if about else "nothing is deployed"
        return found | {"words": [f"{known} on {engine.place}: `slipway deploy`"]}
    config, doing, history, holder, lock, room, servers = _look(engine)
    state = State.from_config(config)
    found["live"] = _placed(engine, state.live, servers)
    found["standby"] = _placed(engine, state.standby, servers)
    found["room_mb"] = room
    found["history"] = [record.to_json() for record in history[-EVENTS:]]
    if doing or lock == "held":
        found["doing"] = (doing or {}) | {"running": lock == "held", "holder": holder}
    found["healthy"] = bool(found["live"]) and found["live"]["health"] == "healthy"
    found["words"] = _words(found, state, servers)
    if servers and "candidate" not in backends_of(servers):
        found["words"].append(outdated_proxy(engine.proxy, config))
    elif not found["doing"]:
        found["words"] += _other_weights(state, servers)
    return found


def exit_code(found: dict[str, Any]) -> int:
    """Return 0 if a release answers and nothing is left half done, else 1."""
    left = found["doing"] and not found["doing"]["running"]
    return YES if found["healthy"] and not left else NO


def to_text(found: dict[str, Any]) -> str:
    """Return the status for a terminal."""
    lines = [f"{found['target']}: {found['engine']}, {found['address']}"]
    for role in ("live", "standby"):
        if placed := found[role]:
            lines += _of(role, placed)
    lines += [f"! {sentence}" for sentence in found["words"]]
    if found["history"]:
        lines.append("history, newest last:")
        lines += [_event(record) for record in found["history"][-SHOWN:]]
    return "\n".join(lines)


def _look(engine: Engine) -> tuple[Any, ...]:
    said = engine.proxy.run("bash", "-c", LOOK)
    parts = [*said.split("\n"), *[""] * 8]
    config, doing, history, holder = (_decoded(part) for part in parts[:4])
    return (
        config,
        _json(doing),
        read_history(history),
        Holder.from_text(holder).words(),
        parts[4],
        int(_decoded(parts[5]).splitlines()[-1].split()[3]) // 1024,
        read_servers(_decoded(parts[6])),
    )


def _placed(
    engine: Engine, placed: Placed | None, servers: dict[str, dict[str, str]]
) -> dict[str, Any] | None:
    if placed is None:
        return None
    container = engine.slot(placed.slot)
    about = container.about()
    server = servers.get(placed.slot, {})
    return placed.record.to_json() | {
        "slot": placed.slot,
        "container": container.name,
        "health": _health(container, about, server),
        "traffic": _traffic(placed.slot, servers),
        "age_seconds": round(_age(placed.record.at)),
        "restarts": about["RestartCount"] if about else None,
    }


def _traffic(slot: str, servers: dict[str, dict[str, str]]) -> float:
    """Return the share of the predictions that a slot answers."""
    tried = {name: _weight(servers, f"candidate/{name}") / FULL for name in SLOTS}
    live = _weight(servers, slot) / FULL
    return live * (1 - sum(tried.values())) + tried[slot]


def _weight(servers: dict[str, dict[str, str]], server: str) -> int:
    return int(servers.get(server, {}).get("weight") or 0)


def _health(container: Container, about: dict[str, Any] | None, server: dict[str, str]) -> str:
    if about is None:
        return "its container is gone"
    if not about["State"]["Running"]:
        return f"stopped ({about['State']['ExitCode']})"
    if not server or not is_up(server):
        return f"the proxy calls it {server.get('status', 'unknown').lower()}"
    return check_predicts(container) or "healthy"


def _words(found: dict[str, Any], state: State, servers: dict[str, dict[str, str]]) -> list[str]:
    """Return what is not as it should be."""
    said = []
    doing = found["doing"]
    if doing and doing["running"]:
        step = f", step `{doing['step']}`" if "step" in doing else ""
        said.append(f"under way: {doing['holder'] or 'somebody holds the lock'}{step}")
    elif doing:
        said.append(
            f"half done: the {doing['what']} of {doing['by']} died in the step "
            f"`{doing.get('step')}`; the next deploy or rollback puts it in order"
        )
    if not found["live"]:
        said.append("no release has the traffic: `slipway deploy`")
    elif not found["healthy"]:
        said.append(f"the live release does not answer: {found['live']['health']}")
        if (
            found["standby"]
            and found["standby"]["health"] == "healthy"
            and _is_down(state, servers)
        ):
            said.append(
                f"the standby {found['standby']['name']} answers in its place: `slipway rollback` "
                "makes that permanent"
            )
    return said


def _other_weights(state: State, servers: dict[str, dict[str, str]]) -> list[str]:
    """Return a sentence about the servers that have another weight than the state gives them."""
    elsewhere = [
        f"{server} {_weight(servers, server.removeprefix('slots/'))} instead of {weight}"
        for server, weight in state.traffic().weights().items()
        if _weight(servers, server.removeprefix("slots/")) != weight
    ]
    if not elsewhere:
        return []
    return [f"the proxy shares the traffic otherwise than the state: {', '.join(elsewhere)}"]


def _is_down(state: State, servers: dict[str, dict[str, str]]) -> bool:
    return bool(state.live) and not is_up(servers.get(state.live.slot, NOT_THERE))  # type: ignore[union-attr]


def _of(role: str, placed: dict[str, Any]) -> list[str]:
    by = f" by {placed['by']}" if placed["by"] else ""
    share = f"{placed['traffic']:.0%}"
    since = f"for {_duration(placed['age_seconds'])}{by}"
    lines = [
        f"{role}: {placed['name']}, {share} of the traffic, {placed['health']}, {since}",
        f"  image   {placed['image']}",
        f"  model   {placed['model_sha256']}",
        f"  commit  {placed['commit']}",
    ]
    lines += [f"  {key:<7} {placed[key]}" for key in ("source", "verdict") if placed[key]]
    return lines


def _event(record: dict[str, Any]) -> str:
    reason = f": {record['reason'].splitlines()[0]}" if record["reason"] else ""
    return f"  {record['at'][:16]}  {record['event']} {record['name']} by {record['by']}{reason}"


def _duration(seconds: int) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


def _age(at: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode("utf-8", "replace")


def _json(text: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    return found
