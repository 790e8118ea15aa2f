"""What the pipeline asks of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from slipway.errors import SlipwayError, first_fault
from slipway.tasks.predictions import Predictions

if TYPE_CHECKING:
    from slipway.manifest import Manifest

MOST_NAMED = 5


class LabelStatistics(BaseModel, ABC):
    """What split.json, the manifest and metrics.json record of some labels, among other keys."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    @classmethod
    def of(cls, record: Mapping[str, object]) -> Self:
        """Return the statistics in a record.

        Raises
        ------
        SlipwayError
            Names the first that is missing or has another type.
        """
        try:
            return cls.model_validate(record, strict=True)
        except ValidationError as error:
            name, fault = first_fault(error)
            raise SlipwayError(
                f"the statistics of the labels that training recorded: `{name}`: {fault}",
                "write them again with `dvc repro`",
            ) from None

    @abstractmethod
    def summary(self, rows: int) -> str:
        """Return a description of the labels, of which there are `rows`, as part of a sentence."""

    @abstractmethod
    def constant(self, rows: int) -> np.ndarray:
        """Return the score of a model that learned nothing but these labels, as many as `rows`.

        Shape (); of a multiclass model (classes,).
        """


class Task(Protocol):
    """How labels and predictions of a task are read."""

    @property
    def name(self) -> str:
        """As ``src/model/target.py`` declares it."""

    @property
    def classes(self) -> tuple[Any, ...]:
        """The names of the classes, by code; empty if labels are not classes."""

    @property
    def quantile(self) -> float | None:
        """The quantile of the label that scores are; None if they are none."""

    @property
    def expected(self) -> str:
        """What a label must be."""

    @property
    def remedy(self) -> str:
        """What to do about a label that is not valid."""

    @property
    def valid_scores(self) -> str:
        """What scores must be."""

    @property
    def is_classifier(self) -> bool:
        """Whether the estimator has `predict_proba`."""

    @property
    def statistics(self) -> type[LabelStatistics]:
        """What `describe` returns."""

    def read(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return values as labels, NaN for missing ones, and which are not valid: shape (rows,).

        Labels are float32: 0 or 1, the code of a class; or float64: a number.
        """

    def require(self, name: str, target: str, labels: np.ndarray) -> None:
        """Refuse labels that a model can neither learn from nor be measured on.

        Parameters
        ----------
        name, target
            What an error calls the rows and the label.
        labels
            Without missing ones.

        Raises
        ------
        SlipwayError
            Names the values found.
        """

    def from_text(self, text: str, decimal: str) -> object:
        """Return the value that a text of a CSV file means, for `read`; None if it is empty.

        Parameters
        ----------
        decimal
            The decimal mark of the file.
        """

    def stored(self, labels: np.ndarray) -> np.ndarray:
        """Return labels that are known as the store of arrived labels has them, shape (rows,).

        Classes by name: their codes change with the list of classes.
        """

    def shown(self, label: float) -> str:
        """Return a label as a text."""

    def targets(self, labels: np.ndarray) -> np.ndarray:
        """Return labels as the estimator is fitted on them, shape (rows,)."""

    def scores(self, raw: np.ndarray, seen: Sequence[int]) -> np.ndarray:
        """Return what is stored and measured of an estimator's raw output.

        Parameters
        ----------
        raw
            Of a classifier: probabilities, shape (rows, classes seen); else shape (rows,).
        seen
            The codes of the classes that the estimator was fitted on, in its own sequence.

        Returns
        -------
        Shape (rows,); of a multiclass model (rows, classes).
        """

    def invalid(self, scores: np.ndarray) -> np.ndarray:
        """Return which rows have scores that no model of this task may return, shape (rows,)."""

    def rounded(self, scores: np.ndarray) -> np.ndarray:
        """Return scores as they are stored and compared."""

    def predictions(self, scores: np.ndarray, threshold: float | None) -> Predictions:
        """Return scores with the decisions made from them."""

    def rule(self, threshold: float) -> Manifest:
        """Return what a manifest records of the rule by which scores become decisions."""

    def groups(self, target: str, labels: np.ndarray) -> dict[str, np.ndarray]:
        """Return the slices that follow from the labels: name to a text for each row."""

    def counts(self, labels: np.ndarray) -> dict[str, int]:
        """Return what a table of slices counts of the labels."""

    def monitored(self, scores: np.ndarray) -> np.ndarray:
        """Return a number for each row, shape (rows,), whose distribution is watched."""

    def decided(self, scores: np.ndarray) -> np.ndarray | None:
        """Return the name of the decided class of each row, as text; None without such."""

    def describe(self, labels: np.ndarray) -> LabelStatistics:
        """Return what a manifest records of some labels."""


def listed(values: Sequence[object]) -> str:
    """Return the first of some values, for a message."""
    shown = ", ".join(repr(value) for value in values[:MOST_NAMED])
    return shown + (", …" if len(values) > MOST_NAMED else "")


def as_number(value: object) -> float:
    """Return a number or boolean as a float, NaN for a missing value, infinity for the rest."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return np.nan
    return float(value) if isinstance(value, (bool, int, float, np.number, np.bool_)) else np.inf


def as_numbers(values: np.ndarray) -> np.ndarray:
    """Return values as float64; what is not a number is infinite."""
    if values.dtype.kind in "biuf":
        return values.astype("float64")
    if values.dtype.kind == "O":
        return np.array([as_number(value) for value in values.tolist()], dtype="float64")
    return np.full(values.shape, np.inf)
