"""A stage is stale when the code that it runs has changed, and not when its wording has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.services.projects import ROOT

from slipway.stages import FILE, SOURCE, digests, imported, text


@pytest.fixture
def source(tmp_path: Path) -> Path:
    shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "src"


def edit(source: Path, name: str, old: str, new: str) -> set[str]:
    """Edit a module; return the stages whose digest differs."""
    path = source / "slipway" / name
    before, code = digests(source), path.read_text("utf-8")
    assert old in code
    path.write_text(code.replace(old, new, 1), "utf-8")
    after = digests(source)
    return {stage for stage in before if before[stage] != after[stage]}


def test_the_committed_file_is_that_of_the_code() -> None:
    assert (ROOT / FILE).read_text("utf-8") == text(), "run `make lock`"


def test_another_comment_docstring_or_error_makes_no_stage_stale(source: Path) -> None:
    header = "from __future__ import annotations"
    assert edit(source, "training/train.py", header, f"{header}\n# Another comment.") == set()
    assert (
        edit(source, "training/train.py", '"""`slipway train`', '"""Train: `slipway train`')
        == set()
    )
    path = source / "slipway/training/train.py"
    raised = next(
        line for line in path.read_text("utf-8").splitlines() if "raise SlipwayError(" in line
    )
    code = path.read_text("utf-8")
    inside = code[code.index(raised) + len(raised) :].split('"')[1]
    assert edit(source, "training/train.py", inside, f"Another wording: {inside}") == set()


def test_other_training_code_makes_training_stale_and_nothing_before_it(source: Path) -> None:
    stale = edit(source, "training/train.py", "def fit(", "RATE = 2\n\n\ndef fit(")
    assert stale == {"train", "backtest"}


def test_other_code_of_the_backtest_makes_nothing_else_stale(source: Path) -> None:
    assert edit(source, "training/backtest.py", "origins.json", "all.json") == {"backtest"}


def test_code_that_several_stages_run_makes_each_of_them_stale(source: Path) -> None:
    stale = edit(source, "dataset/folder.py", "DATA = ", "MORE = 1\nDATA = ")
    assert stale == {"validate", "prepare", "train", "evaluate", "backtest"}


def test_code_that_no_stage_runs_makes_none_stale(source: Path) -> None:
    assert edit(source, "targets/docker/switch.py", "import", "MORE = 1\nimport") == set()


def test_a_module_that_is_imported_within_a_function_counts() -> None:
    assert "slipway.schema.export" in imported("slipway.training.train")
