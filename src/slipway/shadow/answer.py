"""A model's answer to a request that another one has answered.

``python3 -m slipway.shadow.answer`` does it for many: the records come from standard input or,
with ``--log``, from the end of a log; what it says goes to standard output as JSON.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from slipway import contract
from slipway.errors import SlipwayError
from slipway.exits import run_command
from slipway.rows import Rows, RowValidator
from slipway.score import MODEL, Model
from slipway.shadow.newest import newest
from slipway.times import time_or_none

VERSION = 1

TIME = "timestamp"


class Shadow:
    """A model that answers what others were asked.

    Raises
    ------
    SlipwayError
        As `Model.load`, or the manifest lacks what is needed to check a row.
    """

    def __init__(self, folder: Path = MODEL) -> None:
        self._model = Model.load(folder)
        manifest = self._model.manifest
        try:
            self._rows = RowValidator(manifest["inputs"], contract.RULES)
            self._threshold: float = manifest["threshold"]
            self._times = [each["name"] for each in manifest["inputs"] if each["type"] == TIME]
        except (KeyError, TypeError, StopIteration):
            raise SlipwayError(
                f"{folder}: the manifest does not say what a row is and when the decision is yes",
                "train the model with `dvc repro`; an older one is asked as a bento or an image",
            ) from None

    @property
    def sha256(self) -> str:
        return self._model.sha256

    def answer(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return this model's answer to a record of the log, beside what was answered.

        Returns
        -------
        dict
            `id`, `time` and `key` of the request; `live`, the answer that was given; and
            `probability`, `decision`, `ms` (to check and score the row) and `slices`; or
            `refused`, why there is no answer; or `untimed`, the input whose time has a form that
            an older service accepted. Nothing that the row holds makes it raise.
        """
        asked = {name: record[name] for name in ("id", "time", "key")}
        given = {name: record[name] for name in ("model", "probability", "decision")}
        about = asked | {"live": given, "model": self.sha256, "version": VERSION}
        if untimed := self._untimed(record["input"]):
            return about | {"untimed": untimed}
        try:
            return about | self._answer(orjson.dumps(record["input"]))
        except Exception as error:  # noqa: BLE001 - one row that the user's code trips over
            return about | {"refused": f"the model failed: {error!r}"}

    def _untimed(self, row: dict[str, Any]) -> str:
        """Return the first input whose time is not one that the service accepts today, or ''."""
        given = ((name, row.get(name)) for name in self._times)
        untimed = (name for name, time in given if isinstance(time, str) and not time_or_none(time))
        return next(untimed, "")

    def _answer(self, row: bytes) -> dict[str, Any]:
        started = time.perf_counter()
        rows = self._rows.parse(row)
        if not isinstance(rows, Rows):
            fault = rows[0]
            return {"refused": f"{fault['field']}: {fault['message']}"}
        probability = float(self._model.score(rows.columns)[0])
        took = time.perf_counter() - started
        return {
            "probability": probability,
            "decision": probability >= self._threshold,
            "ms": round(took * 1000, 4),
            "slices": {name: str(text[0]) for name, text in contract.slices(rows.columns).items()},
        }


def answer_all(shadow: Shadow, records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the answers to some records, in their order."""
    asked = list(records)
    if asked:
        shadow.answer(asked[0])  # the first time is slower and says nothing
    return [shadow.answer(record) for record in asked]


def main(arguments: list[str] | None = None) -> None:
    """Answer what stands on standard input, or the end of a log."""
    parser = argparse.ArgumentParser(prog="slipway.shadow.answer")
    parser.add_argument("--log", default="")
    parser.add_argument("--last", type=int, default=1000)
    parser.add_argument("--live", default="")
    asked = parser.parse_args(arguments)
    shadow = Shadow()
    said: dict[str, Any] = {"model": shadow.sha256}
    if asked.log:
        found = newest(asked.log, asked.last, asked.live)
        said |= {"live": found.live, "others": found.others, "faults": found.faults}
        records = found.records
    else:
        records = [orjson.loads(line) for line in sys.stdin.buffer]
    said["answers"] = answer_all(shadow, records)
    sys.stdout.buffer.write(orjson.dumps(said))


if __name__ == "__main__":
    run_command("slipway.shadow.answer", main)
