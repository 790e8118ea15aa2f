"""What stops a change, and what to do about it."""

from __future__ import annotations

from slipway.comparison.report import Judgement, Stop
from slipway.metrics.registry import ALL
from slipway.numbers import plain
from slipway.reports.protected import between, gap_of
from slipway.untrusted import quote

NAMES = {name: metric.label for name, metric in ALL.items()} | {
    "row_ms": "time for one row",
    "model_mb": "size of the model",
}


def newest_part(report: Judgement) -> str:
    """Return what the rows of the holdout are called."""
    return "the newest period" if report.days is not None else "the holdout"


def reason_of(report: Judgement, stop: Stop) -> str:
    """Return why a stop stops the change."""
    subject = stop.about
    if stop.code in ("worse", "guard"):
        metric = next(row for row in report.metrics if row.name == subject)
        return f"{NAMES[subject]} gets worse by {plain(abs(metric.difference.value))}"
    if stop.code == "newest":
        row = next(row for row in report.newest if row.name == subject)
        loss = abs(row.difference.value)
        return f"{NAMES[subject]} gets worse by {plain(loss)} on {newest_part(report)}"
    if (gap := gap_of(report, subject)) is not None:
        verb = "are" if stop.code == "unfair" else "may be"
        attribute = quote(subject.partition(": ")[0])
        return f"the groups of {attribute} {verb} not treated alike: {between(gap)}"
    return {
        "worse than the best": "this model is worse than the best champion so far",
        "slice": f"worse for {quote(subject)}",
        "inconclusive": "inconclusive: the rows are too few to rule out a regression",
        "not better": "not shown to be better, which `judge.require` demands",
        "behaviour": f"the behaviour {quote(subject)} does not hold",
        "cost": f"the {NAMES.get(subject, 'cost')} is over its limit",
        "lock": f"dvc.lock is {subject}",
        "record": f"the record {quote(subject, 120)} was changed, or is none",
        "unfair": f"groups are not treated alike ({quote(subject)})",
        "fairness inconclusive": f"groups may not be treated alike ({quote(subject)})",
    }[stop.code]


def advice_on(report: Judgement, stop: Stop) -> str:
    """Return what to do about a stop."""
    if stop.code == "inconclusive" and report.incomparable:
        return (
            "Compare on rows that both models can read and neither was trained on, or set "
            "`judge.on_inconclusive` in params.yaml to `go` (it takes effect once it is merged)."
        )
    subject, primary = stop.about, ALL[report.rule.primary]
    verb = "raises" if primary.higher_is_better else "lowers"
    return {
        "worse": f"Try a change that {verb} {primary.label}, or drop this one.",
        "worse than the best": "Start from the best champion: small losses have added up since.",
        "guard": "See the calibration below: the ranking may be fine and the probabilities not.",
        "slice": f"See {quote(subject)} below: it may need more rows, or a rule in src/model. Or "
        "accept the loss in `judge.accept` of params.yaml, with a reason, which is shown here.",
        "inconclusive": "Make a larger change, or compare on more rows: add data, and "
        "raise `prepare.origins` in params.yaml (it takes effect once it is merged).",
        "newest": "The change loses on the newest data: see whether it learns from older rows "
        "what no longer holds.",
        "not better": "Make a larger change, or set `judge.require` to `not worse`.",
        "behaviour": "See src/model/behaviours.py: fix the model, or the behaviour if it is wrong.",
        "cost": "Make the model smaller, or raise the limit in the section `judge` of params.yaml.",
        "lock": "Run `dvc repro` and commit dvc.lock with reports/.",
        "record": "Restore it: `git checkout <base> -- reports/judgements`. If the base does not "
        "have it, delete it, and judge again.",
        "unfair": "See the protected groups below, and docs/fairness.md for what can be done.",
        "fairness inconclusive": "Compare on more rows, or set `fairness.on_inconclusive` in "
        "params.yaml to `go` (it takes effect once it is merged).",
    }[stop.code]
