"""Do a candidate and the live model agree, whom do they treat otherwise, and who is right?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from slipway import paired, stats
from slipway.errors import NO, NO_ANSWER, YES
from slipway.judge import verdict
from slipway.log_files import Skipped
from slipway.shadow.pairs import Pairs

if TYPE_CHECKING:
    from slipway.paired import Difference
    from slipway.settings import Judge
    from slipway.settings import Shadow as Limits

# Closer than this, two probabilities are the same.
SAME = 1e-9

SHOWN_KEYS = 20
SHOWN_SLICES = 5

# A slice value with fewer flips is not named: it may be luck.
FEWEST_FLIPS = 5

METRICS = ("auc", "log_loss", "brier", "precision", "recall")

Labels = Mapping[str, int]
"""Key to 0 or 1."""


@dataclass(frozen=True)
class Report:
    """What came out; `as_dict` is the JSON that `slipway shadow` writes.

    Attributes
    ----------
    reasons
        A sentence for each limit that is crossed.
    labels
        Both models where labels have come; None where none have.
    """

    status: Literal["yes", "no", "no answer"]
    words: str
    reasons: list[str]
    candidate: dict[str, str]
    live: str
    log: str
    rows: int
    first: str
    last: str
    others: dict[str, int]
    faults: list[str]
    refused: dict[str, Any]
    agreement: dict[str, float]
    flips: dict[str, Any]
    row_ms: dict[str, float]
    labels: dict[str, Any] | None
    limits: dict[str, float]
    following: dict[str, Any] | None = field(default=None)

    @property
    def exit_code(self) -> int:
        return {"yes": YES, "no": NO, "no answer": NO_ANSWER}[self.status]

    def as_dict(self) -> dict[str, Any]:
        return {"version": 1} | asdict(self)


@dataclass(frozen=True)
class About:
    """What was compared: names, for the report."""

    what: str
    model: str
    live: str
    log: str
    others: Mapping[str, int]
    faults: Sequence[str] = ()


def compare(
    pairs: Pairs,
    about: About,
    limits: Limits,
    judge: Judge,
    labels: Labels,
    following: dict[str, Any] | None = None,
) -> Report:
    """Return the report on a candidate.

    Parameters
    ----------
    judge
        Which metric decides where labels have come, and which loss of it does not matter.
    labels
        Those that have come, of these requests or of others.
    following
        How far a challenger has come, for its report.
    """
    asked = pairs.rows + pairs.refused
    found: dict[str, Any] = {
        "candidate": {"what": about.what, "model": about.model},
        "live": about.live,
        "log": about.log,
        "rows": asked,
        "first": str(pairs.times[0]) if pairs.rows else "",
        "last": str(pairs.times[-1]) if pairs.rows else "",
        "others": dict(about.others),
        "faults": [*about.faults, *Skipped(untimed=pairs.untimed).sentences()],
        "refused": {
            "count": pairs.refused,
            "share": _share(pairs.refused, asked),
            "examples": [{"key": key, "why": why} for key, why in pairs.reasons],
        },
        "agreement": agreement(pairs),
        "flips": flips(pairs),
        "row_ms": row_ms(pairs),
        "labels": with_labels(pairs, labels, judge),
        "limits": limits.model_dump(),
        "following": following,
    }
    if asked < limits.min_rows:
        words = f"{asked:,} requests in the log, and {limits.min_rows:,} are needed"
        return Report("no answer", words, [], **found)
    reasons = list(_reasons(found, limits, judge))
    status: Literal["yes", "no"] = "no" if reasons else "yes"
    return Report(status, _words(found), reasons, **found)


def agreement(pairs: Pairs) -> dict[str, float]:
    """Return how near the probabilities are to each other."""
    if not pairs.rows:
        return {}
    apart = np.abs(pairs.second - pairs.first)
    return {
        "same": float((apart <= SAME).mean()),
        "mean_difference": float(apart.mean()),
        "p95_difference": float(np.quantile(apart, 0.95)),
        "largest_difference": float(apart.max()),
        "mean_live": float(pairs.first.mean()),
        "mean_candidate": float(pairs.second.mean()),
    }


def flips(pairs: Pairs) -> dict[str, Any]:
    """Return how many decisions change, in which direction, and whose."""
    changed = pairs.first_yes != pairs.second_yes
    count = int(changed.sum())
    share = stats.wilson(count, pairs.rows)
    shown = np.flatnonzero(changed)
    furthest = shown[np.argsort(-np.abs(pairs.second - pairs.first)[shown], kind="stable")]
    return {
        "count": count,
        "share": share.value,
        "low": share.low,
        "high": share.high,
        "to_yes": int((changed & pairs.second_yes).sum()),
        "to_no": int((changed & pairs.first_yes).sum()),
        "who": who(pairs, changed),
        "keys": [
            {
                "key": str(pairs.keys[at]),
                "live": float(pairs.first[at]),
                "candidate": float(pairs.second[at]),
            }
            for at in furthest[:SHOWN_KEYS].tolist()
        ],
    }


def who(pairs: Pairs, changed: np.ndarray) -> list[dict[str, Any]]:
    """Return the slice values in which decisions flip most often."""
    found = []
    for name, (values, codes) in pairs.slices.items():
        rows = np.bincount(codes, minlength=len(values))
        flipped = np.bincount(codes[changed], minlength=len(values))
        for value, count, flips in zip(values, rows.tolist(), flipped.tolist(), strict=True):
            if flips >= FEWEST_FLIPS and count < pairs.rows:
                row = {"slice": name, "value": value, "rows": count, "flips": flips}
                found.append(row | {"share": flips / count})
    return sorted(found, key=lambda row: -row["share"])[:SHOWN_SLICES]


def row_ms(pairs: Pairs) -> dict[str, float]:
    """Return what the candidate needs for a row, in milliseconds."""
    if not pairs.rows:
        return {}
    p50, p95 = np.quantile(pairs.ms, [0.5, 0.95])
    return {"p50": float(p50), "p95": float(p95)}


def with_labels(pairs: Pairs, labels: Labels, judge: Judge) -> dict[str, Any] | None:
    """Return every metric of both models on the requests whose labels have come.

    A row that was asked for more than once counts once, with the last answer to it.
    """
    last = pairs.newest_of_each_key()
    at = np.array([place for place in last.tolist() if pairs.keys[place] in labels], dtype=int)
    if not len(at):
        return None
    truth = np.array([labels[key] for key in pairs.keys[at].tolist()], dtype="float64")
    level = 1 - 2 * judge.alpha
    table = []
    for name in METRICS:
        found = _difference(name, truth, pairs, at, level).as_dict()
        margin = getattr(judge.margins, name)
        said = verdict.word(name, found, margin, judge.alpha, judge.alpha)
        table.append(
            {
                "name": name,
                "live": found.pop("first"),
                "candidate": found.pop("second"),
                "difference": found,
                "margin": margin,
                "verdict": said,
            }
        )
    return {"rows": len(at), "positives": int(truth.sum()), "level": level, "metrics": table}


def _difference(
    name: str, truth: np.ndarray, pairs: Pairs, at: np.ndarray, level: float
) -> Difference:
    first, second = pairs.first[at], pairs.second[at]
    if name == "auc":
        return paired.auc(truth, first, second, level)
    if name in ("log_loss", "brier"):
        losses = stats.log_losses if name == "log_loss" else stats.brier
        return paired.mean(losses(truth, first), losses(truth, second), level)
    decide = paired.precision if name == "precision" else paired.recall
    return decide(truth, pairs.first_yes[at], pairs.second_yes[at], level)


def _reasons(found: dict[str, Any], limits: Limits, judge: Judge) -> list[str]:
    reasons = []
    refused, flipped, times = found["refused"], found["flips"], found["row_ms"]
    if refused["share"] > limits.max_refused:
        first = refused["examples"][0]
        reasons.append(
            f"it refuses {refused['count']:,} of {found['rows']:,} rows that were answered "
            f"(the limit is {limits.max_refused:.1%}); the first is {first['key']}: {first['why']}"
        )
    if flipped["share"] > limits.max_flipped:
        reasons.append(
            f"it flips {flipped['share']:.1%} of the decisions "
            f"(the limit is {limits.max_flipped:.1%})"
        )
    if times and times["p50"] > limits.max_row_ms:
        reasons.append(
            f"it needs {times['p50']:.2f} ms for a row (median; the limit is {limits.max_row_ms:g})"
        )
    metrics = found["labels"]["metrics"] if found["labels"] else []
    worse = [one for one in metrics if one["name"] == judge.primary and one["verdict"] == "worse"]
    reasons += [
        f"where labels have come it is worse: {one['name']} {one['live']:.4f} → "
        f"{one['candidate']:.4f}"
        for one in worse
    ]
    return reasons


def _words(found: dict[str, Any]) -> str:
    if found["candidate"]["model"] == found["live"]:
        begin = f"{found['rows']:,} requests, answered again by the same model"
    else:
        begin = f"{found['rows']:,} requests of model {found['live'][:12]}, answered again"
    if not found["agreement"]:
        return f"{begin}: it took none of them"
    flipped = found["flips"]
    return (
        f"{begin}: {flipped['count']:,} decisions flip ({flipped['share']:.1%}), probabilities "
        f"differ by {found['agreement']['mean_difference']:.3g} on average"
    )


def _share(count: int, rows: int) -> float:
    return count / rows if rows else 0.0
