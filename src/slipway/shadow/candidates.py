"""Where the answering model runs: a model folder, a bento, an image, a running container."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from slipway.deploy.engine import HARDENED
from slipway.docker import docker
from slipway.errors import SlipwayError
from slipway.score import MANIFEST_FILE, MODEL
from slipway.shadow.answer import Shadow, answer_all
from slipway.shadow.newest import Newest, newest
from slipway.workspace import environment

if TYPE_CHECKING:
    from slipway.docker import Container

PROGRAM = ("-m", "slipway.shadow.answer")
SECONDS = 600

VOLUME = "volume:"
"""Before the name of a volume of the engine, where a log is named."""

MOUNTED = "/var/lib/slipway/live"

# Nothing in it can reach anything: no network, no file but the log, and that one only to read.
ALONE = ("--network", "none", "--tmpfs", "/tmp", "--no-healthcheck", *HARDENED)  # noqa: S108


@dataclass(frozen=True)
class Answered:
    """What a candidate said, and of what.

    Attributes
    ----------
    what
        The candidate, in words.
    model, live
        sha256 of the candidate's model, and of the one whose answers it is compared with.
    answers
        As `slipway.shadow.answer.Shadow.answer` gives them, oldest first.
    others
        Requests that were passed over because another model answered them, by sha256.
    faults
        A sentence for all of the log that was left out.
    """

    what: str
    model: str
    live: str
    answers: list[dict[str, Any]]
    others: Mapping[str, int] = field(default_factory=dict)
    faults: Sequence[str] = ()


def ask(candidate: str, log: str, rows: int, live: str, memory_mb: int) -> Answered:
    """Let a candidate answer the newest requests of a log.

    Parameters
    ----------
    candidate
        A model folder; the tag or the folder of a bento; an image by digest; or the file
        ``image.json`` that names one.
    log
        A folder, a URL that fsspec reads or, for an image, ``volume:NAME``.
    live
        sha256 of the model to compare with; that of the newest record if empty.

    Raises
    ------
    SlipwayError
        There is no such candidate or log, or it could not answer at all.
    """
    image = image_of(candidate)
    if image and log.startswith(VOLUME):
        mount = ("-v", f"{log.removeprefix(VOLUME)}:{MOUNTED}:ro")
        said = _in_image(image, memory_mb, mount, _from_log(MOUNTED, rows, live))
        return _answered(f"image {image}", said)
    if log.startswith(VOLUME):
        raise SlipwayError(
            f"{log}: only an image can be asked on the engine, and {candidate} is none",
            "name the image with --candidate (`slipway build --image` makes build/image.json)",
        )
    asked = newest(log, rows, live)
    if image:
        said = _in_image(image, memory_mb, (), (), _lines(asked))
        return _answered(f"image {image}", said, asked)
    folder = Path(candidate or MODEL)
    if (folder / MANIFEST_FILE).is_file():
        shadow = Shadow(folder)
        said = {"model": shadow.sha256, "answers": answer_all(shadow, asked.records)}
        return _answered(f"model in {folder}", said, asked)
    return _answered(f"bento {candidate}", _in_bento(candidate, asked), asked)


def ask_container(container: Container, log: str, rows: int, live: str = "") -> Answered:
    """Let the release in a running container answer the newest requests of a log in there."""
    said = container.run("python3", *PROGRAM, *_from_log(log, rows, live), seconds=SECONDS)
    return _answered(f"release in {container.name}", _read(said))


def image_of(candidate: str) -> str:
    """Return the image that a candidate is, or nothing if it is something else."""
    if candidate.endswith(".json"):
        from slipway.tables import read_json

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
) -> dict[str, Any]:
    limits = ("--rm", "-i", "--memory", f"{memory_mb}m", *ALONE, *mount)
    return _read(
        docker(
            *("run", *limits, "--entrypoint", "python3", image, *PROGRAM, *arguments),
            stdin=stdin,
            seconds=SECONDS,
        )
    )


def _in_bento(candidate: str, asked: Newest) -> dict[str, Any]:
    from slipway.serve.start import find_bento

    source = find_bento(candidate, Path()).resolve() / "src"
    done = subprocess.run(
        [sys.executable, *PROGRAM],
        cwd=source,
        env=environment(source) | {"PYTHONPATH": str(source)},
        input=_lines(asked),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise SlipwayError(f"{candidate} could not answer: {said}", "build it again")
    return _read(done.stdout.decode())


def _lines(asked: Newest) -> bytes:
    return b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in asked.records)


def _read(said: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said)
    return found


def _answered(what: str, said: dict[str, Any], asked: Newest | None = None) -> Answered:
    live = asked.live if asked else said["live"]
    others = asked.others if asked else said["others"]
    # An image that was built before does not report them.
    faults = asked.faults if asked else said.get("faults", ())
    return Answered(what, said["model"], live, said["answers"], others, faults)
