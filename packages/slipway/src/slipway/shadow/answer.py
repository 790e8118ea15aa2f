"""Score logged requests with another model than the one that answered them.

``python3 -m slipway.shadow.answer`` reads records from standard input or, with ``--log``, from the
end of a log, and writes its answers to standard output as JSON.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import orjson

from slipway import project
from slipway.errors import SlipwayError
from slipway.exits import run_command
from slipway.manifest import MODEL
from slipway.predictions.answers import Fields, answers_of
from slipway.predictions.personal import require_rows
from slipway.predictions.record import Record, TaskAnswer, answer_of
from slipway.project import Row
from slipway.schema.validator import Rows, RowValidator
from slipway.shadow.recent_requests import recent_requests
from slipway.times import time_or_none
from slipway.training.score import Model

VERSION = 1

TIME = "timestamp"


class Scored(TaskAnswer, total=False):
    """The result of scoring a record: see `Shadow.answer`."""

    refused: str
    untimed: str
    ms: float
    slices: dict[str, str]


class Answer(Scored):
    """The answer of a second model to a record, as `Shadow.answer` returns it."""

    id: str
    time: str
    key: str | int
    live: Fields
    model: str
    version: int


class Output(TypedDict):
    """The JSON that this program writes; see `slipway.shadow.recent_requests.RecentRequests`."""

    model: str
    live: NotRequired[str]
    others: NotRequired[dict[str, int]]
    faults: NotRequired[list[str]]
    answers: list[Answer]


class Shadow:
    """A model that scores logged requests."""

    def __init__(self, folder: Path = MODEL) -> None:
        self._model = Model.load(folder)
        manifest = self._model.manifest
        try:
            if not manifest["inputs"]:
                raise KeyError("inputs")
            require_rows(manifest["inputs"], "shadow")
            self._rows = RowValidator(manifest["inputs"], project.RULES)
            self._form = answers_of(self._model.task, manifest)
            self._times = [each["name"] for each in manifest["inputs"] if each["type"] == TIME]
        except (KeyError, TypeError, StopIteration):
            raise SlipwayError(
                f"{folder}: the manifest has no inputs or no threshold",
                "train the model with `dvc repro`; use an older one as a bento or an image",
            ) from None

    @property
    def sha256(self) -> str:
        return self._model.sha256

    def answer(self, record: Record) -> Answer:
        """Return this model's answer to a record, with the original one.

        Returns
        -------
        dict
            `id`, `time` and `key` of the request; `live`, the original answer; and the fields of
            this model's answer, `ms` (to check and score the row) and `slices`; or `refused`, why
            there is no answer; or `untimed`, the input whose time has a form that only an older
            service accepted. No row makes it raise.
        """
        answer: Answer = {
            "id": record["id"],
            "time": record["time"],
            "key": record["key"],
            "live": {"model": record["model"], **answer_of(record)},
            "model": self.sha256,
            "version": VERSION,
        }
        return {**answer, **self._scored(record)}

    def _scored(self, record: Record) -> Scored:
        if np.isnan(self._form.score(record)).any():
            return {"refused": "a model of another task, or of other classes, answered it"}
        if untimed := self._untimed(record["input"]):
            return {"untimed": untimed}
        try:
            return self._score(orjson.dumps(record["input"]))
        except Exception as error:  # noqa: BLE001 - an error of the user's code for one row
            return {"refused": f"the model failed: {error!r}"}

    def _untimed(self, row: Row) -> str:
        """Return the first input whose time the service no longer accepts; else empty."""
        given = ((name, row.get(name)) for name in self._times)
        untimed = (name for name, time in given if isinstance(time, str) and not time_or_none(time))
        return next(untimed, "")

    def _score(self, row: bytes) -> Scored:
        started = time.perf_counter()
        rows = self._rows.parse(row)
        if not isinstance(rows, Rows):
            fault = rows[0]
            return {"refused": f"{fault['field']}: {fault['message']}"}
        score = self._model.score(rows.columns)[0].tolist()
        seconds = time.perf_counter() - started
        scored: Scored = {
            "ms": round(seconds * 1000, 4),
            "slices": {name: str(text[0]) for name, text in project.sliced(rows.columns).items()},
        }
        return {**self._form.answer(score), **scored}


def answer_all(shadow: Shadow, records: Iterable[Record]) -> list[Answer]:
    """Return the answers to some records, in the same sequence."""
    records = list(records)
    if records:
        shadow.answer(records[0])  # a warm-up: the first time is slower
    return [shadow.answer(record) for record in records]


def main(arguments: list[str] | None = None) -> None:
    """Score the records on standard input, or at the end of a log."""
    parser = argparse.ArgumentParser(prog="slipway.shadow.answer")
    parser.add_argument("--log", default="")
    parser.add_argument("--last", type=int, default=1000)
    parser.add_argument("--live", default="")
    options = parser.parse_args(arguments)
    shadow = Shadow()
    output: Output
    if options.log:
        recent = recent_requests(options.log, options.last, options.live)
        output = {
            "model": shadow.sha256,
            "live": recent.live,
            "others": recent.others,
            "faults": recent.faults,
            "answers": answer_all(shadow, recent.records),
        }
    else:
        records = [orjson.loads(line) for line in sys.stdin.buffer]
        output = {"model": shadow.sha256, "answers": answer_all(shadow, records)}
    sys.stdout.buffer.write(orjson.dumps(output))


if __name__ == "__main__":
    run_command("slipway.shadow.answer", main)
