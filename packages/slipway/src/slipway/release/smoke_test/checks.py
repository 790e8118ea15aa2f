"""The checks of a smoke test: one function for each."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from slipway.numbers import counted
from slipway.predictions.answers import ROUNDING, flat_score, score_error
from slipway.release.canary import read_sample

if TYPE_CHECKING:
    from slipway.manifest import Golden
    from slipway.settings import Deploy

OK = 200

REFUSALS = {
    "a body that is not JSON": 400,
    "a body that is not declared as JSON": 415,
    "a body beyond any limit": 413,
    "a path that does not exist": 404,
    "another method": 405,
    "an unknown token": 401,
}
"""The status of a refusal, by the request; `BAD_ROWS` for all others."""
BAD_ROWS = 422

LIFETIME = 1_000_000
"""Requests within which a service must not reach its memory limit."""

FULL = 0.9
"""Largest share of the memory limit that a service may use after the load."""

MB = 1 << 20


class Answer(BaseModel):
    """An answer of the service; status 0 if there was none."""

    status: int
    body: str
    model: str = ""
    error: str = "no answer"
    waited: float = 0.0

    def json_body(self) -> Any:
        """Return the body as JSON; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def __str__(self) -> str:
        return (
            f"{self.status} {self.body[:120]}".strip() if self.status else f"nothing ({self.error})"
        )


class Entry(BaseModel):
    """The fields of a record of the log that are checked; one that it lacks is None."""

    proof: object
    model: object


class Logged(BaseModel):
    """The ids of predictions, and the records of those that are in the log."""

    folder: str
    asked: list[str]
    found: dict[str, Entry]


class Round(BaseModel):
    """A round of load: status and seconds of each request, and the memory in use after it."""

    ended: list[tuple[int, float]]
    memory: int


class Facts(BaseModel):
    """What the probe returns about a release that is ready."""

    about: Answer
    golden: list[Answer]
    batch: Answer
    log: Logged
    bad: dict[str, Answer]
    load: list[Round]
    metrics: Answer
    after: Answer


