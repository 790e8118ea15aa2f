"""What a release is judged against, and what is known of its review: asked of GitHub."""

from __future__ import annotations

import json

import pytest
from tests.comparison.cases import BETTER, WORSE, judged
from tests.services.repository import AUTHOR, commit
from tests.workflows.api import ID
from tests.workflows.conftest import RUN
from tests.workflows.released import base

from slipway.errors import Refused
from slipway.github.approval import Acceptance, check_review
from slipway.github.last_release import Base, base_of_release
from slipway.github.review import find_reviews
from slipway.repository.worktrees import run
from slipway.reproduction.reproduce import LockVerdict

COMMIT, HEAD = "c" * 40, "a" * 40


class TestBase:
    @pytest.fixture
    def main(self, tmp_path):
        """A branch with five commits, the oldest first."""
        run(["git", "init", "-q", "-b", "main"], tmp_path)
        names = []
        for name in "abcde":
            (tmp_path / name).touch()
            names.append(commit(tmp_path, name))
        return names

    @pytest.fixture
    def base(self, main, api, github, tmp_path, monkeypatch):
        def base(*runs: tuple[str, ...], before: str = "0" * 40) -> str:
            event = {"before": before, "repository": {"id": ID, "default_branch": "main"}}
            (tmp_path / "event.json").write_text(json.dumps(event), "utf-8")
            monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
            github.watched.runs["deploy.yml"] = [
                {
                    "id": len(runs) - at,
                    "event": "workflow_dispatch" if title else "push",
                    "display_title": title[0] if title else "Merge",
                    "head_sha": sha,
                    "conclusion": end,
                }
                for at, (sha, end, *title) in enumerate(runs)
            ]
            return base_of_release(tmp_path, main[-1], api).commit

        return base

    def test_it_is_the_last_commit_that_was_released(self, main, base):
        a, b, c, d, e = main

        assert base((e, ""), (d, "cancelled"), (c, "failure"), (b, "success"), (a, "success")) == b

    def test_a_release_of_another_branch_or_of_a_later_commit_is_none(self, main, base):
        assert base(("f" * 40, "success"), (main[1], "success")) == main[1]

    def test_if_none_was_it_is_the_commit_before_the_first_try(self, main, base):
        assert base((main[3], "failure"), (main[2], "failure")) == main[1]

    def test_if_none_was_tried_it_is_what_main_was_before_this_push(self, main, base):
        assert base(before=main[1]) == main[1]
        assert base(before="f" * 40) == main[3]

    def test_a_release_by_hand_counts_for_the_commit_that_its_title_names(self, main, base):
        a, b, c, d, _ = main

        assert base((d, "success", f"Release {b[:9]}"), (a, "success")) == b
        assert base((c, "success", "Release newest"), (a, "success")) == c
        # Before runs were named, GitHub only knew where the branch was.
        assert base((c, "success", "Deploy"), (a, "success")) == a

    def test_the_very_first_commit_has_none_before_it(self, main, base):
        assert base((main[0], "failure")) == ""


def review_of(api):
    [review] = find_reviews(api, [COMMIT], "main")
    return review


