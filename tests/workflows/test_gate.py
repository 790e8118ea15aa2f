"""The one required check: nothing but success, or a reason not to run, lets it pass."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.github.gate import faults

ROOT = Path(__file__).parents[2]


def needs(model="success", checks="success", changes="success", model_changed="true"):
    return {
        "changes": {"result": changes, "outputs": {"model": model_changed, "tests": "tests"}},
        "checks": {"result": checks, "outputs": {}},
        "model": {"result": model, "outputs": {}},
    }


def gate(text: str) -> subprocess.CompletedProcess[str]:
    # Isolated and without site-packages: the job has no installation.
    return subprocess.run(
        [sys.executable, "-S", "-m", "slipway.github.gate"],
        env={"PYTHONPATH": str(ROOT / "src"), "NEEDS": text, "GITHUB_ACTIONS": "true"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("found", [needs(), needs(model="skipped", model_changed="false")])
def test_it_passes_when_every_job_succeeded_or_had_no_reason_to_run(found):
    answer = gate(json.dumps(found))

    assert (answer.returncode, answer.stdout) == (0, "")


@pytest.mark.parametrize("result", ["failure", "cancelled", "skipped"])
def test_it_fails_when_a_job_did_anything_else(result):
    assert faults(needs(checks=result))
    assert faults(needs(model=result))


def test_it_names_the_job_in_the_title_of_the_check():
    answer = gate(json.dumps(needs(model="failure")))

    assert answer.returncode == 1
    assert answer.stdout.startswith("::error title=Not merged%3A `model` failed::")


@pytest.mark.parametrize("changes", ["failure", "cancelled", "skipped"])
def test_a_job_that_did_not_run_because_nobody_looked_is_a_fault(changes):
    assert "`model` did not run" in faults(
        needs(model="skipped", changes=changes, model_changed="false")
    )


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}"])
def test_no_results_are_no_success(text):
    answer = gate(text)

    assert answer.returncode in {1, 2}
    assert answer.stdout.startswith("::error title=No")
