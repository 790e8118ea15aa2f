"""comment.yml: one comment, written from the report of a run that may be untrusted."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import pytest
import yaml
from tests.comparison.cases import BETTER, WORSE, judged, judged_on_periods
from tests.services.projects import FLIGHTS
from tests.services.repository import commit
from tests.workflows.api import REPOSITORY, archive
from tests.workflows.conftest import FORK, NUMBER, RUN, finished_run

from slipway.documents.document import Document
from slipway.errors import SlipwayError
from slipway.github.comment import MARKED, WATERMARK, compose, post, render
from slipway.github.find_pull_request import Run
from slipway.github.own_comment import State
from slipway.repository.worktrees import run
from slipway.reproduction.rebuild import Stopped
from slipway.settings import MARGINS

SHA = "a" * 40

WORKFLOW = ("--workflows", ".github/workflows/comment.yml")

OUTSIDER = {"login": "outsider", "type": "User"}

MARK = WATERMARK.format(sha="0" * 40)


EVIL = f"`| @everyone </summary> ![](https://evil.example/x.png) <!-- ``` {MARK}\n\n### ✅ Better"


@pytest.fixture
def report() -> dict[str, Any]:
    return judged(BETTER)


def lie() -> dict[str, Any]:
    """A worse model, and a report that contradicts its numbers."""
    return judged(WORSE) | {"verdict": "better", "may_merge": True, "stops": []}


@pytest.fixture
def on_pull_request(act, github):
    """Run comment.yml for a run of an open pull request of a fork."""
    github.open_pull(NUMBER, SHA, fork=FORK)

    def comment(conclusion="success"):
        return act.run("workflow_run", finished_run(SHA, conclusion, FORK), *WORKFLOW)

    return comment


def comments(github):
    return [comment["body"] for comment in github.comments[NUMBER]]


# What an earlier run has written.
APPROVAL = f"### ✅ Better: merge it\n\n{WATERMARK.format(sha=SHA)}"

# Our own workflow never leaves this: valid data is judged.
VALID = json.dumps({"version": 1, "valid": True, "files": [], "faults": []})


class TestTheJob:
    def test_a_fork_gets_one_comment_which_the_next_run_updates(
        self, on_pull_request, github, report
    ):
        github.add_report(RUN, report)
        first = on_pull_request()
        assert first.jobs == {"Comment": "success"}, first.text
        [body] = comments(github)
        assert body.startswith("### ✅ Better")
        assert "commit `aaaaaaa`" in body
        assert "made by the code of this pull request" in body

        github.artifacts.clear()
        github.add_report(RUN, report | {"lock": "equivalent"})
        second = on_pull_request()

        assert second.jobs == {"Comment": "success"}
        [body] = comments(github)
        assert "**Lock:** equivalent" in body
        assert "equivalent" in second.summary

    def test_if_the_comment_fails_the_summary_has_everything_and_the_job_reports_it(
        self, on_pull_request, github, report
    ):
        github.add_report(RUN, report)
        github.refuses = ("POST issues",)

        outcome = on_pull_request()

        assert outcome.jobs == {"Comment": "failure"}
        assert outcome.summary.startswith("### ✅ Better")
        [title] = outcome.annotations("error")
        assert title.startswith("CML could not comment")
        assert "token-of-the-job" not in outcome.text

    def test_an_artifact_that_is_no_report_of_ours_is_not_shown(self, on_pull_request, github, act):
        """Each kind of such an artifact is in `TestWhatItReports`."""
        github.add_artifact(RUN, "report", archive({"../report.json": "{}"}))

        outcome = on_pull_request()

        assert outcome.jobs == {"Comment": "success"}, outcome.text
        [body] = comments(github)
        assert body.startswith("### ⛔ Rejected: the report of this run")
        assert outcome.annotations("error") == ["Rejected: the report of this run"]
        assert not list(act.folder.glob("act/**/report.json"))

    def test_an_older_verdict_is_marked_as_soon_as_a_newer_commit_is_checked(
        self, on_pull_request, act, github
    ):
        github.add_comment(NUMBER, APPROVAL)

        newer = finished_run("b" * 40, "success", FORK) | {"action": "requested"}
        newer["workflow_run"]["conclusion"] = None
        github.pulls[NUMBER]["head"]["sha"] = "b" * 40
        outcome = act.run("workflow_run", newer, *WORKFLOW)

        assert outcome.jobs == {"Comment": "success"}, outcome.text
        [body] = comments(github)
        assert body.startswith("### ⏳ Outdated: commit `bbbbbbb`")
        assert "✅" not in body

    def test_if_the_job_itself_fails_no_older_verdict_stays(
        self, on_pull_request, act, github, report
    ):
        github.add_comment(NUMBER, APPROVAL)
        github.add_report(RUN, report)
        act.tools["CML_ORIGIN"] = "/nowhere"

        outcome = on_pull_request()

        assert outcome.jobs == {"Comment": "failure"}
        [body] = comments(github)
        assert body.startswith(
            "### ⛔ No verdict: the report of commit `aaaaaaa` could not be shown"
        )

    def test_where_there_is_no_pull_request_any_more_nothing_is_written(
        self, on_pull_request, github, report
    ):
        github.add_report(RUN, report)
        github.pulls[NUMBER]["state"] = "closed"

        outcome = on_pull_request()

        assert outcome.jobs == {"Comment": "success"}
        assert outcome.annotations("notice")[0].startswith("No comment: 0 open pull requests")
        assert comments(github) == []
        assert not [call for call in github.calls if "artifacts" in call]


class TestWhatItReports:
    """The verdict of a run, which is more than that of its report."""

    @pytest.fixture(scope="class")
    def default_branch(self, tmp_path_factory):
        """A repository with the settings and the schema that a report must be judged by."""
        root = tmp_path_factory.mktemp("default branch")
        (root / "src/model").mkdir(parents=True)
        for name in ("params.yaml", "src/model/schema.py"):
            shutil.copy(FLIGHTS / name, root / name)
        run(["git", "init", "-q"], root)
        commit(root, "The default branch")
        return root

    @pytest.fixture
    def verdict(self, api, github, default_branch, monkeypatch):
        monkeypatch.chdir(default_branch)

        def verdict(report: Any, conclusion: str = "success") -> Document:
            github.add_report(RUN, report)
            watched = Run(RUN, "https://github.com/o/r/actions/runs/1", SHA, conclusion)
            return compose(api, watched)[0]

        return verdict

    @pytest.fixture
    def written(self, api, github, default_branch, monkeypatch):
        """Return the comment on a run, whose artifact has these files; None for no artifact."""
        monkeypatch.chdir(default_branch)

        def written(files: dict[str, str] | None, conclusion: str = "success") -> str:
            github.artifacts.pop(RUN, None)
            if files is not None:
                github.add_artifact(RUN, "report", archive(files))
            watched = Run(RUN, "https://github.com/o/r/actions/runs/1", SHA, conclusion)
            return render(api, watched, None)[0]

        return written

    @pytest.mark.parametrize(
        "hostile",
        [
            pytest.param({"../report.json": "{}"}, id="path-traversal"),
            pytest.param({"report.json": " " * 5_000_000}, id="huge-file"),
            pytest.param({"report.json": '{"verdict": "better", "auc": NaN}'}, id="nan"),
            pytest.param({"report.json": json.dumps(lie())}, id="false-verdict"),
            pytest.param(
                {"report.json": json.dumps(judged() | {"number": 8})}, id="another-number"
            ),
            pytest.param({"report.json": VALID}, id="nothing-to-judge"),
        ],
    )
    def test_an_artifact_that_is_no_report_of_ours_is_not_shown(self, written, hostile):
        assert written(hostile).startswith("### ⛔ Rejected: the report of this run")

    def test_markdown_in_a_report_stays_text(self, written, report):
        change = {"name": EVIL, "champion": EVIL, "challenger": EVIL}
        report["changes"] |= {"params": [change], "files": [EVIL]}

        body = written({"report.json": json.dumps(report)})

        assert "@everyone" in body
        outside = re.sub(r"`[^`\n]*`", "", body.rpartition("\n<!--")[0])
        assert not re.search("@everyone|evil|<!--", outside)
        assert not MARKED.search(body)
        assert body.count("### ") == 1

    def test_a_report_that_was_judged_by_a_rule_of_its_own_is_marked(self, written):
        trusted = yaml.safe_load((FLIGHTS / "params.yaml").read_text("utf-8"))["judge"]
        trusted = {name: value for name, value in trusted.items() if name != "accept"}
        trusted["margins"] = MARGINS | trusted["margins"]
        own = trusted | {"min_slice_rows": 19_000}

        same, another = (
            written({"report.json": json.dumps(judged_on_periods(BETTER, rule=rule))})
            for rule in (trusted, own)
        )

        assert "another rule" not in same
        assert "⚠️ **Judged by another rule**" in another

    def test_a_report_that_takes_rows_to_be_independent_is_marked(self, written):
        independent = written({"report.json": json.dumps(judged(BETTER))})

        assert "⚠️ **Judged by another rule**" in independent

    @pytest.mark.parametrize(
        ("app", "from_fork", "step"),
        [
            (
                "",
                False,
                "**What remains:** Update lock ([open](https://github.com/team/flights/",
            ),
            (
                "Iv1",
                False,
                "**Nothing to do:** Update lock ([open](https://github.com/team/flights/",
            ),
            ("Iv1", True, "**What to do:** Run `dvc repro`"),
        ],
    )
    def test_a_model_that_waits_for_its_lock_comes_with_the_step_that_remains(
        self, api, github, default_branch, monkeypatch, app, from_fork, step
    ):
        monkeypatch.chdir(default_branch)
        monkeypatch.setenv("SLIPWAY_APP_ID", app)
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
        monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
        github.open_pull(NUMBER, SHA)
        github.add_report(RUN, judged_on_periods(BETTER, lock="stale"))
        ended = Run(RUN, "https://github.com/o/r/actions/runs/1", SHA, "failure", 1, from_fork)

        first, _, *rest = render(api, ended, NUMBER)[0].splitlines()

        assert first.startswith("### ⏳ Better: ")
        assert any(line.startswith(step) for line in rest)

    @pytest.mark.parametrize(
        ("checks", "headline"),
        [
            ("success", "Better: "),
            ("failure", "May not be merged: other checks of this run failed"),
        ],
    )
    def test_a_model_that_waits_for_its_lock_is_no_approval_where_another_check_failed(
        self, verdict, github, checks, headline
    ):
        github.jobs = {"Lint and tests": checks, "Model": "failure", "All checks": "failure"}

        assert verdict(judged(BETTER, lock="stale"), "failure").headline.startswith(headline)

    def test_a_run_that_stopped_early_is_reported(self, written):
        body = written(None, "failure")

        assert body.startswith("### ⛔ Not judged: the run stopped before")

    def test_a_better_model_is_no_approval_where_the_run_as_a_whole_failed(self, verdict, report):
        found = verdict(report, "failure")

        assert found.tone == "bad"
        assert found.headline == "May not be merged: other checks of this run failed"
        assert "Better" in str(found.blocks[0])

    def test_a_report_that_a_newer_slipway_wrote_is_named_as_such(self, verdict, report):
        found = verdict(report | {"version": 99})

        assert found.tone == "open"
        assert "in version 99" in str(found.blocks[0])

    @pytest.mark.parametrize(
        ("exit_code", "wrote", "expected"),
        [
            (1, ["slipway: no column `dep_hour`"], "refused"),
            (2, ["slipway: data/2013-10.parquet: not parquet"], "failed"),
            (1, ["Traceback (most recent call last):", "ValueError: 3"], "failed"),
            (-9, [], "failed"),
        ],
    )
    def test_a_stage_that_crashed_is_not_one_that_refused(
        self, verdict, exit_code, wrote, expected
    ):
        stopped = vars(Stopped("prepare", exit_code, wrote))
        found = verdict({"changed": True, "stopped": stopped}, "failure")

        assert expected in found.headline


class TestOneComment:
    """Which comment is written, with CML or without: the same in every case."""

    @pytest.fixture
    def write(self, api, github, cml, modules, tmp_path, monkeypatch):
        github.open_pull(NUMBER, SHA)
        folder = tmp_path / "cml"
        folder.mkdir()
        (folder / "node_modules").symlink_to(modules)
        shutil.copytree(cml, folder / "cml", ignore=shutil.ignore_patterns("node_modules"))
        for name, value in {
            "GITHUB_TOKEN": "token-of-the-job",
            "GITHUB_SERVER_URL": github.url,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_SHA": SHA,
            "NODE_EXTRA_CA_CERTS": github.certificate,
        }.items():
            monkeypatch.setenv(name, value)

        def write(body: str, *, create: bool = True) -> str:
            return post(api, NUMBER, SHA, body, folder / "cml", create=create)

        return write

    def test_the_first_is_created_and_the_next_updates_it(self, write, github):
        assert write("one").startswith("created https://")
        assert write("two").startswith("updated https://")

        [body] = comments(github)
        assert body.startswith("two\n\n![](https://cml.dev/watermark.png#")

    def test_the_text_is_posted_as_it_is(self, write, github):
        text = "- [ ] ~~x~~ 1 * 2 & [link](params.yaml) | `a` ✅\n"
        write(text)

        assert comments(github)[0].startswith(text)

    def test_ours_is_updated_also_after_hundreds_of_others(self, write, github):
        for number in range(150):
            github.add_comment(NUMBER, f"remark {number}", OUTSIDER)
        write("one")
        write("two")

        assert [body for body in comments(github) if MARKED.search(body)] == [
            f"two\n\n{WATERMARK.format(sha=SHA)}"
        ]

    def test_a_copy_of_the_mark_after_ours_is_not_mistaken_for_it(self, write, github):
        write("one")
        github.add_comment(NUMBER, f"false\n\n{MARK}", OUTSIDER)
        github.add_comment(NUMBER, f"false\n\n{MARK}", {"login": "other[bot]", "type": "Bot"})
        write("two")

        ours, *theirs = comments(github)
        assert ours.startswith("two")
        assert all(body.startswith("false") for body in theirs)

    def test_a_mark_in_a_comment_before_ours_draws_nothing_to_it(self, write, github):
        github.add_comment(NUMBER, f"Better: merge it!\n\n{MARK}", OUTSIDER)
        write("one")
        write("two")

        theirs, ours = comments(github)
        assert theirs.startswith("Better: merge it!")
        assert ours.startswith("two")

    def test_what_is_not_worth_a_comment_only_updates_one(self, write, github):
        assert write("nothing to judge", create=False) == "not worth a comment"
        assert comments(github) == []

        write("one")
        write("nothing to judge", create=False)
        assert comments(github)[0].startswith("nothing to judge")

    def test_a_pull_request_that_has_moved_on_is_left_alone(self, write, github):
        github.pulls[NUMBER]["head"]["sha"] = "b" * 40

        assert "newer commit" in write("one")
        assert comments(github) == []

    def test_a_run_that_began_earlier_does_not_replace_the_verdict_of_a_later_one(
        self, write, github
    ):
        later, earlier = State(SHA, 12, 1, "verdict"), State(SHA, 11, 2, "verdict")
        write(f"later\n\n{later.line()}")

        assert "a later run" in write(f"earlier\n\n{earlier.line()}")
        assert comments(github)[0].startswith("later")

    @pytest.mark.parametrize("call", ["GET issues", "POST issues"])
    def test_a_refusal_by_github_is_an_error_that_names_the_report(self, write, github, call):
        github.refuses = (call,)

        with pytest.raises(SlipwayError) as error:
            write("one")
        assert error.value.exit_code == 2
        assert "token-of-the-job" not in str(error.value)
