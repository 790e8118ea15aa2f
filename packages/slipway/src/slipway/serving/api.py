"""The endpoints. Every refusal has the same JSON shape."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import orjson

from slipway import project
from slipway.dataset.tables import digest
from slipway.manifest import MANIFEST_FILE, MODEL, read_manifest
from slipway.predictions.answers import answers_of
from slipway.predictions.checkpoints import CHECKPOINTS, Checkpoints
from slipway.predictions.ids import find_record
from slipway.predictions.writer import LogUnavailable, PredictionLog
from slipway.schema.validator import Fault, Faults, TooManyRows
from slipway.serving import LOG, SMOKE_SECRET, TOKENS
from slipway.serving.auth import Right, SmokeTest, Tokens
from slipway.serving.explain import Explanations
from slipway.serving.features import verify_features
from slipway.serving.http import (
    Answer,
    BodyBudget,
    Refusal,
    Request,
    as_utf8,
    check_json,
    read_body,
    respond,
)
from slipway.serving.metrics import CONTENT_TYPE, OTHER, LogState, Metrics
from slipway.serving.predict import (
    BadRows,
    Predictor,
    human_review,
    personal_mask,
    row_validator,
)
from slipway.serving.release import CARD_FILE, Release, verify_model
from slipway.settings import Serve, read_params
from slipway.training.score import Model

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

    Endpoint = Callable[[HTTPScope, ASGIReceiveCallable], Awaitable[Answer]]

OPEN = ("/livez", "/readyz")

# The right that a token needs; /model and unknown paths answer each known token.
NEEDED = {
    "/predict": Right.PREDICT,
    "/explain": Right.EXPLAIN,
    "/log": Right.LOG,
    "/metrics": Right.METRICS,
}

# Keys of the manifest with rows of the training data or their distribution.
NOT_SHOWN = ("golden", "reference", "past")

REPORT_SECONDS = 10.0  # between two messages about a log that cannot be written

MAX_BODY_BYTES = 32 * 2**20  # of all current requests

MAX_FAULT_BYTES = 48 * 1024  # of the faults in an answer

DISK_SECONDS = 1.0  # within which the log's disk must return its state

logger = logging.getLogger("slipway.serve")


def check_start() -> None:
    """Raise, before any worker starts, the errors that would stop each of them.

    Raises
    ------
    SlipwayError
        As `Api`.
    """
    project.check_served()
    verify_model(MODEL)
    Release.of_model(MODEL)
    manifest, settings = read_manifest(MODEL), read_params().serve
    row_validator(manifest, settings)
    verify_features(manifest)
    human_review(manifest, settings)
    Tokens(os.environ.get(TOKENS, ""))
    personal_mask(manifest)
    open_log(settings)


def open_log(settings: Serve, metrics: Metrics | None = None) -> PredictionLog:
    """Return the log of a worker; without metrics, to try whether it can be written."""
    folder = log_folder(settings)
    second = Checkpoints(url) if (url := os.environ.get(CHECKPOINTS, "")) else None
    fails = metrics.checkpoints_fail if metrics else lambda _: None
    waits_since = metrics.log_waits_since if metrics else lambda _: None
    if second is not None and not second.prepare(folder):
        logger.error("%s: the folder of checkpoints cannot be written", second.url)
        fails(True)
    return PredictionLog(
        folder,
        sync=settings.log_durable == "disk",
        waits_since=waits_since,
        checkpoints=second,
        checkpoints_fail=fails,
    )


def log_folder(settings: Serve) -> Path:
    return Path(os.environ.get(LOG) or settings.log)


class Api:
    """The service of one worker process, with the model and settings of the current folder.

    Raises
    ------
    SlipwayError
        The model is not the one of its manifest, the settings or the release cannot be read,
        or the log cannot be written.
    """

    def __init__(self) -> None:
        settings = read_params().serve
        model = Model.load(MODEL)
        release = Release.of_model(MODEL)
        answers = answers_of(model.task, model.manifest)
        self._metrics = Metrics(model.sha256, release, answers)
        self._log = open_log(settings, self._metrics)
        self._log_url = str(log_folder(settings))
        self._predictor = Predictor(model, settings, release, self._log, self._metrics)
        self._explanations = Explanations(model)
        self._tokens = Tokens(os.environ.get(TOKENS, ""))
        self._smoke_test = SmokeTest(os.environ.get(SMOKE_SECRET, ""))
        self._outage = Outage()
        self._max_rows = settings.max_rows
        self._max_bytes = settings.max_body_bytes
        self._budget = BodyBudget(max(MAX_BODY_BYTES, 4 * settings.max_body_bytes))
        self._named = ((b"model-sha256", model.sha256.encode()),)
        manifest = {k: v for k, v in model.manifest.items() if k not in NOT_SHOWN}
        about = {
            "sha256": model.sha256,
            "manifest_sha256": digest(MODEL / MANIFEST_FILE),
            **asdict(release),
            "manifest": manifest,
        }
        self._about = Answer(200, orjson.dumps(about), headers=self._named)
        self._card = MODEL / CARD_FILE
        self._endpoints: dict[str, tuple[str, Endpoint]] = {
            "/predict": ("POST", self._predict),
            "/explain": ("POST", self._explain),
            "/log": ("GET", self._read_log),
            "/model": ("GET", self._describe),
            "/card": ("GET", self._show_card),
            "/metrics": ("GET", self._measure),
            "/livez": ("GET", self._live),
            "/readyz": ("GET", self._ready),
        }

    async def close(self) -> None:
        await self._log.close()

    async def __call__(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer one request (ASGI)."""
        started = time.perf_counter()
        answer = await self._answer(scope, receive)
        await respond(send, answer)
        if self._smoke_test.marks(scope):
            return
        # Requests for unknown paths must not fill the memory with new counters.
        path = scope["path"] if scope["path"] in self._endpoints else OTHER
        self._metrics.answered(path, answer.status, time.perf_counter() - started)

    async def _answer(self, scope: HTTPScope, receive: ASGIReceiveCallable) -> Answer:
        try:
            return await self._endpoint(scope)(scope, receive)
        except Refusal as refusal:
            return refusal.answer()
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            message = "the service failed; the reason is in its own log"
            return Refusal(500, "internal", message).answer()

    def _endpoint(self, scope: HTTPScope) -> Endpoint:
        path, method = scope["path"], scope["method"]
        if path not in OPEN:
            self._tokens.check(scope, NEEDED.get(path))
        if path not in self._endpoints:
            raise Refusal(404, "not_found", f"ask for one of {', '.join(self._endpoints)}")
        expected, endpoint = self._endpoints[path]
        # A HEAD is a GET; the server leaves the body out.
        if ("GET" if method == "HEAD" else method) != expected:
            allow = ((b"allow", expected.encode()),)
            message = f"{path} answers {expected}"
            raise Refusal(405, "method_not_allowed", message, headers=allow)
        return endpoint

    async def _predict(self, scope: HTTPScope, receive: ASGIReceiveCallable) -> Answer:
        check_json(scope)
        if self._smoke_test.marks(scope):
            return await self._predict_rows(scope, receive, smoke_test=True)
        with self._metrics.in_flight():
            return await self._predict_rows(scope, receive, smoke_test=False)

    async def _predict_rows(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, *, smoke_test: bool
    ) -> Answer:
        with self._budget.hold() as take:
            body = as_utf8(await read_body(scope, receive, self._max_bytes, take))
            return await self._predict_request(Request(body, smoke_test, scope["headers"]))

    async def _predict_request(self, request: Request) -> Answer:
        try:
            with _refusing_rows(self._max_rows):
                answer = await self._predictor.predict(request)
        except LogUnavailable as fault:
            if not request.smoke_test:
                self._metrics.log_failed()
            self._outage.refused(str(fault))
            message = "the prediction could not be written down, so it is not given"
            raise Refusal(503, "log_unavailable", message) from None
        self._outage.ended()
        return Answer(200, answer, headers=self._named)

    async def _explain(self, scope: HTTPScope, receive: ASGIReceiveCallable) -> Answer:
        check_json(scope)
        explained_class = _queried(scope, "class")
        with self._budget.hold() as take, _refusing_rows(1):
            body = as_utf8(await read_body(scope, receive, self._max_bytes, take))
            explained = await self._explanations.explain(body, explained_class)
        return Answer(200, explained, headers=self._named)

    async def _read_log(self, scope: HTTPScope, _receive: ASGIReceiveCallable) -> Answer:
        given = _queried(scope, "id")
        record = await asyncio.to_thread(find_record, self._log_url, given)
        if record is None:
            raise Refusal(404, "no_such_prediction", "ask as /log?id=ID, with the id of an answer")
        return Answer(200, orjson.dumps(record))

    async def _describe(self, _scope: HTTPScope, _receive: ASGIReceiveCallable) -> Answer:
        return self._about

    async def _show_card(self, _scope: HTTPScope, _receive: ASGIReceiveCallable) -> Answer:
        if not self._card.is_file():
            message = "only a built service has its card: `slipway card` shows it"
            raise Refusal(404, "no_card", message)
        return Answer(200, self._card.read_bytes(), headers=self._named)

    async def _measure(self, _scope: HTTPScope, _receive: ASGIReceiveCallable) -> Answer:
        state = await self._log_state()
        return Answer(200, await asyncio.to_thread(self._metrics.exposition, state), CONTENT_TYPE)

    async def _log_state(self) -> LogState:
        """Return the state of the log; a disk that hangs must not block the metrics."""
        try:
            async with asyncio.timeout(DISK_SECONDS):
                return LogState(await self._log.writable(), await self._log.room())
        except TimeoutError:
            return LogState(writable=False, room=None)

    async def _live(self, _scope: HTTPScope, _receive: ASGIReceiveCallable) -> Answer:
        return Answer(200, b'{"alive":true}')

    async def _ready(self, _scope: HTTPScope, _receive: ASGIReceiveCallable) -> Answer:
        if not await self._log.writable():
            raise Refusal(503, "log_unavailable", "the prediction log cannot be written")
        return Answer(200, b'{"ready":true}')


