"""A release as a pyfunc of MLflow, which copies this file into the model and runs it there.

The model brings its own code, in the packages `model` and `slipway`. Two models in one process
have different code in packages of the same names, so each call sees those of its own model only.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

RELEASE = "release"
CODE = ("code", "machine.zip")
PACKAGES = ("model", "slipway")

# One lock for all models of a process; each runs a copy of this file.
_LOCK: RLock = vars(sys).setdefault("_slipway_models", RLock())


class OwnCode:
    """Paths with packages that only this model imports."""

    def __init__(self, paths: list[str]) -> None:
        self._paths = paths
        self._modules: dict[str, ModuleType] = {}

    @contextmanager
    def imported(self) -> Iterator[None]:
        """Import from the own paths while the block runs."""
        with _LOCK:
            others, path = _taken(), sys.path
            sys.modules.update(self._modules)
            sys.path = [*self._paths, *path]
            try:
                yield
            finally:
                self._modules = _taken()
                sys.modules.update(others)
                sys.path = path


def _taken() -> dict[str, ModuleType]:
    """Remove the modules of the packages from those that are imported; return them."""
    names = [name for name in sys.modules if name.partition(".")[0] in PACKAGES]
    return {name: sys.modules.pop(name) for name in names}


class ReleasedModel(PythonModel):  # type: ignore[misc, unused-ignore]
    """Answers as the service of the release: the same columns go in, the same fields come out."""

    def load_context(self, context: PythonModelContext) -> None:
        folder = Path(context.artifacts[RELEASE])
        self._code = OwnCode([str(folder / name) for name in CODE])
        with self._code.imported():
            from slipway.export.scorer import Scorer

            self._scorer = Scorer(folder)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - the interface of MLflow
        model_input: pd.DataFrame,
        params: Any = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Return the answer to each row; raises ValueError if a row is not valid."""
        rows = [
            {str(name): _plain(value) for name, value in row.items()}
            for row in model_input.to_dict("records")
        ]
        with self._code.imported():
            from slipway.errors import SlipwayError

            try:
                answers = self._scorer.answers(rows)
            except SlipwayError as error:
                raise ValueError(str(error)) from None
        return pd.DataFrame(answers, index=model_input.index)


def _plain(value: Any) -> Any:
    """Return a cell as a client of the service would send it; a time without a zone is UTC.

    Infinity, which JSON does not have, is a text: a schema of numbers refuses it by its name.
    """
    if isinstance(value, float) and math.isinf(value):
        return str(value)
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return (value if value.tzinfo else value.tz_localize("UTC")).isoformat()
    return value.item() if hasattr(value, "item") else value


set_model(ReleasedModel())