class TestReview:
    def runs(self, github, *runs):
        github.watched.runs["pull-request.yml"] = [
            {"id": number, "head_sha": sha, "conclusion": end} for number, sha, end in runs
        ]

    def test_a_commit_without_a_pull_request_has_none(self, api):
        assert review_of(api).as_record() is None

    @pytest.mark.parametrize(
        "fields",
        [{"merged_at": None}, {"merge_commit_sha": "d" * 40}, {"base": base("aside")}],
        ids=["open", "another", "another branch"],
    )
    def test_a_pull_request_that_did_not_bring_the_commit_to_main_is_none(
        self, api, github, fields
    ):
        github.released.merge(COMMIT, **fields)

        assert review_of(api).as_record() is None

    def test_commits_that_were_rebased_onto_main_have_one_review(self, api, github):
        older = "b" * 40
        for landed in (COMMIT, older):
            github.released.merge(landed, merge_commit_sha=COMMIT)

        assert [review.number for review in find_reviews(api, [COMMIT, older], "main")] == [7]

    def test_the_newest_run_that_ended_counts(self, api, github):
        github.released.merge(COMMIT, head=HEAD)
        self.runs(github, (9, HEAD, None), (8, "b" * 40, "success"), (7, HEAD, "failure"))
        review_of(api)

        assert [call for call in github.calls if "artifacts" in call] == [
            "GET actions/runs/7/artifacts"
        ]

    def test_a_missing_run_or_report_is_named(self, api, github):
        github.released.merge(COMMIT, head=HEAD)
        self.runs(github)
        assert review_of(api).words == "#7: its checks have no finished run"

        self.runs(github, (RUN, HEAD, "success"))
        github.add_artifact(RUN, "report", b"", expired=True)
        review = review_of(api)
        assert "the report has expired" in review.words
        assert review.sha256 == ""

    def test_what_is_no_report_of_ours_is_refused(self, api, github):
        github.released.merge(COMMIT, head=HEAD)
        self.runs(github, (RUN, HEAD, "success"))
        github.add_report(RUN, {"challenger": {"model": "f" * 64}})

        with pytest.raises(Refused, match="the report of #7 is not valid"):
            review_of(api)

    def test_a_report_that_contradicts_itself_is_refused(self, api, github):
        github.released.merge(COMMIT, head=HEAD)
        self.runs(github, (RUN, HEAD, "success"))
        lie = {"verdict": "better", "may_merge": True, "stops": []}
        github.add_report(RUN, judged(WORSE) | lie)

        with pytest.raises(Refused, match="the report of #7 is not valid"):
            review_of(api)


MODEL, OLD, RECORDED = "1" * 64, "2" * 64, "3" * 64

MANIFEST, OTHER = "4" * 64, "5" * 64

LOCK = "stages:\n  train:\n    cmd: x\n    outs:\n    - path: build/model\n      md5: {}.dir\n"


class TestApproval:
    """A review that cannot be found is a stop."""

    @pytest.fixture
    def main(self, tmp_path, api, github, monkeypatch):
        event = {"repository": {"id": ID, "default_branch": "main"}}
        (tmp_path / "event.json").write_text(json.dumps(event), "utf-8")
        monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
        return Main(tmp_path / "main", api, github)

    def test_the_model_of_a_reviewed_pull_request_may_be_released(self, main):
        main.merge(7, "b", MODEL)

        assert main.review().number == 7

    @pytest.mark.parametrize("how", ["merge", "squash"])
    def test_it_does_not_matter_how_the_pull_request_was_merged(self, main, how):
        main.merge(7, "b", MODEL, fast=how == "squash")

        assert main.review().number == 7

    def test_a_direct_push_is_a_stop_that_names_what_to_do(self, main):
        main.push("b")

        with pytest.raises(Refused, match="by no pull request") as stop:
            main.review()
        assert RECORDED[:12] in stop.value.do
        assert "Run workflow" in stop.value.do

    def test_a_direct_push_below_a_reviewed_pull_request_is_a_stop(self, main):
        """Else a later merge would carry it along."""
        main.push("a", code="print(1)\n")
        main.merge(7, "b", MODEL)

        with pytest.raises(Refused, match="by no pull request"):
            main.review()

    def test_a_direct_push_that_does_not_reach_the_service_is_none(self, main):
        main.push("a", docs="More\n")
        main.merge(7, "b", MODEL)

        assert main.review().number == 7

    def test_a_report_that_is_gone_is_a_stop(self, main):
        main.merge(7, "b", None)

        with pytest.raises(Refused, match="the report has expired") as stop:
            main.review()
        assert "Re-run all jobs" in stop.value.do

    def test_a_pull_request_whose_checks_never_ran_is_a_stop(self, main):
        main.merge(7, "a", None, ran=False, code="print(1)\n")

        with pytest.raises(Refused, match="its checks have no finished run"):
            main.review()

    def test_a_report_on_another_model_is_a_stop(self, main):
        main.merge(7, "b", OLD)

        with pytest.raises(Refused, match="#7 was reviewed with model 2222"):
            main.review()

    def test_a_report_may_name_what_the_lock_records(self, main):
        """The pull request ran on another processor, or on the one that made the lock."""
        main.merge(7, "b", RECORDED)
        assert main.review().number == 7

    def test_a_report_on_a_rebuild_names_the_recorded_model_too(self, main):
        main.merge(7, "b", OLD, recorded=RECORDED)
        assert main.review().number == 7

    def test_a_change_that_leaves_the_released_model_as_it_is_needs_no_report(self, main):
        main.merge(7, "a", None, code="print(1)\n")

        review = main.review()

        assert review.number == 7
        assert review.sha256 == ""

    def test_the_report_of_the_pull_request_that_brought_the_model_counts(self, main):
        main.merge(7, "b", MODEL)
        main.merge(8, "b", None, code="print(1)\n")

        assert main.review().number == 7

    def test_a_later_change_of_the_manifest_alone_without_a_report_is_a_stop(self, main):
        main.merge(7, "b", MODEL)
        main.merge(8, "c", None)

        with pytest.raises(Refused, match="another model folder"):
            main.review()

    def test_a_report_on_another_manifest_is_a_stop(self, main):
        main.merge(7, "b", MODEL, manifest=OTHER)

        with pytest.raises(Refused, match="#7 was reviewed with manifest 5555"):
            main.review()

    def test_a_report_that_names_no_manifest_is_a_stop(self, main):
        main.merge(7, "b", MODEL, manifest="")

        with pytest.raises(Refused, match="does not name the manifest") as stop:
            main.review()
        assert "Re-run all jobs" in stop.value.do

    def test_the_first_release_of_a_fork_is_a_stop_until_a_person_accepts_the_model(self, main):
        main.released = False
        main.merge(7, "a", None, code="print(1)\n")

        with pytest.raises(Refused, match="no review of this model"):
            main.review()
        assert "ada" in main.review(Acceptance(RECORDED[:12], "ada")).words

    @pytest.mark.parametrize("typed", ["4" * 12, RECORDED[:11], "", "3*", RECORDED + "3"])
    def test_a_person_accepts_this_model_and_no_other(self, main, typed):
        main.push("b")

        with pytest.raises(Refused):
            main.review(Acceptance(typed or "0", "ada"))


