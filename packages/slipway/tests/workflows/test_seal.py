"""What a job hands on is bound to the job's own output, and compared where it arrives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.services.projects import ROOT

PROGRAM = ROOT / ".github/scripts/seal.py"

PATHS = ("build/model", "build/verified.json")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "build/model").mkdir(parents=True)
    for name in ("model/model.onnx", "model/manifest.json", "verified.json", "other.json"):
        (tmp_path / "build" / name).write_text(name, "utf-8")
    return tmp_path


def seal(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it as the workflow does: isolated, from standard input."""
    return subprocess.run(
        [sys.executable, "-I", "-", *arguments],
        input=PROGRAM.read_text("utf-8"),
        cwd=tree,
        env={"GITHUB_OUTPUT": str(tree / "output")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def sealed(tree: Path) -> str:
    assert seal(tree, *PATHS).returncode == 0
    return (tree / "output").read_text("utf-8").strip().removeprefix("seal=")


def exchange(name: str, content: str = "x"):
    return lambda build: (build / name).write_text(content, "utf-8")


def link(build: Path) -> None:
    (build / "verified.json").rename(build / "real.json")
    (build / "verified.json").symlink_to("real.json")


CHANGES = {
    "the manifest": exchange("model/manifest.json"),
    "what was verified": exchange("verified.json"),
    "one more file": exchange("model/more.onnx"),
    "a file less": lambda build: (build / "model/manifest.json").unlink(),
    "two names": lambda build: (
        (build / "model/manifest.json").rename(build / "t"),
        (build / "model/model.onnx").rename(build / "model/manifest.json"),
        (build / "t").rename(build / "model/model.onnx"),
    ),
    "no folder": lambda build: (build / "model").rename(build / "moved"),
    "a link to the same content": link,
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_is_exchanged_on_the_way_is_a_stop(tree, sealed, what):
    CHANGES[what](tree / "build")

    answer = seal(tree, "--expect", sealed, *PATHS)

    assert answer.returncode in (1, 2)
    assert answer.stdout.startswith("::error title=Not released::")


def test_what_arrives_as_it_was_goes_on_and_other_files_do_not_matter(tree, sealed):
    (tree / "build/other.json").write_text("x", "utf-8")

    assert seal(tree, "--expect", sealed, *PATHS).returncode == 0


@pytest.mark.parametrize("given", ["", "0" * 63, "x" * 64])
def test_without_a_seal_nothing_goes_on(tree, given):
    assert seal(tree, "--expect", given, *PATHS).returncode == 2


def test_every_job_of_a_release_compares_before_anything_reads_what_it_has_downloaded():
    jobs = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text("utf-8"))["jobs"]
    found = 0
    for name, job in jobs.items():
        steps = job["steps"]
        for at, step in enumerate(steps):
            if step.get("with", {}).get("name") == "verified" and "download" in step["uses"]:
                found += 1
                following = steps[at + 1]
                assert "seal.py --expect" in following["run"], name
                assert following["env"]["SEAL"] == "${{ needs.verify.outputs.seal }}", name
    assert found == 4
