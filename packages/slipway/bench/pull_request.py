"""A pull request of a fork: the time of each job of pull-request.yml, run by `act`.

One job runs at a time, so each has all cores. The actions that only GitHub can serve (checkout,
Python with the cached environment, artifacts) are those of `tests/workflows/actions`; everything
else is what a fork runs. As root it runs in a user namespace without rights, because no job may
need root.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.measure import PACKAGE, ROOT, machine, table

from slipway.comparison.report import Judgement
from slipway.dataset.tables import read_json
from slipway.errors import SlipwayError

sys.path.insert(0, str(PACKAGE))
from tests.services.servers import program
from tests.workflows.api import serving
from tests.workflows.conftest import FORK, Act, Outcome, propose, pull_request

WORKFLOW = ("--workflows", ".github/workflows/pull-request.yml", "--concurrent-jobs", "1")
CHANGES, CHECKS, MODEL, ALL = "Detect changes", "Lint and tests", "Model", "All checks"
PARAMETER = ("l2: 1.0", "l2: 1.1")
USER = 65534  # a user without rights
AIM = "≤ 180 s"


@dataclass(frozen=True)
class Change:
    """A change, and the result of each job that it must start; no other job may run."""

    name: str
    make: Callable[[Path], None]
    results: Mapping[str, str]


def main() -> None:
    without_root()
    times = {change.name: measure(change) for change in PROPOSED}
    print("## A pull request of a fork, from checkout to *All checks*\n")
    print(f"Whole seconds, as `act` logs them, one run each. {machine()}\n")
    print(f"{table(rows(times))}\n")
    print("The verdict is *not worse*; *Model* and *All checks* fail because dvc.lock is stale.")


def without_root() -> None:
    """Start again as a user without rights, if this is root: no job of a fork may need root."""
    if os.geteuid() == 0:
        user = [f"--map-user={USER}", f"--map-group={USER}"]
        os.execvp("unshare", ["unshare", *user, sys.executable, *sys.argv])


def measure(change: Change) -> dict[str, float]:
    """Propose a change and return the seconds of each job."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        origin = folder / "origin"
        git(folder, "clone", "--quiet", str(ROOT), str(origin))
        git(origin, "checkout", "--quiet", "-B", "main")
        change.make(origin)
        event = propose(origin, change.name)
        event |= pull_request(event["pull_request"]["head"]["sha"], FORK)
        with serving(folder) as github:
            act = Act(origin, github, folder, {"act": installed("act")})
            outcome = act.run("pull_request", event, *WORKFLOW)
        check(change, outcome)
        if MODEL in outcome.jobs:
            check_verdict(act.artifacts / "report/report.json")
    return outcome.seconds


def check(change: Change, outcome: Outcome) -> None:
    """Stop if a job did not end as it must, or if a job ran that the change must not start."""
    for job in outcome.jobs.keys() | change.results.keys():
        expected, result = (each.get(job, "skipped") for each in (change.results, outcome.jobs))
        if result != expected:
            print(outcome.text, file=sys.stderr)
            sys.exit(f"{change.name}: the result of *{job}* is {result}, expected {expected}")


def check_verdict(path: Path) -> None:
    """Stop if the model was not judged, or not only its stale lock keeps it from the merge."""
    try:
        report = Judgement.of(read_json(path, "slipway judge"))
    except SlipwayError as error:
        sys.exit(f"*{MODEL}* ended without a verdict: {error}")
    stops = [(stop.code, stop.about) for stop in report.stops]
    if report.verdict != "not worse" or stops != [("lock", "stale")]:
        sys.exit(f"the verdict is {report.verdict} with the stops {stops}, expected a stale lock")


def rows(times: Mapping[str, Mapping[str, float]]) -> list[dict[str, str]]:
    """Return a row for each job, and one for the longest path through them."""
    listed = [
        {"job": job, **{name: shown(each.get(job)) for name, each in times.items()}, "aim": ""}
        for job in (CHANGES, CHECKS, MODEL, ALL)
    ]
    path = f"longest path: {CHANGES} + the slower of {CHECKS} and {MODEL} + {ALL}"
    totals = {name: shown(longest_path(each)) for name, each in times.items()}
    return [*listed, {"job": path, **totals, "aim": AIM}]


def longest_path(times: Mapping[str, float]) -> float:
    return times[CHANGES] + max(times[CHECKS], times.get(MODEL, 0)) + times[ALL]


def shown(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.0f}"


def change_parameter(fork: Path) -> None:
    """Change a number and leave the lock as it is: the job finds it stale and rebuilds."""
    path = fork / "params.yaml"
    text = path.read_text("utf-8")
    if PARAMETER[0] not in text:
        sys.exit(f"params.yaml has no `{PARAMETER[0]}`: set PARAMETER in {__file__}")
    path.write_text(text.replace(*PARAMETER), "utf-8")


def change_readme(fork: Path) -> None:
    """Change a page that no stage reads."""
    with (fork / "README.md").open("a", encoding="utf-8") as file:
        file.write("\nOne more sentence.\n")


def installed(name: str) -> str:
    try:
        return program(name)
    except pytest.skip.Exception as missing:
        sys.exit(str(missing))


def git(cwd: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=cwd, check=True)


PROPOSED = (
    Change(
        f"`{PARAMETER[0]}` → `{PARAMETER[1].split()[-1]}` in params.yaml",
        change_parameter,
        {CHANGES: "success", CHECKS: "success", MODEL: "failure", ALL: "failure"},  # a stale lock
    ),
    Change("README.md", change_readme, dict.fromkeys((CHANGES, CHECKS, ALL), "success")),
)


if __name__ == "__main__":
    main()
