"""Baselines and plots of each task: one module and one entry of `DIAGNOSTICS`."""

from __future__ import annotations

from slipway.training.diagnostics.base import Diagnostics
from slipway.training.diagnostics.binary import BinaryDiagnostics
from slipway.training.diagnostics.multiclass import MulticlassDiagnostics
from slipway.training.diagnostics.quantile import QuantileDiagnostics
from slipway.training.diagnostics.regression import RegressionDiagnostics

__all__ = ["DIAGNOSTICS", "Diagnostics"]

DIAGNOSTICS: dict[str, Diagnostics] = {
    "binary": BinaryDiagnostics(),
    "multiclass": MulticlassDiagnostics(),
    "regression": RegressionDiagnostics(),
    "quantile": QuantileDiagnostics(),
}
