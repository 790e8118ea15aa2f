"""The starter model on the months after its holdout: drift reports, and performance by labels."""

from __future__ import annotations

import contextlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson

from slipway import project
from slipway.dataset.make import make_months
from slipway.dataset.tables import as_rows, read_columns, take
from slipway.monitoring.check import drift
from slipway.monitoring.report import Week
from slipway.predictions.labels.store import import_labels
from slipway.settings import read_params
from slipway.training.score import Model

from .measure import ROOT, table

MONTHS = ["2013-10", "2013-11", "2013-12"]

NOW = datetime(2014, 1, 10, 5, 23, tzinfo=UTC)


def tables(folder: Path, _: Path) -> str:
    """Return the alarms and the weeks as Markdown; needs `build/model`."""
    place = folder / "starter"
    place.mkdir()
    shutil.copy(ROOT / "params.yaml", place)
    shutil.copytree(ROOT / "build/model", place / "build/model")
    files = [Path(path) for path in make_months(MONTHS, place / "future")]
    write_log(place, files)
    with contextlib.chdir(place):
        blind = drift(read_params(), now=NOW)
        import_labels(files, "labels")
        report = drift(read_params(), now=NOW)
    alarms = [
        {
            "noticed": alarm.at,
            "what": f"`{alarm.stream}`",
            "since about": alarm.since,
            "until": alarm.until or "",
            "": alarm.words,
        }
        for alarm in report.alarms
    ]
    weeks = [week(each) for each in report.performance.weeks] if report.performance else []
    estimate = blind.estimate.words if blind.estimate else ""
    return f"{table(alarms)}\n\n{table(weeks)}\n\n{estimate}\n"


def write_log(place: Path, files: list[Path]) -> None:
    model = Model.load(place / "build/model")
    (place / "predictions").mkdir()
    for path in files:
        columns = read_columns([path], project.inputs())
        order = np.argsort(columns["scheduled_departure"], kind="stable")
        rows = take(columns, order)
        scores = model.score(rows).tolist()
        with (place / f"predictions/{path.stem}-01_x.jsonl").open("wb") as file:
            for number, (row, score) in enumerate(zip(as_rows(rows), scores, strict=True)):
                record = {
                    "version": 1,
                    "id": f"{path.stem}-{number:07d}",
                    "time": "2014-01-09T12:00:00.000000Z",
                    "key": row["flight_id"],
                    "probability": score,
                    "decision": score >= model.manifest["threshold"],
                    "review": False,
                    "model": model.sha256,
                    "data": "d",
                    "commit": "c",
                    "input": row,
                }
                file.write(orjson.dumps(record) + b"\n")


def week(each: Week) -> dict[str, str]:
    auc = each.metrics.get("auc")
    return {
        "week of": each.first,
        "predictions": f"{each.rows:,}",
        "labels": f"{each.labelled:,}",
        "AUC": f"{auc.value:.3f}" if auc else "",
        "late": share(each.label_rate),
        "expected late": share(each.expected_rate),
        "judged": each.status,
    }


def share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


if __name__ == "__main__":
    print(json.dumps({"run": "bench/drift.py starter_data"}))
