"""Everything measured, put together as the report. Nothing here reads or writes a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from slipway.judge import compare, verdict
from slipway.judge.compare import Side
from slipway.judge.slices import Groups, slice_table

VERSION = 1

NO_SLICES: dict[str, Any] = {"tests": 0, "small": 0, "rows": []}


@dataclass(frozen=True)
class Findings:
    """What was found out besides the scores, each part as it stands in the report.

    Parameters
    ----------
    holdout
        Which rows, and what they were used for before.
    incomparable
        Why the two models cannot be compared (``code``, ``detail``), or None.
    anchor_lost
        Why the best champion so far could not be asked, in words; empty if it could.
    lock
        What `slipway lock` said, or ``not checked``.
    notes
        What a reader must know besides (``code``, ``about``).
    """

    holdout: dict[str, Any]
    behaviours: list[dict[str, Any]]
    cost: dict[str, Any]
    leans_on: list[dict[str, Any]]
    data: dict[str, Any] | None
    changes: dict[str, Any]
    lock: str
    notes: list[dict[str, str]]
    incomparable: dict[str, str] | None = None
    anchor_lost: str = ""


def judge(
    labels: np.ndarray,
    groups: Groups,
    champion: Side | None,
    challenger: Side,
    rule: Mapping[str, Any],
    findings: Findings,
    *,
    bests: Sequence[Side] = (),
    accepted: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the report, ``report.json``: all numbers, the verdict, and what stops the change.

    Parameters
    ----------
    labels
        0 or 1, shape (rows,).
    groups
        The slices of the same rows.
    champion, challenger
        What each model says of these rows; None if there is no champion.
    rule
        The section `judge` of ``params.yaml``, and `bins`.
    bests
        Models that may be the best champion so far, besides the champion.
    accepted
        Slices that may get worse, as ``name=value``, and the reason given.
    """
    parts = asdict(findings)
    lost = parts.pop("anchor_lost")
    report = {
        "version": VERSION,
        **parts,
        "rule": dict(rule),
        "champion": _entry(champion) if champion else None,
        "challenger": _entry(challenger),
        "metrics": [],
        "anchor": None,
        "slices": NO_SLICES,
        "flips": None,
        "curves": None,
    }
    if not findings.incomparable and champion:
        uses = findings.holdout["uses"]
        report |= _compare(labels, groups, champion, challenger, rule, accepted or {}, uses)
        report["anchor"] = _anchor(report, labels, champion, challenger, bests, rule) | {
            "lost": lost
        }
    return conclude(report)


def conclude(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report with the verdict that its numbers carry."""
    said, may_merge, stops = verdict.decide(report)
    head = {"version": report["version"], "verdict": said, "may_merge": may_merge, "stops": stops}
    return head | {key: value for key, value in report.items() if key not in head}


def _compare(
    labels: np.ndarray,
    groups: Groups,
    champion: Side,
    challenger: Side,
    rule: Mapping[str, Any],
    accepted: Mapping[str, str],
    uses: int,
) -> dict[str, Any]:
    first, second = _scores(champion), _scores(challenger)
    thresholds = (champion.manifest["threshold"], challenger.manifest["threshold"])
    return {
        "metrics": compare.metric_table(labels, first, second, thresholds, rule, uses),
        "slices": slice_table(labels, first, second, groups, rule, accepted),
        "flips": compare.flips(labels, first, second, thresholds, groups),
        "curves": compare.curves(labels, first, second, rule["bins"]),
    }


def _anchor(
    report: Mapping[str, Any],
    labels: np.ndarray,
    champion: Side,
    challenger: Side,
    bests: Sequence[Side],
    rule: Mapping[str, Any],
) -> dict[str, Any]:
    found = [
        {"model": best.sha256, "commit": best.commit}
        | compare.against_best(labels, best, challenger, rule)
        for best in bests
    ]
    if found:
        return min(found, key=lambda entry: verdict.gain(rule["primary"], entry["difference"])[0])
    metric = next(entry for entry in report["metrics"] if entry["name"] == rule["primary"])
    return {
        "model": champion.sha256,
        "commit": champion.commit,
        "best": metric["champion"],
        "challenger": metric["challenger"],
        "difference": metric["difference"],
        "verdict": compare.holds_ground(metric["difference"], rule),
    }


def _entry(side: Side) -> dict[str, Any]:
    manifest = side.manifest
    hashes = {"manifest": side.manifest_sha256, "recorded": side.recorded}
    return {
        "commit": side.commit,
        "model": side.sha256,
        "data": manifest["data"]["md5"],
        "threshold": manifest["threshold"],
        "train": {key: manifest["train"][key] for key in ("months", "rows", "positives")},
        "how": side.how,
        **{name: sha256 for name, sha256 in hashes.items() if sha256},
    }


def _scores(side: Side) -> np.ndarray:
    if side.scores is None:
        raise ValueError("a model that did not score the rows cannot be compared")
    return side.scores
