"""The model card: what a model is for, what it learned from, how good it is, and where it ends.

Written from the manifest beside the model and from the committed reports, so it says nothing
that was not measured. Its parts follow Mitchell et al., *Model Cards for Model Reporting* (2019).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipway.report.document import Block, Document, Section, Table, quote
from slipway.report.reasons import NAMES
from slipway.report.words import months
from slipway.score import MODEL, read_manifest
from slipway.tables import read_json

METRICS = Path("reports/metrics.json")

SLICES = Path("reports/plots/slices.csv")

# The slices on which it ranks worst: whoever relies on the model should know these.
WEAKEST = 8

BASELINES = {"base_rate": "always the average", "logistic_regression": "logistic regression"}

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
            Section("Slices on which it is weakest", _slices(root)),
            Section("Data", [_data(manifest)]),
            Section("Inputs", [_inputs(manifest)]),
            Section("Limits", [_limits(manifest)]),
            Section("Identity", [_identity(manifest)]),
        ],
        foot,
    )


def _purpose(manifest: Manifest) -> str:
    """Return what is predicted: what the label function says of itself."""
    return f"Predicts the probability that a row is positive: {_said(manifest)}"


def _said(manifest: Manifest) -> str:
    return quote(manifest["target"]["definition"], 600)


def _quality(metrics: Mapping[str, Any]) -> Table:
    names = list(metrics["model"])
    known = {key: said for key, said in BASELINES.items() if key in metrics}
    rows = [
        [NAMES.get(name, name), _interval(metrics["model"][name])]
        + [_interval(metrics[key][name]) if name in metrics[key] else "-" for key in known]
        for name in names
    ]
    return Table(["on the holdout", "this model", *known.values()], rows)


def _interval(found: Mapping[str, float]) -> str:
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _decision(manifest: Manifest, metrics: Mapping[str, Any]) -> str:
    level = f"{100 * float(metrics['confidence']):g}%"
    return (
        f"In brackets: {level} intervals, on {metrics['rows']:,} rows that it never learned from, "
        f"{metrics['positives']:,} of them positive. From a probability of "
        f"**{manifest['threshold']:g}** on, a row is called positive."
    )


def _slices(root: Path) -> list[Block]:
    if not (root / SLICES).exists():
        return ["No slice was measured."]
    with (root / SLICES).open(encoding="utf-8", newline="") as file:
        measured = [row for row in csv.DictReader(file) if row["auc"]]
    weakest = sorted(measured, key=lambda row: float(row["auc"]))[:WEAKEST]
    if not weakest:
        return ["No slice is large enough to be measured."]
    rows = [
        [
            quote(f"{row['slice']}={row['value']}"),
            f"{int(row['rows']):,}",
            f"{float(row['label_rate']):.1%}",
            "{auc:.3f} ({auc_low:.3f} to {auc_high:.3f})".format_map(
                {name: float(row[name]) for name in ("auc", "auc_low", "auc_high")}
            ),
        ]
        for row in weakest
    ]
    return [Table(["slice", "rows", "positive", "AUC"], rows, frozenset({1, 2}))]


def _data(manifest: Manifest) -> Table:
    def part(name: str) -> list[str]:
        found = manifest[name]
        never = f"{found['unlabelled']:,}" if "unlabelled" in found else "-"
        share = found["positives"] / max(found["rows"], 1)
        return [months(found["months"]), f"{found['rows']:,}", f"{share:.1%}", never]

    return Table(
        ["", "months", "rows", "positive", "rows without a label"],
        [["learned from", *part("train")], ["measured on", *part("holdout")]],
        frozenset({2, 3, 4}),
    )


def _inputs(manifest: Manifest) -> str:
    features = ", ".join(quote(feature["name"]) for feature in manifest["features"])
    return f"All of them are known before the event: {features}."


def _limits(manifest: Manifest) -> str:
    span = months(manifest["train"]["months"])
    return (
        f"It knows {span} and nothing later; seasons that are not in there it has never seen. It "
        "says nothing about rows whose label never comes. A category that it has not learned is "
        "taken for an unknown one. The intervals take rows to be independent. A probability "
        "near the threshold is a matter for a person (`serve.review_band`)."
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
