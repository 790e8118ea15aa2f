"""Rows to answers: validate, score, decide, ask for a look if need be, write down, answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import repeat
from typing import Any

import orjson

from slipway import contract
from slipway.rows import Fault, Rows, RowValidator
from slipway.score import Model
from slipway.serve.log import VERSION, Ids, PredictionLog, stamp
from slipway.serve.metrics import Metrics
from slipway.serve.release import Release
from slipway.serve.review import Review, known_categories
from slipway.settings import Serve

Clock = Callable[[], datetime]


class BadRows(Exception):
    """The rows of a request are not in order; none was scored."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = faults


class TooManyRows(Exception):
    """A request has more rows than `serve.max_rows`."""


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
        self._rows = RowValidator(spec=manifest["inputs"], rules=contract.RULES)
        self._threshold: float = manifest["threshold"]
        self._review = Review(self._threshold, settings.review_band, known_categories(manifest))
        self._max_rows = settings.max_rows
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self._ids = Ids()
        self._origin = {
            "model": model.sha256,
            "data": release.data,
            "commit": release.commit,
            "version": VERSION,
        }

    async def predict(self, body: bytes) -> bytes:
        """Return the answer to the body of a request, once its records are safe.

        Raises
        ------
        BadRows, TooManyRows
            Nothing was scored.
        LogUnavailable
            The records could not be written.
        """
        rows = self._rows.parse(body)
        if not isinstance(rows, Rows):
            raise BadRows(rows)
        if len(rows.keys) > self._max_rows:
            raise TooManyRows(len(rows.keys))
        now = self._clock()
        answers = self._answers(rows, now)
        sent = orjson.loads(body)
        lines = map(
            self._record, answers, repeat(stamp(now)), rows.keys, sent if rows.many else [sent]
        )
        await self._write(now, b"".join(lines))
        return orjson.dumps(answers if rows.many else answers[0])

    def _answers(self, rows: Rows, now: datetime) -> list[dict[str, Any]]:
        answers = []
        for row, probability in enumerate(self._model.score(rows.columns).tolist()):
            reasons = self._review.reasons(rows.columns, row, probability)
            decision = probability >= self._threshold
            self._metrics.predicted(probability, decision, bool(reasons))
            answers.append(
                {
                    "id": self._ids.next(now),
                    "probability": probability,
                    "decision": decision,
                    "review": bool(reasons),
                    "reasons": reasons,
                }
            )
        return answers

    def _record(self, answer: dict[str, Any], time: str, key: Any, row: Any) -> bytes:
        record = answer | {"time": time, "key": key, "input": row} | self._origin
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)

    async def _write(self, now: datetime, lines: bytes) -> None:
        started = time.perf_counter()
        await self._log.append(now.date(), lines)
        self._metrics.logged(len(lines), time.perf_counter() - started)
