"""A merge is released only with the model that was reviewed, and that is found good once more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml
from tests.judge.cases import BETTER, WORSE, judged
from tests.services.repository import commit, edit_params
from tests.verify.conftest import rebuild
from tests.workflows.api import ID, REPOSITORY
from tests.workflows.conftest import RUN

from slipway.errors import Refused
from slipway.tables import digest
from slipway.verify import check_verified, restore, verify
from slipway.workspace import run

HEAD = "a" * 40

RUNS = "pull-request.yml"


@pytest.fixture
def on_github(github, api, tmp_path, monkeypatch):
    """What a job for a push to main is told."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"repository": {"id": ID, "default_branch": "main"}}), "utf-8")
    summary = tmp_path / "summary.md"
    for name, value in {
        "GITHUB_EVENT_PATH": event,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_STEP_SUMMARY": summary,
    }.items():
        monkeypatch.setenv(name, str(value))
    return api


@pytest.fixture
def summary(tmp_path):
    return lambda: (tmp_path / "summary.md").read_text("utf-8")


def commit_of(root: Path) -> str:
    return run(["git", "rev-parse", "HEAD"], root).strip()


def review(github, root: Path, report: dict[str, Any] | None) -> None:
    """Let the newest commit be the merge of a pull request whose last run left this report."""
    github.released.merge(commit_of(root))
    github.watched.runs[RUNS] = [{"id": RUN, "head_sha": HEAD, "conclusion": "success"}]
    if report:
        github.add_report(RUN, report)


def report_on(sha256: str, numbers: Any = BETTER) -> dict[str, Any]:
    report = judged(numbers)
    report["challenger"]["model"] = sha256
    return report


