"""`slipway challenger`: a second model beside the one that answers, for days.

It runs in a container of its own that has no network, reads the prediction log and cannot write
to it, and gets what processor time the service leaves. What it answers goes to a log of its
own, and nobody who asks ever waits for it.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from slipway.deploy.engine import Engine, pull
from slipway.docker import Container, docker
from slipway.errors import SlipwayError
from slipway.settings import Params
from slipway.shadow.candidates import ALONE, MOUNTED, image_of
from slipway.shadow.compare import About, Report, compare
from slipway.shadow.follow import STATE
from slipway.shadow.pairs import to_pairs
from slipway.shadow.run import labels_of

OUT = "/var/lib/slipway/log"

# A half of one processor when nobody else wants it, next to nothing when the service does.
MODEST = ("--cpus", "0.5", "--cpu-shares", "32", "--pids-limit", "64")

COPY_SECONDS = 1800.0


@dataclass(frozen=True)
class Challenger:
    """The one challenger beside the service on an engine."""

    engine: Engine

    @property
    def container(self) -> Container:
        return Container(f"{self.engine.prefix}-challenger")

    @property
    def volume(self) -> str:
        return f"{self.engine.prefix}-challenger"

    def start(self, candidate: str, since: str = "") -> str:
        """Start an image as the challenger, in place of any other; return what runs, in words.

        The answers of earlier challengers stay, and one that was there before goes on where it
        stopped.

        Parameters
        ----------
        candidate
            An image by digest, or the file that names one.
        since
            First day to answer, as ``YYYY-MM-DD``; all that the log has if empty.

        Raises
        ------
        SlipwayError
            It is no image, the engine does not have it, or there is no prediction log.
        """
        image = image_of(candidate)
        if not image:
            raise SlipwayError(
                f"{candidate}: not an image named by its digest",
                "name the one in build/image.json, or build one: `slipway build --image`",
            )
        pull(image)
        if self.engine.log not in docker("volume", "ls", "--format", "{{.Name}}").split():
            raise SlipwayError(
                f"the engine has no prediction log {self.engine.log}",
                "deploy a release first: `slipway deploy`",
            )
        docker("rm", "--force", self.container.name)
        memory = f"{self.engine.settings.memory_mb}m"
        docker(
            *("run", "--detach", "--name", self.container.name, "--restart", "unless-stopped"),
            *ALONE,
            *MODEST,
            *("--memory", memory, "--memory-swap", memory),
            *("-v", f"{self.engine.log}:{MOUNTED}:ro", "-v", f"{self.volume}:{OUT}"),
            *("--entrypoint", "python3", image, "-m", "slipway.shadow.follow", MOUNTED, OUT),
            *(("--since", since) if since else ()),
        )
        return f"{self.container.name} follows {self.engine.log} with {image}"

    def stop(self) -> str:
        """Stop it; its answers stay, and can still be reported."""
        if self.container.about() is None:
            raise SlipwayError(f"there is no challenger {self.container.name}", self._start_one())
        docker("stop", self.container.name)
        return f"{self.container.name} is stopped; its answers stay in {self.volume}"

    def report(self, params: Params, live: str = "", labels: Path | None = None) -> Report:
        """Compare what it answered with what the service did.

        Parameters
        ----------
        live
            sha256 of the model to compare with; that of the newest answer if empty.

        Raises
        ------
        SlipwayError
            There is no challenger, or it has not answered anything yet.
        """
        about = self.container.about()
        if about is None:
            raise SlipwayError(f"there is no challenger {self.container.name}", self._start_one())
        with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
            out = Path(folder) / "answers"
            docker("cp", f"{self.container.name}:{OUT}", str(out), seconds=COPY_SECONDS)
            found = report(out, params, live, labels)
        return found if _runs(about) else _with_fault(found, self._last_words(about))

    def _last_words(self, about: dict[str, Any]) -> str:
        state = about["State"]
        ended = f"it does not run ({state['Status']}, exit code {state['ExitCode']})"
        return f"{ended}; its last words: {self.container.output(3)}"

    def _start_one(self) -> str:
        return "start one: `slipway challenger start --candidate build/image.json`"


def report(out: Path, params: Params, live: str = "", labels: Path | None = None) -> Report:
    """Compare the answers of a challenger, read from the folder that it writes, with the live ones.

    Of several challengers it is the one that was active last.

    Raises
    ------
    SlipwayError
        There are no answers.
    """
    states = [(path.parent, orjson.loads(path.read_bytes())) for path in out.glob(f"*/{STATE}")]
    if not states:
        raise SlipwayError(
            "the challenger has not answered anything yet", "wait, or look at what it says"
        )
    folder, state = max(states, key=lambda found: found[1]["at"])
    others = Counter[str]()
    newest = ("", "")
    for answer in _answers(folder):
        others[answer["live"]["model"]] += 1
        newest = max(newest, (answer["id"], answer["live"]["model"]))
    live = live or newest[1]
    del others[live]
    pairs = to_pairs(answer for answer in _answers(folder) if answer["live"]["model"] == live)
    about = About("challenger", folder.name, live, str(params.serve.log), others)
    known = labels_of(params, labels)
    return compare(pairs, about, params.deploy.shadow, params.judge, known, following=state)


def _answers(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the answers, each once: a prediction that is in the log twice was answered twice."""
    ids = set[str]()
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n") or "live" not in (answer := orjson.loads(line)):
                    continue
                if answer["id"] not in ids:
                    ids.add(answer["id"])
                    yield answer


def _runs(about: dict[str, Any]) -> bool:
    return bool(about["State"]["Running"]) and not about["State"]["Restarting"]


def _with_fault(found: Report, fault: str) -> Report:
    return replace(found, following=(found.following or {}) | {"fault": fault})
