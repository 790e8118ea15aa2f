"""What earlier steps left behind, read; whatever is not there is None or empty."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.drift import log_place
from slipway.errors import SlipwayError
from slipway.files import list_folder
from slipway.git import git, names
from slipway.judge.record import JUDGEMENTS
from slipway.labels.store import labels_place
from slipway.months import DATA
from slipway.page.days import Traffic, known_labels, read_days
from slipway.score import MANIFEST_FILE, MODEL
from slipway.tables import read_json

if TYPE_CHECKING:
    from slipway.settings import Params

Row = dict[str, Any]

METRICS = Path("reports/metrics.json")
PLOTS = Path("reports/plots")
RELEASES = Path("build/releases.json")
VERDICTS = Path("build/reports")
DRIFT = Path("build/drift.json")

HISTORY = 30
SHORT = 20

# Columns of the plots' data that are not numbers, even where they look like some.
NAMES = ("slice", "value")


@dataclass(frozen=True)
class Inputs:
    """Everything that the page is made of.

    Parameters
    ----------
    plots
        The tables of ``reports/plots``, by name.
    releases
        Oldest first: `name`, `metrics` (None if nobody knows them), and where known `commit`,
        `date`, `subject`, `model_sha256`, `verdict`, `event` (deployed or rolled back).
    verdicts
        The reports of `slipway judge` and `slipway validate` by name, oldest first.
    days
        The predictions by day of the event: `day`, `rows`, `mean_score`, `label_rate`.
    no_traffic
        Why there are no days; empty if there are.
    log_faults
        A sentence for all of the log that was left out.
    full_reports
        Verdicts that have a page of their own beside this one, by name.
    """

    manifest: Row | None
    metrics: Row | None
    plots: dict[str, list[Row]]
    releases: list[Row]
    verdicts: dict[str, Row]
    drift: Row | None
    days: list[Row]
    no_traffic: str
    log_faults: Sequence[str]
    full_reports: dict[str, str]


def read_inputs(
    params: Params, out: Path, log: str, labels: list[Path] | None, model: Path = MODEL
) -> Inputs:
    """Read all inputs from the repository that this runs in, and from the folder of a model.

    Raises
    ------
    SlipwayError
        A file that is there cannot be read.
    """
    manifest = _json(model / MANIFEST_FILE, "dvc repro")
    reports = sorted(VERDICTS.glob("*.json"), key=lambda path: (path.stat().st_mtime, path))
    verdicts = {path.stem: read_json(path, "slipway judge") for path in reports}
    traffic = _traffic(params, log, labels, manifest)
    return Inputs(
        manifest=manifest,
        metrics=_json(METRICS, "dvc repro"),
        plots={path.stem: read_table(path) for path in PLOTS.glob("*.csv")},
        releases=_released() or released_by_git(),
        verdicts=verdicts,
        drift=_json(DRIFT, "slipway drift --json build/drift.json"),
        days=traffic.days,
        no_traffic=traffic.missing,
        log_faults=traffic.faults,
        full_reports={
            name: f"reports/{name}.html"
            for name in verdicts
            if (out / "reports" / f"{name}.html").is_file()
        },
    )


def read_table(path: Path) -> list[Row]:
    """Return the rows of a plot's data: numbers as numbers, empty cells as None."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {name: text if name in NAMES else _number(text) for name, text in row.items()}
            for row in csv.DictReader(file)
        ]


def released_by_git() -> list[Row]:
    """Return what git knows of releases: each commit of this branch that changed the metrics.

    A release is named after its pull request, a short subject or the commit. If the commit
    brought one judgement along, that has the model and the verdict.
    """
    shown = ("log", f"-{HISTORY}", "--first-parent", "--format=%H %cI %s")
    try:
        lines = git(Path(), *shown, "--", str(METRICS)).splitlines()
    except SlipwayError:
        return []  # no git here, or no commit yet: there is no history to show
    found = [_release(*line.split(" ", 2)) for line in reversed(lines)]
    return [release for release in found if release]


def _release(commit: str, moment: str, subject: str) -> Row | None:
    metrics = _json_at(commit, str(METRICS))
    if not metrics or "model" not in metrics:
        return None  # deleted there, or of a time before this format
    release = {
        "name": _short_name(commit, subject),
        "subject": subject,
        "commit": commit,
        "date": moment,
        "metrics": metrics["model"],
    }
    added = ("show", "-z", "-m", "--first-parent", "--diff-filter=A", "--name-only", "--format=")
    records = names(Path(), *added, commit, "--", str(JUDGEMENTS))
    if len(records) == 1 and (record := _json_at(commit, records[0])):
        release |= {"model_sha256": record["model"], "verdict": record["verdict"]}
    return release


def _short_name(commit: str, subject: str) -> str:
    request = re.search(r"#\d+", subject)
    if request:
        return request.group()
    subject = subject.removeprefix("Merge ")
    return subject if len(subject) <= SHORT else commit[:7]


def _json_at(commit: str, path: str) -> Row | None:
    try:
        found = json.loads(git(Path(), "show", f"{commit}:{path}"))
    except (SlipwayError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _traffic(params: Params, log: str, labels: list[Path] | None, manifest: Row | None) -> Traffic:
    """Return the predictions by day, or why there are none."""
    if manifest is None:
        return Traffic([], "There is no model yet.")
    if labels is None:
        known = known_labels(list_folder(DATA).read if DATA.is_dir() else [], labels_place(params))
    else:
        known = known_labels(labels)
    return read_days(log or log_place(params), manifest["event_time"], known)


def _released() -> list[Row]:
    """Return what was written down of releases, with the metrics of their commits."""
    found: list[Row] = _json(RELEASES, "slipway deploy") or []
    for release in found:
        if not release.get("metrics") and release.get("commit"):
            release["metrics"] = (_json_at(release["commit"], str(METRICS)) or {}).get("model")
    return found


def _json(path: Path, made_by: str) -> Any:
    return read_json(path, made_by) if path.exists() else None


def _number(text: str) -> int | float | None:
    if not text:
        return None
    return int(text) if text.isdigit() else float(text)
