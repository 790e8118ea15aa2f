"""What is remembered of judgements: how often a holdout was used, and who was the best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.judge.cases import BETTER, SAME_BUT_NOT_IDENTICAL, UNSURE, judged
from tests.judge.conftest import commit

from slipway.judge.record import best_so_far, file_name, keep, known_names, make_record, uses
from slipway.tables import write_json
from slipway.workspace import run

HOLDOUT, OTHER_HOLDOUT = "a" * 64, "b" * 64


def names(*pairs: tuple[str, str]) -> list[str]:
    return [file_name(holdout, model * 64, "0" * 64) for holdout, model in pairs]


def test_each_model_judged_on_a_holdout_is_one_use_of_it() -> None:
    known = names((HOLDOUT, "1"), (HOLDOUT, "2"), (HOLDOUT, "2"), (OTHER_HOLDOUT, "3"))
    assert uses(known, HOLDOUT, "9" * 64) == 3
    assert uses(known, HOLDOUT, "2" * 64) == 2  # judged again: no further use
    assert uses(known, "c" * 64, "9" * 64) == 1  # a fresh holdout


def test_two_pull_requests_never_write_the_same_file() -> None:
    assert len({*names((HOLDOUT, "1"), (HOLDOUT, "2"), (OTHER_HOLDOUT, "1"))}) == 3


def test_records_count_from_branches_that_were_never_merged(repository: Path) -> None:
    run(["git", "checkout", "-q", "-b", "refused"], repository)
    record = make_record(judged(), "c" * 40)
    assert keep(record, repository) == []
    commit(repository, "judged")
    run(["git", "checkout", "-q", "main"], repository)
    assert not (repository / "reports/judgements").exists()
    assert uses(known_names(repository), record["holdout"], "9" * 64) == 2


def test_a_model_shown_to_be_better_is_the_new_mark_and_a_lucky_equal_is_not() -> None:
    assert make_record(judged(BETTER), "c" * 40)["best"]["model"] == "e" * 64
    for equal in (UNSURE, SAME_BUT_NOT_IDENTICAL):
        assert make_record(judged(equal), "c" * 40)["best"] == {
            "model": "c" * 64,
            "commit": "c" * 40,
            "value": judged(equal)["anchor"]["best"],
        }


def test_the_mark_is_handed_on_from_record_to_record() -> None:
    report = judged(UNSURE, UNSURE, best=BETTER)
    assert make_record(report, "c" * 40)["best"]["model"] == "b" * 64


def test_the_best_so_far_is_read_from_the_champions_own_record(tmp_path: Path) -> None:
    def remember(model: str, holdout: str, best: str, value: float) -> None:
        record: dict[str, Any] = make_record(judged(UNSURE), "c" * 40)
        record |= {"model": model * 64, "holdout": holdout}
        record["best"] = {"model": best * 64, "commit": "f" * 40, "value": value}
        write_json(record, tmp_path / file_name(holdout, model * 64, best * 64))

    assert best_so_far(tmp_path, "1" * 64, HOLDOUT) is None
    remember("1", HOLDOUT, "1", 0.7)
    assert best_so_far(tmp_path, "1" * 64, HOLDOUT) is None  # it is the best itself
    remember("2", HOLDOUT, "1", 0.7)
    remember("2", HOLDOUT, "3", 0.8)
    remember("2", OTHER_HOLDOUT, "4", 0.9)
    found = best_so_far(tmp_path, "2" * 64, HOLDOUT)
    assert found is not None
    assert found["model"] == "3" * 64
    moved = best_so_far(tmp_path, "2" * 64, "c" * 64)
    assert moved is not None
    assert moved["model"] == "4" * 64


def test_a_record_that_was_there_is_never_overwritten(tmp_path: Path) -> None:
    record = make_record(judged(), "c" * 40)
    assert keep(record, tmp_path) == []
    before = [path.read_bytes() for path in tmp_path.rglob("*.json")]
    assert keep(record | {"verdict": "worse"}, tmp_path) == []
    assert [path.read_bytes() for path in tmp_path.rglob("*.json")] == before
    forged = record | {"best": record["best"] | {"value": 0.1}}
    assert keep(forged, tmp_path) == [
        "reports/judgements/" + file_name(record["holdout"], record["model"], record["champion"])
    ]
