"""An explanation of one prediction, and what cannot be explained."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from pydantic import BaseModel

from slipway.errors import SlipwayError

PACKAGES = ("onnx", "pandas", "shap", "sklearn")

EXTRA = "explain"

Method = Literal["TreeExplainer", "LinearExplainer", "ExactExplainer", "PermutationExplainer"]
"""The class of shap that computed the contributions."""

LastStep = Literal["none", "logistic", "softmax", "exponential", "calibration", "mean of members"]
"""How the prediction follows from the raw value."""


class NotInstalled(SlipwayError):
    """The packages of the extra `explain` are missing."""


class NotAdditive(Exception):
    """An estimator of which neither trees nor a linear model can be read: the reason."""


class Contribution(BaseModel):
    """What a feature adds to the raw value.

    `error` is the standard error of sampling, None where the method is exact.
    """

    feature: str
    value: float | str | None
    contribution: float
    error: float | None = None


class Baseline(BaseModel):
    """The mean raw value of some rows: that of a row of which nothing is known."""

    value: float
    rows: int
    of: str


class Explanation(BaseModel):
    """The contributions of all features; with the baseline they sum up to `raw`.

    Attributes
    ----------
    unit
        Of baseline, contributions and raw value.
    prediction
        The probability of the class, or the value, that was predicted.
    explained_class
        The name of the class whose score is explained; None for numbers.
    reason
        Why contributions are not those of trees or of a linear model; empty if they are.
    """

    method: Method
    exact: bool
    unit: str
    explained_class: str | None
    baseline: Baseline
    contributions: list[Contribution]
    raw: float
    last_step: LastStep
    prediction: float
    reason: str = ""


INSTALL = (
    f"add `{EXTRA}` to the extras of slipway-ml in `dependencies` of pyproject.toml, then "
    "`make lock` and `make setup` (docs/explain.md)"
)


def require_packages() -> None:
    """Raise `NotInstalled` if the packages of the extra are missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        raise NotInstalled(f"explanations need packages that are not installed: {names}", INSTALL)
