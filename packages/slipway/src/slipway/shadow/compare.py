"""Compare a candidate with the live model on the same requests: agreement, flips, time, labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from slipway.errors import INCONCLUSIVE, NO, YES
from slipway.metrics.registry import Options
from slipway.numbers import counted, plain
from slipway.predictions.files import Skipped
from slipway.shadow.labelled import LabelledMetrics, Labels, labelled_metrics, unknown_labels
from slipway.shadow.paired_scores import Example, PairedScores

if TYPE_CHECKING:
    from slipway.settings import Judge
    from slipway.settings import Shadow as Limits
    from slipway.shadow.follow import Progress

# Probabilities with a smaller difference count as the same.
SAME = 1e-9

SHOWN_KEYS = 20
SHOWN_SLICES = 5

# A slice value with fewer flips is not shown: it may be chance.
MIN_FLIPS = 5


@dataclass(frozen=True)
class Subject:
    """The models and the log of a comparison.

    Attributes
    ----------
    what
        The candidate, in words.
    model, live
        sha256 of the candidate's and of the live model.
    others
        Requests that were skipped because another model answered them, by sha256.
    faults
        A sentence for each part of the log that was left out.
    """

    what: str
    model: str
    live: str
    log: str
    others: Mapping[str, int]
    faults: Sequence[str] = ()


@dataclass(frozen=True)
class Refusals:
    """Rows that the candidate refused, of those that the live model answered."""

    count: int
    share: float
    examples: list[Example]


@dataclass(frozen=True)
class Agreement:
    """The differences of the scores; `same` is the share without a difference.

    Means are of the number that the task watches.
    """

    same: float
    mean_difference: float
    p95_difference: float
    largest_difference: float
    mean_live: float
    mean_candidate: float


@dataclass(frozen=True)
class SliceFlips:
    """The flipped decisions of one value of a slice."""

    slice: str
    value: str
    rows: int
    flips: int
    share: float

    def __str__(self) -> str:
        return f"{self.slice} = {self.value}: {self.flips:,} of {self.rows:,} ({self.share:.1%})"


@dataclass(frozen=True)
class Flip:
    """A request whose decision flips, with both watched numbers."""

    key: str
    live: float
    candidate: float


@dataclass(frozen=True)
class Flips:
    """Decisions that change.

    Attributes
    ----------
    to_yes, to_no
        Number by direction; None if the task has no such decisions.
    decided
        Whether the task has decisions.
    who
        The slice values with the largest shares.
    keys
        The requests with the largest differences.
    """

    count: int
    share: float
    to_yes: int | None
    to_no: int | None
    who: list[SliceFlips]
    keys: list[Flip]
    decided: bool = True


@dataclass(frozen=True)
class RowTime:
    """Milliseconds in which the candidate checks and scores a row."""

    p50: float
    p95: float


@dataclass(frozen=True)
class Report:
    """The report on a candidate; `as_dict` is the JSON that `slipway shadow` writes.

    Attributes
    ----------
    summary
        ``words`` in JSON.
    reasons
        A sentence for each limit that was crossed.
    agreement, row_ms
        None if the candidate answered nothing.
    labels
        None without labels.
    following
        The progress of a model in shadow mode; None for a single comparison.
    """

    status: Literal["yes", "no", "inconclusive"]
    summary: str
    reasons: list[str]
    subject: Subject
    rows: int
    first: str
    last: str
    refused: Refusals
    agreement: Agreement | None
    flips: Flips
    row_ms: RowTime | None
    labels: LabelledMetrics | None
    limits: dict[str, float]
    following: Progress | None = None

    @property
    def exit_code(self) -> int:
        return {"yes": YES, "no": NO, "inconclusive": INCONCLUSIVE}[self.status]

    def as_dict(self) -> dict[str, object]:
        """Return the report with the keys of every version before."""
        found = asdict(self)
        subject = found.pop("subject")
        candidate = {"what": subject.pop("what"), "model": subject.pop("model")}
        for metric in found["labels"]["metrics"] if self.labels else []:
            for model in ("first", "second"):  # `live` and `candidate` of the metric
                del metric["difference"][model]
        return (
            {"version": 1, "words": found.pop("summary"), "candidate": candidate} | subject | found
        )


def compare(
    scores: PairedScores,
    subject: Subject,
    limits: Limits,
    judge: Judge,
    labels: Labels,
    following: Progress | None = None,
    precision: float = Options().precision,
) -> Report:
    """Return the report on a candidate.

    Parameters
    ----------
    judge
        The metric that decides on labelled requests, and its margin.
    labels
        Of these requests or of others.
    precision
        At which the recall counts.
    """
    rows = scores.rows + scores.refused
    refused = Refusals(scores.refused, scores.refused / rows if rows else 0.0, scores.examples)
    flips, times = find_flips(scores), row_time(scores)
    agreement = agreement_of(scores)
    labelled = labelled_metrics(scores, labels, judge, precision)
    status: Literal["yes", "no", "inconclusive"] = "inconclusive"
    reasons: list[str] = []
    summary = f"{counted(rows, 'request')} in the log, and {limits.min_rows:,} are needed"
    if rows >= limits.min_rows:
        reasons = [
            *_crossed(refused, flips, times, rows, limits),
            *_worse(labelled, judge.primary),
        ]
        status = "no" if reasons else "yes"
        summary = _summary(subject, rows, agreement, flips)
    faults = [*Skipped(untimed=scores.untimed).sentences(), *unknown_labels(scores, labels)]
    return Report(
        status=status,
        summary=summary,
        reasons=reasons,
        subject=replace(subject, others=dict(subject.others), faults=[*subject.faults, *faults]),
        rows=rows,
        first=str(scores.times[0]) if scores.rows else "",
        last=str(scores.times[-1]) if scores.rows else "",
        refused=refused,
        agreement=agreement,
        flips=flips,
        row_ms=times,
        labels=labelled,
        limits=limits.model_dump(),
        following=following,
    )


def agreement_of(scores: PairedScores) -> Agreement | None:
    if not scores.rows:
        return None
    distances = scores.distances
    return Agreement(
        same=float((distances <= SAME).mean()),
        mean_difference=float(distances.mean()),
        p95_difference=float(np.quantile(distances, 0.95)),
        largest_difference=float(distances.max()),
        mean_live=float(scores.task.monitored(scores.live.scores).mean()),
        mean_candidate=float(scores.task.monitored(scores.candidate.scores).mean()),
    )


def find_flips(scores: PairedScores) -> Flips:
    changed = scores.changed
    ways = {name: int(rows.sum()) for name, rows in scores.candidate.directions(changed).items()}
    live, candidate = (
        scores.task.monitored(side.scores) for side in (scores.live, scores.candidate)
    )
    count = int(changed.sum())
    flipped = np.flatnonzero(changed)
    furthest = flipped[np.argsort(-scores.distances[flipped], kind="stable")]
    return Flips(
        count=count,
        share=count / scores.rows if scores.rows else 0.0,
        to_yes=ways.get("to_positive"),
        to_no=ways.get("to_negative"),
        who=_flips_by_slice(scores, changed),
        keys=[
            Flip(
                key=str(scores.keys[at]),
                live=float(live[at]),
                candidate=float(candidate[at]),
            )
            for at in furthest[:SHOWN_KEYS].tolist()
        ],
        decided=scores.live.has_decisions,
    )


def _flips_by_slice(scores: PairedScores, changed: np.ndarray) -> list[SliceFlips]:
    found = []
    for name, (values, codes) in scores.slices.items():
        rows = np.bincount(codes, minlength=len(values))
        flipped = np.bincount(codes[changed], minlength=len(values))
        for value, count, flips in zip(values, rows.tolist(), flipped.tolist(), strict=True):
            if flips >= MIN_FLIPS and count < scores.rows:
                found.append(SliceFlips(name, value, count, flips, flips / count))
    return sorted(found, key=lambda row: -row.share)[:SHOWN_SLICES]


def row_time(scores: PairedScores) -> RowTime | None:
    if not scores.rows:
        return None
    p50, p95 = np.quantile(scores.ms, [0.5, 0.95])
    return RowTime(float(p50), float(p95))


def _crossed(
    refused: Refusals, flips: Flips, times: RowTime | None, rows: int, limits: Limits
) -> Iterator[str]:
    """Yield a sentence for each limit that was crossed."""
    if refused.share > limits.max_refused:
        example = refused.examples[0]
        yield (
            f"it refuses {refused.count:,} of {counted(rows, 'row')} that were answered (the limit "
            f"is {limits.max_refused:.1%}); the first is {example.key}: {example.why}"
        )
    if flips.share > limits.max_flipped:
        yield (
            f"it flips {flips.share:.1%} of the decisions (the limit is {limits.max_flipped:.1%})"
        )
    if times and times.p50 > limits.max_row_ms:
        yield (
            f"it takes {times.p50:.2f} ms for a row (median; the limit is {limits.max_row_ms:g})"
        )


def _worse(labelled: LabelledMetrics | None, primary: str) -> list[str]:
    """Return a sentence if the candidate is worse in the metric that decides."""
    metrics = labelled.metrics if labelled else []
    return [
        f"on labelled requests it is worse: {one.name} {plain(one.live or 0)} → "
        f"{plain(one.candidate or 0)}"
        for one in metrics
        if one.name == primary and one.verdict == "worse"
    ]


def _summary(subject: Subject, rows: int, agreement: Agreement | None, flips: Flips) -> str:
    if subject.model == subject.live:
        start = f"{counted(rows, 'request')}, scored again by the same model"
    else:
        start = f"{counted(rows, 'request')} of model {subject.live[:12]}, scored again"
    if agreement is None:
        return f"{start}: it refused all of them"
    flipped = (
        f"{counted(flips.count, 'decision flips', 'decisions flip')} ({flips.share:.1%}), "
        if flips.decided
        else ""
    )
    return f"{start}: {flipped}mean score difference {agreement.mean_difference:.3g}"
