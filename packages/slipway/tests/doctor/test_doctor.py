"""`slipway doctor` as a command: where it looks, its exit codes, `--fix`, and its page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.services.projects import ROOT
from typer.testing import CliRunner

from slipway.cli import app
from slipway.errors import SlipwayError
from slipway.repository.git import git
from slipway.repository.merge_driver import configured
from slipway.repository.worktrees import run
from slipway.setup.doctor import run as doctor
from slipway.setup.doctor.registry import CHECKS
from slipway.setup.doctor.run import examine, repository_of


@pytest.fixture
def clone(small_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    clone = tmp_path / "clone"
    run(["git", "clone", "-q", str(small_repository), str(clone)], tmp_path)
    monkeypatch.chdir(clone)
    for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN", "GH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return clone


def test_without_github_or_valid_settings_the_checks_that_need_neither_are_made(
    clone: Path,
) -> None:
    (clone / "params.yaml").write_text("data: [", "utf-8")

    result = CliRunner().invoke(app, ["doctor", "--json", "build/doctor.json"])

    assert result.exit_code == 1
    listed = json.loads((clone / "build/doctor.json").read_text("utf-8"))
    found = {each["id"]: each for each in listed}
    assert found["settings"]["kind"] == "wrong"
    assert found.keys() >= {each.id for each in CHECKS if "github" not in each.needs}
    dependent = {name for name, each in found.items() if "params.yaml" in each["what"]}
    unknown = {name for name, each in found.items() if each["kind"] == "unknown"}
    assert unknown == dependent - {"settings", "lock"}
    assert unknown == {"decision-costs", "live-target", "data-pushed", "model-pushed"}
    count = sum("github" in each.needs for each in CHECKS)
    assert found["origin"]["what"].endswith(f"{count} checks do not apply")


def test_a_folder_without_settings_is_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["doctor"])
    assert isinstance(result.exception, SlipwayError)


def test_without_a_token_each_check_of_github_is_unknown(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gh = tmp_path / "bin/gh"  # one that waits for a keyring
    gh.parent.mkdir()
    gh.write_text('#!/bin/sh\n[ "$1" = auth ] && exec sleep 60\necho gh version 2.60.0\n', "utf-8")
    gh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{gh.parent}:/usr/bin:/bin")
    monkeypatch.setattr(doctor, "SECONDS", 0.5)
    git(clone, "remote", "set-url", "origin", "git@github.com:team/flights.git")

    found = {each.id: each for each in examine(clone, {})}

    assert all(
        (found[each.id].kind, "no token" in found[each.id].what) == ("unknown", True)
        for each in CHECKS
        if "github" in each.needs
    )


def test_a_fix_is_listed_and_made_only_when_it_is_confirmed(clone: Path) -> None:
    refused = CliRunner().invoke(app, ["doctor", "--fix"])
    assert "configure DVC as the merge driver" in refused.output
    assert configured(clone) == ""

    CliRunner().invoke(app, ["doctor", "--fix", "--yes", "--json", "build/doctor.json"])
    assert configured(clone) != ""
    found = json.loads((clone / "build/doctor.json").read_text("utf-8"))
    assert [each["kind"] for each in found if each["id"] == "merge-driver"] == ["ok"]


def test_every_check_is_in_its_page_with_its_reason_and_no_other() -> None:
    page = (ROOT / "docs/doctor.md").read_text("utf-8")
    checks = page.partition("## The checks")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([\w-]+)` \| (.+?) \|", checks, re.MULTILINE)

    assert dict(rows) == {each.id: each.reason for each in CHECKS}
    assert len(rows) == len({each.id for each in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize(
    ("address", "api"),
    [
        ("https://github.com/team/flights.git", "https://api.github.com"),
        ("https://x-access-token:abc@github.com/team/flights", "https://api.github.com"),
        ("git@github.com:team/flights.git", "https://api.github.com"),
        ("ssh://git@ssh.github.com:443/team/flights.git", "https://api.github.com"),
        ("https://github.example.org/team/flights", "https://github.example.org/api/v3"),
    ],
)
def test_github_is_known_by_the_address_of_origin(tmp_path: Path, address: str, api: str) -> None:
    run(["git", "init", "-q"], tmp_path)
    run(["git", "remote", "add", "origin", address], tmp_path)

    assert repository_of(tmp_path, {}) == (api, "team/flights")


def test_another_forge_is_none_of_ours(tmp_path: Path) -> None:
    run(["git", "init", "-q"], tmp_path)
    run(["git", "remote", "add", "origin", "https://gitlab.com/team/flights"], tmp_path)

    assert repository_of(tmp_path, {}) is None
