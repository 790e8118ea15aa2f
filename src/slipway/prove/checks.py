"""The judgement of what a release answered: one function for each check."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from slipway.prove.canary import read_sample

if TYPE_CHECKING:
    from slipway.settings import Deploy

TOLERANCE = 1e-9
"""How far a probability may be from the one of the training environment."""

OK = 200
SERVER_FAULT = 500

REFUSED = {
    "a body that is not JSON": 400,
    "a body that is not declared as JSON": 415,
    "a body beyond any limit": 413,
    "a path that does not exist": 404,
    "another method": 405,
    "a token that nobody gave out": 401,
}
"""The status of a refusal, by what was asked; 422 where it is not named."""
BAD_ROWS = 422

LIFETIME = 1_000_000
"""Requests within which a service must not reach the memory that it may use."""

FULL = 0.9
"""Share of the memory that a service may hold after its load."""

MB = 1 << 20

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Check:
    """One thing that a release must do, whether it did, and the numbers, in words."""

    name: str
    ok: bool
    words: str


@dataclass(frozen=True)
class Expected:
    """What was reviewed.

    Attributes
    ----------
    model_sha256, commit, data
        As the reviewed manifest and commit say.
    golden
        Some ``{"row": {...}, "probability": ...}``, as the training environment answered.
    manifest_sha256
        Of the manifest's file; empty for a release of version 0.1.0, which does not report it.
    """

    model_sha256: str
    commit: str
    data: str
    golden: Sequence[Mapping[str, Any]]
    manifest_sha256: str = ""


def judge(facts: Facts, expected: Expected, settings: Deploy) -> list[Check]:
    """Return a check for each thing that was asked of a release that is ready.

    Parameters
    ----------
    facts
        What `slipway.prove.probe` says; without rounds of load nothing is said about it.
    """
    loaded = [load(facts, settings), memory(facts, settings)] if facts["load"] else []
    return [
        identity(facts, expected),
        golden(facts, expected),
        log(facts, expected),
        bad_input(facts),
        *loaded,
        metrics(facts),
        afterwards(facts, expected),
    ]


def identity(facts: Facts, expected: Expected) -> Check:
    """Check that it is the model, the commit and the data that were reviewed."""
    about = _body(facts["about"])
    if not isinstance(about, dict):
        return Check("identity", False, f"/model answered {_short(facts['about'])}")
    wanted = {
        "sha256": expected.model_sha256,
        "commit": expected.commit,
        "data": expected.data,
    }
    if expected.manifest_sha256:
        wanted["manifest_sha256"] = expected.manifest_sha256
    wrong = [
        f"{name} is {about.get(name)}, and {value} was reviewed"
        for name, value in wanted.items()
        if about.get(name) != value
    ]
    named = {found["model"] for found in facts["golden"] if found["status"] == OK}
    wrong += [f"it answers with model {name}" for name in named - {expected.model_sha256}]
    words = "; ".join(wrong) or f"model {expected.model_sha256[:12]}, commit {expected.commit[:12]}"
    return Check("identity", not wrong, words)


def golden(facts: Facts, expected: Expected) -> Check:
    """Check that it gives the training environment's answers, row by row and all at once."""
    wanted = [float(example["probability"]) for example in expected.golden]
    alone = [_probability(_body(found)) for found in facts["golden"]]
    together = _body(facts["batch"])
    many = together if isinstance(together, list) and len(together) == len(wanted) else []
    given = [*alone, *map(_probability, many)]
    if not wanted:
        return Check("golden", False, "the manifest has no golden predictions")
    if len(many) < len(wanted) or any(map(math.isnan, given)):
        failed = [found for found in (*facts["golden"], facts["batch"]) if found["status"] != OK]
        said = _short(failed[0]) if failed else "something that is no prediction"
        return Check("golden", False, f"a row of the manifest was answered with {said}")
    far = [abs(value - right) for value, right in zip(given, [*wanted, *wanted], strict=True)]
    words = f"{len(wanted)} golden predictions, alone and together: furthest off {max(far):.1g}"
    if max(far) <= TOLERANCE:
        return Check("golden", True, words)
    count = sum(distance > TOLERANCE for distance in far)
    return Check("golden", False, f"{words}; {count} of {len(far)} differ by more than 1e-9")


