"""The ML canvas: docs/canvas.md with the numbers of the current model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slipway.card.content import Card
from slipway.card.written import CANVAS, REQUIRED, Page
from slipway.documents.charts.canvas import Row
from slipway.documents.document import Block, Document, Section, Table
from slipway.numbers import counted
from slipway.reports.costs import cost_figures, cost_table
from slipway.reports.model_card import BASELINES, interval, labels_table, written_blocks
from slipway.reports.page.inputs import PLOTS, read_table
from slipway.reports.task_texts import headline_metric, text_of
from slipway.settings import Costs, Params
from slipway.training.decision_costs import cost_matrix, disagreement
from slipway.untrusted import quote, quote_text

VERSION = 1

COSTS = PLOTS / "costs.csv"

# Rows of a table of costs of classes.
MOST_PAIRS = 40


@dataclass(frozen=True)
class Canvas:
    """The canvas of a tree.

    Attributes
    ----------
    page
        What people wrote; None if it is missing.
    card
        The numbers of the model.
    curve
        The rows of reports/plots/costs.csv.
    """

    page: Page | None
    card: Card
    params: Params
    curve: Sequence[Row]

    @classmethod
    def read(cls, root: Path, params: Params) -> Canvas:
        """Read the canvas of a tree.

        Raises
        ------
        SlipwayError
            A file cannot be read, or the model or its metrics are missing.
        """
        path = root / COSTS
        curve = read_table(path) if path.exists() else []
        return cls(Page.read(root, CANVAS), Card.read(root), params, curve)

    def open(self) -> list[str]:
        """Return what is not written yet, a sentence each."""
        if self.page is None:
            return [f"{CANVAS}: is missing; `slipway canvas --new` writes one with prompts"]
        return list(self.page.open())

    def disagreement(self) -> str:
        """Return how the rule of decisions and the costs disagree; empty if they agree."""
        return disagreement(self.params.evaluate, self.card.task)

    def findings(self) -> list[str]:
        """Return where rule and costs disagree, and what is not written yet."""
        return [*filter(None, [self.disagreement()]), *self.open()]


def document(canvas: Canvas) -> Document:
    """Return a canvas as a document."""
    blocks: list[Block] = []
    if found := canvas.disagreement():
        blocks.append(f"**Threshold and costs disagree:** {quote_text(found)}.")
    if waiting := canvas.open():
        blocks.append(f"{counted(len(waiting), 'part')} to fill in: `slipway canvas --check`.")
    name = quote(canvas.card.manifest["target"]["name"])
    tone = "open" if blocks else "good"
    return Document(tone, f"ML canvas: {name}", blocks, list(_sections(canvas)), [])


def as_json(canvas: Canvas) -> bytes:
    """Return a canvas as JSON."""
    card, evaluate = canvas.card, canvas.params.evaluate
    found: Mapping[str, object] = {
        "version": VERSION,
        "target": card.manifest["target"]["name"],
        "task": card.task.name,
        "written": canvas.page.sections if canvas.page else {},
        "open": canvas.open(),
        "disagreement": canvas.disagreement(),
        "threshold": card.manifest.get("threshold"),
        "costs": evaluate.costs.model_dump(exclude_none=True) if evaluate.costs else None,
        "expected_costs": card.metrics.get("costs"),
        "metrics": card.metrics["model"],
        "baselines": {key: card.metrics[key] for key in BASELINES if key in card.metrics},
    }
    return json.dumps(found, indent=1, ensure_ascii=False).encode()


def _sections(canvas: Canvas) -> Iterator[Section]:
    """Yield the sections that a canvas has, with numbers, then the others of the page."""
    written = canvas.page.sections if canvas.page else {}
    numbers = {
        "Decision": _decision,
        "Costs of errors": _costs,
        "Labels and their delay": _labels,
        "Baseline": _baseline,
    }
    required = REQUIRED[CANVAS]
    others = [title for title in written if title.lower() not in map(str.lower, required)]
    for title in [*required, *others]:
        text = (canvas.page.section(title) if canvas.page else None) or ""
        blocks = [*written_blocks(text), *(numbers[title](canvas) if title in numbers else ())]
        yield Section(quote_text(title, 80, code=False), blocks or ["Not written yet."])


def _decision(canvas: Canvas) -> Iterator[Block]:
    yield text_of(canvas.card.manifest).decision(canvas.card.manifest)


def _labels(canvas: Canvas) -> Iterator[Block]:
    yield quote(canvas.card.manifest["target"]["definition"], 600)
    yield labels_table(canvas.card.manifest)


def _baseline(canvas: Canvas) -> Iterator[Block]:
    metric = headline_metric(text_of(canvas.card.manifest))
    models = {"model": "this model", **BASELINES}
    metrics = canvas.card.metrics
    rows = [
        [name, interval(metric.key, metrics[key][metric.key])]
        for key, name in models.items()
        if key in metrics
    ]
    yield Table(["on the holdout", metric.label], rows)


def _costs(canvas: Canvas) -> Iterator[Block]:
    costs, metrics = canvas.params.evaluate.costs, canvas.card.metrics
    if costs is None:
        yield "`evaluate.costs` of params.yaml is not set, so no threshold follows from costs."
        return
    yield _stated(costs, canvas)
    if table := cost_table(metrics):
        yield table
    yield from cost_figures(canvas.curve, metrics)


def _stated(costs: Costs, canvas: Canvas) -> Block:
    """Return the costs as they are set, and what follows from them."""
    if costs.classes is not None:
        return _of_classes(costs, canvas)
    if costs.false_positive is not None:
        return (
            f"A false positive costs {costs.false_positive:g}, a false negative "
            f"{costs.false_negative:g}: {costs.false_positive:g} / ({costs.false_positive:g} + "
            f"{costs.false_negative:g}) = **{costs.level:.3g}** is the threshold at which expected "
            "costs are lowest if the probabilities are calibrated."
        )
    return (
        f"A unit too high costs {costs.over:g}, one too low {costs.under:g}: expected costs are "
        f"lowest at the **{costs.level:.3g}** quantile of the label."
    )


def _of_classes(costs: Costs, canvas: Canvas) -> Table:
    task = canvas.card.task
    matrix, names = cost_matrix(costs, task), [str(each) for each in task.classes]
    rows = [
        [quote(true), quote(decided), f"{matrix[row, column]:g}"]
        for row, true in enumerate(names)
        for column, decided in enumerate(names)
        if true != decided
    ]
    return Table(["true class", "decided class", "cost"], rows[:MOST_PAIRS], frozenset({2}))
