"""The inputs of the page; one that does not exist is None or empty."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import project
from slipway.card.content import Card
from slipway.catalogue.releases import METRICS, Release, read_history
from slipway.dataset.files import list_folder
from slipway.dataset.tables import read_json
from slipway.documents.charts.canvas import Row
from slipway.errors import Refused, SlipwayError
from slipway.manifest import MANIFEST_FILE, MODEL, read_manifest
from slipway.metrics.registry import ALL, Metric, headline_of
from slipway.monitoring.check import log_place
from slipway.monitoring.report import DriftReport
from slipway.predictions.labels.store import labels_place
from slipway.reports.page.days import Day, Traffic, known_labels, read_days
from slipway.reports.task_texts import TASK_TEXTS, Metrics, TaskText, headline_metric
from slipway.tasks import Task, task_of

if TYPE_CHECKING:
    from slipway.manifest import Manifest
    from slipway.settings import Params

PLOTS = Path("reports/plots")
VERDICTS = Path("build/reports")
DRIFT = Path("build/drift.json")
MAKE_DRIFT = "slipway drift --json build/drift.json"

# Columns of the plots' data that are text, even if they look like numbers.
NAMES = ("slice", "value")


@dataclass(frozen=True)
class Inputs:
    """All inputs of the page.

    Parameters
    ----------
    task
        Of the model; without one, that of the project.
    plots
        The tables of ``reports/plots``, by name.
    releases
        Oldest first.
    verdicts
        The reports of `slipway judge` and `slipway validate` by name, oldest first.
    days
        The predictions by day of the event.
    no_traffic
        Why there are no days; empty if there are.
    log_faults
        A sentence for each part of the log that was left out.
    full_reports
        Paths of reports on single verdicts, by name.
    limits
        Of the disparities between protected groups.
    releases_note
        How many models of another target are no releases; empty if there are none.
    """

    task: Task
    manifest: Manifest | None
    metrics: Metrics | None
    plots: dict[str, list[Row]]
    releases: list[Release]
    verdicts: dict[str, Mapping[str, object]]
    drift: DriftReport | None
    days: list[Day]
    no_traffic: str
    log_faults: Sequence[str]
    full_reports: dict[str, str]
    limits: Mapping[str, float]
    card: Card | None = None
    releases_note: str = ""

    @property
    def text(self) -> TaskText:
        return TASK_TEXTS[self.task.name]

    @property
    def headline(self) -> Metric:
        """The metric that is shown first."""
        return headline_metric(self.text)

    @property
    def shown(self) -> list[Metric]:
        """The metrics that are shown over time."""
        return [ALL[name] for name in headline_of(self.task.name)]


def read_inputs(
    params: Params, out: Path, log: str, labels: list[Path] | None, model: Path = MODEL
) -> Inputs:
    """Read all inputs from the current repository and from the folder of a model.

    Raises
    ------
    SlipwayError
        A file that exists cannot be read.
    """
    manifest = read_manifest(model) if (model / MANIFEST_FILE).is_file() else None
    reports = sorted(VERDICTS.glob("*.json"), key=lambda path: (path.stat().st_mtime, path))
    verdicts = {path.stem: read_json(path, "slipway judge") for path in reports}
    traffic = _traffic(params, log, labels, manifest)
    history = read_history(Path())
    return Inputs(
        task=_task(model, manifest),
        manifest=manifest,
        metrics=_json(METRICS, "dvc repro"),
        plots={path.stem: read_table(path) for path in PLOTS.glob("*.csv")},
        releases=history.releases,
        releases_note=history.note(),
        verdicts=verdicts,
        drift=_drift_report(),
        days=traffic.days,
        no_traffic=traffic.missing,
        log_faults=traffic.faults,
        card=Card.read(Path(), model) if manifest and METRICS.exists() else None,
        full_reports={
            name: f"reports/{name}.html"
            for name in verdicts
            if (out / "reports" / f"{name}.html").is_file()
        },
        limits=params.fairness.limits,
    )


def _drift_report() -> DriftReport | None:
    content = _json(DRIFT, MAKE_DRIFT)
    if content is None:
        return None
    try:
        return DriftReport.of(content if isinstance(content, dict) else {})
    except Refused as error:
        raise SlipwayError(f"{DRIFT}: {error}", f"make it again with `{MAKE_DRIFT}`") from None


def read_table(path: Path) -> list[Row]:
    """Return the rows of a plot's data: numbers as numbers, empty cells as None."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {name: text if name in NAMES else _number(text) for name, text in row.items()}
            for row in csv.DictReader(file)
        ]


def _task(model: Path, manifest: Manifest | None) -> Task:
    """Return the task of the model; refuse one that the reports of the repository do not have."""
    declared = project.task()
    task = task_of(manifest) if manifest else declared
    if task != declared:
        raise SlipwayError(
            f"{model}: predicts something else ({task.name}) than src/model/target.py declares "
            f"({declared.name}), so reports/ does not describe it",
            "check out the commit of that model, or train this one with `dvc repro`",
        )
    return task


def _traffic(
    params: Params, log: str, labels: list[Path] | None, manifest: Manifest | None
) -> Traffic:
    """Return the predictions by day, or why there are none."""
    if manifest is None:
        return Traffic([], "There is no model yet.")
    if labels is None:
        folder = Path(params.data.folder)
        files = list_folder(folder).read if folder.is_dir() else []
        known = known_labels(files, labels_place(params), params.data)
    else:
        known = known_labels(labels)
    return read_days(log or log_place(params), manifest, known)


def _json(path: Path, made_by: str) -> Any:
    return read_json(path, made_by) if path.exists() else None


def _number(text: str) -> int | float | None:
    if not text:
        return None
    return int(text) if text.isdigit() else float(text)
