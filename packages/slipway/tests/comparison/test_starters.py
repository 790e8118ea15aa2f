"""Replacing the starter needs no champion of the same table; no change can claim it for itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.comparison.cases import judged
from tests.services.repository import commit

from slipway.comparison.report import Judgement
from slipway.comparison.starters import FILE, is_other_table, starters, starters_at
from slipway.comparison.verdict import decide
from slipway.errors import Refused
from slipway.manifest import Manifest
from slipway.reports.check import check
from slipway.repository.layout import MACHINE_CODE, PACKAGE
from slipway.repository.worktrees import run
from slipway.schema.checks import ColumnSpec

STARTER = min(starters())


def manifest(target: str, *names: str) -> Manifest:
    of_any: ColumnSpec = {
        "name": "",
        "type": "number",
        "dtype": "float64",
        "nullable": False,
        "unique": False,
        "rules": [],
    }
    return {"target": {"name": target}, "inputs": [{**of_any, "name": name} for name in names]}


@pytest.mark.parametrize(
    ("other", "is_other"),
    [
        (manifest("late", "a", "b"), False),
        (manifest("late", "a", "b", "c"), False),
        (manifest("late", "a"), True),
        (manifest("churned", "a", "b"), True),
    ],
)
def test_another_table_has_another_target_or_lacks_a_column(
    other: Manifest, is_other: bool
) -> None:
    assert is_other_table(manifest("late", "a", "b"), other) == is_other


def test_the_list_of_starters_is_that_of_the_base(tmp_path: Path) -> None:
    run(["git", "init", "-q", "-b", "main"], tmp_path)
    path = tmp_path / MACHINE_CODE / PACKAGE / FILE
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(["a" * 64]), "utf-8")
    base = commit(tmp_path, "Base")
    path.write_text(json.dumps(["f" * 64]), "utf-8")
    assert starters_at(tmp_path, base) == {"a" * 64}


def test_of_a_release_it_is_that_of_the_release(tmp_path: Path) -> None:
    run(["git", "init", "-q", "-b", "main"], tmp_path)
    (tmp_path / "README.md").write_text("", "utf-8")
    assert starters_at(tmp_path, commit(tmp_path, "Base")) == starters()


def replaced(champion: str, **changed: object) -> Judgement:
    """Return the report of a change that replaces the starter."""
    incomparable = {"code": "replaces the starter", "detail": "late"}
    report = Judgement.of(judged(incomparable=incomparable, **changed))
    entry = report.champion.model_copy(update={"model": champion}) if report.champion else None
    report = report.model_copy(update={"champion": entry})
    verdict, may_merge, stops = decide(report)
    return report.model_copy(update={"verdict": verdict, "may_merge": may_merge, "stops": stops})


def test_it_may_be_merged_though_nothing_is_compared() -> None:
    report = replaced(STARTER)
    assert (report.verdict, report.may_merge) == ("inconclusive", True)
    assert check(report.as_json()).may_merge


def test_everything_else_still_stops_it() -> None:
    assert not replaced(STARTER, lock="different").may_merge


def test_a_report_that_claims_it_of_another_champion_is_refused() -> None:
    with pytest.raises(Refused, match="none of the models"):
        check(replaced("e" * 64).as_json())
