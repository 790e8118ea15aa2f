"""`slipway shadow`: score logged requests with a candidate, and compare it with the live model."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import orjson

from slipway.dataset.tables import write_json
from slipway.dataset.zone import time_zone
from slipway.documents.markdown import to_markdown
from slipway.errors import SlipwayError
from slipway.shadow.answer import Answer, Shadow
from slipway.shadow.candidates import Answered, score, score_in_container
from slipway.shadow.compare import Report, Subject, compare
from slipway.shadow.follow import STATE, Follower, Progress, follow
from slipway.shadow.labelled import Labels
from slipway.shadow.paired_scores import pair_scores
from slipway.shadow.render import to_document

if TYPE_CHECKING:
    from slipway.containers import Container
    from slipway.settings import Params

REPORT = Path("build/shadow.json")


def shadow(
    params: Params,
    candidate: str = "",
    log: str = "",
    rows: int = 0,
    live: str = "",
    labels: Path | None = None,
) -> Report:
    """Score the newest requests of a log with a candidate, and compare.

    Parameters
    ----------
    candidate, log, live
        As in `slipway.shadow.candidates.score`; if empty, the model in build/model, the log of
        params.yaml and the model of its newest record.
    rows
        Number of requests; `deploy.shadow_rows` if 0.
    labels
        A file of labels, as for `slipway labels import`; those that were imported if None.
    """
    settings = params.deploy
    place = log_place(params, log)
    count = rows or settings.shadow_rows
    known = labels_of(params, labels)
    return _report(score(candidate, place, count, live, settings.memory_mb), place, params, known)


def shadow_container(container: Container, params: Params, log: str, live: str = "") -> Report:
    """Score the newest requests of the live model with a release that was just started.

    Parameters
    ----------
    log
        The log's folder in the container.
    live
        sha256 of the live model.
    """
    answered = score_in_container(container, log, params.deploy.shadow_rows, live)
    return _report(answered, log, params, labels_of(params, None))


def _report(answered: Answered, log: str, params: Params, labels: Labels) -> Report:
    subject = Subject(
        answered.what, answered.model, answered.live, log, answered.others, answered.faults
    )
    scores = pair_scores(answered.answers, time_zone())
    precision = params.evaluate.precision
    return compare(scores, subject, params.deploy.shadow, params.judge, labels, None, precision)


def follow_log(params: Params, candidate: str, log: str, out: Path) -> NoReturn:
    """Score a log on this machine as it grows, with a model folder, until it is stopped."""
    folder = Path(log_place(params, log))
    if not folder.is_dir():
        raise SlipwayError(f"{folder}: no such folder", "name the folder of the log with --log")
    follow(Follower(folder, out, Shadow(Path(candidate))))


def report_followed(
    out: Path, params: Params, live: str = "", labels: Path | None = None
) -> Report:
    """Compare the answers in the folder of a `Follower` with those of the live model.

    Of several models it is the one that was active last.
    """
    states = [
        (path.parent, Progress(**orjson.loads(path.read_bytes())))
        for path in out.glob(f"*/{STATE}")
    ]
    if not states:
        raise SlipwayError(
            "the model in shadow mode has not answered anything yet",
            "wait, or look at the output of its container",
        )
    folder, progress = max(states, key=lambda state: state[1].at)
    others = Counter[str]()
    newest = ("", "")
    for answer in _read_answers(folder):
        others[model := str(answer["live"]["model"])] += 1
        newest = max(newest, (answer["id"], model))
    live = live or newest[1]
    del others[live]
    of_live = (each for each in _read_answers(folder) if each["live"]["model"] == live)
    scores = pair_scores(of_live, time_zone())
    subject = Subject("model in shadow mode", folder.name, live, params.serve.log, others)
    known, precision = labels_of(params, labels), params.evaluate.precision
    return compare(scores, subject, params.deploy.shadow, params.judge, known, progress, precision)


def _read_answers(folder: Path) -> Iterator[Answer]:
    """Yield the answers, each once: a prediction that is in the log twice was scored twice."""
    ids = set[str]()
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n") or "live" not in (answer := orjson.loads(line)):
                    continue
                if answer["id"] not in ids:
                    ids.add(answer["id"])
                    yield answer


def log_place(params: Params, log: str) -> str:
    return log or os.environ.get("SLIPWAY_LOG") or params.serve.log


def write(report: Report, json: Path = REPORT, markdown: Path | None = None) -> None:
    write_json(report.as_dict(), json)
    if markdown is not None:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        markdown.write_text(to_markdown(to_document(report)), "utf-8")


def labels_of(params: Params, file: Path | None) -> Labels:
    """Return the labels that have arrived, by key as text."""
    from slipway.predictions.labels.arrivals import read_arrivals
    from slipway.predictions.labels.store import labels_place, read_labels

    if file is None:
        stored = read_labels(labels_place(params))
        keys, labels = stored["key"], stored["stored"]
    else:
        rows = read_arrivals(file).rows
        keys, labels = rows["key"], rows["label"]
    pairs = zip(keys.tolist(), labels.tolist(), strict=True)
    return {str(key): label for key, label in pairs}
