"""Human review: which answers a person should look at, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slipway.reference.profile import series_name

if TYPE_CHECKING:
    from slipway.manifest import Manifest
    from slipway.predictions.answers import Answers
    from slipway.predictions.record import Reason
    from slipway.project import Columns


class Review:
    """Flags uncertain answers and category values that the model has not seen.

    Parameters
    ----------
    answers
        Those of the model's task, which has the rule for an uncertain one.
    band
        The uncertainty band: a difference of probabilities.
    known
        The values that the model has seen of each category.
    """

    def __init__(self, answers: Answers, band: float, known: Mapping[str, Collection[str]]) -> None:
        self._uncertain = answers.uncertain
        self._band = band
        self._known = known

    def reasons(self, columns: Columns, scores: Sequence[Any]) -> list[list[Reason]]:
        """Return the reasons for a review of each row; none if it needs no review."""
        found: list[list[Reason]] = [[] for _ in scores]
        for reasons, score in zip(found, scores, strict=True):
            if message := self._uncertain(score, self._band):
                reasons.append({"rule": "uncertain", "field": None, "message": message})
        for name, values in self._known.items():
            for reasons, value in zip(found, columns[name].tolist(), strict=True):
                # A model is trained with '' for missing text: `slipway.project.features`.
                if ("" if value is None else value) not in values:
                    reasons.append(_unseen(name, value))
        return found


def known_categories(manifest: Manifest) -> dict[str, frozenset[str]]:
    """Return the values that the model has seen of each category that is an input."""
    return {
        feature["name"]: frozenset(feature["values"])
        for feature in manifest["features"]
        if "values" in feature and series_name(feature["name"]) in manifest["reference"]
    }


def _unseen(name: str, value: str | None) -> Reason:
    what = "a missing value" if value is None else repr(value)
    return {"rule": "unseen", "field": name, "message": f"the model has never seen {what}"}