@dataclass(frozen=True)
class Check:
    """A check, whether it passed, and its result in words."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True)
class Expected:
    """What was reviewed.

    Attributes
    ----------
    model_sha256, commit, data
        Of the reviewed manifest and commit.
    manifest_sha256
        Of the manifest's file; empty for a release of version 0.1.0, which does not report it.
    """

    model_sha256: str
    commit: str
    data: str
    golden: Sequence[Golden]
    manifest_sha256: str = ""


def run_checks(facts: Facts, expected: Expected, settings: Deploy) -> list[Check]:
    """Return the checks of a release that is ready; without rounds of load, none about it."""
    loaded = [load(facts, settings), memory(facts, settings)] if facts.load else []
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
    """Check that model, commit and data are those that were reviewed."""
    about = facts.about.json_body()
    if not isinstance(about, dict):
        return Check("identity", False, f"/model answered {facts.about}")
    reviewed = {"sha256": expected.model_sha256, "commit": expected.commit, "data": expected.data}
    if expected.manifest_sha256:
        reviewed["manifest_sha256"] = expected.manifest_sha256
    wrong = [
        f"{name} is {about.get(name)}, and {value} was reviewed"
        for name, value in reviewed.items()
        if about.get(name) != value
    ]
    models = {answer.model for answer in facts.golden if answer.status == OK}
    wrong += [f"it answers with model {name}" for name in models - {expected.model_sha256}]
    right = f"model {expected.model_sha256[:12]}, commit {expected.commit[:12]}"
    return Check("identity", not wrong, "; ".join(wrong) or right)


def golden(facts: Facts, expected: Expected) -> Check:
    """Check the predictions of the training environment, row by row and as a batch."""
    right = [_golden(example) for example in expected.golden]
    if not right:
        return Check("golden", False, "the manifest has no golden predictions")
    batch = facts.batch.json_body()
    rows = batch if isinstance(batch, list) and len(batch) == len(right) else []
    given = [flat_score(answer.json_body()) for answer in facts.golden]
    given += [flat_score(row) for row in rows]
    if not rows or not all(given):
        failed = [answer for answer in (*facts.golden, facts.batch) if answer.status != OK]
        answer = str(failed[0]) if failed else "something else than a prediction"
        return Check("golden", False, f"a row of the manifest was answered with {answer}")
    errors = [
        score_error(value, expected) for value, expected in zip(given, right * 2, strict=True)
    ]
    message = (
        f"{len(right)} golden predictions, alone and as a batch: largest error {max(errors):.1g}"
    )
    if max(errors) <= ROUNDING:
        return Check("golden", True, message)
    count = sum(error > ROUNDING for error in errors)
    verb = "differs" if count == 1 else "differ"
    return Check(
        "golden", False, f"{message}; {count} of {len(errors)} {verb} by more than {ROUNDING:g}"
    )


def log(facts: Facts, expected: Expected) -> Check:
    """Check that the predictions are in the log, marked as those of a smoke test."""
    ids, records = facts.log.asked, facts.log.found
    missing = [name for name in ids if name not in records]
    if not ids or missing:
        place = facts.log.folder or "any"
        absent = f"{len(missing)} of {len(ids)}"
        return Check("log", False, f"answers that are not in {place} log: {absent}")
    if any(not record.proof for record in records.values()):
        return Check("log", False, "requests of the smoke test are logged as traffic")
    if any(record.model != expected.model_sha256 for record in records.values()):
        return Check("log", False, "the log names another model")
    answers = counted(len(ids), "answer is", "answers are")
    return Check("log", True, f"{answers} logged, marked as a smoke test")


def bad_input(facts: Facts) -> Check:
    """Check that invalid requests are refused in the documented form."""
    wrong = []
    for case, answer in facts.bad.items():
        status = REFUSALS.get(case, BAD_ROWS)
        if answer.status != status or not _is_refusal(answer.json_body()):
            wrong.append(f"{case} was answered with {answer}, not refused with {status}")
    right = f"{len(facts.bad)} kinds of invalid input are refused"
    return Check("bad input", not wrong, "; ".join(wrong) or right)


def load(facts: Facts, settings: Deploy) -> Check:
    """Check that all requests of a short load are answered within the latency limit."""
    ended = [request for part in facts.load for request in part.ended]
    if not ended:
        return Check("load", False, "it was so slow that no time was left for requests under load")
    failed = [status for status, _ in ended if status != OK]
    times = sorted(seconds for _, seconds in ended)
    p95 = times[math.ceil(0.95 * len(times)) - 1] * 1000
    limit = settings.canary.max_latency_ms
    requests = counted(len(ended), "request")
    message = f"{requests}, {len(failed):,} failed, p95 {p95:.1f} ms (limit {limit:g})"
    if failed:
        kinds = ", ".join(str(status or "no answer") for status in sorted(set(failed)))
        message += f"; they ended with {kinds}"
    return Check("load", not failed and p95 <= limit, message)


def memory(facts: Facts, settings: Deploy) -> Check:
    """Check that the memory stays below its limit and does not grow with each request.

    A short load finds a large leak only: one that fills the memory within `LIFETIME` requests.
    """
    used = [part.memory for part in facts.load]
    limit = settings.memory_mb * MB
    # The first round fills caches; a single step after it is not a leak.
    steps = [after - before for before, after in pairwise(used[1:])]
    requests = sum(len(part.ended) for part in facts.load[2:])
    if not used[-1] or not steps or not requests:
        return Check("memory", False, "its memory could not be measured")
    rate = sum(steps) / requests if median(steps) > 0 else 0.0
    message = f"uses {used[-1] / MB:.0f} MB of {settings.memory_mb}"
    if used[-1] > FULL * limit:
        return Check("memory", False, f"{message}: too close to its limit")
    if rate > 0 and (limit - used[-1]) / rate < LIFETIME:
        left = (limit - used[-1]) / rate
        message += f" and grows by {rate:,.0f} bytes a request: full after {left:,.0f} more"
        return Check("memory", False, message)
    return Check("memory", True, f"{message} after the load, and does not grow with it")


def metrics(facts: Facts) -> Check:
    """Check that /metrics has the values that a canary compares."""
    if facts.metrics.status != OK:
        return Check("metrics", False, f"/metrics answered {facts.metrics}")
    try:
        read_sample(facts.metrics.body)
    except ValueError as error:
        return Check("metrics", False, f"/metrics cannot be used: {error}")
    return Check("metrics", True, "has the values that a canary compares")


def afterwards(facts: Facts, expected: Expected) -> Check:
    """Check that invalid input and load have not changed the predictions."""
    given = flat_score(facts.after.json_body())
    ok = bool(expected.golden) and score_error(given, _golden(expected.golden[0])) <= ROUNDING
    return Check("afterwards", ok, "answers as before" if ok else f"answers {facts.after}")


def _is_refusal(body: Any) -> bool:
    error = body.get("error") if isinstance(body, dict) else None
    return isinstance(error, dict) and error.keys() == {"code", "message", "faults"}


def _golden(example: Golden) -> list[float]:
    """Return the numbers of a golden prediction, which manifests call a probability."""
    score = example["probability"]
    return [float(each) for each in score] if isinstance(score, list) else [float(score)]
