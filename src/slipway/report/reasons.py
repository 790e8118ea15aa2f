"""What stops a change, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.judge.verdict import HIGHER_IS_BETTER
from slipway.report.document import quote

Report = Mapping[str, Any]

NAMES = {
    "auc": "AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "calibration_error": "calibration error",
    "precision": "precision",
    "recall": "recall",
    "row_ms": "time for one row",
    "model_mb": "size of the model",
}


def stop_said(report: Report, stop: Mapping[str, str]) -> str:
    code, about = stop["code"], stop["about"]
    if code in ("worse", "guard"):
        metric = next(row for row in report["metrics"] if row["name"] == about)
        return f"{NAMES[about]} gets worse by {abs(metric['difference']['value']):.4f}"
    return {
        "worse than the best": "this model is worse than the best champion so far",
        "slice": f"worse for {quote(about)}",
        "cannot tell": "it can't be told whether the model is worse",
        "not better": "not shown to be better, which `judge.require` asks for",
        "behaviour": f"the behaviour {quote(about)} does not hold",
        "cost": f"the {NAMES.get(about, 'cost')} is over its limit",
        "lock": f"dvc.lock is {about}",
        "record": f"{quote(about)} is history and was changed",
    }[code]


def advice_on(report: Report, stop: Mapping[str, str]) -> str:
    code, about = stop["code"], stop["about"]
    if code == "cannot tell" and report["incomparable"]:
        return (
            "Compare on rows that both can read and neither has learned from, or let "
            "`judge.on_cannot_tell` in params.yaml say `go` (it counts from its merge on)."
        )
    per_month = report["holdout"]["rows"] / max(len(report["holdout"]["months"]), 1)
    direction = "raises" if report["rule"]["primary"] in HIGHER_IS_BETTER else "lowers"
    return {
        "worse": f"Try a change that {direction} {NAMES[report['rule']['primary']]}, or leave it.",
        "worse than the best": "Start from the best champion: small losses have added up since.",
        "guard": "Look at calibration below: the ranking may be fine and the probabilities not.",
        "slice": f"Look at {quote(about)} below: it may want more rows, or a rule in src/model. Or "
        "accept the loss in `judge.accept` of params.yaml, with a reason: it is printed here.",
        "cannot tell": f"Hold out more months with `prepare.holdout_months` (now {per_month:,.0f} "
        "rows a month), or make a larger change.",
        "not better": "Make a larger change, or let `judge.require` say `not worse`.",
        "behaviour": "See what it asks in src/model/behaviours.py: fix the model, or a question "
        "that is wrong.",
        "cost": "Make the model smaller, or raise the limit in the section `judge` of params.yaml.",
        "lock": "Run `dvc repro` and commit dvc.lock with reports/.",
        "record": "Restore it: `git checkout <base> -- reports/judgements`.",
    }[code]
