"""What a model predicts: one of two classes, one of several, or a number.

A task is one module and one entry of `TASKS`. Its metrics are entries of
`slipway.metrics.registry`, its baselines and plots one of `slipway.training.diagnostics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slipway.errors import SlipwayError
from slipway.tasks.base import Task
from slipway.tasks.binary import Binary
from slipway.tasks.multiclass import Multiclass
from slipway.tasks.regression import Regression

__all__ = ["TASKS", "Task", "declared_task", "task_of"]

TASKS: dict[str, Callable[[Sequence[object]], Task]] = {
    "binary": Binary.declared,
    "multiclass": Multiclass.declared,
    "regression": Regression.declared,
}


def task_of(manifest: Mapping[str, Any]) -> Task:
    """Return the task of a model by its manifest; one of an earlier version is binary."""
    target = manifest.get("target", {})
    return declared_task(target.get("task", "binary"), target.get("classes", ()))


def declared_task(name: object, classes: Sequence[object]) -> Task:
    """Return a task by the name and the classes that ``src/model/target.py`` declares.

    Raises
    ------
    SlipwayError
        There is no such task, or its classes are not valid.
    """
    declared = TASKS.get(name) if isinstance(name, str) else None
    if declared is None:
        raise SlipwayError(
            f"src/model/target.py: `TASK` is {name!r}; expected one of: {', '.join(TASKS)}",
            "declare what the model predicts, such as `TASK = 'regression'`",
        )
    return declared(classes)
