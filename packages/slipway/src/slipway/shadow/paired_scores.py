"""The scores of two models for the same requests, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np

from slipway.metrics.registry import Predictions
from slipway.predictions.answers import predictions_of, task_of_answer
from slipway.predictions.files import Count
from slipway.shadow.answer import Answer
from slipway.tasks import Task
from slipway.tasks.binary import Binary
from slipway.times import parse_time
from slipway.untrusted import shown, shown_name

EXAMPLES = 5


@dataclass(frozen=True)
class Example:
    """A row that the candidate refused, and why."""

    key: str
    why: str


@dataclass(frozen=True)
class PairedScores:
    """The predictions of the live model and of the candidate.

    Attributes
    ----------
    task
        Of both models.
    keys, times
        Of the requests that both answered; like all arrays of shape (rows,), oldest first.
    ms
        Time in which the candidate checks and scores the row.
    slices
        For each slice its values, and for each row the index of its value.
    refused
        Number of rows that the candidate refused; `examples` are the first ones.
    untimed
        Requests with a time in a form that only an older service accepted: neither answered nor
        refused.
    zone
        Where days begin at midnight.
    """

    task: Task
    keys: np.ndarray
    times: np.ndarray
    live: Predictions
    candidate: Predictions
    ms: np.ndarray
    slices: Mapping[str, tuple[list[str], np.ndarray]]
    refused: int
    examples: list[Example]
    untimed: Count
    zone: str = "UTC"

    @property
    def rows(self) -> int:
        return len(self.keys)

    @property
    def distances(self) -> np.ndarray:
        """Absolute differences of the scores; of several classes the largest one."""
        distances = np.abs(self.candidate.scores - self.live.scores)
        return np.asarray(distances if distances.ndim == 1 else distances.max(axis=1))

    @property
    def changed(self) -> np.ndarray:
        """Which decisions differ, shape (rows,); none if the task has no decisions."""
        if not self.live.has_decisions:
            return np.zeros(self.rows, dtype=bool)
        return np.asarray(self.live.decisions != self.candidate.decisions)

    @property
    def days(self) -> np.ndarray:
        """The day of each request in the time zone, counted from an arbitrary one."""
        zone = ZoneInfo(self.zone)
        moments = (parse_time(time).astimezone(zone) for time in self.times.tolist())
        return np.array([moment.toordinal() for moment in moments], dtype=int)

    def newest_of_each_key(self) -> np.ndarray:
        """Return the positions of the last answer to each key."""
        last = {key: at for at, key in enumerate(self.keys.tolist())}
        return np.array(sorted(last.values()), dtype=int)


def pair_scores(answers: Iterable[Answer], zone: str = "UTC") -> PairedScores:
    """Return the answers of `slipway.shadow.answer` as arrays; days are those of a time zone."""
    pairs: list[tuple[Mapping[str, object], Answer]] = []
    indices: dict[str, dict[str, int]] = {}
    coded: dict[str, list[int]] = {}
    refused = 0
    examples: list[Example] = []
    untimed = Count()
    for answer in answers:
        if "untimed" in answer:
            untimed.add(1, partial(_describe, answer))
            continue
        if "refused" in answer:
            refused += 1
            if len(examples) < EXAMPLES:
                examples.append(Example(str(answer["key"]), str(answer["refused"])))
            continue
        pairs.append((answer["live"], answer))
        for name, text in answer["slices"].items():
            index = indices.setdefault(name, {})
            coded.setdefault(name, []).append(index.setdefault(text, len(index)))
    task = task_of_answer(pairs[0][1]) if pairs else Binary()
    live, candidate = (predictions_of(task, [pair[side] for pair in pairs]) for side in (0, 1))
    return PairedScores(
        task=task,
        keys=np.array([str(each["key"]) for _, each in pairs], dtype=object),
        times=np.array([each["time"] for _, each in pairs], dtype=object),
        live=live,
        candidate=candidate,
        ms=np.array([each["ms"] for _, each in pairs], dtype="float64"),
        slices={name: (list(indices[name]), np.array(coded[name])) for name in indices},
        refused=refused,
        examples=examples,
        untimed=untimed,
        zone=zone,
    )


def _describe(answer: Answer) -> str:
    return f"key {shown(answer['key'])}, {shown_name(str(answer['untimed']))}"
