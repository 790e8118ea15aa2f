"""The model card: purpose, quality, data, inputs and limits of a model.

All of it comes from the model's manifest and the committed reports. Its parts follow Mitchell et
al., *Model Cards for Model Reporting* (2019).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipway.dataset.periods import called
from slipway.dataset.tables import read_json
from slipway.documents.document import Block, Document, Section, Table
from slipway.metrics.registry import ALL
from slipway.numbers import plain
from slipway.reports.messages import months
from slipway.reports.reasons import NAMES
from slipway.reports.task_texts import headline_metric, text_of
from slipway.tasks import task_of
from slipway.training.score import MODEL, read_manifest
from slipway.untrusted import quote, quote_text

METRICS = Path("reports/metrics.json")

SLICES = Path("reports/plots/slices.csv")

# The slices with the worst values.
WEAKEST = 8

BASELINES = {
    "base_rate": "always the average",
    "class_rates": "always the share of each class",
    "training_mean": "always the mean",
    "training_quantile": "always the same quantile",
    "logistic_regression": "logistic regression",
    "ridge_regression": "ridge regression",
    "shifted_ridge_regression": "shifted ridge regression",
}

Manifest = Mapping[str, Any]


def card(root: Path, foot: list[str]) -> Document:
    """Return the card of the model in a tree.

    Raises
    ------
    SlipwayError
        The manifest or the metrics are missing.
    """
    manifest = read_manifest(root / MODEL)
    metrics = read_json(root / METRICS, "dvc repro")
    return Document(
        "good",
        f"Model {quote(manifest['model']['sha256'][:12])}: {quote(manifest['target']['name'])}",
        [_purpose(manifest), _quality(metrics), _decision(manifest, metrics)],
        [
            Section("Slices on which it is weakest", _slices(root, manifest)),
            Section("Data", [_data(manifest)]),
            Section("Inputs", [_inputs(manifest)]),
            Section("Limits", [_limits(manifest)]),
            Section("Identity", [_identity(manifest)]),
        ],
        foot,
    )


def _purpose(manifest: Manifest) -> str:
    """Return the target, with the docstring of the label function."""
    definition = quote(manifest["target"]["definition"], 600)
    return f"{quote_text(text_of(manifest).purpose(task_of(manifest)))}: {definition}"


def _quality(metrics: Mapping[str, Any]) -> Table:
    names = list(metrics["model"])
    baselines = {key: name for key, name in BASELINES.items() if key in metrics}
    rows = [
        [NAMES.get(name, name), _interval(name, metrics["model"][name])]
        + [
            _interval(name, metrics[key][name]) if name in metrics[key] else "-"
            for key in baselines
        ]
        for name in names
    ]
    return Table(["on the holdout", "this model", *baselines.values()], rows)


def _interval(metric: str, estimate: Mapping[str, float]) -> str:
    shown = ALL[metric].shown if metric in ALL else plain
    value, low, high = (shown(estimate[name]) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _decision(manifest: Manifest, metrics: Mapping[str, Any]) -> str:
    level, text = f"{100 * float(metrics['confidence']):g}%", text_of(manifest)
    return (
        f"In brackets: {level} intervals, on {metrics['rows']:,} rows that it was not trained on, "
        f"{quote_text(text.measured(metrics, task_of(manifest)))}. {text.decision(manifest)}"
    )


def _slices(root: Path, manifest: Manifest) -> list[Block]:
    if not (root / SLICES).exists():
        return ["No slice was measured."]
    text = text_of(manifest)
    metric, (column, heading) = headline_metric(text), text.outcome
    with (root / SLICES).open(encoding="utf-8", newline="") as file:
        measured = [row for row in csv.DictReader(file) if row[metric.key]]
    weakest = sorted(measured, key=lambda row: metric.sign * float(row[metric.key]))[:WEAKEST]
    if not weakest:
        return ["No slice is large enough to be measured."]
    rows = [
        [
            quote(f"{row['slice']}={row['value']}"),
            f"{int(row['rows']):,}",
            text.shown(float(row[column])),
            _interval(
                metric.key,
                {
                    "value": float(row[metric.key]),
                    "low": float(row[f"{metric.key}_low"]),
                    "high": float(row[f"{metric.key}_high"]),
                },
            ),
        ]
        for row in weakest
    ]
    return [Table(["slice", "rows", heading, metric.label], rows, frozenset({1, 2}))]


def _data(manifest: Manifest) -> Table:
    def part(name: str) -> list[str]:
        rows = manifest[name]
        unlabelled = f"{rows['unlabelled']:,}" if "unlabelled" in rows else "-"
        labels = quote_text(task.summary(rows, max(rows["rows"], 1)))
        return [months(rows["months"]), f"{rows['rows']:,}", labels, unlabelled]

    task = task_of(manifest)
    return Table(
        ["", called(manifest["train"]["months"]), "rows", "labels", "rows without a label"],
        [["trained on", *part("train")], ["measured on", *part("holdout")]],
        frozenset({2, 3, 4}),
    )


def _inputs(manifest: Manifest) -> str:
    features = ", ".join(quote(feature["name"]) for feature in manifest["features"])
    return f"All of them are known before the event: {features}."


def _limits(manifest: Manifest) -> str:
    span = f"The model was trained on {months(manifest['train']['months'])}"
    seen = (
        f"{span}: it has seen no later data and no other season"
        if manifest["event_time"]
        else "Rows have no event time: how the model does on later ones is not known"
    )
    return (
        f"{seen}. Its quality on rows that never get a label is not known. A category that is not "
        "in the training data is treated as unknown. The intervals take into account only that "
        "rows depend on each other as `CLUSTERS` of src/model/schema.py names. "
        f"{text_of(manifest).review}"
    )


def _identity(manifest: Manifest) -> Table:
    libraries = ", ".join(f"{name} {version}" for name, version in manifest["libraries"].items())
    return Table(
        ["", ""],
        [
            ["model, sha256", quote(manifest["model"]["sha256"], 64)],
            ["data, md5", quote(manifest["data"]["md5"])],
            ["holdout, sha256 of its keys", quote(manifest["holdout"]["keys_sha256"], 64)],
            ["requirements.lock, sha256", quote(manifest["requirements_sha256"], 64)],
            ["made with", quote(libraries, 300)],
        ],
    )