class Main:
    """A branch main whose first commit was released, and what GitHub knows of the others."""

    def __init__(self, root, api, github):
        self.root, self.api, self.github = root, api, github
        self.released = True
        root.mkdir()
        run(["git", "init", "-q", "-b", "main"], root)
        (root / "src").mkdir()
        self.base = self.push("a", code="print(0)\n")

    def push(self, model, code="", docs=""):
        (self.root / "dvc.lock").write_text(LOCK.format(model * 32), "utf-8")
        for name, text in {"src/code.py": code, "README.md": docs}.items():
            if text:
                (self.root / name).write_text(text, "utf-8")
        return commit(self.root, f"Model {model}")

    def merge(
        self, number, model, report, recorded="", *, manifest=MANIFEST, ran=True, fast=True, code=""
    ):
        head = f"{number:040x}"
        if not fast:
            run(["git", "checkout", "-q", "-b", "change"], self.root)
        landed = self.push(model, code)
        if not fast:
            run(["git", "checkout", "-q", "main"], self.root)
            merge = ["merge", "-q", "--no-ff", "-m", "Merge", "change"]
            run([*AUTHOR, *merge], self.root)
            landed = run(["git", "rev-parse", "HEAD"], self.root).strip()
        self.github.released.merge(landed, number, head)
        if ran:
            ended = {"id": number, "head_sha": head, "conclusion": "success"}
            self.github.watched.runs.setdefault("pull-request.yml", []).append(ended)
        if report:
            written = judged(BETTER)
            written["challenger"]["model"] = report
            written["challenger"].pop("manifest", None)
            if manifest:
                written["challenger"]["manifest"] = manifest
            if recorded:
                written["challenger"]["recorded"] = recorded
            self.github.add_report(number, written)

    def review(self, accepted=None):
        lock = LockVerdict("equivalent", [], RECORDED, MODEL, MANIFEST, MANIFEST)
        newest = run(["git", "rev-parse", "HEAD"], self.root).strip()
        before = Base(self.base, self.released)
        return check_review(self.root, newest, before, lock, self.api, accepted)
