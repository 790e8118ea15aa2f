"""Score requests with a candidate: a model folder, a bento, an image or a running container."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from slipway.docker import HARDENED, docker
from slipway.errors import SlipwayError
from slipway.manifest import MANIFEST_FILE, MODEL
from slipway.repository.worktrees import environment
from slipway.shadow.answer import Answer, Output, Shadow, answer_all
from slipway.shadow.recent_requests import RecentRequests, recent_requests

if TYPE_CHECKING:
    from slipway.containers import Container

PROGRAM = ("-m", "slipway.shadow.answer")

SECONDS = 600

VOLUME = "volume:"
"""Prefix of a log that is a volume of the engine."""

MOUNTED = "/var/lib/slipway/live"

# No network, and no file but the log, which is read-only.
ISOLATED = ("--network", "none", "--tmpfs", "/tmp", "--no-healthcheck", *HARDENED)  # noqa: S108


@dataclass(frozen=True)
class Answered:
    """The answers of a candidate.

    Attributes
    ----------
    what
        The candidate, in words.
    model, live
        sha256 of the candidate's model, and of the one that it is compared with.
    answers
        Of `slipway.shadow.answer.Shadow.answer`, oldest first.
    others
        Requests that were skipped because another model answered them, by sha256.
    faults
        A sentence for each part of the log that was left out.
    """

    what: str
    model: str
    live: str
    answers: list[Answer]
    others: Mapping[str, int] = field(default_factory=dict)
    faults: Sequence[str] = ()


def score(candidate: str, log: str, rows: int, live: str, memory_mb: int) -> Answered:
    """Score the newest requests of a log with a candidate.

    Parameters
    ----------
    candidate
        A model folder; the tag or the folder of a bento; an image by digest; or the file
        ``image.json`` that names one.
    log
        A folder, a URL that fsspec reads or, for an image, ``volume:NAME``.
    live
        sha256 of the model to compare with; that of the newest record if empty.
    """
    image = image_of(candidate)
    if image and log.startswith(VOLUME):
        mount = ("-v", f"{log.removeprefix(VOLUME)}:{MOUNTED}:ro")
        output = _in_image(image, memory_mb, mount, _from_log(MOUNTED, rows, live))
        return _answered(f"image {image}", output)
    if log.startswith(VOLUME):
        raise SlipwayError(
            f"{log}: only an image can run on the engine, and {candidate} is not an image",
            "name the image with --candidate (`slipway build --image` makes build/image.json)",
        )
    requests = recent_requests(log, rows, live)
    if image:
        output = _in_image(image, memory_mb, (), (), _lines(requests))
        return _answered(f"image {image}", output, requests)
    folder = Path(candidate or MODEL)
    if (folder / MANIFEST_FILE).is_file():
        shadow = Shadow(folder)
        output = {"model": shadow.sha256, "answers": answer_all(shadow, requests.records)}
        return _answered(f"model in {folder}", output, requests)
    return _answered(f"bento {candidate}", _in_bento(candidate, requests), requests)


def score_in_container(container: Container, log: str, rows: int, live: str = "") -> Answered:
    """Score the newest requests of a log in a running container with the release in it."""
    output = container.run("python3", *PROGRAM, *_from_log(log, rows, live), seconds=SECONDS)
    return _answered(f"release in {container.name}", json.loads(output))


def image_of(candidate: str) -> str:
    """Return the image that a candidate names; empty if it is something else."""
    if candidate.endswith(".json"):
        from slipway.dataset.tables import read_json

        return str(read_json(Path(candidate), "slipway build --image")["image"])
    return candidate if "sha256:" in candidate else ""


def _from_log(log: str, rows: int, live: str) -> tuple[str, ...]:
    return ("--log", log, "--last", str(rows), *(("--live", live) if live else ()))


def _in_image(
    image: str,
    memory_mb: int,
    mount: tuple[str, ...],
    arguments: tuple[str, ...],
    stdin: bytes = b"",
) -> Output:
    limits = ("--rm", "-i", "--memory", f"{memory_mb}m", *ISOLATED, *mount)
    command = ("run", *limits, "--entrypoint", "python3", image, *PROGRAM, *arguments)
    output: Output = json.loads(docker(*command, stdin=stdin, seconds=SECONDS))
    return output


def _in_bento(candidate: str, requests: RecentRequests) -> Output:
    from slipway.serving.start import find_bento

    source = find_bento(candidate, Path()).resolve() / "src"
    done = subprocess.run(
        [sys.executable, *PROGRAM],
        cwd=source,
        env=environment(source) | {"PYTHONPATH": str(source)},
        input=_lines(requests),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        output = done.stderr.decode("utf-8", "replace").strip()
        raise SlipwayError(f"{candidate} failed: {output}", "build it again")
    written: Output = json.loads(done.stdout)
    return written


def _lines(requests: RecentRequests) -> bytes:
    option = orjson.OPT_APPEND_NEWLINE
    return b"".join(orjson.dumps(record, option=option) for record in requests.records)


def _answered(what: str, output: Output, requests: RecentRequests | None = None) -> Answered:
    live = requests.live if requests else output["live"]
    others = requests.others if requests else output["others"]
    # The output of an older image has no faults.
    faults = requests.faults if requests else output.get("faults", ())
    return Answered(what, output["model"], live, output["answers"], others, faults)
