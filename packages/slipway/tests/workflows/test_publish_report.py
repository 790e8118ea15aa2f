"""Every result of a run is in its summary and in the title of its check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.comparison.cases import BETTER, UNSURE, WORSE, judged

from slipway import actions
from slipway.github.publish_report import publish_report
from slipway.reproduction.rebuild import Stopped

SHA = "a" * 40

RUN = "https://github.com/team/flights/actions/runs/1"

IDENTICAL = {"status": "identical", "why": []}


@pytest.fixture(autouse=True)
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))


def leave(root: Path, **files: dict[str, Any]) -> None:
    """Write what the steps before would have left."""
    places = {"rebuild": "build", "report": "build", "validation": "reports"}
    for name, content in files.items():
        path = root / places[name] / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content), "utf-8")


def rebuilt(changed: bool = True, stopped: Any = None) -> dict[str, Any]:
    return {"changed": changed, "lock": IDENTICAL, "stopped": stopped}


def stopped(stage: str, code: int = 1, *output: str) -> dict[str, Any]:
    return rebuilt(stopped=vars(Stopped(stage, code, list(output))))


def title(capsys: pytest.CaptureFixture[str]) -> str:
    line = capsys.readouterr().out.splitlines()[0]
    return line.split("::")[1].replace("%3A", ":").replace("%2C", ",")


def summary(root: Path) -> str:
    return (root / "summary.md").read_text("utf-8")


def test_a_model_that_may_be_merged_is_a_notice(tmp_path, capsys):
    leave(tmp_path, rebuild=rebuilt(), report=judged(BETTER))

    assert publish_report(tmp_path, SHA, RUN) == 0
    assert title(capsys).startswith("notice title=Better: ")
    assert summary(tmp_path).startswith("### ✅ Better")
    assert f"[run]({RUN})" in summary(tmp_path)
    assert json.loads((tmp_path / "build/published/report.json").read_text("utf-8"))["may_merge"]
    assert (tmp_path / "build/published/report.html").exists()


def test_a_better_model_with_a_stale_lock_is_an_error_whose_title_is_the_verdict(tmp_path, capsys):
    leave(tmp_path, rebuild=rebuilt(), report=judged(BETTER, lock="stale"))

    assert publish_report(tmp_path, SHA, RUN, "**What remains:** `7`") == 1
    assert title(capsys).startswith("error title=Better: ")
    assert summary(tmp_path).splitlines()[2] == "**What remains:** `7`"


@pytest.mark.parametrize(
    ("challenger", "verdict"), [(WORSE, "Not merged: AUC gets worse"), (UNSURE, "Inconclusive")]
)
def test_a_model_that_may_not_is_an_error_with_the_reason(tmp_path, capsys, challenger, verdict):
    leave(tmp_path, rebuild=rebuilt(), report=judged(challenger))

    assert publish_report(tmp_path, SHA, RUN) == 1
    assert title(capsys).startswith(f"error title={verdict}")


def test_violations_in_the_data_are_taken_from_the_report_of_validation(tmp_path, capsys):
    fault: dict[str, Any] = {
        "file": "data/2013-10.parquet",
        "column": "dep_hour",
        "check": "in_range(0, 23)",
    }
    fault |= {"rule": False, "count": 14, "share": 0.1, "rows": [1], "examples": ["27"]}
    fault |= {"expected": "0 to 23"}
    found = {"version": 1, "valid": False, "files": [], "faults": [fault]}
    leave(tmp_path, rebuild=stopped("validate"), validation=found)

    assert publish_report(tmp_path, SHA, RUN) == 1
    assert title(capsys) == "error title=Not judged: the data has 1 violation"
    assert "dep_hour" in summary(tmp_path)


def test_a_stage_that_refused_is_reported_with_its_own_reason(tmp_path, capsys):
    leave(tmp_path, rebuild=stopped("prepare", 1, "slipway: feature `x` alone predicts the label"))

    assert publish_report(tmp_path, SHA, RUN) == 1
    assert title(capsys).startswith("error title=Not judged: prepare refused: feature")


def test_a_stage_that_broke_is_no_answer(tmp_path, capsys):
    old = {"version": 1, "valid": True, "files": [], "faults": []}
    leave(tmp_path, rebuild=stopped("validate", 2, "slipway: out of memory"), validation=old)

    assert publish_report(tmp_path, SHA, RUN) == 2
    assert title(capsys).startswith("error title=Not judged: validate failed")


def test_nothing_changed_is_green_and_leaves_no_report(tmp_path, capsys):
    leave(tmp_path, rebuild=rebuilt(changed=False))

    assert publish_report(tmp_path, SHA, RUN) == 0
    assert title(capsys).startswith("notice title=Nothing to judge")
    assert not (tmp_path / "build" / "published").exists()


def test_a_judge_that_did_not_end_is_no_answer(tmp_path, capsys):
    leave(tmp_path, rebuild=rebuilt())

    assert publish_report(tmp_path, SHA, RUN) == 2
    assert title(capsys) == "error title=No verdict: `slipway judge` did not finish"


def test_a_rebuild_that_did_not_end_is_no_answer(tmp_path, capsys):
    assert publish_report(tmp_path, SHA, RUN) == 2
    assert title(capsys) == "error title=No verdict: `slipway reproduce` did not finish"
    assert "No verdict" in summary(tmp_path)


def test_an_annotation_cannot_be_broken_out_of(capsys):
    actions.annotate("error", "a,b:c\n::notice::d", "100%\r\n::set-output name=x::y")

    assert capsys.readouterr().out == (
        "::error title=a%2Cb%3Ac%0A%3A%3Anotice%3A%3Ad::100%25%0D%0A::set-output name=x::y\n"
    )


def test_an_output_cannot_bring_another_key(tmp_path):
    with pytest.raises(ValueError, match="is not printable"):
        actions.set_outputs(number="7\nsha=evil")
    assert not (tmp_path / "output").exists()
