"""The header of the page: the live model, and the main numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from slipway.documents.document import Block, Facts, Missing, Tile, Tiles
from slipway.numbers import counted, signed
from slipway.reports.page.components import abridged, first_sentence, plain, span, with_interval
from slipway.reports.page.inputs import Inputs
from slipway.training.diagnostics import DIAGNOSTICS

if TYPE_CHECKING:
    from slipway.manifest import Manifest


def header(inputs: Inputs) -> list[Block]:
    """Return the definition of the target, the main numbers and the facts of the live model."""
    manifest = inputs.manifest
    if manifest is None:
        return [Missing("There is no model yet: build one with `dvc repro`.")]
    tiles = [
        _headline_tile(inputs),
        _baseline_tile(inputs),
        _traffic_tile(inputs),
        _drift_tile(inputs),
    ]
    definition = first_sentence(manifest["target"]["definition"] or "")
    return [
        f"{plain(definition)}.",
        Tiles([tile for tile in tiles if tile]),
        Facts(_facts(inputs, manifest)),
    ]


def _headline_tile(inputs: Inputs) -> Tile | None:
    if inputs.metrics is None:
        return None
    metric = inputs.headline
    value, interval = with_interval(inputs.metrics["model"][metric.key], metric)
    return Tile(f"{metric.label[:1].upper()}{metric.label[1:]} on the holdout", value, interval)


def _baseline_tile(inputs: Inputs) -> Tile | None:
    metrics, metric = inputs.metrics, inputs.headline
    baseline = DIAGNOSTICS[inputs.task.name].regressor
    if metrics is None or metric.key not in metrics.get(baseline, {}):
        return None
    gain = metrics["model"][metric.key]["value"] - metrics[baseline][metric.key]["value"]
    return Tile(f"Over {baseline.replace('_', ' ')}", signed(gain, 3), metric.label)


def _traffic_tile(inputs: Inputs) -> Tile | None:
    days = inputs.days
    if not days:
        return None
    total = sum(each.rows for each in days)
    return Tile("Predictions", f"{total:,}", span(days[0].day, days[-1].day))


def _drift_tile(inputs: Inputs) -> Tile | None:
    report = inputs.drift
    if report is None:
        return None
    if report.is_inconclusive:
        return Tile("Drift", "?", "inconclusive", "warn")
    drifted = sum(row.status == "drift" for row in report.columns)
    note = f"of {counted(len(report.columns), 'column')} drifted"
    return Tile("Drift", str(drifted), note, "bad" if drifted else "good")


def _facts(inputs: Inputs, manifest: Manifest) -> list[tuple[str, str, str]]:
    """Return name, value and full value of what identifies the model."""
    train, holdout = manifest["train"], manifest["holdout"]
    sha256, data = manifest["model"]["sha256"], manifest["data"]["md5"]
    live = [release for release in inputs.releases if release.model_sha256 == sha256]
    facts = [
        ("model", abridged(sha256), plain(f"sha256 {sha256}")),
        ("data", abridged(data), plain(f"md5 {data}")),
    ]
    for release in live[:1]:
        facts.append(("commit", abridged(release.commit), plain(release.commit)))
        facts.append(("merged", plain(release.day), ""))
    facts += [
        ("trained on", f"{train['rows']:,} rows, {_months(train['months'])}", ""),
        ("measured on", f"{holdout['rows']:,} rows, {_months(holdout['months'])}", ""),
    ]
    return facts


def _months(months: Sequence[str]) -> str:
    shown = months[:1] if len(months) == 1 else [months[0], months[-1]]
    return " to ".join(map(plain, shown))
