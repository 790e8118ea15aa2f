"""`slipway evaluate`: measure the model on the holdout, by slice, against two baselines."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import contract, stats
from slipway.errors import Refused
from slipway.months import month_files, split_months
from slipway.prepare import labelled, require_both_labels
from slipway.score import BASELINE_FILE, MODEL, Model
from slipway.tables import read_columns, row_count, write_columns, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slipway.contract import Columns
    from slipway.settings import Evaluate, Params

REPORTS = Path("reports")
PREDICTIONS = Path("build/predictions.parquet")

ROC_POINTS = 101


def evaluate(params: Params, model: Path = MODEL, reports: Path = REPORTS) -> str:
    """Write the metrics, the plots' data and the holdout predictions; return a summary.

    Raises
    ------
    Refused
        The model does not beat both baselines, by AUC and by log loss.
    """
    loaded = Model.load(model)
    _, files = split_months(month_files(), params.prepare.holdout_months)
    rows, labels = labelled(read_columns(files))
    require_both_labels("holdout", labels)
    features = contract.features({name: rows[name] for name in contract.inputs()})
    scores = loaded.score_features(features)
    write_columns({"key": rows[contract.key()], "score": scores}, PREDICTIONS)
    baselines = baseline_scores(loaded, model, features)
    metrics = {
        "rows": len(labels),
        "positives": int(labels.sum()),
        "threshold": params.evaluate.threshold,
        "confidence": params.evaluate.confidence,
        "model": measure(labels, scores, params.evaluate),
        **{name: measure(labels, other, params.evaluate) for name, other in baselines.items()},
    }
    write_json(metrics, reports / "metrics.json")
    write_plots(rows, labels, scores, params.evaluate, reports / "plots")
    check_baselines(metrics, list(baselines))
    return _summary(metrics)


def measure(labels: np.ndarray, scores: np.ndarray, settings: Evaluate) -> dict[str, Any]:
    """Return every metric of one model with its interval.

    Parameters
    ----------
    labels, scores
        0 or 1 and a probability, each of shape (rows,).
    """
    level = settings.confidence
    decided, positive = scores >= settings.threshold, labels == 1
    hits = int((decided & positive).sum())
    estimates = {
        "auc": stats.auc(labels, scores, level),
        "log_loss": stats.mean(stats.log_losses(labels, scores), level),
        "brier": stats.mean((scores - labels) ** 2, level),
        "calibration_error": stats.calibration_error(labels, scores, settings.bins, level, seed=0),
        "precision": stats.wilson(hits, int(decided.sum()), level),
        "recall": stats.wilson(hits, int(positive.sum()), level),
    }
    return {name: estimate.as_dict() for name, estimate in estimates.items()}


def baseline_scores(model: Model, folder: Path, features: Columns) -> dict[str, np.ndarray]:
    """Return what two models without ideas of their own say of some rows.

    Parameters
    ----------
    model
        The model that they are compared with: its manifest knows the training label rate.
    folder
        Where `slipway train` left the logistic regression.
    """
    known = model.manifest["train"]
    logistic = Model((folder / BASELINE_FILE).read_bytes(), model.manifest)
    return {
        "base_rate": np.full(row_count(features), known["positives"] / known["rows"]),
        "logistic_regression": logistic.score_features(features),
    }


def check_baselines(metrics: dict[str, Any], baselines: Iterable[str]) -> None:
    """Refuse a model that is no better than a baseline.

    Raises
    ------
    Refused
        Names the baseline, the metric and both values.
    """
    for name in baselines:
        for metric, sign in (("auc", 1), ("log_loss", -1)):
            ours, theirs = metrics["model"][metric]["value"], metrics[name][metric]["value"]
            if sign * (ours - theirs) <= 0:
                raise Refused(
                    f"the model does not beat the baseline `{name}` on the holdout: "
                    f"{metric} {ours:.4f} against {theirs:.4f}",
                    "look at src/model/features.py and the section `train` of params.yaml",
                )


def slice_table(
    rows: Columns, labels: np.ndarray, scores: np.ndarray, settings: Evaluate
) -> list[dict[str, Any]]:
    """Return a row for each value of each slice; metrics only where there are rows enough."""
    return [
        _slice_row(name, str(value), labels[texts == value], scores[texts == value], settings)
        for name, group in contract.slices(rows).items()
        for texts in [_texts(group)]
        for value in np.unique(texts)
    ]


def write_plots(
    rows: Columns, labels: np.ndarray, scores: np.ndarray, settings: Evaluate, folder: Path
) -> None:
    """Write the data of the plots that `dvc plots` draws."""
    tables = {
        "roc": _roc(labels, scores),
        "calibration": stats.calibration_curve(labels, scores, settings.bins),
        "scores": _score_histogram(labels, scores),
        "slices": slice_table(rows, labels, scores, settings),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        _write_csv(table, folder / f"{name}.csv")


def _texts(group: np.ndarray) -> np.ndarray:
    missing = group.astype(object) == None  # noqa: E711 - element by element
    return np.where(missing, "(none)", group.astype(str))


def _slice_row(
    name: str, value: str, labels: np.ndarray, scores: np.ndarray, settings: Evaluate
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "slice": name,
        "value": value,
        "rows": len(labels),
        "positives": int(labels.sum()),
    }
    enough = len(labels) >= settings.min_slice_rows and 0 < labels.sum() < len(labels)
    auc = stats.auc(labels, scores, settings.confidence).as_dict() if enough else {}
    loss = (
        stats.mean(stats.log_losses(labels, scores), settings.confidence).as_dict()
        if enough
        else {}
    )
    for metric, estimate in (("auc", auc), ("log_loss", loss)):
        for part, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            row[metric + suffix] = f"{estimate[part]:.5f}" if estimate else ""
    return row | {
        "label_rate": f"{labels.mean():.5f}",
        "mean_score": f"{scores.mean():.5f}",
    }


def _roc(labels: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
    """Return the ROC curve at evenly spaced false positive rates."""
    order = np.argsort(-scores, kind="stable")
    hits = np.concatenate([[0], np.cumsum(labels[order])]) / labels.sum()
    alarms = np.concatenate([[0], np.cumsum(1 - labels[order])]) / (1 - labels).sum()
    at = np.linspace(0, 1, ROC_POINTS)
    return [
        {"false_positive_rate": f"{x:.2f}", "true_positive_rate": f"{y:.5f}"}
        for x, y in zip(at, np.interp(at, alarms, hits), strict=True)
    ]


def _score_histogram(labels: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
    edges = np.linspace(0, 1, 21)
    return [
        {"score": f"{start:.2f}", "label": label, "rows": int(count)}
        for label in (0, 1)
        for start, count in zip(
            edges, np.histogram(scores[labels == label], edges)[0], strict=False
        )
    ]


def _write_csv(table: list[dict[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def _summary(metrics: dict[str, Any]) -> str:
    lines = [f"holdout: {metrics['rows']:,} rows, {metrics['positives']:,} positive"]
    for name in ("model", "logistic_regression", "base_rate"):
        auc, loss = metrics[name]["auc"], metrics[name]["log_loss"]
        lines.append(
            f"{name:>20}: AUC {auc['value']:.4f} ({auc['low']:.4f} to {auc['high']:.4f}), "
            f"log loss {loss['value']:.4f} ({loss['low']:.4f} to {loss['high']:.4f})"
        )
    return "\n".join(lines)
