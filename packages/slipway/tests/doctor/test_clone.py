"""Checks of a clone and of this machine: each passes, and finds what was broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.doctor.conftest import finding
from tests.services.projects import ROOT
from tests.services.repository import edit_params

from slipway.card.written import CARD, write_prompts
from slipway.release.status import RunningRelease, Status
from slipway.repository.git import git
from slipway.repository.merge_driver import DRIVER, install
from slipway.repository.pointers import read_stages
from slipway.repository.worktrees import environment, run
from slipway.settings import read_params
from slipway.setup.doctor.codeowners import owners, write
from slipway.setup.doctor.registry import CHECKS, Context, examine
from slipway.setup.doctor.run import repair, repairs
from slipway.targets import TARGETS, Entry

At = Callable[[Path], Context]

OF_THE_CLONE = {each.id for each in CHECKS if "github" not in each.needs}


@pytest.fixture
def clone(small_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    clone = tmp_path / "clone"
    run(["git", "clone", "-q", str(small_repository), str(clone)], tmp_path)
    monkeypatch.chdir(clone)
    return clone


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Put a command before the one of this machine that prints a text, or fails without one."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def put(name: str, printed: str) -> None:
        real = shutil.which(name, path="/usr/bin:/bin") or "false"
        script = f'case $1 in --version|version) echo "{printed}";; *) exec {real} "$@";; esac'
        (folder / name).write_text(f"#!/bin/sh\n{script if printed else 'exit 1'}\n", "utf-8")
        (folder / name).chmod(0o755)

    return put


@dataclass
class Live:
    """A target with one release."""

    health: str = "healthy"
    needs_access: bool = False

    def status(self) -> Status:
        record = SimpleNamespace(name="v1")
        release = RunningRelease(record, "blue", "c", self.health, 1.0, 0)  # type: ignore[arg-type]
        is_healthy = self.health == "healthy"
        return Status("live", "here", "", "", healthy=is_healthy, live=release)


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, at: At) -> Callable[[str], Context]:
    def live(health: str) -> Context:
        target: Any = Live(health)
        monkeypatch.setitem(TARGETS, "live", Entry(lambda *_: target))
        context = at(Path())
        deploy = context.settings.deploy.model_copy(update={"target": "live"})
        return replace(context, params=context.settings.model_copy(update={"deploy": deploy}))

    return live


def add_hook(root: Path, name: str, text: str = "") -> None:
    (root / ".git/hooks" / name).write_text(f"#!/bin/sh\n{text}\n", "utf-8")


def push_elsewhere(root: Path, remote: Path) -> None:
    """Let the remote be a folder outside of the repository, with everything in it."""
    shutil.copytree(root / "data-remote", remote)
    run(["dvc", "remote", "modify", "--quiet", "storage", "url", str(remote)], root)


def test_a_clone_that_was_set_up_has_only_ok_findings(
    clone: Path, at: At, live: Callable[[str], Context], tools: Callable[[str, str], None]
) -> None:
    install(clone)
    write(clone, ["@team/ml"])
    add_hook(clone, "pre-commit")
    for name, printed in (("docker", "27.3.1"), ("gh", "gh version 2.60.0 (2024-10-30)")):
        tools(name, printed)
    context = replace(live("healthy"), root=clone)

    found = {each.id: each for each in examine(context, CHECKS)}

    assert found.keys() == OF_THE_CLONE
    assert [each.text() for each in found.values() if each.kind != "ok"] == [
        found["package"].text()  # the code that runs here is that of another folder
    ]
    assert finding("package", at(ROOT)).kind == "ok"


def stale_parameter(root: Path) -> None:
    edit_params(root, train={"iterations": 99})


def stale_code(root: Path) -> None:
    with (root / "src/model/features.py").open("a") as file:
        file.write("\n# more\n")


def conflict(root: Path) -> None:
    pointer = root / "data.dvc"
    pointer.write_text(f"<<<<<<< ours\n{pointer.read_text()}>>>>>>> theirs\n", "utf-8")


def lose_remote(root: Path) -> None:
    shutil.rmtree(root / "data-remote/files")


def lose_model_file(root: Path) -> None:
    (model,) = [
        out.md5
        for stage in read_stages(root / "dvc.lock").values()
        for out in stage.outs
        if out.path == "build/model"
    ]
    objects = root / "data-remote/files/md5"
    listing = json.loads((objects / model[:2] / model[2:]).read_bytes())
    (objects / listing[0]["md5"][:2] / listing[0]["md5"][2:]).unlink()


def cut_short(root: Path) -> None:
    (root / "dvc.lock").write_text("stages: [\n", "utf-8")


def unreachable(root: Path) -> None:
    run(["dvc", "remote", "modify", "--quiet", "storage", "url", "s3://missing/x"], root)


def read_only(root: Path) -> None:
    run(["dvc", "remote", "modify", "--quiet", "storage", "url", "https://localhost:9/x"], root)


def add_object(root: Path) -> None:
    (root / "data-remote/new").touch()


def checkout_hook(root: Path) -> None:
    add_hook(root, "post-checkout", "exec dvc git-hook post-checkout $@")


def missing_driver(root: Path) -> None:
    git(root, "config", DRIVER, "/moved/dvc git-hook merge-driver")


def no_attribute(root: Path) -> None:
    install(root)
    (root / ".gitattributes").write_text("", "utf-8")


def empty_card(root: Path) -> None:
    (root / CARD).unlink()
    write_prompts(root, CARD, "late", "binary")


def contradiction(root: Path) -> None:
    folder = root / "build/model"
    folder.mkdir(parents=True)
    manifest = {"target": {"name": "on_time"}, "key": None, "event_time": "scheduled_departure"}
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")


BROKEN = [
    ("dvc-files", "wrong", conflict, "in conflict"),
    ("lock", "wrong", stale_parameter, "dvc.lock is stale: params.yaml: train"),
    ("lock", "wrong", stale_code, "src/model"),
    ("lock", "unknown", conflict, "in conflict"),
    ("lock", "wrong", cut_short, "'./dvc.lock' is invalid"),
    ("data-pushed", "unknown", cut_short, "dvc.lock"),
    ("data-pushed", "wrong", lose_remote, "does not have data"),
    ("data-pushed", "wrong", unreachable, "cannot be reached"),
    ("model-pushed", "wrong", lose_remote, "does not have build/"),
    ("model-pushed", "wrong", lose_model_file, "does not have build/model/"),
    ("remote-writable", "wrong", read_only, "cannot be written"),
    ("remote-committed", "wrong", add_object, "data-remote/ has 1 file"),
    ("codeowners", "note", lambda _: None, "no CODEOWNERS"),
    ("lint-hook", "note", lambda _: None, "no hook"),
    ("dvc-hooks", "note", checkout_hook, "without the checks"),
    ("merge-driver", "note", lambda _: None, "no merge driver in this clone"),
    ("merge-driver", "note", missing_driver, "/moved/dvc"),
    ("merge-driver", "note", no_attribute, ".gitattributes"),
    ("model-card", "note", empty_card, "Intended use"),
    ("model-card", "wrong", contradiction, "target: on_time"),
    ("package", "wrong", lambda _: None, "runs the code of"),
]


@pytest.mark.parametrize(("name", "kind", "damage", "what"), BROKEN)
def test_what_is_broken_in_a_clone_is_found_with_a_reason_and_a_fix(
    clone: Path,
    at: At,
    no_buckets: None,
    name: str,
    kind: str,
    damage: Callable[[Path], None],
    what: str,
) -> None:
    damage(clone)

    found = finding(name, at(clone))

    assert (found.kind, bool(found.reason), bool(found.do)) == (kind, True, True)
    assert what in found.what


def test_each_check_of_a_clone_was_seen_to_fail() -> None:
    elsewhere = {"decision-costs", "disk", "docker", "live-target", "settings", "tools"}
    assert {name for name, *_ in BROKEN} | elsewhere == OF_THE_CLONE


@pytest.mark.parametrize(
    ("tool", "printed", "kind"),
    [
        ("git", "git version 2.29.2", "wrong"),
        ("git", "git version 2.30.0 (Apple Git-1)", "ok"),
        ("make", "", "wrong"),
        ("gh", "gh version 2.40.1 (2023-12-13)", "wrong"),
        ("gh", "", "note"),
    ],
)
def test_tools_that_are_too_old_or_missing_are_named(
    at: At, tools: Callable[[str, str], None], tool: str, printed: str, kind: str
) -> None:
    tools("gh", "gh version 2.60.0")
    tools(tool, printed)

    found = finding("tools", at(Path()))

    assert found.kind == kind
    assert kind == "ok" or tool in found.what


@pytest.mark.parametrize(
    ("printed", "kind"), [("27.3.1", "ok"), ("19.03.15", "wrong"), ("", "note")]
)
def test_a_docker_engine_that_is_too_old_or_silent_is_named(
    at: At, tools: Callable[[str, str], None], printed: str, kind: str
) -> None:
    tools("docker", printed)
    assert finding("docker", at(Path())).kind == kind


def test_a_full_disk_is_named(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    assert finding("disk", at(ROOT)).kind == "ok"
    usage = SimpleNamespace(free=1e9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert finding("disk", at(ROOT)).kind == "wrong"


def test_a_service_that_is_not_healthy_is_named(live: Callable[[str], Context]) -> None:
    assert finding("live-target", live("healthy")).kind == "ok"
    assert finding("live-target", live("restarting")).kind == "wrong"


def test_a_target_that_is_not_named_is_unknown(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    context = at(Path())
    deploy = context.settings.deploy.model_copy(update={"target": "host"})
    context = replace(context, params=context.settings.model_copy(update={"deploy": deploy}))

    assert finding("live-target", context).kind == "unknown"


def test_a_threshold_that_costs_more_than_it_has_to_is_noted(at: At, clone: Path) -> None:
    edit_params(
        clone, evaluate={"threshold": 0.5, "costs": {"false_positive": 1, "false_negative": 3}}
    )
    context = replace(at(clone), params=read_params(clone / "params.yaml"))
    found = finding("decision-costs", context)
    assert (found.kind, "0.25" in found.what) == ("note", True)


def test_another_version_of_slipway_is_named(tmp_path: Path, at: At) -> None:
    (tmp_path / "packages/slipway").mkdir(parents=True)
    (tmp_path / "packages/slipway/src").symlink_to(ROOT / "packages/slipway/src")
    settings = tmp_path / "packages/slipway/pyproject.toml"
    settings.write_text('[project]\nversion = "99.0.0"\n', "utf-8")

    found = finding("package", at(tmp_path))

    assert (found.kind, "the repository has 99.0.0" in found.what) == ("wrong", True)


class TestRemote:
    def test_a_probe_leaves_nothing(self, clone: Path, at: At, tmp_path: Path) -> None:
        push_elsewhere(clone, tmp_path / "remote")
        before = sorted((tmp_path / "remote").rglob("*"))

        assert finding("remote-writable", at(clone)).kind == "ok"
        assert sorted((tmp_path / "remote").rglob("*")) == before

    def test_a_folder_that_the_first_push_will_make_is_writable(
        self, clone: Path, at: At, tmp_path: Path
    ) -> None:
        run(["dvc", "remote", "modify", "-q", "storage", "url", str(tmp_path / "a/b")], clone)

        assert finding("remote-writable", at(clone)).kind == "ok"
        assert not (tmp_path / "a").exists()

    def test_a_push_of_git_does_not_push_to_a_remote_elsewhere_without_a_hook(
        self, clone: Path, at: At, tmp_path: Path
    ) -> None:
        push_elsewhere(clone, tmp_path / "remote")
        assert finding("dvc-hooks", at(clone)).kind == "note"

        add_hook(clone, "pre-push", "exec dvc git-hook pre-push $@")
        assert finding("dvc-hooks", at(clone)).kind == "ok"

    def test_a_remote_elsewhere_needs_no_commit(self, clone: Path, at: At, tmp_path: Path) -> None:
        push_elsewhere(clone, tmp_path / "remote")
        add_object(clone)
        assert finding("remote-committed", at(clone)).kind == "ok"


def test_the_fix_of_a_merge_driver_is_made_once(clone: Path, at: At) -> None:
    (change,) = repairs([finding("merge-driver", at(clone))])

    assert list(repair([change])) == [f"done: {change.what}"]
    assert finding("merge-driver", at(clone)).kind == "ok"
    assert repairs([finding("merge-driver", at(clone))]) == []


class TestOwners:
    def test_protected_files_have_no_owner_until_the_file_is_written(self, clone: Path) -> None:
        code = main_exit("doctor", "--write-codeowners", "@team/ml", "--write-codeowners", "@ann")

        assert code == 0
        written = (clone / ".github/CODEOWNERS").read_text("utf-8")
        assert "/src/slipway" not in written  # all of src but the model's own part
        assert "/src/ @team/ml @ann" in written
        assert owners(clone).kind == "ok"

    @pytest.mark.parametrize(
        ("text", "missing"),
        [
            ("* @ann\n/.github/ @ann\n", ""),
            ("* @ann\n/packages/slipway/\n", "packages/slipway/"),
            ("/src/ @ann\n", ".ci/run"),
            ("docs/* @ann\n", ".ci/run"),
            ("# * @ann\n", ".ci/run"),
        ],
    )
    def test_a_protected_file_without_an_owner_is_noted(
        self, clone: Path, text: str, missing: str
    ) -> None:
        (clone / ".github/CODEOWNERS").write_text(text, "utf-8")

        found = owners(clone)

        assert (found.kind == "note") == bool(missing)
        assert missing in found.what

    def test_a_file_of_the_user_is_not_replaced(self, clone: Path) -> None:
        (clone / "CODEOWNERS").write_text("* @ann\n", "utf-8")

        assert main_exit("doctor", "--write-codeowners", "@team/ml") == 1
        assert (clone / "CODEOWNERS").read_text("utf-8") == "* @ann\n"

    @pytest.mark.parametrize("name", ["team", "@team/ml @ann", "@a\n* @b", "#"])
    def test_what_is_no_owner_is_refused(self, clone: Path, name: str) -> None:
        assert main_exit("doctor", "--write-codeowners", name) == 2
        assert not (clone / ".github/CODEOWNERS").exists()


def main_exit(*arguments: str) -> int:
    """Run the slipway of this folder; return its exit code."""
    return subprocess.run(
        [sys.executable, "-m", "slipway", *arguments],
        env=environment(Path()),
        capture_output=True,
        check=False,
    ).returncode
