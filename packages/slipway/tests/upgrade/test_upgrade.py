"""A newer version of the template comes to a fork, and its own changes stay."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.services.repository import commit
from tests.upgrade.conftest import edit, write

from slipway.errors import NO, SlipwayError
from slipway.repository.worktrees import environment, run
from slipway.setup.starter import OF_THE_STARTER
from slipway.setup.upgrade import Request, Upgrade, check, plan_text, plan_upgrade, write_upgrade
from slipway.setup.upgrade.merge import Kind
from slipway.setup.upgrade.merge import write as write_files


def upgrade(root: Path, version: str = "", **options: str) -> Upgrade:
    plan = plan_upgrade(root, Request(version, **options))
    if not plan.up_to_date:
        write_upgrade(root, plan)
    return plan


def kinds(plan: Upgrade) -> dict[str, Kind]:
    return {change.path: change.kind for change in plan.changes}


def files(root: Path, revision: str, *paths: str) -> str:
    return run(["git", "ls-tree", "-r", revision, "--", *paths], root)


def head(root: Path) -> str:
    return run(["git", "rev-parse", "HEAD"], root).strip()


def test_all_that_is_upstreams_arrives_and_all_that_is_the_models_stays(
    fork: Path, upstream: Path
) -> None:
    own = ("src", "data.dvc", "README.md")
    before = files(fork, "HEAD", *own)
    plan = upgrade(fork)

    assert plan.version.tag == "v1.1.0"
    assert run(["git", "branch", "--show-current"], fork).strip() == "upgrade/v1.1.0"
    assert not run(["git", "status", "--porcelain"], fork)
    assert files(fork, "HEAD", *own) == before
    for path in ("packages", "tools", "Makefile", "docs", "machine.yaml", "requirements.lock"):
        assert files(fork, "HEAD", path) == files(upstream, "HEAD", path)
    assert "A step." in plan.news
    assert "The first release." not in plan.news
    assert not plan.needs_lock


def test_a_section_that_the_pipeline_needs_is_added_and_no_value_is_changed(fork: Path) -> None:
    upgrade(fork)
    assert (fork / "params.yaml").read_text("utf-8") == (
        "train:\n  rate: 1\n\ndata:\n  encoding: auto\n"
    )


def test_the_version_is_recorded_and_reached_once(fork: Path, upstream: Path) -> None:
    upgrade(fork)
    project = (fork / "pyproject.toml").read_text("utf-8")
    assert f'upstream = "{upstream}"' in project
    assert f'template = "{run(["git", "rev-parse", "v1.1.0"], upstream).strip()}"' in project
    run(["git", "remote", "remove", "upstream"], fork)
    assert upgrade(fork).up_to_date

    edit(upstream, "Makefile", "echo three", "echo 3")
    later = commit(upstream, "Three")
    assert upgrade(fork).up_to_date  # it is no release
    edit(fork, "Makefile", "echo one", "echo 1")
    commit(fork, "Mine")
    plan = upgrade(fork, "main")
    assert kinds(plan) == {"Makefile": Kind.MERGED, "pyproject.toml": Kind.UPDATED}
    assert plan.version.commit == later
    assert (fork / "Makefile").read_text("utf-8").count("echo") == 3


def test_what_the_fork_changed_is_merged_and_what_it_deleted_stays_deleted(fork: Path) -> None:
    edit(fork, "Makefile", "echo one", "echo mine")
    edit(fork, "tools/old", "old", "my old")
    edit(fork, "requirements.lock", "antlr==1.0\n", "antlr==1.0\nmine==1.0\n")
    edit(fork, "pyproject.toml", "[serve]", "[serve,mine]")
    (fork / "docs/page.md").unlink()
    write(fork, {"docs/mine.md": "Mine.\n"})
    commit(fork, "Mine")
    plan = upgrade(fork)

    found = kinds(plan)
    assert found["Makefile"] is Kind.MERGED
    assert found["tools/old"] is Kind.KEPT
    assert found["docs/page.md"] is Kind.ABSENT
    assert not (fork / "docs/page.md").exists()
    assert (fork / "docs/mine.md").exists()
    assert (fork / "tools/run").stat().st_mode & 0o111
    lock = (fork / "requirements.lock").read_text("utf-8").split()
    assert lock == ["antlr==1.0", "mine==1.0", "numpy==2.0", "tables==1.0"]
    assert plan.needs_lock


def test_what_adopt_removed_does_not_come_back(fork: Path) -> None:
    page = fork / "docs/page.md"
    page.write_text(OF_THE_STARTER.sub("", page.read_text("utf-8")), "utf-8")
    edit(
        fork, "pyproject.toml", '  "tables==1.0", # starter: the tables\n', '  "tables-of-mine",\n'
    )
    edit(fork, "pyproject.toml", ', "tables"', "")
    edit(fork, "pyproject.toml", "starter", "churn")
    edit(fork, "requirements.lock", "tables==1.0\n", "mine==1.0\n")
    commit(fork, "Adopt my table")
    plan = upgrade(fork)

    assert plan.conflicts == []
    assert "flights" not in page.read_text("utf-8")
    assert "Four." in page.read_text("utf-8")
    project = (fork / "pyproject.toml").read_text("utf-8")
    assert '"tables-of-mine",' in project
    assert "tables==" not in project
    assert '["antlr"]' in project
    assert "tables" not in (fork / "requirements.lock").read_text("utf-8")


def test_the_plots_of_another_task_are_no_conflict(fork: Path, upstream: Path) -> None:
    edit(fork, "dvc.yaml", "reports/roc", "reports/residuals")
    commit(fork, "Plots")
    edit(upstream, "dvc.yaml", "x: a", "x: b")
    edit(upstream, "dvc.yaml", "      - train\n", "      - train\n      - evaluate\n")
    commit(upstream, "Change")

    plan = upgrade(fork, "main")
    assert plan.conflicts == []
    text = (fork / "dvc.yaml").read_text("utf-8")
    assert "residuals.csv:\n          x: a" in text
    assert "- evaluate" in text
    assert "roc" not in text


def test_conflicts_are_named_and_left_to_the_user_and_not_committed(
    fork: Path, upstream: Path
) -> None:
    edit(fork, "Makefile", "echo two", "echo zwei")
    (fork / "tools/logo").write_bytes(b"\0mine")
    (fork / "tools/link").unlink()
    (fork / "tools/link").symlink_to("mine")
    write(fork, {"docs/new.md": "Mine.\n"})
    edit(fork, "pyproject.toml", '["antlr', '["mine", "antlr')
    edit(upstream, "pyproject.toml", '["antlr', '["theirs", "antlr')
    commit(upstream, "Another package")
    run(["git", "tag", "v1.2.0"], upstream)
    before = commit(fork, "Mine")
    with pytest.raises(SlipwayError) as refused:
        upgrade(fork)

    assert refused.value.exit_code == NO
    names = ["Makefile", "docs/new.md", "pyproject.toml", "tools/link", "tools/logo"]
    assert all(name in str(refused.value) for name in names)
    assert run(["git", "rev-parse", "HEAD"], fork).strip() == before
    assert run(["git", "diff", "--name-only", "--diff-filter=U"], fork).split() == names
    assert "<<<<<<<" in (fork / "Makefile").read_text("utf-8")
    assert (fork / "tools/logo").read_bytes() == b"\0mine"
    assert subprocess.run(["git", "commit", "-qm", "x"], cwd=fork, check=False).returncode
    with pytest.raises(SlipwayError, match="not committed") as unfinished:
        upgrade(fork)
    assert "git branch -D upgrade/v1.2.0" in unfinished.value.do
    run(["git", "checkout", "--theirs", *names], fork)
    run(["git", "commit", "-qam", "Resolve"], fork)
    assert (fork / "tools/logo").read_bytes() == b"\0two"
    assert upgrade(fork).up_to_date


def test_a_folder_in_the_place_of_a_new_file_is_a_conflict(fork: Path) -> None:
    write(fork, {"docs/new.md/mine.md": "Mine.\n"})
    commit(fork, "Mine")
    with pytest.raises(SlipwayError, match=r"docs/new\.md"):
        upgrade(fork)
    assert (fork / "docs/new.md/mine.md").exists()


def test_a_file_becomes_a_folder_and_a_folder_a_file(fork: Path, upstream: Path) -> None:
    for root in (upstream, fork):
        write(root, {"tools/both/one": "1\n", "tools/two": "2\n"})
        commit(root, "Add")
    edit(
        fork,
        "pyproject.toml",
        "[tool.slipway]\n",
        f'[tool.slipway]\ntemplate = "{head(upstream)}"\n',
    )
    commit(fork, "Record")
    run(["git", "rm", "-rq", "tools/both", "tools/two"], upstream)
    write(upstream, {"tools/both": "1\n", "tools/two/one": "2\n"})
    commit(upstream, "Exchange")
    assert upgrade(fork, "main").conflicts == []
    assert files(fork, "HEAD", "tools/both", "tools/two") == files(
        upstream, "HEAD", "tools/both", "tools/two"
    )
    assert not run(["git", "status", "--porcelain"], fork)


@pytest.mark.parametrize("squashed", [False, True])
def test_a_copy_without_a_common_history_is_upgraded(copy: Path, squashed: bool) -> None:
    """By its first commit; by its package if that has other files."""
    edit(copy, "Makefile", "echo one", "echo mine")
    amend = ["--amend"] if squashed else []
    run(["git", "commit", "-q", *amend, "-am", "Mine"], copy)
    plan = upgrade(copy)
    assert kinds(plan)["Makefile"] is Kind.MERGED
    assert plan.old == "v1.0.0"


def test_a_copy_of_an_unknown_version_is_refused_until_it_is_recorded(
    copy: Path, upstream: Path
) -> None:
    edit(copy, "packages/slipway/src/slipway/code.py", "1", "3")
    run(["git", "commit", "-q", "--amend", "-am", "Mine"], copy)
    assert_refused(copy, "which version")

    first = run(["git", "rev-parse", "v1.0.0"], upstream).strip()
    edit(copy, "pyproject.toml", "[tool.slipway]\n", f'[tool.slipway]\ntemplate = "{first}"\n')
    edit(copy, "packages/slipway/src/slipway/code.py", "3", "1")
    commit(copy, "Record")
    assert not upgrade(copy).conflicts


def test_an_edited_package_gets_digests_of_its_own(fork: Path) -> None:
    write(fork, {"packages/slipway/src/slipway/mine.py": ""})
    commit(fork, "Mine")
    assert upgrade(fork).needs_lock


# --- a released package ---------------------------------------------------------------------------


@pytest.fixture
def wheels(tmp_path: Path) -> Iterator[str]:
    """Where the package of 1.0.0 is."""
    (tmp_path / "wheels/v1.0.0").mkdir(parents=True)
    (tmp_path / "wheels/v1.0.0/slipway_ml-1.0.0-py3-none-any.whl").touch()
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "wheels")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def released(fork: Path, wheels: str) -> Path:
    """A fork that uses the released package."""
    url = f"{wheels}/v1.0.0/slipway_ml-1.0.0-py3-none-any.whl"
    edit(fork, "pyproject.toml", '{ path = "packages/slipway", editable = true }',
         f'{{ url = "{url}" }}')  # fmt: skip
    run(["git", "rm", "-rq", "packages"], fork)
    commit(fork, "Use the release")
    return fork


def test_a_released_package_changes_only_its_address_and_the_templates_files(
    released: Path, wheels: str, tmp_path: Path
) -> None:
    (tmp_path / "wheels/v1.1.0").mkdir()
    (tmp_path / "wheels/v1.1.0/slipway_ml-1.1.0-py3-none-any.whl").touch()
    plan = upgrade(released)

    assert plan.conflicts == []
    assert plan.needs_lock
    assert not (released / "packages").exists()
    assert not [path for path in kinds(plan) if path.startswith("packages/")]
    project = (released / "pyproject.toml").read_text("utf-8")
    assert f'"{wheels}/v1.1.0/slipway_ml-1.1.0-py3-none-any.whl"' in project
    assert "echo 2" in (released / "Makefile").read_text("utf-8")


def test_a_version_without_a_released_package_is_refused(released: Path, wheels: str) -> None:
    assert_refused(released, "is not at")
    assert_refused(released, "is not a release", "main", hint="--wheel")
    run(["git", "checkout", "-q", "HEAD~1"], released)
    with pytest.raises(SlipwayError, match="uses the folder"):
        plan_upgrade(released, Request(wheel=wheels))


# --- refusals -------------------------------------------------------------------------------------


def assert_refused(root: Path, reason: str, version: str = "", hint: str = "") -> None:
    """Check that nothing was changed, and that the message has a next step."""
    before = run(["git", "rev-parse", "HEAD"], root), run(["git", "status", "--porcelain"], root)
    with pytest.raises(SlipwayError, match=reason) as refused:
        upgrade(root, version)
    assert refused.value.exit_code == 2
    assert refused.value.do
    assert hint in refused.value.do
    assert "\n" not in str(refused.value)
    assert before == (
        run(["git", "rev-parse", "HEAD"], root),
        run(["git", "status", "--porcelain"], root),
    )


def dirty(root: Path) -> None:
    edit(root, "Makefile", "one", "mine")


def untracked(root: Path) -> None:
    write(root, {"note.txt": ""})


def ignored(root: Path) -> None:
    write(root, {".gitignore": "new.md\n"})
    commit(root, "Ignore")
    write(root, {"docs/new.md": "Mine.\n"})


def detached(root: Path) -> None:
    run(["git", "checkout", "-q", "--detach"], root)


def another(root: Path) -> None:
    write(root, {"pyproject.toml": '[project]\nname = "other"\n'})
    commit(root, "Another project")


def broken(root: Path) -> None:
    write(root, {"pyproject.toml": "slipway = [\n"})
    commit(root, "Break it")


def offline(root: Path) -> None:
    run(["git", "remote", "set-url", "upstream", str(root / "nowhere")], root)


def without_address(root: Path) -> None:
    run(["git", "remote", "remove", "upstream"], root)


def branch_exists(root: Path) -> None:
    run(["git", "branch", "upgrade/v1.1.0"], root)


def unknown_record(root: Path) -> None:
    edit(root, "pyproject.toml", "[tool.slipway]\n", '[tool.slipway]\ntemplate = "1234567"\n')
    commit(root, "Record")


REFUSED: dict[Callable[[Path], None], str] = {
    dirty: "not committed: Makefile",
    untracked: r"not committed: note\.txt",
    ignored: r"docs/new\.md",
    detached: "HEAD is detached",
    another: "not a fork",
    broken: r"pyproject\.toml: ",
    offline: "cannot be fetched",
    without_address: "address of upstream",
    branch_exists: "exists",
    unknown_record: "no commit 1234567",
}


@pytest.mark.parametrize("prepare", REFUSED, ids=lambda prepare: prepare.__name__)
def test_what_cannot_be_upgraded_is_refused_before_anything_is_written(
    fork: Path, prepare: Callable[[Path], None]
) -> None:
    prepare(fork)
    assert_refused(fork, REFUSED[prepare])


def test_an_unknown_version_and_an_older_one_are_refused(fork: Path) -> None:
    assert_refused(fork, "no version 9.9.9", "9.9.9", hint="v1.1.0")
    upgrade(fork, "1.1.0")
    assert_refused(fork, "older", "v1.0.0")


def test_the_command_lists_the_files_and_has_an_exit_code(fork: Path) -> None:
    def slipway(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "slipway", "upgrade", *options],
            cwd=fork,
            env=environment(fork) | {"PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )

    listed = slipway("--dry-run")
    assert listed.returncode == 0, listed.stderr
    assert "  docs/new.md" in listed.stdout
    assert run(["git", "branch", "--show-current"], fork).strip() == "main"
    assert slipway("9.9.9").returncode == 2
    done = slipway("--no-check")
    assert done.returncode == 0, done.stderr
    assert "git push" in done.stdout
    assert slipway().stdout.startswith("already at v1.1.0")


def test_an_interrupted_upgrade_is_continued_or_undone_as_the_message_names(fork: Path) -> None:
    plan = plan_upgrade(fork, Request())
    run(["git", "switch", "-q", "--create", plan.branch], fork)  # and nothing more
    upgrade(fork)
    assert head(fork) != run(["git", "rev-parse", "main"], fork).strip()

    run(["git", "reset", "-q", "--hard", "main"], fork)
    write_files(fork, plan.changes)  # and no commit
    with pytest.raises(SlipwayError, match="not committed") as refused:
        upgrade(fork)
    for command in re.findall("`(git .*?)`", refused.value.do):
        run(shlex.split(command.replace("YOUR-BRANCH", "main")), fork)
    upgrade(fork)

    later = plan_upgrade(fork, Request())  # the locks may be missing
    assert "make lock" in later.up_to_date


def test_a_failed_check_is_a_no_and_the_upgrade_is_kept(fork: Path) -> None:
    plan = upgrade(fork)
    with pytest.raises(SlipwayError, match="make setup") as failed:  # this Makefile has no such
        check(fork, plan)
    assert failed.value.exit_code == NO
    assert re.search("Upgrade slipway", run(["git", "log", "-1"], fork))
    assert "A step." in plan_text(plan)


VALID = f"deploy:\n  base_image: a@sha256:{'0' * 64}\n  proxy_image: b@sha256:{'0' * 64}\n"


@pytest.mark.parametrize("broken", ["drift: {windw: 7}\n", "drift: [\n"])
def test_settings_that_this_version_refuses_are_named_before_anything_is_written(
    fork: Path, broken: str
) -> None:
    write(fork, {"params.yaml": VALID})
    commit(fork, "Valid")
    assert not plan_upgrade(fork, Request()).invalid
    write(fork, {"params.yaml": VALID + broken})
    commit(fork, "Invalid")
    plan = plan_upgrade(fork, Request())
    assert plan.invalid.startswith("params.yaml")
    assert plan.invalid in plan_text(plan)


def test_settings_that_only_the_new_version_refuses_are_named_before_its_checks(
    fork: Path, upstream: Path
) -> None:
    write(fork, {"params.yaml": VALID})
    commit(fork, "Valid")
    new = "from slipway.errors import SlipwayError as No\ndef read_params():\n    raise No('old')\n"
    package = "packages/slipway/src/slipway"
    errors = "class SlipwayError(Exception):\n    pass\n"
    names = {f"{package}/__init__.py": "", f"{package}/errors.py": errors}
    write(upstream, names | {f"{package}/settings.py": new, ".gitignore": ".venv\n"})
    edit(upstream, "Makefile", "one:", "setup:\n\ttrue\n\none:")
    commit(upstream, "Another name of a setting")
    python = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'
    plan = upgrade(fork, "main")
    assert not plan.invalid
    write(fork, {".venv/bin/python": python})
    (fork / ".venv/bin/python").chmod(0o755)
    with pytest.raises(SlipwayError, match="old") as refused:
        check(fork, plan)
    assert refused.value.exit_code == NO
