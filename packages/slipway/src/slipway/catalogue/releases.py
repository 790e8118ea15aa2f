"""The releases: from the records of the target, else from the commits that changed the metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from slipway.comparison.record import JUDGEMENTS
from slipway.dataset.tables import read_json
from slipway.errors import SlipwayError
from slipway.numbers import plain
from slipway.repository.git import git, names

METRICS = Path("reports/metrics.json")
RELEASES = Path("build/releases.json")

HISTORY = 30
SHORT = 20


class Interval(BaseModel):
    model_config = ConfigDict(frozen=True)

    value: float
    low: float
    high: float

    def cell(self) -> tuple[str, str]:
        """Return the value, and below it the interval."""
        value, low, high = (plain(each, 3) for each in (self.value, self.low, self.high))
        return value, f"{low} to {high}"


class Release(BaseModel):
    """A release.

    Attributes
    ----------
    metrics
        By name, on the holdout of its commit; None if unknown.
    event
        *deployed* or *rolled back*; empty if unknown.
    by, source
        Who deployed it, and the pull request or run that it came from.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    metrics: dict[str, Interval] | None = None
    commit: str = ""
    date: str = Field(default="", validation_alias=AliasChoices("date", "at"))
    subject: str = ""
    model_sha256: str = ""
    verdict: str = ""
    event: str = ""
    data: str = ""
    image: str = ""
    by: str = ""
    source: str = ""
    target: str = ""

    @property
    def day(self) -> str:
        return self.date[:10]


def read_releases(root: Path) -> list[Release]:
    """Return the releases, oldest first: the recorded ones, else those that git knows."""
    return recorded_releases(root) or released_by_git(root)


def recorded_releases(root: Path) -> list[Release]:
    """Return the releases in build/releases.json, with the metrics of their commits; oldest first.

    Raises
    ------
    SlipwayError
        It is not a list of releases.
    """
    path = root / RELEASES
    listed = read_json(path, "slipway log fetch") if path.exists() else []
    try:
        found = TypeAdapter(list[Release]).validate_python(listed)
        return [_with_metrics(root, release) for release in found]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise SlipwayError(
            f"{RELEASES}: not a list of releases: {place}: {first['msg']}",
            "correct it, or delete it: then those that git knows are shown",
        ) from None


def _with_metrics(root: Path, release: Release) -> Release:
    if release.metrics or not release.commit:
        return release
    return release.model_copy(update={"metrics": metrics_of(root, release.commit)})


def metrics_of(root: Path, commit: str) -> dict[str, Interval] | None:
    """Return the metrics of a commit's model on its holdout; None if it has none.

    Raises
    ------
    ValidationError
        They are not metrics.
    """
    metrics = (_json_at(root, commit, str(METRICS)) or {}).get("model")
    return TypeAdapter(dict[str, Interval] | None).validate_python(metrics)


def released_by_git(root: Path) -> list[Release]:
    """Return the commits of this branch that changed the metrics, as releases.

    A release is named after its pull request, a short subject or the commit. Model and verdict are
    those of the judgement that the commit added, if it added exactly one.
    """
    shown = ("log", f"-{HISTORY}", "--first-parent", "--format=%H %cI %s")
    try:
        lines = git(root, *shown, "--", str(METRICS)).splitlines()
    except SlipwayError:
        return []  # no git repository, or no commit yet
    releases = [_release(root, *line.split(" ", 2)) for line in reversed(lines)]
    return [release for release in releases if release]


def _release(root: Path, commit: str, date: str, subject: str) -> Release | None:
    metrics = (_json_at(root, commit, str(METRICS)) or {}).get("model")
    if not metrics:
        return None  # deleted in this commit, or in an earlier format
    name = _short_name(commit, subject)
    release = {"name": name, "subject": subject, "commit": commit, "date": date}
    added = ("show", "-z", "-m", "--first-parent", "--diff-filter=A", "--name-only", "--format=")
    records = names(root, *added, commit, "--", str(JUDGEMENTS))
    found = [_json_at(root, commit, name) or {} for name in records]
    # A judgement has a record for each of its periods; another file may be among them.
    judged = {
        (model, verdict)
        for each in found
        if isinstance(model := each.get("model"), str)
        and isinstance(verdict := each.get("verdict"), str)
    }
    if len(judged) == 1:
        ((model, verdict),) = judged
        release |= {"model_sha256": model, "verdict": verdict}
    try:
        return Release.model_validate(release | {"metrics": metrics})
    except ValidationError:
        return None


def _short_name(commit: str, subject: str) -> str:
    request = re.search(r"#\d+", subject)
    if request:
        return request.group()
    subject = subject.removeprefix("Merge ")
    return subject if len(subject) <= SHORT else commit[:7]


def _json_at(root: Path, commit: str, path: str) -> Any:
    try:
        found = json.loads(git(root, "show", f"{commit}:{path}"))
    except (SlipwayError, ValueError):
        return None
    return found if isinstance(found, dict) else None
