"""The releases: from the records of the target, else from the commits that changed the metrics.

Of the commits only those count whose code declares the target of the working tree: a fork that has
adopted its own table has the history of the template, whose models predict something else.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from slipway.catalogue.declared_target import Commits, in_tree
from slipway.comparison.record import JUDGEMENTS
from slipway.dataset.tables import read_json
from slipway.errors import SlipwayError, first_fault
from slipway.numbers import counted, plain
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


class History(NamedTuple):
    """Releases, oldest first, and how many earlier models were left out.

    Attributes
    ----------
    others
        The commits with metrics of a model of another target.
    """

    releases: list[Release]
    others: int = 0

    def note(self) -> str:
        """Return how many models were left out, as a sentence; empty if none was."""
        if not self.others:
            return ""
        models = counted(self.others, "earlier model")
        return f"{models} of another target {'is' if self.others == 1 else 'are'} not listed."


def read_history(root: Path) -> History:
    """Return the recorded releases, else those that git knows."""
    recorded = recorded_releases(root)
    return History(recorded) if recorded else released_by_git(root)


def read_releases(root: Path) -> list[Release]:
    """Return the releases, oldest first: the recorded ones, else those that git knows."""
    return read_history(root).releases


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
        place, fault = first_fault(error)
        raise SlipwayError(
            f"{RELEASES}: not a list of releases: {place}: {fault}",
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
    metrics = _model_metrics(root, commit)
    return TypeAdapter(dict[str, Interval] | None).validate_python(metrics)


def released_by_git(root: Path) -> History:
    """Return the commits of this branch that changed the metrics of its target, as releases.

    Those whose code declares another target than the working tree are counted only. A release is
    named after its pull request, a short subject or the commit. Model and verdict are those of the
    judgement that the commit added, if it added exactly one.
    """
    shown = ("log", "--first-parent", "--format=%H %cI %s")
    try:
        lines = git(root, *shown, "--", str(METRICS)).splitlines()
    except SlipwayError:
        return History([])  # no git repository, or no commit yet
    target, commits = in_tree(root), Commits(root)
    logged = [_Logged(*line.split(" ", 2)) for line in lines]
    same = [not target or commits.target(each.commit) == target for each in logged]
    own = [each for each, is_own in zip(logged, same, strict=True) if is_own][:HISTORY]
    others = [each for each, is_own in zip(logged, same, strict=True) if not is_own]
    releases = [_release(root, *each) for each in reversed(own)]
    return History(
        [release for release in releases if release],
        sum(_model_metrics(root, each.commit) is not None for each in others),
    )


class _Logged(NamedTuple):
    commit: str
    date: str
    subject: str


def _model_metrics(root: Path, commit: str) -> Any:
    """Return the metrics of a commit's model; None if deleted, or in an earlier format."""
    return (_json_at(root, commit, str(METRICS)) or {}).get("model") or None


def _release(root: Path, commit: str, date: str, subject: str) -> Release | None:
    metrics = _model_metrics(root, commit)
    if metrics is None:
        return None
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
