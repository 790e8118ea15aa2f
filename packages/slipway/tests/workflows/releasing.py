"""A repository that is released by its workflows, to this machine's own engine and registry."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.services.repository import commit, edit_params
from tests.services.servers import free_port
from tests.workflows.api import ID

from slipway.dataset.tables import digest
from slipway.docker import docker
from slipway.manifest import MODEL
from slipway.release.image.record import ImageRecord
from slipway.release.image.registry import push_image
from slipway.release.verified import Verified
from slipway.repository.worktrees import run

if TYPE_CHECKING:
    from tests.workflows.conftest import Act, Outcome

# What the first two jobs run to make a model and an image.
COMMANDS = {
    "verify": '.venv/bin/slipway verify --accept "$MODEL"',
    "image": ".venv/bin/slipway build --image --push",
}

# What pip needs here to fetch the packages of the service; they are fetched once.
PIP = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}


@dataclass
class Releasing:
    """Runs of deploy.yml and rollback.yml.

    Attributes
    ----------
    unpacked
        The packages of the service, so that no job has to fetch them.
    prefix
        Of the names of everything that they make on the engine.
    staging, production
        The variables with their targets; empty for not set.
    """

    act: Act
    registry: str
    unpacked: Path
    staging: str = ""
    production: str = ""
    prefix: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:8]}")
    port: int = field(default_factory=free_port)

    @property
    def origin(self) -> Path:
        return self.act.origin

    @property
    def surroundings(self) -> dict[str, str]:
        """What keeps this apart from all else on the engine."""
        return {
            "SLIPWAY_PREFIX": self.prefix,
            "SLIPWAY_PORT": str(self.port),
            "UNPACKED": str(self.unpacked),
        }

    @property
    def commit(self) -> str:
        return run(["git", "rev-parse", "main"], self.origin).strip()

    def review(self, report: dict[str, Any] | None = None) -> None:
        """Let all commits since the last release be merges, the newest with this report."""
        github, commits = self.act.github, run(["git", "rev-list", "main"], self.origin).split()
        first = {"id": 1, "event": "push", "head_sha": commits[-1], "conclusion": "success"}
        github.watched.runs["deploy.yml"] = [first]
        ended = github.watched.runs.setdefault("pull-request.yml", [])
        for number, landed in enumerate(commits[:-1], 7):
            head = f"{number:040x}"
            github.released.merge(landed, number, head)
            ended.append({"id": 100 + number, "head_sha": head, "conclusion": "success"})
        if report:
            github.add_report(107, report)

    def hand_on(self, built: ImageRecord, image: str, tree: Path) -> None:
        """Let the jobs Verify and Image end with another image of this tree, not run.

        The steps that make the model and the image are replaced in the workflow; all others stay.
        """
        made = self.act.folder / "made"
        shutil.copytree(tree / MODEL, made / "verify" / MODEL)
        (made / "image/build").mkdir(parents=True)
        files = {path.name: digest(path) for path in (tree / MODEL).iterdir()}
        (made / "verify/build/report.json").write_text("{}", "utf-8")
        Verified(
            commit=self.commit,
            model_sha256=built.model_sha256,
            manifest_sha256=built.manifest_sha256,
            files=files,
        ).write(made / "verify")
        name = push_image(image, f"{self.registry}/team/flights", "handed-on")
        replace(built, image=name, commit=self.commit, sbom="build/sbom.json").write(made / "image")
        shutil.copy(tree / built.sbom, made / "image/build/sbom.json")
        workflow = self.origin / ".github/workflows/deploy.yml"
        text = workflow.read_text("utf-8")
        for job, command in COMMANDS.items():
            assert command in text
            text = text.replace(command, f"cp -r {made / job}/build .")
        workflow.write_text(text, "utf-8")  # not committed: act takes it from the tree

    def push(self) -> Outcome:
        """Let main have moved on to what `origin` has."""
        event = {"ref": "refs/heads/main", "before": "0" * 40, "after": self.commit}
        return self._run("push", event, "deploy.yml")

    def dispatch(self, wanted: str) -> Outcome:
        event = {"ref": "refs/heads/main", "inputs": {"commit": wanted}}
        return self._run("workflow_dispatch", event, "deploy.yml", "--input", f"commit={wanted}")

    def roll_back(self, release: str = "", environment: str = "production") -> Outcome:
        inputs = {"release": release, "environment": environment}
        given = [part for pair in inputs.items() for part in ("--input", "=".join(pair))]
        event = {"ref": "refs/heads/main", "inputs": inputs}
        return self._run("workflow_dispatch", event, "rollback.yml", *given)

    def handed_on(self, artifact: str, name: str) -> dict[str, Any]:
        """Return what a job has left for the next ones."""
        path = self.act.artifacts / artifact / name
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found

    def live(self) -> dict[str, Any]:
        """Return what has the traffic here."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.surroundings.items():
                patch.setenv(name, value)
            output = run(["slipway", "status", "--target", "local", "--json"], self.origin)
        found: dict[str, Any] = json.loads(output)["live"]
        return found

    def containers(self) -> list[str]:
        listed = docker("ps", "-a", "--filter", f"name={self.prefix}", "--format", "{{.Names}}")
        return listed.split()

    def clean_up(self) -> None:
        for kind, remove in (("container", "--force"), ("volume", ""), ("network", "")):
            listing = ["ls", "-a"] if kind == "container" else ["ls"]
            named = docker(kind, *listing, "--filter", f"name={self.prefix}", "--quiet").split()
            if named:
                docker(kind, "rm", *filter(None, [remove]), *named)
        for revision in run(["git", "rev-list", "main"], self.origin).split():
            label = f"label=slipway.commit={revision}"
            if images := set(docker("images", "--quiet", "--filter", label).split()):
                docker("rmi", "--force", *images)

    def _run(self, event: str, payload: dict[str, Any], workflow: str, *more: str) -> Outcome:
        payload["repository"] = {"id": ID, "default_branch": "main", "private": False}
        variables = {
            "SLIPWAY_REGISTRY": f"{self.registry}/team/flights",
            "SLIPWAY_STAGING_TARGET": self.staging,
            "SLIPWAY_PRODUCTION_TARGET": self.production,
        }
        options = ["--workflows", f".github/workflows/{workflow}", *more]
        for name, value in variables.items():
            options += ["--var", f"{name}={value}"] if value else []
        for name, value in (self.surroundings | PIP).items():
            options += ["--env", f"{name}={value}"]
        return self.act.run(event, payload, *options)


def prepare(origin: Path, base_image: str) -> None:
    """Commit to main that images and proxies are made here, and that a canary is short."""
    edit_params(
        origin,
        deploy={
            "base_image": base_image,
            "proxy_image": base_image,
            "drain_seconds": 1,
            "smoke_requests": 600,
            "canary": {
                "share": 0.1,
                "seconds": 1,
                "min_requests": 100,
                "max_error_share": 0.01,
                "max_latency_ratio": 50,
                "max_latency_ms": 5000,
                "max_score_psi": 0.25,
            },
        },
    )
    commit(origin, "Release to this machine")
