"""A second model in shadow mode on a Docker engine, for days.

It runs in a container of its own without a network, which reads the prediction log, cannot write to
it, and gets the processor time that the service leaves. Its predictions go to a log of its own.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.containers import Container
from slipway.docker import docker, pull
from slipway.errors import SlipwayError
from slipway.settings import Params
from slipway.targets.docker.engine import Engine

if TYPE_CHECKING:
    from slipway.shadow.compare import Report

OUT = "/var/lib/slipway/log"

# Half a processor when it is idle, almost nothing when the service needs it.
LIMITS = ("--cpus", "0.5", "--cpu-shares", "32", "--pids-limit", "64")

COPY_SECONDS = 1800.0


@dataclass(frozen=True)
class DockerShadow:
    """The one model in shadow mode on an engine; `slipway.release.target.ShadowService`."""

    engine: Engine
    params: Params

    @property
    def container(self) -> Container:
        # The name that version 0.1 gave it: its predictions are in the volume of the same name.
        return Container(f"{self.engine.prefix}-challenger")

    @property
    def volume(self) -> str:
        return f"{self.engine.prefix}-challenger"

    def start(self, candidate: str, since: str = "") -> str:
        """Start an image in shadow mode, in place of any other.

        The predictions of earlier models are kept, and a model that ran before continues where it
        stopped.
        """
        from slipway.shadow.candidates import ISOLATED, MOUNTED, image_of

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
            *ISOLATED,
            *LIMITS,
            *("--memory", memory, "--memory-swap", memory),
            *("-v", f"{self.engine.log}:{MOUNTED}:ro", "-v", f"{self.volume}:{OUT}"),
            *("--entrypoint", "python3", image, "-m", "slipway.shadow.follow", MOUNTED, OUT),
            *(("--since", since) if since else ()),
        )
        return f"{self.container.name} follows {self.engine.log} with {image}"

    def stop(self) -> str:
        self._require()
        docker("stop", self.container.name)
        return f"{self.container.name} is stopped; its predictions are kept in {self.volume}"

    def report(self, live: str = "", labels: Path | None = None) -> Report:
        """Compare its predictions with those of the live model."""
        from slipway.shadow.run import report_followed

        self._require()
        with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
            out = Path(folder) / "answers"
            docker("cp", f"{self.container.name}:{OUT}", str(out), seconds=COPY_SECONDS)
            report = report_followed(out, self.params, live, labels)
        state = self.container.state()
        if state and state.stable:
            return report
        exit_code = state.exit_code if state else "unknown"
        output = self.container.output(3)
        fault = f"it does not run (exit code {exit_code}); its last output: {output}"
        progress = report.following and replace(report.following, fault=fault)
        return replace(report, following=progress)

    def _require(self) -> None:
        if self.container.inspect() is None:
            raise SlipwayError(
                f"there is no model in shadow mode ({self.container.name})",
                "start one: `slipway shadow start --candidate build/image.json`",
            )
