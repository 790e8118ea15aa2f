"""Believe a report only if it is well formed and its numbers carry its words.

A report from a pull request is a claim. Here the verdict is drawn again from the numbers in
it; whether those numbers are true, only judging again can tell.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from math import isclose
from pathlib import Path
from typing import Any, NoReturn

from slipway import paired
from slipway.errors import Refused, SlipwayError
from slipway.judge import verdict
from slipway.judge.core import VERSION
from slipway.judge.slices import METRICS as SLICE_METRICS
from slipway.judge.slices import is_worse
from slipway.report.believe import check_schema, check_version

SCHEMA = Path(__file__).with_name("schema.json")

# A real report has some 30,000 characters.
LARGEST = 5_000_000

TOLERANCE = 1e-9

DO = "do not use this report; judge again with `slipway judge`"


def read_report(path: Path) -> dict[str, Any]:
    """Return a report that holds together.

    Raises
    ------
    SlipwayError
        It is missing, too large or not JSON.
    Refused
        It breaks the schema, or claims what its numbers do not carry.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise SlipwayError(f"{path}: not a file", "name the JSON that `slipway judge` wrote")
        if about.st_size > LARGEST:
            raise Refused(f"{path}: larger than {LARGEST:,} bytes", DO)
        report = json.loads(path.read_text("utf-8"), parse_constant=_no_number)
    except FileNotFoundError:
        raise SlipwayError(f"{path}: no such file", "make it with `slipway judge`") from None
    except (ValueError, RecursionError) as error:
        raise SlipwayError(f"{path}: not JSON ({error})", "make it with `slipway judge`") from None
    if not isinstance(report, dict):
        raise Refused(f"{path}: not a report", DO)
    return report


def check(report: Mapping[str, Any]) -> None:
    """Refuse a report whose parts contradict each other.

    Raises
    ------
    Refused
        Names the first fault.
    """
    check_version(report, VERSION)
    check_schema(report, json.loads(SCHEMA.read_text("utf-8")), f"a report of version {VERSION}")
    for fault in _faults(report):
        raise Refused(f"the report contradicts itself: {fault}", DO)


def _faults(report: Mapping[str, Any]) -> Iterator[str]:
    rule, holdout = report["rule"], report["holdout"]
    compared = not report["incomparable"]
    if compared != bool(report["metrics"] and report["anchor"] and report["champion"]):
        yield "it has a comparison exactly if the models can be compared"
        return
    if holdout["positives"] > holdout["rows"]:
        yield "more positives than rows"
    if not _close(holdout["reliability"], verdict.reliability(rule, holdout["uses"])):
        yield "`reliability` does not follow from `uses`"
    if compared:
        yield from _metric_faults(report)
        yield from _anchor_faults(report)
        yield from _slice_faults(report)
        yield from _flip_faults(report)
    for behaviour in report["behaviours"]:
        if behaviour["holds"] != (behaviour["share"] >= behaviour["at_least"]):
            yield f"behaviour {behaviour['name']!r}: `holds` does not follow from its share"
    for name, cost in report["cost"].items():
        if cost["limit"] != rule[f"max_{name}"]:
            yield f"the limit of `{name}` is not the rule's"
    said, may_merge, stops = verdict.decide(report)
    if (said, may_merge, stops) != (report["verdict"], report["may_merge"], report["stops"]):
        yield f"it says {report['verdict']!r}, and its numbers say {said!r}, {stops}"


