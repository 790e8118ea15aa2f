"""The records of releases: what ran, or was to run, since when, by whom and why.

One line of JSON for each event, in the order in which they happened, on the engine itself
(`releases.jsonl` in its state volume), so that every machine that deploys sees the same history.
"""

from __future__ import annotations

import getpass
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from slipway.errors import SlipwayError
from slipway.git import git
from slipway.tables import read_json, write_json
from slipway.verified import VERIFIED

VERSION = 1
IMAGE = Path("build/image.json")
RELEASES = Path("build/releases.json")
REPORT = Path("build/report.json")
METRICS = Path("reports/metrics.json")

MODEL_HASHES = ("model_sha256", "manifest_sha256")

Event = Literal["deployed", "rolled back", "undone", "refused"]
RAN: tuple[Event, ...] = ("deployed", "rolled back")
"""The events after which all traffic is with the release."""


@dataclass(frozen=True)
class Record:
    """One event in the life of a release.

    Attributes
    ----------
    name
        Short commit, for people.
    image
        By digest (``repository@sha256:…``) or image id (``sha256:…``).
    at
        ISO 8601, UTC.
    by, source
        Who deployed it, and the pull request or run that it came from (may be empty).
    verdict
        What the last judgement said (may be empty).
    reason
        Why, if it is not simply deployed.
    manifest_sha256
        Of the manifest that belongs to the model; empty in records of version 0.1.0.
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
    metrics: dict[str, Any] | None = None
    manifest_sha256: str = ""
    recorded_sha256: str = ""

    def became(self, event: Event, reason: str = "") -> Record:
        """Return what happened to this release, now."""
        return replace(self, event=event, reason=reason, at=now(), by=who())

    def to_json(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self), "date": self.at}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Record:
        if found.get("version") != VERSION:
            raise ValueError(f"a release record of version {found.get('version')}")
        return cls(**{key: found[key] for key in cls.__dataclass_fields__ if key in found})

    def words(self) -> str:
        return f"{self.name} (model {self.model_sha256[:12]})"


def read_image(path: Path = IMAGE) -> dict[str, Any]:
    """Return what `slipway build --image` wrote.

    Raises
    ------
    SlipwayError
        It is missing, or not by digest.
    """
    image = read_json(path, "slipway build --image")
    missing = [key for key in ("image", "commit", "data", *MODEL_HASHES) if not image.get(key)]
    if missing:
        raise SlipwayError(
            f"{path}: `{'`, `'.join(missing)}` missing", "make it with `slipway build --image`"
        )
    check_digest(image["image"])
    return dict(image)


def check_digest(image: str) -> None:
    """Refuse a name that can mean another image tomorrow."""
    if not re.fullmatch(r"(?:[^@\s]+@)?sha256:[0-9a-f]{64}", image):
        raise SlipwayError(
            f"{image}: an image is named by its digest, as repository@sha256:… or sha256:…",
            "`slipway build --image` writes it to build/image.json",
        )


def record_of(image: Mapping[str, Any], target: str, root: Path = Path()) -> Record:
    """Return the record of a release about to be deployed from a tree."""
    metrics = read_json(root / METRICS, "dvc repro") if (root / METRICS).exists() else {}
    known = verified(root, image)
    review = known.get("reviewed") or {}
    return Record(
        event="deployed",
        name=image["commit"][:7] + ("-dirty" if image["commit"].endswith("-dirty") else ""),
        commit=image["commit"],
        data=image["data"],
        model_sha256=image["model_sha256"],
        manifest_sha256=image["manifest_sha256"],
        recorded_sha256=known.get("recorded_sha256", ""),
        image=image["image"],
        at=now(),
        by=who(),
        source=review.get("url") or source(root, image["commit"]),
        verdict=known.get("verdict") or verdict(root, image["model_sha256"]),
        target=target,
        metrics=metrics.get("model"),
    )


def read_history(lines: str) -> list[Record]:
    """Return the records of a history, oldest first.

    A torn last line is what a full disk leaves, of an event that was told elsewhere.
    """
    records = []
    for line in lines.splitlines():
        try:
            records.append(Record.from_json(json.loads(line)))
        except (ValueError, TypeError):
            continue
    return records


def to_line(record: Record) -> str:
    return json.dumps(record.to_json(), ensure_ascii=False) + "\n"


def write_releases(history: Iterable[Record], root: Path = Path()) -> None:
    """Write the list that the page shows: what ran, oldest first."""
    write_json([record.to_json() for record in history if record.event in RAN], root / RELEASES)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def who() -> str:
    """Return the person (in Actions: whoever caused the run)."""
    if actor := os.environ.get("GITHUB_ACTOR"):
        return actor
    try:
        return git(Path(), "config", "user.name").strip()
    except SlipwayError:
        return getpass.getuser()


def source(root: Path, commit: str) -> str:
    """Return the address of the pull request that brought a commit, or of this run; or nothing."""
    server, repository = (os.environ.get(f"GITHUB_{it}") for it in ("SERVER_URL", "REPOSITORY"))
    if not server or not repository:
        return ""
    try:
        subject = git(root, "log", "-1", "--format=%s", commit.removesuffix("-dirty"))
    except SlipwayError:
        subject = ""
    if found := re.search(r"#(\d+)", subject):
        return f"{server}/{repository}/pull/{found[1]}"
    return f"{server}/{repository}/actions/runs/{os.environ.get('GITHUB_RUN_ID', '')}"


def verified(root: Path, image: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `slipway verify` found of this very commit and model; else nothing."""
    if not (root / VERIFIED).exists():
        return {}
    found: dict[str, Any] = read_json(root / VERIFIED, "slipway verify")
    same = all(found.get(key) == image[key] for key in ("commit", *MODEL_HASHES))
    return found if same else {}


def verdict(root: Path, model: str) -> str:
    """Return what the judgement in build/report.json says of a model; empty if of another one."""
    from slipway.report.document import plain
    from slipway.report.words import headline

    path = root / REPORT
    if not path.exists():
        return ""
    report = read_json(path, "slipway judge")
    try:
        same = report["challenger"]["model"] == model
        return plain(headline(report)) if same else ""
    except (KeyError, TypeError):
        return ""
