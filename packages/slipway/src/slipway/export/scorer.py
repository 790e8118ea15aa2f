"""Score rows of a packed release as its service does: the same checks, answers and reviews.

It runs outside of the service and the repository, with the packages that a model needs and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from slipway import project
from slipway.errors import SlipwayError
from slipway.manifest import MODEL
from slipway.predictions.answers import Fields, answers_of
from slipway.project import Row
from slipway.schema.validator import Rows, RowValidator
from slipway.serving.human_review import Review, known_categories
from slipway.settings import read_params
from slipway.training.score import Model

PARAMS = "params.yaml"


class Scorer:
    """Answers rows with the model of a folder, which has `build/model` and `params.yaml`."""

    def __init__(self, folder: Path) -> None:
        project.check_served()
        self._model = Model.load(folder / MODEL)
        manifest = self._model.manifest
        self._rows = RowValidator(manifest["inputs"], project.RULES)
        self._form = answers_of(self._model.task, manifest)
        band = read_params(folder / PARAMS).serve.uncertainty_band
        self._review = Review(self._form, band, known_categories(manifest))

    def answers(self, rows: Sequence[Row]) -> list[Fields]:
        """Return the answers of the service to some rows, without an id.

        Raises
        ------
        SlipwayError
            A row is not valid; names the first fault.
        """
        parsed = self._rows.parse(orjson.dumps(rows, default=str))
        if not isinstance(parsed, Rows):
            first = parsed[0]
            raise SlipwayError(f"row {first['row']}: {first['field']}: {first['message']}")
        scores = self._model.score(parsed.columns).tolist()
        reasons = self._review.reasons(parsed.columns, scores)
        return [
            {**self._form.answer(score), "review": bool(found), "reasons": found}
            for score, found in zip(scores, reasons, strict=True)
        ]
