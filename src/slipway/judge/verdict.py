"""From numbers to words, and from words to whether the change may be merged.

These functions see only what is written in the report. Whoever has the report can draw
the verdict again, and `slipway.report.check` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from slipway.paired import rows_to_see

Word = Literal["better", "not worse", "worse", "cannot tell"]

METRICS = ("auc", "log_loss", "brier", "calibration_error", "precision", "recall")

HIGHER_IS_BETTER = {"auc", "precision", "recall"}

LOCKS = ("identical", "equivalent", "different", "stale", "not checked")

# A lock that was checked and does not hold.
BROKEN_LOCKS = ("different", "stale")


def gain(metric: str, difference: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Return low and high end of the gain, and the p-values of a gain and of a loss."""
    low, high = difference["low"], difference["high"]
    up, down = difference["p_up"], difference["p_down"]
    return (low, high, up, down) if metric in HIGHER_IS_BETTER else (-high, -low, down, up)


def word(
    metric: str, difference: Mapping[str, Any], margin: float, alpha: float, alpha_better: float
) -> Word:
    """Return what may be said of one metric.

    Parameters
    ----------
    difference
        A `slipway.paired.Difference` as a dict, challenger less champion.
    margin
        The loss that does not matter.
    alpha, alpha_better
        Levels of the one-sided tests: of a loss, and of a gain.

    Notes
    -----
    *better*: a gain that luck explains with chance `alpha_better` at most. *not worse*: any
    loss is within the margin. *worse*: there is a loss, and it is not shown to be within
    the margin. *cannot tell*: none of these.
    """
    if difference["doubt"]:
        return "cannot tell"
    low, high, p_gain, p_loss = gain(metric, difference)
    if p_gain < alpha_better:
        return "better"
    if low >= -margin:
        return "not worse"
    return "worse" if p_loss <= alpha and high < 0 else "cannot tell"


def harm(metric: str, difference: Mapping[str, Any], p_adjusted: float, rule: Any) -> bool:
    """Return whether a slice is worse: after correction, and not shown to be within the margin."""
    low, *_ = gain(metric, difference)
    return bool(p_adjusted <= rule["alpha"] and low < -rule["margins"][metric])


def rows_needed(
    metric: str, difference: Mapping[str, Any], margin: float, alpha: float
) -> int | None:
    """Return how many rows would decide, with four chances in five, were the difference true.

    None where no number of rows would: a loss of exactly the margin.
    """
    low, high, *_ = gain(metric, difference)
    middle = (low + high) / 2
    ways = [middle + margin] if middle > -margin else []
    ways += [-middle] if middle < 0 else []
    found = [rows_to_see(way, difference["se"], difference["rows"], alpha) for way in ways if way]
    return min(found, default=None)


def alpha_better(rule: Mapping[str, Any], uses: int) -> float:
    """Return the level for *better* on a holdout that is judged on for the `uses`-th time.

    Each use of the budget gets the same part of alpha, so that all of them together are
    wrong with chance alpha at most; beyond the budget nothing is left (ease.ml/ci, Renggli
    et al. 2019). That holds for changes made for reasons of their own: whoever tunes on the
    report's numbers again and again uses the holdout up faster than this count says.
    """
    return float(rule["alpha"] / rule["budget"]) if uses <= rule["budget"] else 0.0


def reliability(rule: Mapping[str, Any], uses: int) -> float:
    """Return the chance that no *better* said on this holdout so far was luck, at the least."""
    return float(1 - rule["alpha"] * min(uses / rule["budget"], 1 / rule["alpha"]))


def decide(report: Mapping[str, Any]) -> tuple[Word, bool, list[dict[str, str]]]:
    """Return the verdict, whether the change may be merged, and each thing that stops it.

    A stop is a code and what it is about: the name of a metric, slice or behaviour.
    """
    harms = [{"code": code, "about": about} for code, about in _harms(report)]
    verdict = _overall(report, bool(harms))
    rule = report["rule"]
    stops = list(harms)
    if verdict == "cannot tell" and rule["on_cannot_tell"] == "stop":
        stops.append({"code": "cannot tell", "about": rule["primary"]})
    elif rule["require"] == "better" and verdict != "better" and not harms:
        stops.append({"code": "not better", "about": rule["primary"]})
    stops += [{"code": code, "about": about} for code, about in _other_stops(report)]
    return verdict, not stops, stops


def _overall(report: Mapping[str, Any], harmed: bool) -> Word:
    if report["incomparable"]:
        return "cannot tell"
    if harmed:
        return "worse"
    primary = _primary(report)["verdict"]
    if primary == "not worse" and report["anchor"]["verdict"] == "cannot tell":
        return "cannot tell"
    said: Word = primary
    return said


def _harms(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if report["incomparable"]:
        return
    primary = _primary(report)
    if primary["verdict"] == "worse":
        yield "worse", primary["name"]
    elif report["anchor"]["verdict"] == "worse" and primary["verdict"] != "better":
        yield "worse than the best", primary["name"]
    for metric in report["metrics"]:
        guarded = metric["name"] in report["rule"]["guards"] and metric is not primary
        if guarded and metric["verdict"] == "worse":
            yield "guard", metric["name"]
    for row in report["slices"]["rows"]:
        if row["verdict"] == "worse" and not row["accepted"]:
            yield "slice", f"{row['slice']}={row['value']}"


def _other_stops(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for behaviour in report["behaviours"]:
        if not behaviour["holds"]:
            yield "behaviour", behaviour["name"]
    if report["cost"]:
        for name, cost in report["cost"].items():
            if cost["challenger"] > cost["limit"]:
                yield "cost", name
    if report["lock"] in BROKEN_LOCKS:
        yield "lock", report["lock"]
    for name in report["holdout"]["tampered"]:
        yield "record", name


def _primary(report: Mapping[str, Any]) -> Mapping[str, Any]:
    name = report["rule"]["primary"]
    return next(metric for metric in report["metrics"] if metric["name"] == name)
