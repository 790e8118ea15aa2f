"""upgrade.yml: a pull request of the newest release of the template."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.services.repository import commit
from tests.upgrade.conftest import start
from tests.workflows.api import ID

from slipway.repository.worktrees import run

WORKFLOW = ("--workflows", ".github/workflows/upgrade.yml")

DISPATCH = {
    "inputs": {},
    "repository": {"id": ID, "default_branch": "main"},
    "ref": "refs/heads/main",
}

APP = ("--var", "SLIPWAY_APP_ID=Iv1", "--secret", "SLIPWAY_APP_KEY=-----BEGIN PRIVATE KEY-----")


@pytest.fixture
def template(origin: Path, tmp_path: Path) -> Path:
    """The template that `origin` was made from, with a release that changes a workflow."""
    root = tmp_path / "template"
    run(["git", "clone", "-q", str(origin), str(root)], tmp_path)
    start(root)
    with (root / ".github/workflows/images.yml").open("a", encoding="utf-8") as file:
        file.write("# Released.\n")
    (root / "docs/shadow.md").unlink()
    (root / "docs/next.md").write_text("# Next\n", "utf-8")
    (root / "docs/next.md").chmod(0o755)
    commit(root, "Release")
    run(["git", "tag", "v9.0.0"], root)
    project = origin / "pyproject.toml"
    text = project.read_text("utf-8")
    project.write_text(
        text.replace("[tool.slipway]\n", f'[tool.slipway]\nupstream = "{root}"\n'), "utf-8"
    )
    commit(origin, "Name the template")
    return root


def test_a_release_is_proposed_by_the_app_which_may_change_workflows(
    template, act, github, origin
) -> None:
    github.watched.origin = act.origin
    github.watched.settings["repository"] = {"default_branch": "main"}
    refused = act.run("workflow_dispatch", DISPATCH, *WORKFLOW)
    assert refused.jobs == {"Propose": "failure"}
    assert "may not change workflows" in refused.text
    assert github.pulls == {}

    outcome = act.run("workflow_dispatch", DISPATCH, *WORKFLOW, *APP)
    assert outcome.jobs == {"Propose": "success"}, outcome.text
    [pull] = github.pulls.values()
    assert pull["title"] == "Upgrade slipway to v9.0.0"
    changed = run(["git", "diff", "--name-status", "main", "slipway/upgrade"], origin).split()
    assert dict(zip(changed[1::2], changed[::2], strict=True)) == {
        ".github/workflows/images.yml": "M",
        "docs/next.md": "A",
        "docs/shadow.md": "D",
        "pyproject.toml": "M",
    }
    assert run(["git", "ls-tree", "slipway/upgrade", "docs/next.md"], origin).startswith("100755")

    pull["state"] = "closed"
    outcome = act.run("workflow_dispatch", DISPATCH, *WORKFLOW, *APP)
    assert outcome.jobs == {"Propose": "success"}, outcome.text
    assert len(github.pulls) == 1
