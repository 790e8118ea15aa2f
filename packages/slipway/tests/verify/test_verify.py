"""A merge is released only with the model that was reviewed, and that is found good once more."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.comparison.cases import BETTER, judged
from tests.services.repository import commit, edit_params
from tests.verify.conftest import rebuild
from tests.workflows.api import ID, REPOSITORY
from tests.workflows.conftest import RUN

from slipway.dataset.tables import digest, files_of, write_json
from slipway.errors import Refused, SlipwayError
from slipway.release.image.build import check_model
from slipway.release.image.record import ImageRecord
from slipway.release.verified import Verified, check_verified
from slipway.repository.layout import python_path
from slipway.repository.worktrees import run
from slipway.verify import verify

RUNS = "pull-request.yml"


@pytest.fixture
def on_github(github, api, tmp_path, monkeypatch):
    """The event and environment of a job for a push to main."""
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


def review(github, root: Path, report: dict[str, Any] | None, number: int = 7) -> None:
    """Let the newest commit be the merge of a pull request whose last run left this report."""
    head, run_id = f"{number:040x}", RUN + number
    github.released.merge(commit_of(root), number, head)
    ended = {"id": run_id, "head_sha": head, "conclusion": "success"}
    github.watched.runs.setdefault(RUNS, []).append(ended)
    if report:
        github.add_report(run_id, report)


def swap_recorded(root: Path, name: str, change: Callable[[Path], object]) -> str:
    """Record another file of the model folder in dvc.lock, and push it; return the new commit."""
    run(["dvc", "pull", "-q", "build/model"], root)
    path = root / "build/model" / name
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    change(path)
    lock = yaml.safe_load((root / "dvc.lock").read_text("utf-8"))
    out = lock["stages"]["train"]["outs"][0]
    files = sorted((root / "build/model").iterdir())
    listing = [{"md5": digest(file, "md5"), "relpath": file.name} for file in files]
    blob = json.dumps(listing, sort_keys=True).encode()
    out["md5"] = hashlib.md5(blob, usedforsecurity=False).hexdigest() + ".dir"
    out["size"] = sum(file.stat().st_size for file in files)
    (root / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False), "utf-8")
    for md5, data in ((out["md5"], blob), (digest(path, "md5"), path.read_bytes())):
        there = object_of(root / "data-remote", md5)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(data)
    shutil.rmtree(root / "build")
    shutil.rmtree(root / ".dvc/cache")
    return commit(root, "Rebuild dvc.lock")


def move_threshold(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"threshold": 0.99}), "utf-8")


def nudge_golden(path: Path) -> None:
    """Write the manifest as another processor would, which adds numbers in another sequence."""
    manifest = json.loads(path.read_text("utf-8"))
    for example in manifest["golden"]:
        example["probability"] *= 1 + 1e-8
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")


def report_on(sha256: str, folder: Path) -> dict[str, Any]:
    """Return a report on a model, with the manifest of a model folder."""
    report = judged(BETTER)
    report["challenger"] |= {"model": sha256, "manifest": digest(folder / "manifest.json")}
    return report


def slipway_verify(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slipway", "verify", *options],
        cwd=root,
        env=os.environ | {"PYTHONPATH": python_path(root)},
        capture_output=True,
        text=True,
        check=False,
    )


def object_of(remote: Path, md5: str) -> Path:
    return remote / "files/md5" / md5[:2] / md5[2:]


class TestOnALaptop:
    """The command, after a commit that swaps the model file in the remote and nothing else."""

    @pytest.fixture(scope="class")
    def swapped(self, merged, tmp_path_factory):
        clone = tmp_path_factory.mktemp("laptop") / "main"
        run(["git", "clone", "-q", str(merged), str(clone)], clone.parent)
        model = digest(merged / "build/model/model.onnx")
        [wanted] = [
            path
            for path in (clone / "data-remote").rglob("*")
            if path.is_file() and digest(path) == model
        ]
        wanted.chmod(0o644)
        wanted.write_bytes(b"another model")
        commit(clone, "Swap the model in the remote")
        return clone, slipway_verify(clone)

    def test_github_is_not_asked_and_the_committed_judgement_is_named(self, swapped):
        _, answer = swapped

        assert answer.returncode == 0, answer.stderr
        assert (
            "not checked: this is not a job of GitHub Actions; the verdict in reports/"
            in answer.stdout
        )
        assert "Unchanged: the same model as before" in answer.stdout

    def test_a_month_that_no_dvc_add_has_seen_is_named_and_kept(self, merged, tmp_path):
        clone = tmp_path / "main"
        run(["git", "clone", "-q", str(merged), str(clone)], tmp_path)
        (clone / "data").mkdir()
        (clone / "data/2013-12.parquet").write_bytes(b"mine")

        answer = slipway_verify(clone)

        assert answer.returncode != 0
        assert "2013-12.parquet" in answer.stderr
        assert (clone / "data/2013-12.parquet").read_bytes() == b"mine"

    def test_the_model_file_in_the_remote_is_made_again_instead(self, swapped, model, merged):
        """What is fetched is hashed, so another file cannot come in; the rebuild is honest."""
        main, _ = swapped

        verified = json.loads((main / "build/verified.json").read_text("utf-8"))
        assert verified["model_sha256"] == model == digest(main / "build/model/model.onnx")
        assert files_of(main / "build/backtest") == files_of(merged / "build/backtest")
        assert verified["lock"] == "identical"
        assert verified["recorded_sha256"] == model
        assert verified["base"] == run(["git", "rev-parse", "HEAD^1"], main).strip()


def test_it_is_judged_against_what_was_released_not_against_a_merge_that_was_stopped(
    merged, github, on_github, summary, tmp_path, monkeypatch
):
    """Else any later merge would carry the model that was stopped to where it may not go."""
    main = Path(shutil.copytree(merged, tmp_path / "main", symlinks=True))
    monkeypatch.chdir(main)
    good = commit_of(main)
    edit_params(main, train={"iterations": 3})
    rebuild(main)
    stopped = commit(main, "Merge a model that is stopped")
    folder = main / "build/model"
    review(github, main, report_on(digest(folder / "model.onnx"), folder))
    (main / "docs/new.md").write_text("# New\n", "utf-8")
    commit(main, "Write something down")
    github.watched.runs["deploy.yml"] = [
        {"id": 2, "event": "push", "head_sha": stopped, "conclusion": "failure"},
        {"id": 1, "event": "push", "head_sha": good, "conclusion": "success"},
    ]

    with pytest.raises(Refused, match=r"judged again on main: .+ gets worse by") as no:
        verify(main, "", on_github)

    assert no.value.exit_code == 1
    assert no.value.do
    assert "### ⛔ Not released: judged again on main" in summary()
    assert not (main / "build/verified.json").exists()


class TestTampering:
    """One thing is swapped between the review and the release."""

    def test_a_threshold_moved_in_the_recorded_manifest_is_different(self, main):
        """No code, parameter or data has changed, and the model is the same."""
        swap_recorded(main, "manifest.json", move_threshold)

        with pytest.raises(Refused, match=r"dvc\.lock is different: .*threshold"):
            verify(main, "", None)
        assert not (main / "build/model").exists()

    def test_a_lock_that_is_not_as_committed_is_no_answer(self, main):
        lock = yaml.safe_load((main / "dvc.lock").read_text("utf-8"))
        lock["stages"]["train"]["outs"][0]["md5"] = "0" * 32 + ".dir"
        (main / "dvc.lock").write_text(yaml.safe_dump(lock), "utf-8")

        answer = slipway_verify(main)

        assert answer.returncode == 2
        assert "differ from their commit" in answer.stderr


def test_a_reviewed_model_that_another_processor_recorded_is_released_as_it_was_rebuilt(
    main, model, merged, github, on_github, summary
):
    swap_recorded(main, "manifest.json", nudge_golden)
    review(github, main, report_on(model, merged / "build/model"))

    base = run(["git", "rev-parse", "HEAD^1"], main).strip()
    found = verify(main, base, on_github)

    assert found.reviewed is not None
    assert (found.reviewed.number, found.reviewed.sha256) == (7, model)
    assert found.verdict.startswith("Not worse")
    assert (found.commit, found.base, found.lock) == (commit_of(main), base, "equivalent")
    folder = main / "build/model"
    assert found.files == {path.name: digest(path) for path in folder.iterdir()}
    assert found.model_sha256 == model == digest(folder / "model.onnx")
    rebuilt = digest(merged / "build/model/manifest.json")
    assert found.manifest_sha256 == rebuilt == digest(folder / "manifest.json")
    # Bytes that no one has judged before are judged, whatever the lock names.
    report = json.loads((main / found.report).read_text("utf-8"))
    assert report["lock"] == "equivalent"
    assert report["may_merge"]
    assert report["challenger"]["manifest"] == rebuilt
    assert "### ✅ Verified" in summary()
    assert "### ✅ Not worse" in summary()
    assert "rebuilt bytes" in summary()
    assert check_verified(main, found) == found
    assert Verified.read(main) == found


class TestHandOver:
    """What was verified is checked again wherever it arrives."""

    @pytest.fixture
    def verified(self, small_repository, tmp_path):
        shutil.copytree(small_repository / "build/model", tmp_path / "build/model")
        folder = tmp_path / "build/model"
        files = {path.name: digest(path) for path in folder.iterdir()}
        found = {
            "commit": "a" * 40,
            "model_sha256": files["model.onnx"],
            "manifest_sha256": files["manifest.json"],
            "files": files,
        }
        write_json(found, tmp_path / "build/verified.json")
        return tmp_path

    def found(self, root: Path) -> dict[str, Any]:
        return dict(json.loads((root / "build/verified.json").read_text("utf-8")))

    def image(self, root: Path, **changed: str) -> ImageRecord:
        """The record of an image of what was verified, but for some of its values."""
        found = self.found(root)
        named = {key: found[key] for key in ("commit", "model_sha256", "manifest_sha256")}
        return ImageRecord(**({"image": "sha256:" + "1" * 64, "data": "d"} | named | changed))

    @pytest.mark.parametrize("name", ["commit", "model_sha256", "manifest_sha256"])
    def test_an_image_of_something_else_is_refused(self, verified, name):
        with pytest.raises(Refused, match=f"{name} is ffff.* was verified"):
            check_verified(verified, self.image(verified, **{name: "f" * 64}))

    def test_an_image_that_does_not_name_its_manifest_is_refused(self, verified):
        image = self.image(verified, manifest_sha256="")

        with pytest.raises(Refused, match="manifest_sha256 is nothing"):
            check_verified(verified, image)

    @pytest.mark.parametrize("name", ["manifest.json", "baseline.onnx", "more.onnx"])
    def test_a_file_that_was_exchanged_or_added_is_refused(self, verified, name):
        path = verified / "build/model" / name
        path.unlink(missing_ok=True)
        path.write_bytes(b"{}")

        with pytest.raises(Refused, match=f"{name}: not the file that was verified"):
            check_verified(verified, self.image(verified))

    def test_a_file_that_is_missing_is_refused(self, verified):
        (verified / "build/model/reference.parquet").unlink()

        with pytest.raises(Refused, match=r"reference\.parquet: not the file"):
            check_verified(verified, self.image(verified))

    def test_no_image_is_built_of_another_folder_than_was_verified(
        self, verified, small_repository, tmp_path_factory
    ):
        tree = tmp_path_factory.mktemp("tree") / "repository"
        run(["git", "clone", "-q", str(small_repository), str(tree)], tree.parent)
        shutil.copytree(verified / "build", tree / "build")
        found = self.found(verified)
        write_json(found | {"commit": commit_of(tree)}, tree / "build/verified.json")
        check_model(tree)
        (tree / "build/model/baseline.onnx").unlink()
        (tree / "build/model/baseline.onnx").write_bytes(b"another")

        with pytest.raises(Refused, match=r"baseline\.onnx: not the file that was verified"):
            check_model(tree)

    def test_what_names_other_files_than_it_claims_is_no_answer(self, verified):
        found = self.found(verified)
        write_json(found | {"manifest_sha256": "f" * 64}, verified / "build/verified.json")

        with pytest.raises(SlipwayError, match="does not name the files"):
            Verified.read(verified)
