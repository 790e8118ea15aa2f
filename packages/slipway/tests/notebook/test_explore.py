"""The notebook for people who explore: it runs from top to bottom, and its branch has a verdict."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from tests.notebook.conftest import run_cells
from tests.repository.test_docs import OF_ITS_TABLE

from slipway import explore
from slipway.comparison import record
from slipway.comparison.champion import tree_of
from slipway.errors import SlipwayError
from slipway.repository.git import git, resolve
from slipway.repository.worktrees import environment

BRANCH = "my-first-change"
VERDICTS = ("better", "not worse", "worse", "inconclusive")


def outputs(cells: NotebookNode, name: str) -> list[Any]:
    (cell,) = [cell for cell in cells.cells if cell.id == name]
    return list(cell.outputs)


def shown(cells: NotebookNode, name: str, kind: str = "text/plain") -> str:
    """Return the value that a cell shows."""
    (output,) = [each for each in outputs(cells, name) if each.output_type == "execute_result"]
    return str(output.data[kind])


def changed(fork: Path, *paths: str) -> set[str]:
    """Return the files that the branch changes, all or those of some paths."""
    return set(git(fork, "diff", "--name-only", "main", BRANCH, "--", *paths).split())


def test_it_runs_from_top_to_bottom(executed: NotebookNode) -> None:
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


def test_it_shows_the_champion_by_hash_metrics_with_intervals_and_charts(
    executed: NotebookNode, fork: Path
) -> None:
    manifest = json.loads((fork / "build/model/manifest.json").read_text("utf-8"))
    assert manifest["model"]["sha256"] in shown(executed, "model")
    assert "low" in shown(executed, "metrics")
    for chart in ("scores", "both"):
        assert "<svg" in shown(executed, chart, "image/svg+xml")


def test_it_changes_no_file_and_leaves_a_branch_on_top_of_main(
    executed: NotebookNode, fork: Path
) -> None:
    assert git(fork, "status", "--porcelain") == ""
    assert git(fork, "branch", "--show-current").strip() == "main"
    assert resolve(fork, f"{BRANCH}^") == resolve(fork, "main")
    assert {"params.yaml", "dvc.lock", "reports/metrics.json"} <= changed(fork)
    assert changed(fork) == changed(fork, "params.yaml", "dvc.lock", "reports")


def test_its_branch_gets_the_verdict_that_it_shows(executed: NotebookNode, fork: Path) -> None:
    verdict = shown(executed, "verdict").strip("'")
    assert verdict in VERDICTS
    with tree_of(fork, BRANCH) as tree:
        slipway(tree, "restore", "data.dvc", "build/model", "build/backtest")
        slipway(tree, "judge", "--base", "main")
        assert json.loads((tree / "build/report.json").read_text("utf-8"))["verdict"] == verdict
        assert git(tree, "status", "--porcelain") == ""


def test_the_report_is_a_page_in_the_notebook_and_text_elsewhere(executed: NotebookNode) -> None:
    assert "<iframe sandbox" in shown(executed, "report", "text/html")
    assert "<" not in shown(executed, "report")


def test_a_trial_counts_as_a_use_of_the_holdout_without_a_branch(
    executed: NotebookNode, fork: Path, tmp_path: Path
) -> None:
    git(fork, "clone", "--quiet", "--mirror", ".", str(tmp_path / "without-branch"))
    git(tmp_path / "without-branch", "branch", "-D", BRANCH)
    records = changed(fork, "reports/judgements")
    assert records
    assert records <= set(record.known_names(tmp_path / "without-branch"))


def test_a_branch_that_exists_is_refused(
    executed: NotebookNode, fork: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = resolve(fork, BRANCH)
    trial = explore.Trial(fork, resolve(fork, "main"), before, {"seed": 1}, explore.Report({}))
    git(fork, "update-ref", "refs/remotes/origin/protected", before)
    for name in (BRANCH, "main", "protected", "not a name", "-d"):
        with pytest.raises(SlipwayError, match=re.escape(name)):
            trial.to_branch(name)
    assert resolve(fork, BRANCH) == before


def test_a_cell_that_raises_is_found(notebook: NotebookNode, fork: Path, own_kernels: None) -> None:
    broken = copy.deepcopy(notebook)
    broken.cells = [
        nbformat.v4.new_code_cell("from slipway import explore\nexplore.data('no-such-branch')")
    ]
    with pytest.raises(CellExecutionError, match="git knows no commit `no-such-branch`"):
        run_cells(broken, fork)


@pytest.mark.parametrize("change", [{"no_such_setting": 1}, {}])
def test_a_change_of_nothing_is_refused_before_it_is_trained(
    change: dict[str, Any], fork: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(fork)
    with pytest.raises(SlipwayError) as refused:
        explore.try_change(train=change)
    assert refused.value.do


def test_it_is_committed_valid_and_without_outputs(notebook: NotebookNode) -> None:
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert traces(notebook) == []


def test_an_output_would_be_found(executed: NotebookNode) -> None:
    assert traces(executed)


def test_it_names_nothing_of_the_starter(notebook: NotebookNode) -> None:
    assert OF_ITS_TABLE.findall(nbformat.writes(notebook)) == []


def traces(cells: NotebookNode) -> list[str]:
    """Return the cells that have been run."""
    return [
        cell.id
        for cell in cells.cells
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count is not None)
    ]


def slipway(tree: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "slipway", *arguments],
        cwd=tree,
        env=environment(tree),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
