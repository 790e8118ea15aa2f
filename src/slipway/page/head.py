"""What stands on top: the model that runs, and the state of things in four numbers."""

from __future__ import annotations

from collections.abc import Sequence

from slipway.page.inputs import Inputs, Row
from slipway.page.pieces import Header, Tile, abridged, first_sentence, span
from slipway.report.words import signed


def header(inputs: Inputs) -> Header:
    """Return what stands on top: the model that runs, and the state of things in four numbers."""
    manifest = inputs.manifest
    if manifest is None:
        return Header("model", "", [], [], "There is no model yet: build one with `dvc repro`.")
    tiles = [_auc_tile(inputs), _baseline_tile(inputs), _traffic_tile(inputs), _drift_tile(inputs)]
    return Header(
        target=manifest["target"]["name"],
        definition=first_sentence(manifest["target"]["definition"] or ""),
        tiles=[tile for tile in tiles if tile],
        facts=_facts(inputs, manifest),
    )


def _auc_tile(inputs: Inputs) -> Tile | None:
    if inputs.metrics is None:
        return None
    auc = inputs.metrics["model"]["auc"]
    return Tile(
        "AUC on the holdout", f"{auc['value']:.3f}", f"{auc['low']:.3f} to {auc['high']:.3f}"
    )


def _baseline_tile(inputs: Inputs) -> Tile | None:
    metrics = inputs.metrics
    if metrics is None or "logistic_regression" not in metrics:
        return None
    gain = metrics["model"]["auc"]["value"] - metrics["logistic_regression"]["auc"]["value"]
    return Tile("Over logistic regression", signed(gain, 3), "AUC")


def _traffic_tile(inputs: Inputs) -> Tile | None:
    days = inputs.days
    if not days:
        return None
    total = sum(row["rows"] for row in days)
    return Tile("Predictions", f"{total:,}", span(days[0]["day"], days[-1]["day"]))


def _drift_tile(inputs: Inputs) -> Tile | None:
    report = inputs.drift
    if report is None:
        return None
    if report["status"] == "no answer":
        return Tile("Drift", "?", "could not be checked", "warn")
    moved = sum(row["status"] == "drift" for row in report["columns"])
    of = f"of {len(report['columns'])} columns moved far"
    return Tile("Drift", str(moved), of, "bad" if moved else "good")


def _facts(inputs: Inputs, manifest: Row) -> list[tuple[str, str, str]]:
    """Return (name, value, full value) of what is needed to find the model again."""
    train, holdout = manifest["train"], manifest["holdout"]
    running = [
        row for row in inputs.releases if row.get("model_sha256") == manifest["model"]["sha256"]
    ]
    sha256, data = manifest["model"]["sha256"], manifest["data"]["md5"]
    facts = [
        ("model", abridged(sha256), f"sha256 {sha256}"),
        ("data", abridged(data), f"md5 {data}"),
    ]
    for row in running[:1]:
        facts.append(("commit", abridged(row["commit"]), row["commit"]))
        facts.append(("merged", row["date"][:10], ""))
    facts += [
        ("trained on", f"{train['rows']:,} rows, {_months(train['months'])}", ""),
        ("measured on", f"{holdout['rows']:,} rows, {_months(holdout['months'])}", ""),
    ]
    return facts


def _months(months: Sequence[str]) -> str:
    return months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"
