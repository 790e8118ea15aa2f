"""The verdict, its reasons and what to do about them, as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.judge.slices import METRICS as SLICE_METRICS
from slipway.report.document import plain, quote
from slipway.report.reasons import NAMES, advice_on, stop_said

Report = Mapping[str, Any]

ICONS = {"good": "✅", "bad": "⛔", "open": "❔"}

INCOMPARABLE = {
    "no champion": "the base commit has no model to compare with",
    "unreadable": "the champion cannot read these rows",
    "another target": "the champion predicts something else",
    "learned from the holdout": "the champion has learned from these rows",
}


def tone(report: Report) -> str:
    """Return ``good``, ``bad`` or ``open``: stopped for want of evidence is not bad."""
    if report["may_merge"]:
        return "good"
    only_doubt = all(stop["code"] == "cannot tell" for stop in report["stops"])
    return "open" if only_doubt else "bad"


def headline(report: Report) -> str:
    """Return the verdict in one line."""
    if tone(report) == "bad":
        return f"Not merged: {stop_said(report, worst_stop(report))}"
    if report["verdict"] == "cannot tell":
        anyway = ". It may be merged all the same" if report["may_merge"] else ""
        return f"Can't tell: {doubt(report)}{anyway}"
    if report["verdict"] == "better":
        return "Better: this model may replace the one in production"
    before, after = report["champion"], report["challenger"]
    if before["model"] == after["model"]:
        if before["threshold"] != after["threshold"]:
            return f"Not worse: the same model, with the threshold {after['threshold']:g}"
        if before.get("manifest") != after.get("manifest"):
            return "Not worse: the same model, with another manifest"
        return "Not worse: it is the same model, byte for byte"
    return "Not worse: this model may replace the one in production"


def summary(report: Report) -> str:
    """Return the verdict and what it rests on as a few lines for a terminal."""
    lines = [f"{ICONS[tone(report)]} {headline(report)}", *lead(report)]
    lines += [f"- {reason}" for reason in more_stops(report)]
    lines += [f"→ {step}" for step in advice(report)]
    return plain("\n".join(lines))


def worst_stop(report: Report) -> Mapping[str, str]:
    """Return the stop to name first: one that is not mere doubt, if there is one."""
    stops = report["stops"]
    return next((stop for stop in stops if stop["code"] != "cannot tell"), stops[0])


def more_stops(report: Report) -> list[str]:
    """Return what stops the change besides what the headline names."""
    if tone(report) != "bad":
        return []
    first = worst_stop(report)
    others = [stop for stop in report["stops"] if stop is not first]
    # If the model is worse on the whole, its slices are too: they are in their section.
    shown = [stop for stop in others if not (stop["code"] == "slice" and first["code"] == "worse")]
    lines = [f"Also: {stop_said(report, stop)}." for stop in shown[:8]]
    hidden = len(others) - len(lines)
    return [*lines, f"And {hidden} more, in the tables below."] if hidden else lines


def lead(report: Report) -> list[str]:
    """Return how sure the verdict is, and on which rows, as sentences."""
    if report["incomparable"]:
        detail = report["incomparable"]["detail"]
        said = f"{INCOMPARABLE[report['incomparable']['code']]}: {quote(detail, 200)}."
        return [said[:1].upper() + said[1:]]
    metric = primary(report)
    holdout = report["holdout"]
    rows = (
        f"On {holdout['rows']:,} rows ({months(holdout['months'])}) that neither model learned from"
    )
    lines = [f"{rows}, {moved(report, metric)}. {_slices_said(report)}"]
    behind = report["anchor"]["verdict"] != "not worse" and metric["verdict"] != "better"
    if behind and report["anchor"]["model"] != report["champion"]["model"]:
        best = interval(report, report["anchor"]["difference"])
        lines.append(
            f"Against the best champion so far (`{report['anchor']['model'][:12]}`) the difference "
            f"is {best}."
        )
    return lines


def moved(report: Report, metric: Mapping[str, Any]) -> str:
    """Return how far a metric moved, in words, with its interval."""
    difference, name = metric["difference"], NAMES[metric["name"]]
    if difference["value"] == 0 and difference["se"] == 0:
        return f"{name} is the same for both"
    verb = "rises" if difference["value"] > 0 else "falls"
    low, high = sorted((abs(difference["low"]), abs(difference["high"])))
    crossing = difference["low"] <= 0 <= difference["high"]
    span = (
        f"{level(report)} interval {signed(difference['low'])} to {signed(difference['high'])}"
        if crossing
        else f"{level(report)} interval {low:.4f} to {high:.4f}"
    )
    return f"{name} {verb} by **{abs(difference['value']):.4f}** ({span})"


def doubt(report: Report) -> str:
    """Return why it cannot be told, in a few words."""
    if report["incomparable"]:
        return INCOMPARABLE[report["incomparable"]["code"]]
    metric = primary(report)
    if metric["verdict"] != "cannot tell":
        return "this model may have fallen behind the best champion so far"
    if metric["difference"]["doubt"]:
        return str(metric["difference"]["doubt"])
    needed = metric["rows_needed"]
    if not needed:
        return "the loss is as large as the margin"
    more = max(needed - report["holdout"]["rows"], 1)
    return f"about {round_up(more):,} more rows would decide it"


def advice(report: Report) -> list[str]:
    """Return what to do, one sentence for each kind of stop."""
    codes = {stop["code"] for stop in report["stops"]}
    # If the model is worse on the whole, nothing else is worth fixing first.
    idle = {"guard", "slice"} if "worse" in codes else set()
    steps: dict[str, str] = {}
    for stop in report["stops"]:
        if stop["code"] not in idle:
            steps.setdefault(stop["code"], advice_on(report, stop))
    return list(steps.values())


def primary(report: Report) -> Mapping[str, Any]:
    name = report["rule"]["primary"]
    found: Mapping[str, Any] = next(row for row in report["metrics"] if row["name"] == name)
    return found


def level(report: Report) -> str:
    return f"{100 * (1 - 2 * report['rule']['alpha']):g}%"


def interval(report: Report, difference: Mapping[str, Any]) -> str:
    return (
        f"{signed(difference['value'])} ({level(report)} interval "
        f"{signed(difference['low'])} to {signed(difference['high'])})"
    )


def signed(value: float, digits: int = 4) -> str:
    """Return a number with its sign, a true minus; what rounds to zero has none."""
    text = f"{abs(value):.{digits}f}"
    return text if float(text) == 0 else f"{'+' if value > 0 else '−'}{text}"  # noqa: RUF001


def months(names: list[str]) -> str:
    shown = names[:1] if len(names) < 2 else [names[0], names[-1]]
    return " to ".join(quote(name, 20) for name in shown)


def round_up(count: int) -> int:
    """Return a count with two digits that count."""
    step: int = 10 ** max(len(str(count)) - 2, 0)
    return -(-count // step) * step


def _slices_said(report: Report) -> str:
    slices = report["slices"]
    worse = [row for row in slices["rows"] if row["verdict"] == "worse"]
    if not slices["rows"]:
        return "No slice is large enough to be tested."
    if not worse:
        return "No slice is shown to get worse."
    accepted = sum(bool(row["accepted"]) for row in worse)
    verb = "gets" if len(worse) == 1 else "get"
    said = f"{len(worse)} of {len(slices['rows'])} slices {verb} worse"
    said += f", of which {accepted} accepted. " if accepted else ". "
    return said + _slice_said(report, min(worse, key=_corrected))


def _slice_said(report: Report, row: Mapping[str, Any]) -> str:
    name = min((name for name in SLICE_METRICS if row[name]), key=lambda n: row[n]["p_adjusted"])
    how = moved(report, {"name": name, "difference": row[name]["difference"]}).removesuffix(")")
    p_value, tests = row[name]["p_adjusted"], report["slices"]["tests"]
    luck = "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.4f}"
    where = f"For {slice_name(row)} ({row['rows']:,} rows)"
    return f"{where} {how}; {luck} after correction for {tests} tests)."


def slice_name(row: Mapping[str, Any]) -> str:
    return quote(f"{row['slice']}={row['value']}")


def _corrected(row: Mapping[str, Any]) -> float:
    return min(float(row[name]["p_adjusted"]) for name in SLICE_METRICS if row[name])
