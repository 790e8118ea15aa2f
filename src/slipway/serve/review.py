"""The guardrail: which answers a person should look at, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipway.contract import Columns

Reason = dict[str, str | None]


class Review:
    """Asks for a look when the model is near its threshold or meets a value for the first time.

    Parameters
    ----------
    threshold
        Probability from which the decision is yes.
    band
        How close to it a probability counts as uncertain.
    known
        For each category that the model reads, the values it has seen.
    """

    def __init__(self, threshold: float, band: float, known: Mapping[str, Collection[str]]) -> None:
        self._threshold = threshold
        self._band = band
        self._known = known

    def reasons(self, columns: Columns, row: int, probability: float) -> list[Reason]:
        """Return why a person should look at one row; nothing if nobody needs to."""
        found = []
        if abs(probability - self._threshold) < self._band:
            found.append(self._uncertain())
        for name, values in self._known.items():
            value = columns[name][row]
            # A model learns from missing text as from '': `contract.features`.
            if ("" if value is None else value) not in values:
                found.append(_unseen(name, value))
        return found

    def _uncertain(self) -> Reason:
        return {
            "rule": "uncertain",
            "field": None,
            "message": f"within {self._band:g} of the threshold {self._threshold:g}",
        }


def known_categories(manifest: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return the values that the model has seen of each category that it reads as it stands."""
    return {
        feature["name"]: frozenset(feature["values"])
        for feature in manifest["features"]
        if feature["type"] == "category" and feature["name"] in manifest["reference"]
    }


def _unseen(name: str, value: str | None) -> Reason:
    what = "a missing value" if value is None else repr(value)
    return {"rule": "unseen", "field": name, "message": f"the model has never seen {what}"}