class Outage:
    """Reports, at most every ten seconds, that the prediction log cannot be written."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None
        self._reported = 0.0
        self._refused = 0

    def refused(self, reason: str) -> None:
        """Count a refused request; the first is reported at once."""
        now = self._clock()
        self._refused += 1
        if self._since is None:
            self._since = now
        elif now - self._reported < REPORT_SECONDS:
            return
        self._reported = now
        message = "the prediction log cannot be written: %s; requests refused so far: %d"
        logger.error(message, reason, self._refused)

    def ended(self) -> None:
        """Report the end of the outage, at the next record that was written."""
        if self._since is None:
            return
        seconds = self._clock() - self._since
        message = "the prediction log is written again after %.0f s; requests refused: %d"
        logger.warning(message, seconds, self._refused)
        self._since, self._refused = None, 0


def _queried(scope: HTTPScope, name: str) -> str:
    """Return a value of the query of a request; empty without it."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return query.get(name, [""])[0]


@contextmanager
def _refusing_rows(most: int) -> Iterator[None]:
    """Convert the faults of a request's rows to refusals."""
    try:
        yield
    except BadRows as bad:
        raise _refuse_rows(bad.faults) from None
    except TooManyRows as many:
        message = f"{many.rows} rows in one request: send {most:,} at most"
        raise Refusal(413, "too_many_rows", message) from None


def _refuse_rows(faults: Faults) -> Refusal:
    first = faults[0]
    if first["rule"] == "json":
        return Refusal(400, "bad_json", first["message"], faults)
    listed = _fitting(faults)
    if len(listed) < faults.total:
        some = f"the first faults are listed, {len(listed)} of {faults.total:,}"
        return Refusal(422, "bad_rows", f"{some}; nothing was scored", listed)
    rows = len({fault["row"] for fault in faults})
    are = "row is" if rows == 1 else "rows are"
    message = f"{rows} {are} not valid, so nothing was scored"
    return Refusal(422, "bad_rows", message, listed)


def _fitting(faults: Faults) -> list[Fault]:
    """Return the faults that fit into an answer: the rules of a schema may be long."""
    size = accumulate(len(orjson.dumps(fault)) for fault in faults)
    return [fault for fault, so_far in zip(faults, size, strict=True) if so_far <= MAX_FAULT_BYTES]
