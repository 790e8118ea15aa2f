"""The model card: purpose, quality, data, inputs and limits of a model.

People write `src/model/card.md`; all else comes from the model's manifest and the committed
reports. Its parts follow Mitchell et al., *Model Cards for Model Reporting* (2019).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.card.content import Card
from slipway.card.metadata import front_matter, metadata
from slipway.dataset.periods import called
from slipway.documents.document import Block, Document, Section, Table
from slipway.documents.markdown import to_markdown
from slipway.metrics.registry import ALL
from slipway.numbers import plain
from slipway.reports.messages import months
from slipway.reports.reasons import NAMES
from slipway.reports.task_texts import headline_metric, text_of
from slipway.tasks import task_of
from slipway.untrusted import quote, quote_text

if TYPE_CHECKING:
    from slipway.manifest import Manifest, Part

# The slices with the worst values.
WEAKEST = 8

# Letters of a paragraph that people wrote.
LONGEST = 2_000

BASELINES = {
    "base_rate": "always the average",
    "class_rates": "always the share of each class",
    "training_mean": "always the mean",
    "training_quantile": "always the same quantile",
    "logistic_regression": "logistic regression",
    "ridge_regression": "ridge regression",
    "shifted_ridge_regression": "shifted ridge regression",
}


def card(root: Path, foot: list[str]) -> Document:
    """Return the card of the model in a tree.

    Raises
    ------
    SlipwayError
        The manifest or the metrics are missing.
    """
    return document(Card.read(root), foot)


def document(content: Card, foot: Sequence[str] = ()) -> Document:
    """Return a card as a document."""
    manifest, metrics = content.manifest, content.metrics
    return Document(
        "good",
        f"Model {quote(manifest['model']['sha256'][:12])}: {quote(manifest['target']['name'])}",
        [_purpose(manifest), _quality(metrics), _decision(manifest, metrics)],
        [
            *_written(content),
            Section("Slices on which it is weakest", _slices(content)),
            *_fairness(metrics),
            Section("Data", [labels_table(manifest)]),
            Section("Inputs", [_inputs(manifest)]),
            Section("Limits", [_limits(manifest)]),
            Section("Identity", [_identity(manifest)]),
        ],
        foot,
    )


def as_json(content: Card) -> bytes:
    """Return a card as JSON; the same content gives the same bytes."""
    found = content.to_json(metadata(content))
    return json.dumps(found, indent=1, ensure_ascii=False).encode() + b"\n"


def as_file(content: Card, foot: Sequence[str] = ()) -> str:
    """Return a card as a Markdown file with the metadata that the Hugging Face Hub reads."""
    return front_matter(metadata(content)) + to_markdown(document(content, foot))


def _written(content: Card) -> Iterator[Section]:
    """Yield the sections that people wrote, as text: links and tables in them are not rendered."""
    for title, text in content.written.items():
        yield Section(quote_text(title, 80, code=False), list(written_blocks(text)))


def written_blocks(text: str) -> Iterator[Block]:
    """Yield the paragraphs and lists of a text that people wrote."""
    for part in text.split("\n\n"):
        points = [line for line in _unwrapped(part) if line]
        if points and all(line.startswith(("- ", "* ")) for line in points):
            yield "\n".join(f"- {quote_text(line[2:], LONGEST)}" for line in points)
        elif points:
            yield quote_text(" ".join(points), LONGEST)


def _unwrapped(part: str) -> list[str]:
    """Return the points of a list, or the paragraph, each on one line."""
    lines: list[str] = []
    for line in re.sub(r"\*\*|^#+ +", "", part, flags=re.MULTILINE).splitlines():
        if not lines or line.startswith(("- ", "* ")):
            lines.append(line.strip())
        else:
            lines[-1] = f"{lines[-1]} {line.strip()}"
    return lines


def _fairness(metrics: Mapping[str, Any]) -> list[Section]:
    """Return the section on protected groups, if `fairness` of metrics.json has estimates."""
    rows = [
        [*(quote(part) for part in (path[0], " ".join(path[1:]))), _ends(estimate)]
        for path, estimate in _estimates(metrics.get("fairness"))
    ]
    head = ["group", "measure", f"on the holdout, with {metrics['confidence']:.0%} intervals"]
    return [Section("Fairness", [Table(head, rows)])] if rows else []


def _estimates(
    found: object, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Mapping[str, float | None]]]:
    """Yield the estimates in nested mappings, each with its keys."""
    if not isinstance(found, Mapping):
        return
    if {"value", "low", "high"} <= found.keys():
        yield path, found
        return
    for key, part in found.items():
        yield from _estimates(part, (*path, str(key)))


def _ends(estimate: Mapping[str, float | None]) -> str:
    ends = [estimate[name] for name in ("value", "low", "high")]
    value, low, high = (None if end is None else plain(end) for end in ends)
    if value is None:
        return "not measured: fewer than two groups have enough rows"
    return f"{value} ({low} to {high})"


def _purpose(manifest: Manifest) -> str:
    """Return the target, with the docstring of the label function."""
    definition = quote(manifest["target"]["definition"], 600)
    return f"{quote_text(text_of(manifest).purpose(task_of(manifest)))}: {definition}"


def _quality(metrics: Mapping[str, Any]) -> Table:
    names = list(metrics["model"])
    baselines = {key: name for key, name in BASELINES.items() if key in metrics}
    rows = [
        [NAMES.get(name, name), interval(name, metrics["model"][name])]
        + [interval(name, metrics[key][name]) if name in metrics[key] else "-" for key in baselines]
        for name in names
    ]
    return Table(["on the holdout", "this model", *baselines.values()], rows)


def interval(metric: str, estimate: Mapping[str, float]) -> str:
    """Return a value of a metric with its interval."""
    shown = ALL[metric].shown if metric in ALL else plain
    value, low, high = (shown(estimate[name]) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _decision(manifest: Manifest, metrics: Mapping[str, Any]) -> str:
    level, text = f"{100 * float(metrics['confidence']):g}%", text_of(manifest)
    return (
        f"In brackets: {level} intervals, on {metrics['rows']:,} rows that it was not trained on, "
        f"{quote_text(text.measured(metrics, task_of(manifest)))}. {text.decision(manifest)}"
    )


def _slices(content: Card) -> list[Block]:
    text = text_of(content.manifest)
    metric, (column, heading) = headline_metric(text), text.outcome
    measured = [row for row in content.slices if row.get(metric.key)]
    weakest = sorted(measured, key=lambda row: metric.sign * float(row[metric.key]))[:WEAKEST]
    if not weakest:
        return ["No slice is large enough to be measured."]
    rows = [
        [
            quote(f"{row['slice']}={row['value']}"),
            f"{int(row['rows']):,}",
            text.shown(float(row[column])),
            interval(
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


def labels_table(manifest: Manifest) -> Table:
    """Return rows and labels of training data and holdout."""

    def part(rows: Part) -> list[str]:
        unlabelled = f"{rows['unlabelled']:,}" if "unlabelled" in rows else "-"
        labels = quote_text(task.statistics.of(rows).summary(max(rows["rows"], 1)))
        return [months(rows["months"]), f"{rows['rows']:,}", labels, unlabelled]

    task = task_of(manifest)
    return Table(
        ["", called(manifest["train"]["months"]), "rows", "labels", "rows without a label"],
        [["trained on", *part(manifest["train"])], ["measured on", *part(manifest["holdout"])]],
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
