"""The workflows of this repository, run by `act` on this machine: no container, no network.

What only GitHub can serve is replaced by the small stand-ins in `actions/`, `bin/` and `cml/`.
`act` ignores permissions, filters and concurrency: test_settings.py reads those from the YAML.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.services.projects import ROOT
from tests.services.repository import commit
from tests.services.servers import program
from tests.workflows.api import BASE, ID, REPOSITORY, GitHub, serving
from tests.workflows.releasing import Releasing, prepare

from slipway.github.api import Api
from slipway.repository.worktrees import run

HERE = Path(__file__).parent

USES = re.compile(r"uses: *([^\s#@]+)@([0-9a-f]{40})")

NUMBER = 7

RUN = 4711

# How many cores a command uses: the tests limit them, the benchmark of a pull request does not.
CORES = ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT")

# The repository of a contributor who may only read ours.
FORK = 200


@dataclass(frozen=True)
class Outcome:
    """What `act` made of a workflow: the results of its jobs, and their output."""

    log: list[dict[str, Any]]

    @property
    def jobs(self) -> dict[str, str]:
        """The result of each job that ran, by its name; one that was skipped is not there."""
        return {name_of_job(line): line["jobResult"] for line in self.log if "jobResult" in line}

    @property
    def seconds(self) -> dict[str, float]:
        """The time of each job that ran, by its name: `act` logs whole seconds."""
        times: dict[str, list[dt.datetime]] = {name: [] for name in self.jobs}
        for line in self.log:
            if (name := name_of_job(line)) in times:
                times[name].append(dt.datetime.fromisoformat(line["time"]))
        return {name: (max(all_) - min(all_)).total_seconds() for name, all_ in times.items()}

    @property
    def summary(self) -> str:
        return "\n".join(line["content"] for line in self.log if line.get("command") == "summary")

    def annotations(self, command: str) -> list[str]:
        """The titles of the annotations of a kind; `act` itself loses one with an equals sign."""
        found = [line["raw"] for line in self.log if line.get("command") == command]
        titles = [raw.split(" title=", 1)[1].split("::")[0] for raw in found]
        return [title.replace("%3A", ":").replace("%2C", ",") for title in titles]

    @property
    def text(self) -> str:
        return "\n".join(str(line.get("msg", "")).rstrip() for line in self.log)


class Act:
    """A repository on this machine in place of the one on GitHub, and its workflows."""

    def __init__(self, origin: Path, github: GitHub, folder: Path, tools: Mapping[str, str]):
        self.origin, self.github, self.folder, self.tools = origin, github, folder, tools
        self.artifacts = folder / "artifacts"
        self.artifacts.mkdir()
        github.uploads = (RUN, self.artifacts)
        (folder / "home").mkdir()

    def run(self, event: str, payload: dict[str, Any], *options: str) -> Outcome:
        """Run what an event starts; the YAML and the local actions are those of `origin`'s tree."""
        file = self.folder / "event.json"
        file.write_text(json.dumps(payload), "utf-8")
        command = [self.tools["act"], event, "--eventpath", str(file), "--json"]
        command += ["--platform", "ubuntu-24.04=-self-hosted", "--no-skip-checkout"]
        command += ["--action-offline-mode", "--no-cache-server", "--pull=false"]
        command += ["--action-cache-path", str(self.folder / "act"), "--actor", "ada"]
        command += ["--github-instance", self.github.url.removeprefix("https://")]
        command += ["--secret", "GITHUB_TOKEN=token-of-the-job", "--env", f"GITHUB_RUN_ID={RUN}"]
        command += ["--env", f"GITHUB_REPOSITORY={REPOSITORY}"]
        for action in sorted(actions_used(self.origin)):
            command += ["--local-repository", action]
        done = subprocess.run(
            [*command, *options],
            cwd=self.origin,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        log = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        # Where every job is skipped there is none, and nothing is wrong.
        ran = any("jobResult" in line for line in log)
        assert ran or not done.returncode, done.stdout + done.stderr
        return Outcome(log)

    def _environment(self) -> dict[str, str]:
        found = (shutil.which(name) or "" for name in ("node", "docker"))
        path = [str(HERE / "bin"), *(str(Path(place).parent) for place in found if place)]
        path += ["/usr/bin", "/bin"]
        return {
            "PATH": os.pathsep.join(path),
            "HOME": str(self.folder / "home"),
            "XDG_CONFIG_HOME": str(config(self.folder)),
            "ARTIFACTS": str(self.artifacts),
            "GIT_ORIGIN": str(self.origin),
            "TESTS_BIN": str(Path(sys.executable).parent),
            # Threads and processes on busy cores only wait.
            **{name: os.environ[name] for name in CORES if name in os.environ},
            "SSL_CERT_FILE": self.github.certificate,
            "NODE_EXTRA_CA_CERTS": self.github.certificate,
            **{name: value for name, value in self.tools.items() if name.isupper()},
        }


def name_of_job(line: Mapping[str, Any]) -> str:
    """Return the name of the job that logged a line, without that of its workflow."""
    return str(line.get("job", "")).partition("/")[2].strip()


def config(folder: Path) -> Path:
    """Keep `act` from asking which image it should use."""
    (folder / "config" / "act").mkdir(parents=True, exist_ok=True)
    (folder / "config" / "act" / "actrc").touch()
    return folder / "config"


def actions_used(repository: Path) -> set[str]:
    """Return each action that the workflows pin, with its stand-in."""
    found = set()
    for file in (repository / ".github").rglob("*.yml"):
        for name, sha in USES.findall(file.read_text("utf-8")):
            owner, action, *_ = name.split("/")
            found.add(f"{owner}/{action}@{sha}={HERE / 'actions' / action}")
    return found


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    with serving(tmp_path) as server:
        yield server


@pytest.fixture
def api(github: GitHub, monkeypatch: pytest.MonkeyPatch) -> Api:
    """The API, as a job of the workflows uses it."""
    monkeypatch.setenv("SSL_CERT_FILE", github.certificate)
    return Api(f"{github.url}/api/v3", REPOSITORY, "token-of-the-job")


@pytest.fixture
def repository(github: GitHub, tmp_path: Path) -> Path:
    """The repository as GitHub has it: main, with two files."""
    root = tmp_path / "repository"
    root.mkdir()
    run(["git", "init", "-q", "-b", "main"], root)
    (root / "data.dvc").write_text("outs: [old]\n")
    (root / "code.py").write_text("")
    commit(root, "Start")
    github.watched.origin = root
    github.watched.settings["repository"] = {"default_branch": "main"}
    return root


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What CML imports, installed from our lock file as the workflow does it."""
    folder = tmp_path_factory.mktemp("modules")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / ".github/cml" / name, folder)
    quiet = ["--no-audit", "--no-fund", "--silent"]
    command = [program("npm"), "ci", "--omit=dev", "--ignore-scripts", *quiet]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "node_modules"


@pytest.fixture(scope="session")
def cml() -> Path:
    """The real CML, if CML_FOLDER is a checkout of its pinned commit; else a stand-in.

    A machine without a way to GitHub cannot have it, so CI runs the stand-in.
    """
    return Path(os.environ.get("CML_FOLDER", HERE / "cml"))


@pytest.fixture
def origin(small_repository: Path, tmp_path: Path) -> Path:
    """The repository, with checks that end at once: what they find is not the matter here."""
    clone = tmp_path / "origin"
    run(["git", "clone", "-q", "--no-hardlinks", str(small_repository), str(clone)], tmp_path)
    (clone / "Makefile").write_text("setup:\ncheck:\n\ttest ! -e docs/broken.md\n", "utf-8")
    (clone / ".ci/run").write_text("#!/bin/sh\necho The tests of the package ran\n", "utf-8")
    commit(clone, "Let the checks end at once")
    run(["git", "config", "uploadpack.allowAnySHA1InWant", "true"], clone)
    return clone


@pytest.fixture
def act(origin: Path, github: GitHub, tmp_path: Path, cml: Path, modules: Path) -> Act:
    tools = {
        "act": program("act"),
        "CML_ORIGIN": str(cml),
        "CML_MODULES": str(modules),
    }
    return Act(origin, github, tmp_path, tools)


@pytest.fixture
def releasing(act: Act, registry: str, base_image: str, unpacked: Path) -> Iterator[Releasing]:
    prepare(act.origin, base_image)
    releasing = Releasing(act, registry, unpacked)
    yield releasing
    releasing.clean_up()


def propose(origin: Path, message: str = "Change something") -> dict[str, Any]:
    """Commit the tree's changes as a pull request; return the event that GitHub would send.

    The tree is left at the merge that GitHub would test.
    """
    run(["git", "checkout", "-q", "-B", "change"], origin)
    head = commit(origin, message)
    run(["git", "checkout", "-q", "--detach", "main"], origin)
    name = ["-c", "user.name=GitHub", "-c", "user.email=noreply@example.org"]
    run(["git", *name, "merge", "-q", "--no-ff", "-m", "Merge", "change"], origin)
    run(["git", "update-ref", f"refs/pull/{NUMBER}/merge", "HEAD"], origin)
    return pull_request(head)


def pull_request(head: str, fork: int = ID) -> dict[str, Any]:
    repository = {"id": fork, "fork": fork != ID, "owner": {"login": "team"}}
    return {
        "number": NUMBER,
        "pull_request": {
            "number": NUMBER,
            "html_url": f"https://github.com/{REPOSITORY}/pull/{NUMBER}",
            "state": "open",
            "title": "Change something",
            "head": {"sha": head, "ref": "change", "repo": repository},
            "base": {"ref": "main", "sha": BASE, "repo": {"id": ID, "default_branch": "main"}},
        },
        "repository": {"id": ID, "default_branch": "main"},
    }


def finished_run(head: str, conclusion: str = "success", fork: int = ID) -> dict[str, Any]:
    """The event that GitHub sends when a run of pull-request.yml has ended."""
    owner = "team" if fork == ID else "outsider"
    return {
        "action": "completed",
        "workflow_run": {
            "id": RUN,
            "name": "Pull request",
            "path": ".github/workflows/pull-request.yml",
            "html_url": f"https://github.com/{REPOSITORY}/actions/runs/{RUN}",
            "event": "pull_request",
            "conclusion": conclusion,
            "created_at": "2026-11-20T12:00:00Z",
            "display_title": "Change something",
            "head_sha": head,
            "run_attempt": 1,
            "head_branch": "change",
            "head_repository": {
                "id": fork,
                "full_name": f"{owner}/flights",
                "owner": {"login": owner},
            },
            "pull_requests": [],
        },
        "repository": {"id": ID, "full_name": REPOSITORY, "default_branch": "main"},
    }