def slipway_verify(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slipway", "verify", *options],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def object_of(remote: Path, md5: str) -> Path:
    return remote / "files/md5" / md5[:2] / md5[2:]


def test_a_reviewed_model_is_verified_and_what_was_found_is_written(
    main, model, github, on_github, summary
):
    review(github, main, report_on(model))

    found = verify(main, "", on_github)

    assert found.reviewed == {
        "number": 7,
        "url": "https://github.com/team/flights/pull/7",
        "sha256": model,
    }
    assert found.verdict.startswith("Not worse")
    assert "### ✅ Verified" in summary()
    assert "### ✅ Not worse" in summary()
    written = json.loads((main / "build/verified.json").read_text("utf-8"))
    assert written["commit"] == commit_of(main)
    assert written["base"] == run(["git", "rev-parse", "HEAD^1"], main).strip()
    assert written["lock"] == "identical"
    assert written["model_sha256"] == model == digest(main / "build/model/model.onnx")
    assert written["manifest_sha256"] == digest(main / "build/model/manifest.json")
    assert json.loads((main / written["report"]).read_text("utf-8"))["may_merge"]
    assert check_verified(main, commit_of(main), model) == written


def test_on_a_laptop_nobody_is_asked_and_the_committed_judgement_is_named(main):
    (main / "docs/new.md").write_text("# New\n", "utf-8")
    commit(main, "Write something down")

    answer = slipway_verify(main)

    assert answer.returncode == 0, answer.stderr
    assert "not asked: this does not run on GitHub; the judgement in reports/" in answer.stdout
    assert "Unchanged: the same model as before" in answer.stdout


def test_it_is_judged_against_what_was_released_not_against_a_merge_that_was_stopped(
    main, github, on_github, summary
):
    """Else any later merge would carry the model that was stopped to where it may not go."""
    good = commit_of(main)
    edit_params(main, train={"iterations": 75})
    rebuild(main)
    stopped = commit(main, "Merge a model that is stopped")
    (main / "docs/new.md").write_text("# New\n", "utf-8")
    commit(main, "Write something down")
    github.watched.runs["deploy.yml"] = [
        {"head_sha": stopped, "conclusion": "failure"},
        {"head_sha": good, "conclusion": "success"},
    ]

    with pytest.raises(Refused, match=r"judged again on main: .+ gets worse by") as no:
        verify(main, "", on_github)

    assert no.value.exit_code == 1
    assert no.value.do
    assert "### ⛔ Not released: judged again on main" in summary()
    assert not (main / "build/verified.json").exists()


class TestTampering:
    """Between the review and the release somebody swaps one thing."""

    def test_the_model_file_in_the_remote_is_made_again_instead(self, main, model):
        """What is fetched is hashed, so another file cannot come in; the rebuild is honest."""
        [wanted] = [
            path
            for path in (main / "data-remote").rglob("*")
            if path.is_file() and digest(path) == model
        ]
        wanted.chmod(0o644)
        wanted.write_bytes(b"another model")
        commit(main, "Swap the model in the remote")

        assert verify(main, "", None).model_sha256 == model
        assert digest(main / "build/model/model.onnx") == model

    @pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
    def test_a_file_in_the_cache_is_fetched_again_instead(self, main, model, name):
        restore(main)
        md5 = digest(main / "build/model" / name, "md5")
        cached = object_of(main / ".dvc/cache", md5)
        cached.chmod(0o644)
        cached.write_bytes(b"something else")

        assert restore(main) == model
        assert digest(main / "build/model" / name, "md5") == md5

    def test_another_model_under_an_honest_looking_lock_is_different(self, main, merged):
        restore(main)
        shutil.copytree(merged / "build/prepared", main / "build/prepared")
        path = main / "build/model/model.onnx"
        swapped = onnx.load(path)
        trees = next(n for n in swapped.graph.node if n.op_type.startswith("TreeEnsemble"))
        next(a for a in trees.attribute if a.name == "base_values").floats[0] += 0.5
        path.unlink()
        onnx.save(swapped, path)
        manifest = main / "build/model/manifest.json"
        said = json.loads(manifest.read_text("utf-8"))
        said["model"]["sha256"] = digest(path)
        manifest.unlink()
        manifest.write_text(json.dumps(said), "utf-8")
        run(["dvc", "commit", "-q", "-f", "train"], main)
        run(["dvc", "push", "-q"], main)
        commit(main, "Swap the model and its lock")

        with pytest.raises(Refused, match=r"dvc\.lock is different: .*predictions differ"):
            verify(main, "", None)

    def test_a_lock_that_is_not_as_committed_is_no_answer(self, main):
        lock = yaml.safe_load((main / "dvc.lock").read_text("utf-8"))
        lock["stages"]["train"]["outs"][0]["md5"] = "0" * 32 + ".dir"
        (main / "dvc.lock").write_text(yaml.safe_dump(lock), "utf-8")

        answer = slipway_verify(main)

        assert answer.returncode == 2
        assert "not as their commit has them" in answer.stderr

    def test_a_report_on_another_model_stops_it(self, main, github, on_github):
        review(github, main, report_on("f" * 64))

        with pytest.raises(Refused, match="#7 was reviewed with model ffffffffffff"):
            verify(main, "", on_github)

    def test_a_report_that_contradicts_itself_stops_it(self, main, model, github, on_github):
        lie = report_on(model, WORSE) | {"verdict": "better", "may_merge": True, "stops": []}
        review(github, main, lie)

        with pytest.raises(Refused, match="the report of #7 is not believed"):
            verify(main, "", on_github)

    @pytest.mark.parametrize(("commit", "sha256"), [("c" * 40, "m"), ("a" * 40, "x")])
    def test_what_was_verified_vouches_for_no_other_commit_or_model(self, tmp_path, commit, sha256):
        (tmp_path / "build").mkdir()
        said = {"commit": "a" * 40, "model_sha256": "m"}
        (tmp_path / "build/verified.json").write_text(json.dumps(said), "utf-8")

        with pytest.raises(Refused, match="was verified"):
            check_verified(tmp_path, commit, sha256)
