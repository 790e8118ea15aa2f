"""Explain the predictions of a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import orjson

from slipway import project
from slipway.errors import SlipwayError
from slipway.explain.explanation import (
    Baseline,
    Contribution,
    Explanation,
    NotAdditive,
    require_packages,
)
from slipway.explain.last_step import UNITS, Link, link_of
from slipway.explain.part import Part, owners, owners_at, sums_by_feature
from slipway.explain.sampling import Sampling
from slipway.manifest import MODEL
from slipway.predictions.answers import class_name
from slipway.schema.validator import Rows, RowValidator
from slipway.training.formats.onnx import ONNX
from slipway.training.formats.registry import format_of
from slipway.training.score import Model
from slipway.untrusted import printable

if TYPE_CHECKING:
    from slipway.explain.explanation import LastStep, Method
    from slipway.manifest import Manifest
    from slipway.project import Columns

BACKGROUND = "the golden rows of the manifest, which are rows of the holdout, evenly spaced"

# The largest difference between a raw value and baseline and contributions, for each unit of it.
TOLERANCE = 1e-6


class Explainer:
    """Explains the predictions of a model.

    Parameters
    ----------
    content
        The model file.
    background
        Features of the rows whose mean raw value is the baseline.

    Raises
    ------
    SlipwayError
        The packages of the extra `explain` are missing.
    """

    def __init__(self, model: Model, content: bytes, background: Columns) -> None:
        require_packages()
        self._model, self._background = model, background
        self._seen: Sequence[int] = model.manifest["target"]["seen"]
        self._source: _Source
        try:
            parts = _read_parts(model, content, background)
            self._source = _Additive(
                parts,
                background,
                self._predicted(background),
                self._seen,
                calibrated=format_of(model.manifest) is not ONNX,
            )
        except NotAdditive as reason:
            self._source = self._sampled(reason)

    @classmethod
    def load(cls, folder: Path = MODEL) -> Explainer:
        """Return the explainer of a model folder, with its golden rows as background.

        Raises
        ------
        SlipwayError
            As `Model.load`; or the packages of the extra `explain` are missing.
        """
        require_packages()
        model = Model.load(folder)
        content = (folder / format_of(model.manifest).file).read_bytes()
        return cls(model, content, golden_features(model.manifest))

    def explain(self, row: Columns, explained_class: str = "") -> Explanation:
        """Return the explanation of a prediction.

        Parameters
        ----------
        row
            The features of one row, as `project.features` returns them: arrays of shape (1,).
        explained_class
            The name of a class of a multiclass model; if empty, the predicted one.

        Raises
        ------
        SlipwayError
            The model has no such class.
        ArithmeticError
            Baseline and contributions do not sum up to the raw value.
        """
        predicted = self._predicted(row)
        output, name = self._output(predicted[0], explained_class)
        try:
            found = self._source.explain(row, predicted, output)
        except NotAdditive as reason:
            found = self._sampled(reason).explain(row, predicted, output)
        return Explanation(
            method=found.method,
            exact=found.errors is None,
            unit=self._unit(found.last_step),
            explained_class=name,
            baseline=Baseline(
                value=found.baseline,
                rows=len(next(iter(self._background.values()))),
                of=BACKGROUND,
            ),
            contributions=_listed(row, found),
            raw=found.raw,
            last_step=found.last_step,
            prediction=float(predicted[0, output]),
            reason=found.reason,
        )

    def _sampled(self, reason: NotAdditive) -> _Sampled:
        return _Sampled(Sampling(self._predicted, self._background), str(reason))

    def _predicted(self, features: Columns) -> np.ndarray:
        """Return predictions of shape (rows, outputs): of two classes that of the second."""
        raw = self._model.predict(features)
        if raw.ndim == 1:
            return raw[:, None]
        return raw[:, 1:] if raw.shape[1] == 2 else raw

    def _output(self, predicted: np.ndarray, asked: str) -> tuple[int, str | None]:
        """Return which output is explained, and the name of its class."""
        task = self._model.task
        if len(predicted) == 1:
            if asked:
                raise SlipwayError(
                    f"the class {printable(asked, '?')} was asked for, and this model has one "
                    "output",
                    "leave the class out",
                )
            shown = task.classes[self._seen[1]] if task.classes else None
            return 0, None if shown is None else class_name(shown)
        names = [class_name(task.classes[code]) for code in self._seen]
        if asked and asked not in names:
            raise SlipwayError(
                f"the model has no class {printable(asked, '?')}", f"name one of {', '.join(names)}"
            )
        output = names.index(asked) if asked else int(predicted.argmax())
        return output, names[output]

    def _unit(self, last_step: LastStep) -> str:
        if last_step in UNITS:
            return UNITS[last_step]
        return "probability" if self._model.task.is_classifier else "the number that is predicted"


class _Found:
    """The contributions of all features to one output."""

    def __init__(
        self,
        method: Method,
        baseline: float,
        contributions: np.ndarray,
        errors: np.ndarray | None,
        raw: float,
        last_step: LastStep,
        reason: str = "",
    ) -> None:
        self.method: Method = method
        self.reason = reason
        self.baseline, self.errors, self.raw = baseline, errors, raw
        self.last_step: LastStep = last_step
        sizes = np.abs(contributions)
        rest = raw - baseline - contributions.sum()
        if not abs(rest) <= TOLERANCE * max(1.0, abs(baseline) + sizes.sum()):
            raise ArithmeticError("baseline and contributions do not sum up to the raw value")
        # shap computes the weights of TreeExplainer in float32: a rest of about 1e-8 of the sizes.
        self.contributions = contributions + rest * sizes / (sizes.sum() or 1.0)


class _Source(Protocol):
    """Where contributions are from."""

    def explain(self, row: Columns, predicted: np.ndarray, output: int) -> _Found:
        """Return the contributions to one output of a row; `predicted` has shape (1, outputs).

        Raises
        ------
        NotAdditive
            The prediction does not follow from the raw value, though those of the background do.
        """


class _Additive:
    """The mean of estimators that are sums."""

    def __init__(
        self,
        parts: Sequence[Part],
        background: Columns,
        predicted: np.ndarray,
        seen: Sequence[int],
        *,
        calibrated: bool,
    ) -> None:
        self._parts, self._background = parts, background
        self._owners = [owners(part.encode, background) for part in parts]
        self._positive = len(seen) == 2
        raws = self._raws([part.encode(background) for part in parts])
        sums = raws[0].shape[1]
        if any(raw.shape != predicted.shape for raw in raws):
            raise NotAdditive(f"the model has {predicted.shape[1]} outputs, and {sums} sums")
        self._link: Link = link_of(raws, predicted, classes=bool(seen), calibrated=calibrated)
        self._baseline = self._mean([part.attribution.baseline[None] for part in parts])[0]

    def explain(self, row: Columns, predicted: np.ndarray, output: int) -> _Found:
        encoded = [part.encode(row) for part in self._parts]
        raws = self._raws(encoded)
        if self._link.differs(raws, predicted):
            raise NotAdditive("the prediction of this row does not follow from its raw value")
        each = [
            self._of_features(part, owner, columns, row)
            for part, owner, columns in zip(self._parts, self._owners, encoded, strict=True)
        ]
        return _Found(
            self._parts[0].attribution.method,
            float(self._baseline[output]),
            self._mean(each)[:, output],
            None,
            float(np.mean(raws, axis=0)[0, output]),
            self._link.name,
        )

    def _of_features(
        self, part: Part, owner: np.ndarray, columns: np.ndarray, row: Columns
    ) -> np.ndarray:
        values = part.attribution.contributions(columns)[0]
        unknown = (owner < 0) & (values != 0).any(1)
        if unknown.any():
            owner = owners_at(part.encode, self._background, row, owner, unknown)
        return sums_by_feature(values, owner, len(self._background))

    def _raws(self, encoded: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the raw values of each member."""
        pairs = zip(self._parts, encoded, strict=True)
        return [self._mean([part.attribution.raw(columns)]) for part, columns in pairs]

    def _mean(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Return the mean over members, of two classes that of the second; last axis outputs."""
        mean = np.mean(values, axis=0)
        return np.asarray(mean[..., 1:] if self._positive and mean.shape[-1] == 2 else mean)


class _Sampled:
    """Any estimator, from its predictions."""

    def __init__(self, sampling: Sampling, reason: str) -> None:
        self._sampling, self._reason = sampling, reason

    def explain(self, row: Columns, predicted: np.ndarray, output: int) -> _Found:
        values, errors = self._sampling.contributions(row)
        return _Found(
            self._sampling.method,
            float(self._sampling.baseline[output]),
            values[:, output],
            None if errors is None else errors[:, output],
            float(predicted[0, output]),
            "none",
            self._reason,
        )


def golden_features(manifest: Manifest) -> dict[str, np.ndarray]:
    """Return the features of the golden rows of a manifest."""
    rows = [orjson.dumps(each["row"]) for each in manifest["golden"]]
    validator = RowValidator(manifest["inputs"], {}, 1)
    # Each alone: rows of one request need different keys.
    parsed = [validator.parse(row) for row in rows]
    columns = [each.columns for each in parsed if isinstance(each, Rows)]
    if not columns:
        raise SlipwayError(
            "manifest.json: it has no golden row of its own schema", "rebuild it with `dvc repro`"
        )
    return project.features(
        {name: np.concatenate([each[name] for each in columns]) for name in columns[0]}
    )


def _read_parts(model: Model, content: bytes, background: Columns) -> list[Part]:
    from slipway.explain.fitted_parts import skops_parts
    from slipway.explain.onnx_parts import onnx_parts

    types = {feature["name"]: feature["type"] for feature in model.manifest["features"]}
    if format_of(model.manifest) is ONNX:
        return onnx_parts(content, types, background)
    return skops_parts(content, types, model.manifest["model"]["types"], background)


def _listed(row: Columns, found: _Found) -> list[Contribution]:
    """Return the contributions, the largest first."""
    errors = [None] * len(row) if found.errors is None else found.errors.tolist()
    listed = [
        Contribution(feature=name, value=_value(values[0]), contribution=value, error=error)
        for (name, values), value, error in zip(
            row.items(), found.contributions.tolist(), errors, strict=True
        )
    ]
    return sorted(listed, key=lambda each: -abs(each.contribution))


def _value(value: Any) -> float | str | None:
    """Return the value of a feature as JSON has it; None is a missing number."""
    if isinstance(value, str):
        return value
    return None if np.isnan(value) else float(value)
