"""`slipway shadow`, as a person runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import timedelta

import pytest
from tests.shadow.conftest import START, records

from slipway.dataset.tables import read_json
from slipway.release.build import build
from slipway.repository.worktrees import environment


@pytest.fixture
def slipway(other_tree, log):
    """Runs a command in the tree of the candidate."""

    def slipway(*arguments, log=log):
        done = subprocess.run(
            [sys.executable, "-m", "slipway", *arguments],
            cwd=other_tree,
            env=environment(other_tree) | {"SLIPWAY_LOG": str(log)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert "Traceback" not in done.stderr
        return done

    return slipway


def test_a_candidate_is_compared_with_what_was_answered(slipway, other_tree, model, other):
    done = slipway("shadow", "--markdown", "build/shadow.md")

    report = read_json(other_tree / "build/shadow.json", "slipway shadow")
    assert done.returncode == {"yes": 0, "no": 1}[report["status"]], done.stderr
    assert report["candidate"]["model"] == other.sha256
    assert report["live"] == model.sha256
    assert report["rows"] == 600
    assert report["flips"]["count"] > 0
    assert f"{report['flips']['count']:,} decisions flip" in done.stdout
    assert "Shadow" in (other_tree / "build/shadow.md").read_text()


def test_the_live_model_itself_flips_nothing_and_may_get_traffic(slipway, tree, other_tree):
    done = slipway("shadow", "--candidate", str(tree / "build/model"), "--rows", "200")

    report = read_json(other_tree / "build/shadow.json", "slipway shadow")
    assert done.returncode == 0, done.stderr
    assert (report["rows"], report["flips"]["count"]) == (200, 0)
    assert report["agreement"]["same"] == 1.0


def test_a_bento_is_asked_with_its_own_code(slipway, other_tree, other):
    bento = build(other_tree)

    done = slipway("shadow", "--candidate", bento.tag)

    report = read_json(other_tree / "build/shadow.json", "slipway shadow")
    assert done.returncode in (0, 1), done.stderr
    assert report["candidate"] == {"what": f"bento {bento.tag}", "model": other.sha256}
    assert report["row_ms"]["p95"] > 0


def test_labels_that_have_come_are_used(slipway, truth, tmp_path, other_tree):
    truth.to_parquet(tmp_path / "labels.parquet")

    slipway("shadow", "--labels", str(tmp_path / "labels.parquet"))

    labels = read_json(other_tree / "build/shadow.json", "slipway shadow")["labels"]
    assert 500 < labels["rows"] <= 600
    assert {"auc", "log_loss"} <= {metric["name"] for metric in labels["metrics"]}


def test_too_short_a_log_is_no_answer(slipway, write_log, model, rows, tmp_path):
    write_log(tmp_path, model, rows[:20])

    done = slipway("shadow", log=tmp_path)

    assert done.returncode == 2
    assert "20 requests in the log, and 100 are needed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--log", "nowhere"], "no such folder"),
        (["--candidate", "nothing"], "nothing"),
        (["--log", "volume:x"], "only an image can run on the engine"),
        (["--live", "f" * 64], "no prediction of model ffffffffffff"),
        (["--labels", "nothing.parquet"], "no such file"),
        (["--follow", "out", "--log", "nowhere"], "no such folder"),
    ],
)
def test_what_is_missing_is_reported(slipway, arguments, message):
    done = slipway("shadow", *arguments)

    assert done.returncode == 2
    assert message in done.stderr
    assert "→" in done.stderr


def test_an_empty_log_is_no_answer(slipway, tmp_path):
    assert slipway("shadow", log=tmp_path).returncode == 2


def test_the_answers_of_a_model_in_shadow_mode_are_reported(
    slipway, write_log, model, other, rows, tmp_path, other_tree
):
    from slipway.shadow.answer import Shadow
    from slipway.shadow.follow import Follower

    log, out = tmp_path / "log", tmp_path / "out"
    write_log(log, other, rows[:50])
    write_log(log, model, rows[50:300], start=START + timedelta(hours=1))
    follower = Follower(log, out, Shadow(other_tree / "build/model"))
    while follower.step():
        pass
    follower.write_progress()

    done = slipway("shadow", "report", "--answers", str(out))

    report = json.loads((other_tree / "build/shadow-report.json").read_text())
    assert done.returncode == {"yes": 0, "no": 1}[report["status"]], done.stderr
    assert (report["live"], report["rows"]) == (model.sha256, 250)
    assert report["others"] == {other.sha256: 50}
    assert report["following"]["behind"] == 0
    assert "the model in shadow mode was 0 bytes of the log behind" in done.stdout
    assert len(records(out)) == 300


def test_a_model_in_shadow_mode_that_has_not_answered_is_no_answer(slipway, tmp_path):
    done = slipway("shadow", "report", "--answers", str(tmp_path))

    assert done.returncode == 2
    assert "has not answered anything yet" in done.stderr


def test_the_old_name_of_the_command_is_refused_with_the_new_one(slipway):
    done = slipway("challenger", "report")

    assert done.returncode == 2
    assert "slipway shadow" in done.stderr


@pytest.fixture(autouse=True)
def no_report_of_another_test(other_tree):
    for name in ("shadow.json", "shadow-report.json", "bentoml"):
        path = other_tree / "build" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
