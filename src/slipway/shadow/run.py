"""`slipway shadow`: what would the candidate have answered?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from slipway.errors import SlipwayError
from slipway.shadow.answer import Shadow
from slipway.shadow.candidates import Answered, ask, ask_container
from slipway.shadow.compare import About, Labels, Report, compare
from slipway.shadow.follow import Follower, follow
from slipway.shadow.pairs import to_pairs
from slipway.shadow.render import to_markdown
from slipway.tables import write_json

if TYPE_CHECKING:
    from slipway.docker import Container
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
    """Let a candidate answer what the service was asked last, and compare.

    Parameters
    ----------
    candidate, log, live
        As `slipway.shadow.candidates.ask`; the model in build/model, the log of params.yaml and
        the model of its newest record where they are empty.
    rows
        How many requests; `deploy.shadow_rows` if 0.
    labels
        A file of labels, as `slipway labels import` takes it; those imported so far if None.

    Raises
    ------
    SlipwayError
        As `slipway.shadow.candidates.ask`, or the labels cannot be read.
    """
    settings = params.deploy
    place = log_place(params, log)
    count = rows or settings.shadow_rows
    known = labels_of(params, labels)
    return report(ask(candidate, place, count, live, settings.memory_mb), place, params, known)


def shadow_container(container: Container, params: Params, log: str, live: str = "") -> Report:
    """Let a release that was just started answer what the one that runs was asked last.

    Parameters
    ----------
    log
        The log's folder in there.
    live
        sha256 of the model that runs.
    """
    answered = ask_container(container, log, params.deploy.shadow_rows, live)
    return report(answered, log, params, labels_of(params, None))


def report(answered: Answered, log: str, params: Params, labels: Labels) -> Report:
    """Compare what was answered with what the live model did."""
    about = About(
        answered.what, answered.model, answered.live, log, answered.others, answered.faults
    )
    pairs = to_pairs(answered.answers)
    return compare(pairs, about, params.deploy.shadow, params.judge, labels)


def follow_log(params: Params, candidate: str, log: str, out: Path) -> NoReturn:
    """Answer a log on this machine as it grows, with a model folder, until the process is stopped.

    Raises
    ------
    SlipwayError
        The log is no folder, or the candidate is not the folder of a model.
    """
    folder = Path(log_place(params, log))
    if not folder.is_dir():
        raise SlipwayError(f"{folder}: no such folder", "name the folder of the log with --log")
    follow(Follower(folder, out, Shadow(Path(candidate))))


def log_place(params: Params, log: str) -> str:
    return log or os.environ.get("SLIPWAY_LOG") or params.serve.log


def write(found: Report, json: Path = REPORT, markdown: Path | None = None) -> None:
    write_json(found.as_dict(), json)
    if markdown is not None:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        markdown.write_text(to_markdown(found), "utf-8")


def labels_of(params: Params, file: Path | None) -> Labels:
    """Return the labels that have come, by key as text."""
    from slipway.labels.arrivals import read_arrivals
    from slipway.labels.store import labels_place, read_labels

    rows = read_labels(labels_place(params)) if file is None else read_arrivals(file).rows
    return {str(key): int(label) for key, label in zip(rows["key"], rows["label"], strict=True)}
