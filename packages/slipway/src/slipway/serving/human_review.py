"""Human review: which answers a person should look at, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipway.project import Columns

Reason = dict[str, str | None]


class Review:
    """Flags scores close to the threshold and category values that the model has not seen.

    Parameters
    ----------
    threshold
        Probability from which the decision is yes.
    band
        The uncertainty band: probabilities closer to the threshold than this are uncertain.
    known
        The values that the model has seen of each category.
    """

    def __init__(self, threshold: float, band: float, known: Mapping[str, Collection[str]]) -> None:
        self._threshold = threshold
        self._band = band
        self._known = known

    def reasons(self, columns: Columns, row: int, probability: float) -> list[Reason]:
        """Return the reasons for a review of one row; none if it needs no review."""
        found = []
        if abs(probability - self._threshold) < self._band:
            found.append(self._uncertain())
        for name, values in self._known.items():
            value = columns[name][row]
            # A model is trained with '' for missing text: `slipway.project.features`.
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
    """Return the values that the model has seen of each category that is an input."""
    return {
        feature["name"]: frozenset(feature["values"])
        for feature in manifest["features"]
        if "values" in feature and feature["name"] in manifest["reference"]
    }


def _unseen(name: str, value: str | None) -> Reason:
    what = "a missing value" if value is None else repr(value)
    return {"rule": "unseen", "field": name, "message": f"the model has never seen {what}"}
