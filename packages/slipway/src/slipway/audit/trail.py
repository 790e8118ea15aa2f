"""The chain of one prediction: from the answer back to its model, data, review and release.

What is not known is named with the reason, and with what would make it known.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import BaseModel

from slipway.audit.find import Found
from slipway.catalogue.commits import Commit, read_commit
from slipway.catalogue.releases import RELEASES
from slipway.comparison.record import JUDGEMENTS, parse
from slipway.errors import SlipwayError
from slipway.predictions.answers import Fields
from slipway.release.records import Record, read_records
from slipway.repository.git import names, read_file, resolve
from slipway.times import time_or_none


class Verdict(BaseModel):
    """A judgement of the model, as a record of the repository has it."""

    file: str
    verdict: str
    champion: str
    may_merge: bool


class Event(BaseModel):
    """An event of a release with this model: deployed, rolled back, and so on."""

    event: str
    at: str
    by: str
    source: str
    verdict: str
    image: str
    reason: str


class Trail(BaseModel):
    """All that is known of a prediction; `unknown` has a sentence for each part that is not."""

    id: str
    time: str
    place: str
    input: Fields
    answer: Fields
    review: bool
    reasons: list[Fields]
    model: str
    data: str
    commit: Commit | None = None
    verdicts: list[Verdict] = []
    events: list[Event] = []
    unknown: list[str] = []


def trail(root: Path, found: Found) -> Trail:
    """Return the chain of a prediction, from this repository and its records of releases."""
    record = found.record
    made = Trail(
        id=found.id,
        time=record["time"],
        place=found.file.shown,
        input=record["input"],
        answer=found.answer(),
        review=bool(record.get("review")),
        reasons=list(record.get("reasons") or ()),
        model=record["model"],
        data=str(record.get("data") or ""),
    )
    _add_commit(root, str(record.get("commit") or ""), made)
    _add_events(root, made)
    return made


def _add_commit(root: Path, commit: str, made: Trail) -> None:
    if not commit or commit.endswith("-dirty"):
        made.unknown.append("commit: the model was made of files that were not committed")
        return
    try:
        known = resolve(root, commit)
    except SlipwayError as error:
        made.unknown.append(f"commit: {error}; {error.do}")
        return
    made.commit = _commit(root, known)
    if made.data and made.commit.data_md5 not in ("", made.data):
        made.unknown.append(
            f"data: the record names {made.data}, and the commit {made.commit.data_md5}"
        )
    made.verdicts = _verdicts(root, known, made.model)
    if not made.verdicts:
        made.unknown.append("verdict: the repository has no record of a judgement of this model")


# Predictions of one release have these in common, and git is started for each.
_commit = cache(read_commit)


@cache
def _verdicts(root: Path, commit: str, model: str) -> list[Verdict]:
    command = ("ls-tree", "-z", "--name-only", commit, "--", f"{JUDGEMENTS.as_posix()}/")
    found = []
    for name in names(root, *command):
        # Records are named after period, model and champion.
        if Path(name).stem.split("-")[1:2] != [model[:12]]:
            continue
        record = parse(read_file(root, commit, name) or "")
        if record is None:
            continue
        found.append(
            Verdict(
                file=name,
                verdict=record.verdict,
                champion=record.champion,
                may_merge=record.may_merge,
            )
        )
    return found


def _add_events(root: Path, made: Trail) -> None:
    path = root / RELEASES
    if not path.is_file():
        made.unknown.append(
            f"deployment: {RELEASES} does not exist; `slipway log fetch` writes it from the target"
        )
        return
    releases = read_records(path, "slipway log fetch")
    own = [each for each in releases if each.model_sha256 == made.model]
    made.events = [_event(each) for each in own]
    if not own:
        made.unknown.append("deployment: no release of this model is in the records of the target")
    elif not _was_live(releases, made):
        made.unknown.append("deployment: another release was live at the time of the prediction")


def _event(record: Record) -> Event:
    return Event.model_validate(record.to_json())


def _was_live(releases: list[Record], made: Trail) -> bool:
    """Return whether the newest release before the prediction had its model.

    Both versions answer while traffic is moved, so the one before the newest counts too.
    """
    moment = time_or_none(made.time)
    before = [
        each
        for each in releases
        if moment is not None and (time_or_none(each.at) or moment) <= moment
    ]
    return made.model in {each.model_sha256 for each in before[-2:]}
