"""The records of releases: what ran or was to run, since when, by whom and why.

One line of JSON per event, in chronological order, on the target itself (`releases.jsonl`), so that
every machine that deploys sees the same history.
"""

from __future__ import annotations

import getpass
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from slipway.catalogue.releases import METRICS, RELEASES
from slipway.dataset.tables import read_json, write_json
from slipway.errors import Refused, SlipwayError
from slipway.release.image.record import ImageRecord
from slipway.release.verified import VERIFIED, Verified
from slipway.repository.git import git

VERSION = 1
REPORT = Path("build/report.json")

SHORTEST_COMMIT = 7  # characters of a commit that name a release

Event = Literal["deployed", "rolled back", "undone", "refused"]
RAN: tuple[Event, ...] = ("deployed", "rolled back")
"""The events after which the release has all traffic."""


@dataclass(frozen=True)
class Record:
    """One event of a release.

    Attributes
    ----------
    name
        Short commit.
    image
        By digest (``repository@sha256:…``) or image id (``sha256:…``).
    at
        ISO 8601, UTC.
    by, source
        Who deployed it, and the pull request or run that it came from (may be empty).
    verdict
        Of the last judgement (may be empty).
    reason
        Why, for any event but a plain deployment.
    manifest_sha256
        Of the model's manifest; empty in records of version 0.1.0.
    recorded_sha256
        Of the model that ``dvc.lock`` names, where `slipway verify` has compared it.
    """

    event: Event
    name: str
    commit: str
    data: str
    model_sha256: str
    image: str
    at: str
    by: str
    source: str
    verdict: str
    target: str
    reason: str = ""
    metrics: dict[str, object] | None = None
    manifest_sha256: str = ""
    recorded_sha256: str = ""

    def __str__(self) -> str:
        return f"{self.name} (model {self.model_sha256[:12]})"

    @classmethod
    def of_image(cls, image: ImageRecord, target: str, root: Path = Path()) -> Record:
        """Return the record of a release that is about to be deployed from a tree."""
        metrics = read_json(root / METRICS, "dvc repro") if (root / METRICS).exists() else {}
        verified = Verified.read(root) if (root / VERIFIED).exists() else None
        if verified and not verified.is_of(image):
            verified = None
        url = verified.reviewed.url if verified and verified.reviewed else ""
        verdict = verified.verdict if verified else ""
        return cls(
            event="deployed",
            name=image.commit[:7] + ("-dirty" if image.commit.endswith("-dirty") else ""),
            commit=image.commit,
            data=image.data,
            model_sha256=image.model_sha256,
            manifest_sha256=image.manifest_sha256,
            recorded_sha256=verified.recorded_sha256 if verified else "",
            image=image.image,
            at=now(),
            by=current_user(),
            source=url or source_of(root, image.commit),
            verdict=verdict or verdict_of(root, image.model_sha256),
            target=target,
            metrics=metrics.get("model"),
        )

    def with_event(self, event: Event, reason: str = "") -> Record:
        """Return the record of a new event of this release."""
        return replace(self, event=event, reason=reason, at=now(), by=current_user())

    def to_json(self) -> dict[str, object]:
        return {"version": VERSION, **asdict(self), "date": self.at}

    def to_line(self) -> str:
        return json.dumps(self.to_json(), ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, record: object) -> Record:
        """Return what `to_json` wrote; raises ValueError otherwise."""
        version = record.get("version") if isinstance(record, dict) else None
        if version != VERSION:
            raise ValueError(f"a release record of version {version}")
        return _STORED.validate_python(record)


_STORED = TypeAdapter(Record)


def read_history(lines: str) -> list[Record]:
    """Return the records of a history, oldest first.

    A line that is not a record is skipped: a full disk leaves a torn last line.
    """
    records = []
    for line in lines.splitlines():
        try:
            records.append(Record.from_json(json.loads(line)))
        except (ValueError, TypeError):
            continue
    return records


def releases_of(history: Iterable[Record]) -> list[Record]:
    """Return the events after which a release had all traffic."""
    return [record for record in history if record.event in RAN]


def find_release(to: str, history: Sequence[Record], live: str, standby: Record | None) -> Record:
    """Return the release to roll back to.

    Parameters
    ----------
    to
        Its name, commit or digest; the standby, else the release before, if empty.
    live
        The image of the live release; empty without one.
    """
    ran = releases_of(history)
    if not to:
        earlier = [record for record in ran if record.image != live]
        if standby or earlier:
            return standby or earlier[-1]
        raise SlipwayError(
            "there is no earlier release to go back to", "`slipway status` shows the history"
        )
    matches = {record.image: record for record in ran if _is_named(record, to)}
    if len(matches) == 1:
        return matches.popitem()[1]
    names = ", ".join(dict.fromkeys(record.name for record in reversed(ran)))
    problem = "several releases" if matches else "no release"
    raise SlipwayError(
        f"--to {to}: {problem} with that name, commit or digest ran here",
        f"choose one of: {names}; or use the whole digest" if names else "deploy one first",
    )


def _is_named(record: Record, to: str) -> bool:
    digest = record.image.rpartition("@")[2]
    return to in (record.name, record.image, digest) or (
        len(to) >= SHORTEST_COMMIT and record.commit.startswith(to)
    )


def write_releases(history: Iterable[Record], root: Path = Path()) -> None:
    """Write the releases that ran, oldest first, for the page."""
    write_json([record.to_json() for record in releases_of(history)], root / RELEASES)


def still_runs(live: Record | None) -> str:
    """Return which release answers after a deployment that did not happen."""
    return f"{live} answers as before" if live else "nothing runs, as before"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def current_user() -> str:
    """Return who runs this: in Actions the person that triggered the run."""
    if actor := os.environ.get("GITHUB_ACTOR"):
        return actor
    try:
        return git(Path(), "config", "user.name").strip()
    except SlipwayError:
        return getpass.getuser()


def source_of(root: Path, commit: str) -> str:
    """Return the URL of the pull request that brought a commit, or of this run; else empty."""
    server, repository = (os.environ.get(f"GITHUB_{it}") for it in ("SERVER_URL", "REPOSITORY"))
    if not server or not repository:
        return ""
    try:
        subject = git(root, "log", "-1", "--format=%s", commit.removesuffix("-dirty"))
    except SlipwayError:
        subject = ""
    if number := re.search(r"#(\d+)", subject):
        return f"{server}/{repository}/pull/{number[1]}"
    return f"{server}/{repository}/actions/runs/{os.environ.get('GITHUB_RUN_ID', '')}"


def verdict_of(root: Path, model: str) -> str:
    """Return the verdict in build/report.json; empty if it is about another model."""
    from slipway.reports.check import check
    from slipway.reports.messages import headline
    from slipway.untrusted import as_text

    path = root / REPORT
    if not path.exists():
        return ""
    try:
        report = check(read_json(path, "slipway judge"))
    except Refused:
        return ""
    return as_text(headline(report)) if report.challenger.model == model else ""


def read_records(path: Path, made_by: str) -> list[Record]:
    """Return the records of a file, oldest first.

    Raises
    ------
    SlipwayError
        It is not a list of such records; names the first that is none.
    """
    listed = read_json(path, made_by)
    remedy = f"write it again with `{made_by}`"
    if not isinstance(listed, list):
        raise SlipwayError(f"{path}: not a list of releases", remedy)
    found = []
    for number, each in enumerate(listed):
        try:
            found.append(Record.from_json(each))
        except ValueError:
            raise SlipwayError(f"{path}: entry {number} is not a release", remedy) from None
    return found
