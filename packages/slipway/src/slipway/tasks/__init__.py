"""What a model predicts: one of two classes, one of several, a number, or a quantile of one.

A task is one module and one entry of `TASKS`. Its metrics are entries of
`slipway.metrics.registry`, its baselines and plots one of `slipway.training.diagnostics`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from slipway.errors import SlipwayError
from slipway.tasks.base import Task
from slipway.tasks.binary import Binary
from slipway.tasks.multiclass import Multiclass
from slipway.tasks.quantile import Quantile
from slipway.tasks.regression import Regression

if TYPE_CHECKING:
    from slipway.manifest import Manifest

__all__ = ["NAMES", "TASKS", "Task", "declared_task", "task_of"]

TASKS: dict[str, Callable[[Sequence[object]], Task]] = {
    "binary": Binary.declared,
    "multiclass": Multiclass.declared,
    "regression": Regression.declared,
}
"""Those that classes alone define. A quantile is declared with its level, as `QUANTILE`."""

NAMES = (*TASKS, Quantile.name)


def task_of(manifest: Manifest) -> Task:
    """Return the task of a model by its manifest; one of an earlier version is binary."""
    target = manifest.get("target", {})
    name, classes = target.get("task", "binary"), target.get("classes", ())
    return declared_task(name, classes, target.get("quantile"))


def declared_task(name: object, classes: Sequence[object], quantile: object = None) -> Task:
    """Return a task by the name, classes and quantile that ``src/model/target.py`` declares.

    Raises
    ------
    SlipwayError
        There is no such task, or its classes or its quantile are not valid.
    """
    if name == Quantile.name and not classes:
        return Quantile.at(quantile)
    if quantile is not None:
        raise SlipwayError(
            "src/model/target.py: `QUANTILE` is that of `TASK = 'quantile'`",
            "remove `QUANTILE`, or declare that task",
        )
    declared = TASKS.get(name) if isinstance(name, str) else None
    if declared is None:
        raise SlipwayError(
            f"src/model/target.py: `TASK` is {name!r}; expected one of: {', '.join(NAMES)}",
            "declare what the model predicts, such as `TASK = 'regression'`",
        )
    return declared(classes)