def log(facts: Facts, expected: Expected) -> Check:
    """Check that what it answered stands in its log, as a proof and not as traffic."""
    ids, found = facts["log"]["asked"], facts["log"]["found"]
    missing = [name for name in ids if name not in found]
    if not ids or missing:
        words = f"{len(missing)} of {len(ids)} answers are not in {facts['log']['folder'] or 'any'}"
        return Check("log", False, f"{words} log")
    if any(not record["proof"] for record in found.values()):
        return Check("log", False, "what is asked in a proof is logged as traffic")
    if any(record["model"] != expected.model_sha256 for record in found.values()):
        return Check("log", False, "the log names another model")
    return Check("log", True, f"{len(ids)} answers are written down, as proofs")


def bad_input(facts: Facts) -> Check:
    """Check that what is not in order is refused, in the documented shape, with no answer."""
    wrong = [
        f"{case} was answered with {_short(found)}, not refused with {_status(case)}"
        for case, found in facts["bad"].items()
        if found["status"] != _status(case) or not _is_refusal(_body(found))
    ]
    words = "; ".join(wrong) or f"{len(facts['bad'])} kinds of bad input are refused, each by name"
    return Check("bad input", not wrong, words)


def load(facts: Facts, settings: Deploy) -> Check:
    """Check that it answers every request of a short load, and soon enough."""
    ended = [one for part in facts["load"] for one in part["ended"]]
    if not ended:
        return Check("load", False, "it was so slow that no time was left to ask it under load")
    failed = [status for status, _ in ended if status != OK]
    times = sorted(seconds for _, seconds in ended)
    p95 = times[math.ceil(0.95 * len(times)) - 1] * 1000
    limit = settings.canary.max_latency_ms
    words = f"{len(ended):,} requests, {len(failed):,} failed, p95 {p95:.1f} ms (limit {limit:g})"
    if failed:
        kinds = ", ".join(str(status or "no answer") for status in sorted(set(failed)))
        words += f"; they ended with {kinds}"
    return Check("load", not failed and p95 <= limit, words)


def memory(facts: Facts, settings: Deploy) -> Check:
    """Check that it needs no more memory than it may, and does not grow with each request.

    A short load finds a coarse leak only: one that fills the memory within `LIFETIME` requests.
    """
    held = [part["memory"] for part in facts["load"]]
    limit = settings.memory_mb * MB
    # The first part fills caches; a single step after it is no leak.
    steps = [after - before for before, after in pairwise(held[1:])]
    requests = [len(part["ended"]) for part in facts["load"][2:]]
    if not held[-1] or not steps or not sum(requests):
        return Check("memory", False, "its memory could not be measured")
    rate = sum(steps) / sum(requests) if median(steps) > 0 else 0.0
    words = f"holds {held[-1] / MB:.0f} MB of {settings.memory_mb}"
    if held[-1] > FULL * limit:
        return Check("memory", False, f"{words}: too near to its limit")
    if rate > 0 and (limit - held[-1]) / rate < LIFETIME:
        left = (limit - held[-1]) / rate
        words += f" and grows by {rate:,.0f} bytes a request: full after {left:,.0f} more"
        return Check("memory", False, words)
    return Check("memory", True, f"{words} after the load, and does not grow with it")


def metrics(facts: Facts) -> Check:
    """Check that it shows the numbers that a canary compares."""
    if facts["metrics"]["status"] != OK:
        return Check("metrics", False, f"/metrics answered {_short(facts['metrics'])}")
    try:
        read_sample(facts["metrics"]["body"])
    except ValueError as error:
        return Check("metrics", False, f"/metrics cannot be used: {error}")
    return Check("metrics", True, "shows what a canary compares")


def afterwards(facts: Facts, expected: Expected) -> Check:
    """Check that bad input and load have not changed what it answers."""
    value = _probability(_body(facts["after"]))
    ok = bool(expected.golden) and abs(value - expected.golden[0]["probability"]) <= TOLERANCE
    words = "answers as before" if ok else f"answers {_short(facts['after'])}"
    return Check("afterwards", ok, words)


def _status(case: str) -> int:
    return REFUSED.get(case, BAD_ROWS)


def _is_refusal(body: Any) -> bool:
    error = body.get("error") if isinstance(body, dict) else None
    return isinstance(error, dict) and error.keys() == {"code", "message", "faults"}


def _probability(answer: Any) -> float:
    value = answer.get("probability") if isinstance(answer, dict) else None
    return float(value) if isinstance(value, float | int) else math.nan


def _body(found: Facts) -> Any:
    try:
        return json.loads(found["body"])
    except ValueError:
        return None


def _short(found: Facts) -> str:
    if not found["status"]:
        return f"nothing ({found.get('error', 'no answer')})"
    return f"{found['status']} {found['body'][:120]}".strip()
