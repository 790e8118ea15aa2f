"""What a release is judged against, and what is known of its review: asked of GitHub."""

from __future__ import annotations

import json

import pytest
from tests.services.repository import commit
from tests.workflows.api import ID
from tests.workflows.conftest import RUN

from slipway.errors import Refused
from slipway.github.history import base_of_release
from slipway.github.review import find_review
from slipway.workspace import run

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
        def base(*runs: tuple[str, str], before: str = "0" * 40) -> str:
            event = {"before": before, "repository": {"id": ID, "default_branch": "main"}}
            (tmp_path / "event.json").write_text(json.dumps(event), "utf-8")
            monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
            listed = [{"head_sha": sha, "conclusion": end} for sha, end in runs]
            github.watched.runs["deploy.yml"] = listed
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

    def test_the_very_first_commit_has_none_before_it(self, main, base):
        assert base((main[0], "failure")) == ""


class TestReview:
    def runs(self, github, *runs):
        github.watched.runs["pull-request.yml"] = [
            {"id": number, "head_sha": sha, "conclusion": end} for number, sha, end in runs
        ]

    def test_a_commit_without_a_pull_request_has_none(self, api):
        assert find_review(api, COMMIT).as_record() is None

    @pytest.mark.parametrize(
        "said", [{"merged_at": None}, {"merge_commit_sha": "d" * 40}], ids=["open", "another"]
    )
    def test_a_pull_request_that_only_holds_the_commit_is_none(self, api, github, said):
        github.released.merge(COMMIT, **said)

        assert "without a pull request" in find_review(api, COMMIT).words

    def test_the_newest_run_that_ended_counts(self, api, github):
        github.released.merge(COMMIT, head=HEAD)
        self.runs(github, (9, HEAD, None), (8, "b" * 40, "success"), (7, HEAD, "failure"))
        find_review(api, COMMIT)

        assert [call for call in github.calls if "artifacts" in call] == [
            "GET actions/runs/7/artifacts"
        ]

    def test_without_a_run_or_a_report_it_says_so(self, api, github):
        github.released.merge(COMMIT, head=HEAD)
        self.runs(github)
        assert find_review(api, COMMIT).words == "#7: no run of its checks has ended"

        self.runs(github, (RUN, HEAD, "success"))
        github.add_artifact(RUN, "report", b"", expired=True)
        review = find_review(api, COMMIT)
        assert "older than it is kept for" in review.words
        assert review.sha256 == ""

    def test_what_is_no_report_of_ours_is_refused(self, api, github):
        github.released.merge(COMMIT, head=HEAD)
        self.runs(github, (RUN, HEAD, "success"))
        github.add_report(RUN, {"challenger": {"model": "f" * 64}})

        with pytest.raises(Refused, match="the report of #7 is not believed"):
            find_review(api, COMMIT)
