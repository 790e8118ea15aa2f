"""The catalogue of releases, and two of them side by side, as documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from slipway.catalogue.commits import Commit, read_commit
from slipway.catalogue.releases import History, Release
from slipway.comparison.report import current
from slipway.documents.document import Block, Document, Table
from slipway.errors import SlipwayError
from slipway.metrics.registry import ALL
from slipway.numbers import counted
from slipway.repository.git import resolve
from slipway.times import time_or_none
from slipway.untrusted import quote, quote_text

SHOWN = 50
CELL = 100


def releases_document(history: History, now: datetime | None = None) -> Document:
    """Return all releases, the newest first, with their time in production.

    Parameters
    ----------
    now
        Until when the last one runs; default: this moment.
    """
    found, left_out = history.releases, [note] if (note := history.note()) else []
    if not found:
        text = "No release yet: merge a change and deploy it, then `slipway log fetch`."
        return Document("waiting", "No releases", [text, *left_out], [], [])
    ends = [time_or_none(each.date) for each in found[1:]] + [now or datetime.now(UTC)]
    rows = [
        [
            quote(each.name),
            _cell(each.day),
            # Git knows when a commit was made, and not when it was deployed.
            _days(time_or_none(each.date), end) if each.event else "",
            _cell(each.event),
            _cell(each.model_sha256[:12]),
            *_headline(each),
            quote_text(str(current(each.verdict))) if each.verdict else "",
            _cell(each.by),
            _cell(each.source),
        ]
        for each, end in reversed(list(zip(found, ends, strict=True)))
    ]
    head = ["Release", "Date", "Days live", "Event", "Model", "Metric", "Value"]
    table = Table([*head, "Verdict", "By", "Source"], rows[:SHOWN], frozenset({2, 6}), wide=True)
    blocks: list[Block] = [table]
    if len(rows) > SHOWN:
        further = counted(len(rows) - SHOWN, "further one is", "further ones are")
        blocks.append(f"{further} in --json.")
    if not any(each.event for each in found):
        blocks.append(
            "These are the commits that changed the metrics: `slipway log fetch` fetches the "
            "records of the target, with what was deployed, when and by whom."
        )
    blocks += left_out
    return Document("good", counted(len(found), "release"), blocks, [], [])


def _days(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return ""
    return f"{max(0.0, (end - start).total_seconds() / 86_400):.1f}"


def _headline(release: Release) -> tuple[str, str]:
    """Return the first metric of a release, and its value with the interval."""
    for name, interval in (release.metrics or {}).items():
        if name in ALL:
            return ALL[name].label, " ".join(interval.cell())
    return "", ""


def find_releases(found: Sequence[Release], asked: Sequence[str]) -> list[Release]:
    """Return releases by name, commit, model or image; of several, the newest.

    Raises
    ------
    SlipwayError
        No release has that name.
    """
    chosen = []
    for text in asked:
        matching = [each for each in found if _is_called(each, text)]
        if not matching:
            names = ", ".join(dict.fromkeys(each.name for each in reversed(found)))
            raise SlipwayError(f"no release is called {text}", f"choose one of: {names}")
        chosen.append(matching[-1])
    return chosen


def _is_called(release: Release, text: str) -> bool:
    long = (release.commit, release.model_sha256, release.image.rpartition("@")[2])
    return text == release.name or (
        len(text) >= 7 and any(each.startswith(text) for each in long if each)
    )


def comparison_document(root: Path, one: Release, other: Release) -> Document:
    """Return two releases side by side: what they are, their settings and their metrics."""
    commits = [_commit(root, each) for each in (one, other)]
    head = ["", quote(one.name), quote(other.name)]
    about = [[name, *map(_cell, values)] for name, *values in _about(one, other, *commits)]
    blocks: list[Block] = [Table(head, about)]
    if settings := list(_settings(*commits)):
        blocks += ["**Settings that differ**", Table(head, settings)]
    if metrics := list(_metrics(one, other)):
        blocks += ["**Metrics on the holdout of each**", Table(head, metrics)]
        blocks.append(
            "The holdouts may be of other rows: `slipway judge` compares two models on the same."
        )
    missing = [each.name for each, commit in zip((one, other), commits, strict=True) if not commit]
    if missing:
        blocks.append(f"git does not have the commit of {', '.join(map(quote, missing))}.")
    return Document("good", f"{quote(one.name)} and {quote(other.name)}", blocks, [], [])


def _commit(root: Path, release: Release) -> Commit | None:
    try:
        return read_commit(root, resolve(root, release.commit)) if release.commit else None
    except SlipwayError:
        return None


def _about(
    one: Release, other: Release, first: Commit | None, second: Commit | None
) -> Iterator[tuple[str, str, str]]:
    names = ("date", "event", "by", "source", "commit", "model_sha256", "image", "verdict")
    for name in names:
        yield name.replace("_", " "), str(getattr(one, name)), str(getattr(other, name))
    yield "data (md5)", _of(first, "data_md5"), _of(second, "data_md5")
    yield "packages (git blob)", _of(first, "requirements"), _of(second, "requirements")


def _of(commit: Commit | None, name: str) -> str:
    return "" if commit is None else str(getattr(commit, name))


def _settings(first: Commit | None, second: Commit | None) -> Iterator[list[str]]:
    if first is None or second is None:
        return
    for path in dict.fromkeys([*first.params, *second.params]):
        values = [commit.params.get(path) for commit in (first, second)]
        if values[0] != values[1]:
            yield [quote(path), *(_cell(orjson.dumps(value).decode()) for value in values)]


def _metrics(one: Release, other: Release) -> Iterator[list[str]]:
    measured = [each.metrics or {} for each in (one, other)]
    for name in dict.fromkeys([*measured[0], *measured[1]]):
        shown = [" ".join(each[name].cell()) if name in each else "" for each in measured]
        yield [ALL[name].label if name in ALL else quote(name), *shown]


def _cell(text: str) -> str:
    return quote(text, CELL) if text else ""
