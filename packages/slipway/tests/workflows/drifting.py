"""Reports of `slipway drift` as it writes them."""

from __future__ import annotations

from typing import Any

MODEL = "ab" * 32

DAYS = [f"2013-10-{day:02d}" for day in range(1, 15)]


def column(name: str, status: str = "ok", psi: float = 0.0, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "status": status,
        "psi": psi,
        "p_value": 1e-9 if status != "ok" else 0.6,
        "missing_before": 0.0,
        "missing_now": 0.0,
        "unseen": {},
        "unseen_share": 0.0,
        "ratio": 3.0 if status == "drift" else 0.2,
        "days": 14,
        "rows": 12_600,
        "outside_share": 0.0,
        "broken_share": 0.0,
        "words": "mean 68.02 → 60.51 (0.8 sd lower)" if status != "ok" else "",
    } | fields


def alarm(stream: str, **fields: Any) -> dict[str, Any]:
    return {
        "stream": stream,
        "since": "2013-10-03",
        "at": "2013-10-09",
        "until": None,
        "strength": 1.2,
        "words": "moved by 0.8 sd",
    } | fields


def season(**fields: Any) -> dict[str, Any]:
    return {"have": [9], "missing": [10], "words": ""} | fields


def performance(**fields: Any) -> dict[str, Any]:
    selection = {"status": "like the rest", "higher": 0.5, "p_value": 0.6, "words": ""}
    return {
        "words": "No performance degradation found.",
        "status": "not worse",
        "rows": 1_000,
        "labelled": 900,
        "coverage": 0.9,
        "metrics": {},
        "selection": selection,
        "weeks": [],
    } | fields


def week(first: str, auc: float) -> dict[str, Any]:
    return {
        "first": first,
        "last": first,
        "rows": 1_000,
        "labelled": 900,
        "status": "judged",
        "coverage": 0.9,
        "label_rate": 0.2,
        "expected_rate": None,
        "metrics": {"auc": {"value": auc, "low": auc - 0.02, "high": auc + 0.02}},
        "shifts": {},
        "evidence": {},
    }


def drifted(*columns: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A report of drift in these columns, else in `temp`; each has raised an alarm."""
    moved = list(columns) or [column("temp", "drift", 0.74)]
    alarms = [alarm(row["name"]) for row in moved if row["status"] == "drift"]
    days = [
        {"day": day, "rows": 900, "streams": {row["name"]: 0.1 * at for row in moved}}
        for at, day in enumerate(DAYS)
    ]
    report = quiet() | {
        "status": "drift",
        "words": "12,600 predictions: `temp` moved far.",
        "columns": [*moved, column("wind")],
        "alarms": alarms,
        "days": days,
    }
    return report | fields


def quiet(**fields: Any) -> dict[str, Any]:
    return {
        "version": 2,
        "status": "quiet",
        "words": "12,600 predictions look like the 27,574 rows of 2013-09.",
        "model": MODEL,
        "log": "log",
        "rows": 12_600,
        "first": "2013-10-01T00:00:00Z",
        "last": "2013-10-14T23:00:00Z",
        "other_models": {},
        "reference": {"months": ["2013-09"], "rows": 27_574},
        "season": None,
        "settings": {"psi": 0.1},
        "columns": [column("temp"), column("wind")],
        "score": column("score"),
        "joint": None,
        "volume": None,
        "days": [],
        "alarms": [],
        "performance": None,
        "estimate": None,
        "concept": None,
        "groups": [],
        "faults": [],
    } | fields


def silent(**fields: Any) -> dict[str, Any]:
    report = quiet(
        status="inconclusive", words="no traffic: nothing came.", rows=0, first="", last=""
    )
    return report | {"columns": [], "score": None} | fields