def _metric_faults(report: Mapping[str, Any]) -> Iterator[str]:
    rule = report["rule"]
    names = [metric["name"] for metric in report["metrics"]]
    if names != list(verdict.METRICS):
        yield f"the metrics are {names}"
        return
    better = verdict.alpha_better(rule, report["holdout"]["uses"])
    for metric in report["metrics"]:
        name, margin = metric["name"], rule["margins"][metric["name"]]
        difference = metric["difference"]
        yield from _difference_faults(name, metric["champion"], metric["challenger"], metric, rule)
        if difference["rows"] > report["holdout"]["rows"]:
            yield f"{name}: more rows than the holdout has"
        if metric["margin"] != margin:
            yield f"{name}: the margin is not the rule's"
        said = verdict.word(name, difference, margin, rule["alpha"], better)
        if metric["verdict"] != said:
            yield f"{name}: it says {metric['verdict']!r}, and its numbers say {said!r}"
        needed = (
            verdict.rows_needed(name, difference, margin, rule["alpha"])
            if said == "cannot tell" and not difference["doubt"]
            else None
        )
        if metric["rows_needed"] != needed:
            yield f"{name}: `rows_needed` does not follow from its numbers"


def _anchor_faults(report: Mapping[str, Any]) -> Iterator[str]:
    anchor, rule = report["anchor"], report["rule"]
    yield from _difference_faults("anchor", anchor["best"], anchor["challenger"], anchor, rule)
    primary = rule["primary"]
    said = verdict.word(primary, anchor["difference"], rule["margins"][primary], rule["alpha"], 0.0)
    if anchor["verdict"] != said:
        yield f"anchor: it says {anchor['verdict']!r}, and its numbers say {said!r}"


def _slice_faults(report: Mapping[str, Any]) -> Iterator[str]:
    slices, rule = report["slices"], report["rule"]
    tests = []
    for row in slices["rows"]:
        named = f"{row['slice']}={row['value']}"
        for metric in SLICE_METRICS:
            if row[metric]:
                entry = row[metric]
                tests.append((metric, entry, named))
                yield from _difference_faults(
                    named, entry["champion"], entry["challenger"], entry, rule
                )
        if row["rows"] < rule["min_slice_rows"] or row["rows"] > report["holdout"]["rows"]:
            yield f"{named}: {row['rows']} rows"
        if (row["verdict"] == "worse") != is_worse(row, rule):
            yield f"{named}: `verdict` does not follow from its numbers"
        if row["accepted"] and row["verdict"] != "worse":
            yield f"{named}: accepted, and not worse"
    losses = [verdict.gain(metric, entry["difference"])[3] for metric, entry, _ in tests]
    for (_, entry, named), adjusted in zip(tests, paired.holm(losses), strict=True):
        if not _close(entry["p_adjusted"], adjusted):
            yield f"{named}: the corrected p-value is not Holm's"
    if slices["tests"] != len(tests):
        yield "the number of tests on slices is not theirs"


def _flip_faults(report: Mapping[str, Any]) -> Iterator[str]:
    flips = report["flips"]
    if not flips:
        yield "no `flips`"
        return
    up, down = flips["to_positive"], flips["to_negative"]
    both = up["count"] + down["count"]
    right = up["positives"] + down["count"] - down["positives"]
    if (both, right, both - right) != (flips["count"], flips["now_right"], flips["now_wrong"]):
        yield "the decisions that flip do not add up"
    if not _close(flips["share"], flips["count"] / report["holdout"]["rows"]):
        yield "the share of decisions that flip is not theirs"


def _difference_faults(
    name: str,
    first: float | None,
    second: float | None,
    entry: Mapping[str, Any],
    rule: Mapping[str, Any],
) -> Iterator[str]:
    """Yield what is wrong with a difference: it follows from both values and its error."""
    found = entry["difference"]
    if first is None or second is None:
        if not found["doubt"]:
            yield f"{name}: a difference of nothing"
        return
    level = 1 - 2 * rule["alpha"]
    expected = paired.difference(first, second, found["se"], found["rows"], level).as_dict()
    for key in ("value", "low", "high", "p_up", "p_down"):
        if not _close(found[key], expected[key]):
            yield f"{name}: `{key}` does not follow from the two values and their error"


def _close(first: float, second: float) -> bool:
    return isclose(first, second, rel_tol=1e-6, abs_tol=TOLERANCE)


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
