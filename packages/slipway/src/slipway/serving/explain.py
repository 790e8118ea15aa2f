"""`POST /explain`: validate a row, and explain what the model predicts for it."""

from __future__ import annotations

import asyncio
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson

from slipway import project
from slipway.errors import SlipwayError
from slipway.explain.explainer import Explainer, golden_features
from slipway.explain.explanation import INSTALL, NotInstalled
from slipway.predictions.answers import answers_of
from slipway.schema.validator import Rows, RowValidator
from slipway.serving.http import Refusal
from slipway.serving.predict import BadRows
from slipway.training.score import Model

LOCK = Path("requirements-serve.lock")

IN_LOCK = re.compile(r"shap==")

logger = logging.getLogger("slipway.serve")


class Explanations:
    """Explains rows with the model of the service, in a thread: predictions need not wait.

    A service without the extra `explain`, or with a model that cannot be explained, runs, and each
    request is refused. Its lock decides: a working tree may have the packages for the command
    `slipway explain` alone, and they take seconds and 200 MB of each worker.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._rows = RowValidator(model.manifest["inputs"], project.RULES, max_rows=1)
        self._form = answers_of(model.task, model.manifest)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explanations")
        self._explainer: Explainer | Refusal
        try:
            self._explainer = _warm(model)
        except NotInstalled as missing:
            self._explainer = Refusal(501, "not_installed", f"{missing}: {missing.do}")
        except Exception:  # of any library; predictions must be served without explanations too
            logger.exception("predictions of this model cannot be explained")
            message = "this model cannot be explained; the reason is in the service's own log"
            self._explainer = Refusal(501, "not_explained", message)

    async def explain(self, body: bytes, explained_class: str) -> bytes:
        """Return the explanation of one row.

        Raises
        ------
        Refusal
            Explanations are not installed, or the model has no such class.
        BadRows, TooManyRows
            The row is not valid, or there are several.
        """
        if isinstance(self._explainer, Refusal):
            raise self._explainer
        loop = asyncio.get_running_loop()
        arguments = (self._explainer, body, explained_class)
        return await loop.run_in_executor(self._thread, self._explain, *arguments)

    def _explain(self, explainer: Explainer, body: bytes, explained_class: str) -> bytes:
        rows = self._rows.parse(body)
        if not isinstance(rows, Rows):
            raise BadRows(rows)
        features = project.features(rows.columns)
        score = self._model.score_features(features).tolist()[0]
        try:
            explained = explainer.explain(features, explained_class)
        except SlipwayError as error:
            raise Refusal(422, "bad_class", f"{error}: {error.do}") from None
        answer = self._form.answer(score) | explained.model_dump()
        return orjson.dumps([answer] if rows.many else answer)


def _warm(model: Model) -> Explainer:
    """Return the explainer after a first explanation, which takes longer than the later ones."""
    if not any(map(IN_LOCK.match, _locked())):
        raise NotInstalled("this service is built without explanations", INSTALL)
    explainer = Explainer.load()
    golden = golden_features(model.manifest)
    explainer.explain({name: values[:1] for name, values in golden.items()})
    return explainer


def _locked() -> list[str]:
    try:
        return LOCK.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
