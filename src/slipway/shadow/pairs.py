"""Two answers to each of many requests, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from slipway.log_files import Count
from slipway.rows.words import shown, shown_name

REASONS_KEPT = 5


@dataclass(frozen=True)
class Pairs:
    """What the live model answered (`first`), and what the candidate did (`second`).

    Attributes
    ----------
    keys, times
        Of the requests that both answered; like all arrays of shape (rows,), in the order in
        which they were asked.
    first, second, first_yes, second_yes
        Probabilities and decisions.
    ms
        What the candidate needed to check and score the row.
    slices
        For each slice its values, and for each row which one.
    refused
        How many rows the candidate did not take.
    reasons
        Key and reason of some of those.
    untimed
        Requests of which a time has a form that the service accepted once: neither answered nor
        refused.
    """

    keys: np.ndarray
    times: np.ndarray
    first: np.ndarray
    second: np.ndarray
    first_yes: np.ndarray
    second_yes: np.ndarray
    ms: np.ndarray
    slices: Mapping[str, tuple[list[str], np.ndarray]]
    refused: int
    reasons: list[tuple[str, str]]
    untimed: Count

    @property
    def rows(self) -> int:
        return len(self.keys)

    def newest_of_each_key(self) -> np.ndarray:
        """Return the positions of the last answer to each key."""
        last = {key: at for at, key in enumerate(self.keys.tolist())}
        return np.array(sorted(last.values()), dtype=int)


def to_pairs(answers: Iterable[Mapping[str, Any]]) -> Pairs:
    """Return answers, as `slipway.shadow.answer` gives them, as arrays."""
    values: dict[str, list[Any]] = {name: [] for name in ("key", "time", "ms")}
    numbers: list[tuple[float, float, bool, bool]] = []
    codes: dict[str, dict[str, int]] = {}
    coded: dict[str, list[int]] = {}
    refused = 0
    reasons: list[tuple[str, str]] = []
    untimed = Count()
    for answer in answers:
        if "untimed" in answer:
            untimed.add(1, partial(_named, answer))
            continue
        if "refused" in answer:
            refused += 1
            if len(reasons) < REASONS_KEPT:
                reasons.append((str(answer["key"]), str(answer["refused"])))
            continue
        live = answer["live"]
        numbers.append(
            (live["probability"], answer["probability"], live["decision"], answer["decision"])
        )
        for name, column in values.items():
            column.append(answer[name])
        for name, text in answer["slices"].items():
            known = codes.setdefault(name, {})
            coded.setdefault(name, []).append(known.setdefault(text, len(known)))
    table = np.array(numbers, dtype="float64").reshape(-1, 4)
    return Pairs(
        keys=np.array([str(key) for key in values["key"]], dtype=object),
        times=np.array(values["time"], dtype=object),
        first=table[:, 0],
        second=table[:, 1],
        first_yes=table[:, 2] == 1,
        second_yes=table[:, 3] == 1,
        ms=np.array(values["ms"], dtype="float64"),
        slices={name: (list(codes[name]), np.array(coded[name])) for name in codes},
        refused=refused,
        reasons=reasons,
        untimed=untimed,
    )


def _named(answer: Mapping[str, Any]) -> str:
    return f"key {shown(answer['key'])}, {shown_name(str(answer['untimed']))}"
