"""What another model would have answered, to the newest requests of a log."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import timedelta

import orjson
import pytest
from tests.serving.conftest import BROKEN_DEST
from tests.shadow.conftest import START, records

from slipway.errors import SlipwayError
from slipway.repository.worktrees import environment
from slipway.shadow.answer import Shadow, answer_all
from slipway.shadow.paired_scores import pair_scores
from slipway.shadow.recent_requests import recent_requests


def test_the_newest_requests_are_found_across_days_and_come_in_order(log):
    found = recent_requests(log, 50)

    wanted = sorted(record["id"] for record in records(log))[-50:]
    assert [record["id"] for record in found.records] == wanted
    assert not found.others

    assert len(recent_requests(log, 300).records) == 300
    assert len(recent_requests(log, 9000).records) == 600


def test_the_newest_of_two_workers_are_the_newest_of_both(write_log, model, rows, tmp_path):
    write_log(tmp_path, model, rows[:40])
    write_log(tmp_path, model, rows[40:60], start=START + timedelta(seconds=0.5))

    found = recent_requests(tmp_path, 30)

    times = [record["time"] for record in found.records]
    assert times == sorted(record["time"] for record in records(tmp_path))[-30:]


def test_only_what_the_model_that_answered_last_was_asked_counts(
    write_log, model, other, rows, tmp_path
):
    write_log(tmp_path, model, rows[:20])
    write_log(tmp_path, other, rows[20:50], start=START + timedelta(minutes=1))

    found = recent_requests(tmp_path, 100)

    assert found.live == other.sha256
    assert len(found.records) == 30
    assert found.others == {model.sha256: 20}

    named = recent_requests(tmp_path, 100, live=model.sha256)
    assert len(named.records) == 20
    assert named.others == {other.sha256: 30}


def test_the_log_is_not_read_beyond_the_day_on_which_the_model_began(
    write_log, model, other, rows, tmp_path
):
    write_log(tmp_path, other, rows[:20])
    write_log(tmp_path, model, rows[20:50], start=START + timedelta(days=2))
    (tmp_path / "2026-02-01_x.jsonl").write_text("damaged, and not read\n")

    found = recent_requests(tmp_path, 100)

    assert len(found.records) == 30
    assert found.others == {other.sha256: 20}


def test_requests_of_a_smoke_test_are_not_scored(write_log, model, rows, tmp_path):
    write_log(tmp_path, model, rows[:20])
    write_log(tmp_path, model, rows[20:50], start=START + timedelta(hours=1), smoke_test=True)

    assert len(recent_requests(tmp_path, 100).records) == 20


@pytest.mark.parametrize("live", ["", "f" * 64])
def test_a_log_without_a_record_of_the_model_is_an_error(tmp_path, live):
    with pytest.raises(SlipwayError, match="no prediction"):
        recent_requests(tmp_path, 10, live)


def test_the_same_model_gives_the_same_answers_to_the_last_bit(tree, log):
    shadow = Shadow(tree / "build/model")

    for record in recent_requests(log, 100).records:
        answer = shadow.answer(record)
        assert answer["probability"] == record["probability"] == answer["live"]["probability"]
        assert answer["decision"] == record["decision"]
        assert answer["key"] == record["key"]


def test_an_answer_names_the_slices_of_its_row(tree, log):
    (record,) = recent_requests(log, 1).records

    answer = Shadow(tree / "build/model").answer(record)

    assert answer["slices"]["carrier"] == record["input"]["carrier"]
    assert answer["ms"] > 0


def test_a_row_that_the_candidate_does_not_take_is_refused_with_the_reason(tree, log):
    (record,) = recent_requests(log, 1).records
    del record["input"]["carrier"]

    answer = Shadow(tree / "build/model").answer(record)

    assert answer["refused"] == "carrier: this field is missing"
    assert "probability" not in answer


def test_a_time_of_a_form_that_is_accepted_no_more_is_no_refusal_of_the_candidate(tree, log):
    first, second = recent_requests(log, 2).records
    first["input"]["scheduled_departure"] = "20131001T0930Z"

    pairs = pair_scores(answer_all(Shadow(tree / "build/model"), [first, second]))

    assert (pairs.rows, pairs.refused, pairs.untimed.number) == (1, 0, 1)
    assert str(first["key"]) in pairs.untimed.first


def test_a_model_that_stops_at_a_row_costs_no_other_row_its_answer(tree, log):
    first, second = recent_requests(log, 2).records
    first["input"]["dest"] = BROKEN_DEST

    answers = in_tree(tree, [first, second])

    assert "a fault in the feature code" in answers[0]["refused"]
    assert answers[1]["probability"] == second["probability"]


def in_tree(tree, asked, *arguments):
    """As a program in another working tree, as it runs in a bento and in an image."""
    done = subprocess.run(
        [sys.executable, "-m", "slipway.shadow.answer", *arguments],
        cwd=tree,
        env=environment(tree),
        input=b"".join(orjson.dumps(record) + b"\n" for record in asked),
        capture_output=True,
        check=True,
    )
    return orjson.loads(done.stdout)["answers"]


def test_a_manifest_without_the_columns_of_a_row_is_an_error(tree, tmp_path):
    shutil.copytree(tree / "build/model", tmp_path, dirs_exist_ok=True)
    manifest = orjson.loads((tmp_path / "manifest.json").read_bytes())
    (tmp_path / "manifest.json").write_bytes(orjson.dumps(manifest | {"inputs": []}))

    with pytest.raises(SlipwayError, match="has no inputs"):
        Shadow(tmp_path)


def test_as_a_program_it_finds_the_newest_requests_itself(other_tree, log, model):
    answers = in_tree(other_tree, [], "--log", str(log), "--last", "7")

    assert [one["id"] for one in answers] == [
        record["id"] for record in recent_requests(log, 7).records
    ]
    assert {one["live"]["model"] for one in answers} == {model.sha256}


def test_the_program_needs_nothing_that_the_image_does_not_hold(tree):
    code = """
import sys
import slipway.shadow.follow
print([name for name in ("pandas", "sklearn", "scipy", "typer", "pyarrow") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tree,
        env=environment(tree),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "[]\n"
