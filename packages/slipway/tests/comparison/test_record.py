"""What is remembered of judgements: how often a holdout was used, and who was the best."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.comparison.cases import (
    BETTER,
    OLD_NAMES,
    SAME_BUT_NOT_IDENTICAL,
    UNSURE,
    WORSE,
    best_of_all,
    findings,
    judged_on_periods,
    judgement,
    one_period,
    rule_of,
    side,
    stops,
)
from tests.services.repository import commit

from slipway.comparison.core import judge
from slipway.comparison.record import (
    JUDGEMENTS,
    Best,
    NewRecord,
    best_champions,
    changed_records,
    file_name,
    known_names,
    make_records,
    save_record,
    unreadable,
    uses,
    verdict_of,
)
from slipway.comparison.report import BestChampion, Judgement
from slipway.dataset.tables import read_json, write_json
from slipway.errors import SlipwayError
from slipway.repository.worktrees import run

HOLDOUT, OTHER_HOLDOUT = "a" * 64, "b" * 64


def best_of(report: Judgement) -> BestChampion:
    assert report.best_champion is not None
    return report.best_champion


def record_of(report: Judgement, champion_commit: str) -> NewRecord:
    """Return the record of a judgement on one period."""
    (record,) = make_records(report, champion_commit)
    return record


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
    record = record_of(judgement(), "c" * 40)
    assert save_record(record, repository) == []
    commit(repository, "judged")
    run(["git", "checkout", "-q", "main"], repository)
    assert not (repository / "reports/judgements").exists()
    assert uses(known_names(repository), record.holdout, "9" * 64) == 2


def test_a_model_shown_to_be_better_is_the_new_mark_and_a_lucky_equal_is_not() -> None:
    assert record_of(judgement(BETTER), "c" * 40).best.model == "e" * 64
    for equal in (UNSURE, SAME_BUT_NOT_IDENTICAL):
        assert record_of(judgement(equal), "c" * 40).best == Best(
            model="c" * 64, commit="c" * 40, value=best_of(judgement(equal)).champion
        )


def test_the_mark_is_handed_on_from_record_to_record() -> None:
    report = judgement(UNSURE, UNSURE, best=BETTER)
    assert record_of(report, "c" * 40).best.model == "b" * 64


def test_the_mark_is_read_from_the_champions_own_records(tmp_path: Path) -> None:
    def remember(model: str, holdout: str, best: str) -> None:
        record = record_of(judgement(UNSURE), "c" * 40).model_dump()
        record |= {"model": model * 64, "holdout": holdout}
        record["best"] = {"model": best * 64, "commit": "f" * 40, "value": 0.7}
        write_json(record, tmp_path / file_name(holdout, model * 64, best * 64))

    def marked(champion: str) -> list[str]:
        return [mark.model[0] for mark in best_champions(tmp_path, champion * 64)]

    assert marked("1") == []
    remember("1", HOLDOUT, "1")
    assert marked("1") == []  # it is the best itself
    remember("2", HOLDOUT, "1")
    remember("3", OTHER_HOLDOUT, "4")
    assert marked("2") == ["1"]
    assert marked("3") == ["4"]  # the mark survives a change of the holdout
    remember("2", OTHER_HOLDOUT, "2")
    assert marked("2") == ["1"]  # one record cannot hide what another holds


def test_of_several_marks_the_one_that_is_hardest_to_hold_counts() -> None:
    report = judge(
        one_period(),
        side(UNSURE, "c"),
        side(UNSURE, "e"),
        rule_of(),
        findings(),
        best_champions=[best_of_all(WORSE, "a"), best_of_all(BETTER, "b")],
    )
    assert best_of(report).model == "b" * 64
    assert ("worse than the best", "auc") in stops(report.as_json())


def test_a_record_that_was_there_is_never_overwritten(tmp_path: Path) -> None:
    record = record_of(judgement(), "c" * 40)
    assert save_record(record, tmp_path) == []
    before = [path.read_bytes() for path in tmp_path.rglob("*.json")]
    assert save_record(record.model_copy(update={"verdict": "worse"}), tmp_path) == []
    assert [path.read_bytes() for path in tmp_path.rglob("*.json")] == before
    forged = record.model_copy(update={"best": record.best.model_copy(update={"value": 0.1})})
    assert save_record(forged, tmp_path) == [
        "reports/judgements/" + file_name(record.holdout, record.model, record.champion)
    ]


def test_a_judgement_on_other_periods_replaces_the_record_of_the_change_and_none_of_the_base(
    tmp_path: Path,
) -> None:
    before = record_of(judgement(), "c" * 40)
    after = before.model_copy(update={"periods": ["1" * 64, before.holdout], "value": 0.1})
    name = file_name(before.holdout, before.model, before.champion)
    save_record(before, tmp_path)
    assert save_record(after, tmp_path, base={str(JUDGEMENTS / name)}) == []
    assert read_json(tmp_path / JUDGEMENTS / name, "")["value"] == before.value
    assert save_record(after, tmp_path) == []
    assert read_json(tmp_path / JUDGEMENTS / name, "")["value"] == 0.1


def test_numbers_that_must_not_decide_make_no_best_champion() -> None:
    report = Judgement.of(judged_on_periods(BETTER, days=20))
    assert all(r.best.model == "c" * 64 for r in make_records(report, "c" * 40))
    decided = Judgement.of(judged_on_periods(BETTER))
    assert all(r.best.model == "e" * 64 for r in make_records(decided, "c" * 40))


def test_a_record_of_the_base_that_was_edited_or_deleted_is_named(repository: Path) -> None:
    for letter in "12":
        record = record_of(judgement(), "c" * 40)
        save_record(record.model_copy(update={"model": letter * 64}), repository)
    commit(repository, "judged")
    run(["git", "checkout", "-q", "-b", "change"], repository)
    save_record(record_of(judgement(), "c" * 40), repository)
    commit(repository, "a record of its own")
    assert changed_records(repository, "main") == []
    edited, deleted = sorted((repository / JUDGEMENTS).glob("*-[12]*.json"))
    edited.write_text(edited.read_text("utf-8").replace("0.", "1."), "utf-8")
    deleted.unlink()
    assert changed_records(repository, "main") == [
        str(path.relative_to(repository)) for path in (edited, deleted)
    ]


# What is no record: other keys, another type, no JSON, deep JSON, bytes that are not UTF-8.
BROKEN = [b'{"model":1}', b"[]", b"{", b"[" * 99999, b'{"model": "\xff"}']


@pytest.mark.parametrize("content", BROKEN, ids=["keys", "type", "text", "deep", "bytes"])
def test_a_file_among_the_records_that_is_none_is_named_in_the_change_that_adds_it(
    repository: Path, content: bytes
) -> None:
    added = repository / JUDGEMENTS / "a-b-c.json"
    added.parent.mkdir(parents=True)
    added.write_bytes(content)
    assert changed_records(repository, "main") == [str(JUDGEMENTS / added.name)]
    run(["git", "checkout", "-q", "-b", "change"], repository)
    commit(repository, "add")
    assert changed_records(repository, "main") == [str(JUDGEMENTS / added.name)]
    assert changed_records(repository, "HEAD") == []  # the base has it
    added.write_bytes(content + b" ")
    assert changed_records(repository, "HEAD") == [str(JUDGEMENTS / added.name)]
    added.unlink()
    assert changed_records(repository, "HEAD") == []


def test_a_record_that_was_damaged_is_named_and_may_be_restored(repository: Path) -> None:
    save_record(record_of(judgement(), "c" * 40), repository)
    commit(repository, "judged")
    (path,) = (repository / JUDGEMENTS).iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert changed_records(repository, "main") == [str(path.relative_to(repository))]
    commit(repository, "damaged")
    path.write_bytes(whole)
    assert changed_records(repository, "main") == []


def test_a_file_that_is_no_record_hides_no_other_and_stops_no_judgement(tmp_path: Path) -> None:
    record = record_of(judgement(BETTER), "c" * 40)
    save_record(record.model_copy(update={"model": "1" * 64}), tmp_path)
    folder = tmp_path / JUDGEMENTS
    for number, content in enumerate(BROKEN):
        (folder / f"a-{number}-c.json").write_bytes(content)
    (folder / "a-link-c.json").symlink_to(next(folder.glob(f"*-{'1' * 12}-*")))
    assert [best.model for best in best_champions(folder, "1" * 64)] == ["e" * 64]
    assert unreadable(folder) == [f"a-{n}-c.json" for n in (*range(len(BROKEN)), "link")]
    own = JUDGEMENTS / file_name(record.holdout, record.model, record.champion)
    (tmp_path / own).write_bytes(BROKEN[2])
    assert save_record(record, tmp_path) == [str(own)]
    assert save_record(record, tmp_path, base={str(own)}) == []


def test_history_that_was_not_fetched_is_named_with_the_remedy(repository: Path) -> None:
    run(["git", "checkout", "-q", "--orphan", "elsewhere"], repository)
    commit(repository, "no ancestor")
    with pytest.raises(SlipwayError) as error:
        changed_records(repository, "main")
    assert "--unshallow" in error.value.do


def test_the_verdict_of_a_record_that_an_earlier_version_wrote_has_its_present_name(
    tmp_path: Path,
) -> None:
    record = record_of(judgement(), "c" * 40)
    for written, name in ((OLD_NAMES["inconclusive"], "inconclusive"), ("not worse", "not worse")):
        write_json(record.model_dump() | {"verdict": written}, tmp_path / "record.json")
        assert verdict_of(tmp_path / "record.json") == name
