"""Predict: validate the rows, score, decide, flag for human review, log, answer."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import repeat
from typing import Any, TypeVar

import numpy as np
import orjson

from slipway import project
from slipway.manifest import Manifest
from slipway.predictions.answers import Fields, answers_of
from slipway.predictions.personal import Mask
from slipway.predictions.record import VERSION, ReviewedAnswer, stamp, to_line
from slipway.predictions.writer import Ids, PredictionLog
from slipway.project import Row
from slipway.schema.validator import Faults, Rows, RowValidator
from slipway.serving import CANDIDATE_BYTES
from slipway.serving.http import Request
from slipway.serving.human_review import Review, known_categories
from slipway.serving.metrics import Metrics
from slipway.serving.release import Release
from slipway.settings import Serve
from slipway.tasks import task_of
from slipway.training.score import Model

Clock = Callable[[], datetime]
Checked = TypeVar("Checked")

MAX_FAULTS = 100  # in an answer

LARGE = 16 * 1024  # bytes; a smaller body is validated within a millisecond


class Answered(ReviewedAnswer):
    """The answer to a row."""

    id: str


class BadRows(Exception):
    """Some rows of a request are invalid; none was scored."""

    def __init__(self, faults: Faults) -> None:
        super().__init__(f"{faults.total} faults")
        self.faults = faults


def row_validator(manifest: Manifest, settings: Serve) -> RowValidator:
    """Return the checks of a request; raises SlipwayError if the rules are of other columns."""
    return RowValidator(manifest["inputs"], project.RULES, settings.max_rows, MAX_FAULTS)


def human_review(manifest: Manifest, settings: Serve) -> Review:
    """Return what is flagged for a person."""
    form = answers_of(task_of(manifest), manifest)
    return Review(form, settings.uncertainty_band, known_categories(manifest))


def personal_mask(manifest: Manifest) -> Mask:
    """Return what the log does with personal columns; raises SlipwayError without a secret."""
    return Mask(manifest["inputs"], project.key_names(manifest["key"]))


class Predictor:
    """Answers requests with one model."""

    def __init__(
        self,
        model: Model,
        settings: Serve,
        release: Release,
        log: PredictionLog,
        metrics: Metrics,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        manifest = model.manifest
        self._model = model
        self._rows = row_validator(manifest, settings)
        self._mask = personal_mask(manifest)
        # One thread, so that only one large body is parsed at a time.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="large-bodies")
        self._form = answers_of(model.task, manifest)
        self._review = human_review(manifest, settings)
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self._ids = Ids()
        self._origin: Fields = {
            "model": model.sha256,
            "data": release.data,
            "commit": release.commit,
            "version": VERSION,
        }

    async def predict(self, request: Request) -> bytes:
        """Return the answer to a request, once its records are on disk.

        The records of a smoke test are marked, and not counted.

        Raises
        ------
        BadRows, TooManyRows
            Nothing was scored.
        LogUnavailable
            The records could not be written.
        """
        rows = await self._parse(request.body)
        if not isinstance(rows, Rows):
            raise BadRows(rows)
        now = self._clock()
        scores = self._scores(rows)
        answers = self._answers(rows, scores, now)
        if not request.smoke_test:
            self._count(scores, answers, len(request.body))
        about = {"time": stamp(now)} | self._origin | _fields_of(request)
        keys, sent = rows.keys, rows.sent
        if self._mask:
            keys, sent = list(map(self._mask.key, keys)), list(map(self._mask.row, sent))
        written = b"".join(map(_record, answers, keys, sent, repeat(about)))
        started = time.perf_counter()
        await self._log.append(now.date(), written)
        if not request.smoke_test:
            self._metrics.logged(len(written), time.perf_counter() - started)
        return orjson.dumps(answers if rows.many else answers[0])

    async def _parse(self, body: bytes) -> Rows | Faults:
        """Validate a body; a large one in a thread, so that others are answered meanwhile."""
        if len(body) <= LARGE:
            rows = self._rows.accept(body)
            if rows is not None:
                return rows
            return await self._in_thread(self._rows.explain, body)
        return await self._in_thread(self._rows.parse, body)

    async def _in_thread(self, check: Callable[[bytes], Checked], body: bytes) -> Checked:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _without_collector, check, body)

    def _scores(self, rows: Rows) -> list[Any]:
        scores = self._model.score(rows.columns)
        if not np.isfinite(scores).all():
            raise ArithmeticError("the model returned a score that is not a number")
        listed: list[Any] = scores.tolist()
        return listed

    def _answers(self, rows: Rows, scores: list[Any], now: datetime) -> list[Answered]:
        reasons = self._review.reasons(rows.columns, scores)
        return [
            {
                "id": self._ids.next(now),
                **self._form.answer(score),
                "review": bool(found),
                "reasons": found,
            }
            for score, found in zip(scores, reasons, strict=True)
        ]

    def _count(self, scores: list[Any], answers: list[Answered], size: int) -> None:
        watched = list(map(self._form.watched, scores))
        if size < CANDIDATE_BYTES:
            self._metrics.request_scored(random.choice(watched))  # noqa: S311  a sample
        for number, answer in zip(watched, answers, strict=True):
            self._metrics.predicted(number, self._form.decided(answer), answer["review"])


def _fields_of(request: Request) -> Fields:
    """Return the fields of a record that depend on its request alone."""
    return {"proof": True} if request.smoke_test else {}


def _without_collector(check: Callable[[bytes], Checked], body: bytes) -> Checked:
    # The collector would scan the parsed objects repeatedly: nine tenths of the time.
    gc.disable()
    try:
        return check(body)
    finally:
        gc.enable()


def _record(answer: Answered, key: Any, row: Row, about: Fields) -> bytes:
    # Without a key, labels are joined by the id of the answer.
    return to_line(answer | {"key": answer["id"] if key is None else key, "input": row} | about)
