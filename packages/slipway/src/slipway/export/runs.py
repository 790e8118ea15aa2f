"""What is exported: a run for each release and each judgement, from the catalogue alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import orjson
from pydantic import BaseModel

from slipway.catalogue.commits import read_commit
from slipway.catalogue.experiments import Experiment, experiments
from slipway.catalogue.releases import Interval, Release, metrics_of, recorded_releases
from slipway.dataset.tables import read_json
from slipway.errors import SlipwayError
from slipway.monitoring.report import DriftReport
from slipway.predictions.answers import Fields
from slipway.repository.git import resolve
from slipway.times import EPOCH, time_or_none

DRIFT = Path("build/drift.json")

Kind = Literal["release", "judgement"]


class Point(BaseModel):
    """A value of a metric at a time, in milliseconds since 1970."""

    name: str
    value: float
    time: int
    step: int = 0


class Run(BaseModel):
    """A release or a judgement.

    Attributes
    ----------
    key
        What it is recognized by when it is exported again.
    model
        The sha256 of its model, or the first digits of it; empty if it is not known.
    time
        Of the release or the judgement, in milliseconds since 1970.
    content
        The entry of the catalogue, as JSON.
    """

    kind: Kind
    key: str
    name: str
    commit: str
    model: str
    time: int
    tags: dict[str, str]
    params: dict[str, str]
    points: list[Point]
    content: bytes


def runs(root: Path) -> list[Run]:
    """Return the releases and judgements of a repository, oldest first.

    Raises
    ------
    SlipwayError
        No release is recorded, or a record is not one.
    """
    released = recorded_releases(root)
    if not released:
        raise SlipwayError(
            "no release is recorded yet, so there is no model to register",
            "deploy one, then `slipway log fetch`, which writes build/releases.json",
        )
    judged = [each for each in experiments(root) if each.kind == "judged"]
    found = [_of_release(root, each) for each in released]
    found += [_of_judgement(root, each) for each in judged]
    return sorted(found, key=lambda run: (run.time, run.key))


def _of_release(root: Path, release: Release) -> Run:
    commit = release.commit.removesuffix("-dirty")
    known = _commit_of(root, commit)
    time = _milliseconds(release.date)
    tags = {
        "event": release.event,
        "verdict": release.verdict,
        "model_sha256": release.model_sha256,
        "data": release.data,
        "image": release.image,
        "target": release.target,
        "source": release.source,
    }
    return Run(
        kind="release",
        key=f"release {release.commit} {release.event} {release.date}",
        name=f"{release.name} {release.event}".strip(),
        commit=commit if known is not None else "",
        model=release.model_sha256,
        time=time,
        tags=_tags(tags, release.commit, release.by),
        params=_params(known or {}),
        points=list(_points(release.metrics or {}, time)),
        content=release.model_dump_json(indent=1).encode(),
    )


def _of_judgement(root: Path, judged: Experiment) -> Run:
    time = _milliseconds(judged.date)
    tags = {
        "verdict": judged.verdict,
        "model_sha256": judged.model,
        "champion_sha256": judged.champion,
        "data": judged.data,
    }
    points = list(_points(metrics_of(root, judged.commit) or {}, time))
    if judged.value is not None:
        points.append(Point(name=f"judged.{judged.primary}", value=judged.value, time=time))
    return Run(
        kind="judgement",
        key=f"judgement {judged.commit} {judged.model} {judged.champion}",
        name=judged.name,
        commit=judged.commit,
        model=judged.model,
        time=time,
        tags=_tags(tags, judged.commit, judged.author),
        params=_params(judged.settings),
        points=points,
        content=judged.model_dump_json(indent=1).encode(),
    )


def _commit_of(root: Path, commit: str) -> Fields | None:
    """Return the settings of a commit; None if git does not have it."""
    try:
        return read_commit(root, resolve(root, commit)).params
    except SlipwayError:
        return None


def _tags(own: Mapping[str, str], commit: str, by: str) -> dict[str, str]:
    tags = {f"slipway.{name}": value for name, value in own.items() if value}
    return tags | {"slipway.commit": commit, "mlflow.source.git.commit": commit, "mlflow.user": by}


def _params(settings: Fields) -> dict[str, str]:
    return {
        path: value if isinstance(value, str) else orjson.dumps(value).decode()
        for path, value in settings.items()
    }


def _points(
    metrics: Mapping[str, Interval], time: int, step: int = 0, start: str = ""
) -> Iterator[Point]:
    """Yield each metric, and the ends of its interval."""
    for name, found in metrics.items():
        for end, value in (("", found.value), (".low", found.low), (".high", found.high)):
            yield Point(name=f"{start}{name}{end}", value=value, time=time, step=step)


def production(root: Path) -> tuple[str, list[Point]]:
    """Return the model that the last drift check was of, and its performance week by week.

    The performance by labels, and that which is expected from the scores alone. Without a check
    they are empty.

    Raises
    ------
    SlipwayError
        build/drift.json is not the report of a check.
    """
    if not (root / DRIFT).exists():
        return "", []
    report = DriftReport.of(read_json(root / DRIFT, f"slipway drift --json {DRIFT}"))
    points: list[Point] = []
    for number, week in enumerate(report.performance.weeks if report.performance else []):
        time = _milliseconds(week.last)
        points += _points(_intervals(week.metrics), time, number, "production.")
        counts = {"predictions": week.rows, "labelled": week.labelled}
        points += [
            Point(name=f"production.{name}", value=value, time=time, step=number)
            for name, value in counts.items()
        ]
    for number, guess in enumerate(report.estimate.weeks if report.estimate else []):
        time = _milliseconds(guess.first)
        points += _points(_intervals(guess.metrics), time, number, "production.estimated.")
    return report.model, points


def _intervals(metrics: Mapping[str, BaseModel]) -> dict[str, Interval]:
    return {name: Interval.model_validate(each.model_dump()) for name, each in metrics.items()}


def _milliseconds(date: str) -> int:
    """Return when a day began or a moment was; 1970 if the text is no date."""
    moment = time_or_none(date)
    if moment is None:
        try:
            moment = datetime.fromisoformat(date).replace(tzinfo=UTC)
        except ValueError:
            moment = EPOCH
    return int((moment - EPOCH).total_seconds() * 1000)
