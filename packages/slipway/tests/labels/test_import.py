"""Import of a valid file: it counts once, corrects earlier labels, forgets nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest
from pandera.pandas import Column
from tests.labels.conftest import KEYS
from tests.services.projects import STARTER_PATH
from typer.testing import CliRunner

from model import schema
from slipway.cli import app
from slipway.errors import Refused
from slipway.predictions.labels.store import (
    Imported,
    history,
    import_labels,
    read_labels,
    read_outcomes,
)
from slipway.predictions.record import VERSION


def imported(rows: pd.DataFrame, file: Path, place: Path | str) -> Imported:
    if file.suffix == ".csv":
        rows.to_csv(file, index=False)
    else:
        rows.to_parquet(file)
    (each,), _ = import_labels([file], place)
    return each


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    "write",
    [bool, int, float, lambda label: "TRUE" if label else "False"],
    ids=["bool", "int", "float", "text"],
)
def test_a_label_is_read_however_it_is_written(
    kind: str, write: type, labels: pd.DataFrame, place: Path, tmp_path: Path
) -> None:
    written = labels.assign(late=[write(label) for label in labels["late"]])
    found = imported(written, tmp_path / f"labels.{kind}", place)
    assert (found.new, found.unchanged, found.corrected) == (100, 0, 0)
    known = read_labels(place)
    assert known["key"].tolist() == KEYS
    assert known["label"].tolist() == labels["late"].astype(int).tolist()
    assert list(known.columns) == ["key", "label", "arrived", "stored"]


def test_what_a_label_is_made_of_gives_the_label_and_is_kept(
    outcomes: pd.DataFrame, place: Path, tmp_path: Path
) -> None:
    found = imported(outcomes, tmp_path / "outcomes.csv", place)
    assert (found.new, found.unlabelled) == (90, 10)
    known = read_outcomes(place).set_index("key")
    expected = outcomes.set_index("flight_id").dropna()
    assert known["arr_delay"].tolist() == expected["arr_delay"].tolist()
    assert known["dep_delay"].tolist() == expected["dep_delay"].tolist()
    assert known["label"].tolist() == (expected["arr_delay"] >= 15).astype(int).tolist()


def test_a_file_of_whole_months_is_a_file_of_labels(starter_data: Path, place: Path) -> None:
    month = starter_data / "2013-09.parquet"
    (found,), keys = import_labels([month], place)
    delays = pd.read_parquet(month)["arr_delay"]
    assert found.new == len(keys) == delays.notna().sum()
    assert found.unlabelled == delays.isna().sum()
    assert read_labels(place)["label"].sum() == (delays >= 15).sum()


def test_the_same_file_or_the_same_rows_twice_change_nothing(
    labels: pd.DataFrame, place: Path, tmp_path: Path
) -> None:
    imported(labels, tmp_path / "labels.csv", place)
    before, kept = sorted(place.iterdir()), history(place)
    again = imported(labels, tmp_path / "labels.csv", place)
    assert again.before is not None
    assert again.text().startswith("labels.csv: already imported, ")
    assert sorted(place.iterdir()) == before

    shuffled = pd.concat([labels, labels]).sample(frac=1, random_state=0)
    other = imported(shuffled, tmp_path / "nightly.parquet", place)
    assert (other.new, other.unchanged, other.corrected) == (0, 100, 0)
    pd.testing.assert_frame_equal(history(place), kept)


@pytest.mark.parametrize("name", ["lab[1]", "lab*", "l a?b"])
def test_the_name_of_the_folder_is_no_pattern(
    labels: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    for place in (tmp_path / name, tmp_path / "lab1"):
        assert imported(labels, tmp_path / f"{place.name}.csv", place).new == 100
    assert len(read_labels(tmp_path / name)) == 100
    again = imported(labels.iloc[::-1], tmp_path / "again.csv", tmp_path / name)
    assert (again.new, again.unchanged) == (0, 100)


@pytest.mark.parametrize("name", ["lab[1]", "lab*", "l a?b"])
def test_the_name_of_a_folder_elsewhere_is_no_pattern(
    labels: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    elsewhere = f"memory://{tmp_path.name}"
    for folder in (name, "lab1"):
        place = f"{elsewhere}/{folder}"
        assert imported(labels, tmp_path / f"{folder}.csv", place).new == 100
        assert len(fsspec.filesystem("memory").ls(place)) == 1
    again = imported(labels.iloc[::-1], tmp_path / "again.csv", f"{elsewhere}/{name}")
    assert (again.new, again.unchanged) == (0, 100)


def test_an_outcome_that_is_a_time_is_the_same_the_second_time(
    outcomes: pd.DataFrame, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Column("datetime64[us, UTC]", nullable=True, metadata={"known": "after"})
    monkeypatch.setattr(schema, "schema", schema.schema.add_columns({"done": done}))
    times = pd.to_datetime(pd.Series(["2013-10-05T10:00Z", None] * 50), utc=True)
    rows = outcomes.assign(done=times.dt.as_unit("us"))
    imported(rows, tmp_path / "first.parquet", place)
    again = imported(rows.iloc[::-1], tmp_path / "second.parquet", place)
    assert (again.new, again.unchanged, again.corrected) == (0, 90, 0)


def test_a_late_correction_counts_from_then_on_and_keeps_the_label_before(
    labels: pd.DataFrame, place: Path, tmp_path: Path
) -> None:
    imported(labels, tmp_path / "first.csv", place)
    late = labels.head(7).assign(late=~labels["late"].head(7))
    assert imported(late, tmp_path / "second.csv", place).corrected == 7
    known = read_labels(place).set_index("key")["label"]
    assert known[KEYS[:7]].tolist() == late["late"].astype(int).tolist()
    assert known[KEYS[7:]].tolist() == labels["late"][7:].astype(int).tolist()
    rows = history(place)
    assert len(rows) == 107
    of_first = rows[rows["key"] == KEYS[0]]
    assert of_first["source"].tolist() == ["first.csv", "second.csv"]
    assert of_first["label"].tolist() == [1, 0]
    assert of_first["arrived"].is_monotonic_increasing

    # The old file, sent once more by a schedule, takes nothing back.
    assert imported(labels, tmp_path / "first.csv", place).before is not None
    assert read_labels(place).set_index("key")["label"].equals(known)


def test_a_correction_of_what_the_label_is_made_of_is_one(
    outcomes: pd.DataFrame, place: Path, tmp_path: Path
) -> None:
    imported(outcomes, tmp_path / "a.parquet", place)
    moved = outcomes.assign(arr_delay=outcomes["arr_delay"] + (outcomes.index == 5))
    assert imported(moved, tmp_path / "b.parquet", place).corrected == 1
    assert read_outcomes(place).set_index("key")["arr_delay"][KEYS[5]] == moved["arr_delay"][5]
    only_labels = pd.DataFrame({"flight_id": KEYS, "late": moved["arr_delay"] >= 15})[
        moved["arr_delay"].notna()
    ]
    same = imported(only_labels, tmp_path / "c.parquet", place)
    assert (same.unchanged, same.corrected) == (90, 0)


def test_labels_may_be_kept_behind_an_address(labels: pd.DataFrame, tmp_path: Path) -> None:
    place = "memory://team/labels"
    imported(labels, tmp_path / "labels.csv", place)
    imported(labels.head(3).assign(late=[0, 1, 1]), tmp_path / "more.csv", place)
    assert read_labels(place).set_index("key")["label"][KEYS[:3]].tolist() == [0, 1, 1]


def test_where_nothing_has_arrived_there_are_no_labels(place: Path) -> None:
    assert len(read_labels(place)) == len(history(place)) == len(read_outcomes(place)) == 0
    assert list(read_labels(place).columns) == ["key", "label", "arrived", "stored"]


def test_the_verb_counts_and_names_keys_that_the_log_does_not_have(
    labels: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.mkdir()
    with (log / "2013-10-01_a.jsonl").open("w") as file:
        for number, key in enumerate(KEYS[:60]):
            record = {"version": VERSION, "id": f"{number:04d}", "key": key, "input": {}}
            record |= {"model": "m", "probability": 0.5, "decision": True}
            file.write(json.dumps(record | {"time": "2013-10-01T00:00:00.000000Z"}) + "\n")
    labels.to_csv(tmp_path / "labels.csv", index=False)
    monkeypatch.setenv("SLIPWAY_LABELS", str(tmp_path / "labels"))
    command = ["labels", "import", str(tmp_path / "labels.csv"), "--log"]
    done = CliRunner().invoke(app, [*command, str(log)])
    assert done.exit_code == 0, done.output
    first, second = done.output.splitlines()
    assert first == "labels.csv: 100 new, 0 unchanged, 0 corrected"
    assert second.startswith(f"40 of 100 keys are not in the prediction log ({log}), such as 2013")
    assert len(read_labels(tmp_path / "labels")) == 100

    unread = CliRunner().invoke(app, [*command, str(tmp_path / "nowhere")])
    assert unread.exit_code == 0
    assert "the keys were not searched for" in unread.output


def test_two_imports_at_once_lose_nothing(
    labels: pd.DataFrame, place: Path, tmp_path: Path
) -> None:
    halves = {"odd": labels[1::2], "even": labels[::2], "all": labels}
    for name, rows in halves.items():
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    running = [
        subprocess.Popen(import_command(tmp_path / f"{name}.csv", place))
        for name in (*halves, *halves)
    ]
    assert [process.wait(timeout=240) for process in running] == [0] * 6
    known = read_labels(place)
    assert sorted(known["key"]) == KEYS
    expected = labels.set_index("flight_id")["late"].astype(int)
    assert known.set_index("key")["label"].reindex(KEYS).tolist() == expected.tolist()
    assert len(history(place)) == 100


def test_an_import_that_is_killed_leaves_all_or_nothing(
    labels: pd.DataFrame, place: Path, tmp_path: Path
) -> None:
    """Killed at the worst moment: its part is written, and not yet in its place."""
    imported(labels.head(10), tmp_path / "first.csv", place)
    labels.to_csv(tmp_path / "labels.csv", index=False)
    command = import_command(tmp_path / "labels.csv", place)
    command[2] = KILLED_BEFORE_THE_MOVE + command[2]
    assert subprocess.run(command, check=False, timeout=240).returncode == -9
    assert [path.suffix for path in place.iterdir() if path.name.startswith(".")] == [".half"]
    assert len(read_labels(place)) == 10
    (found,), _ = import_labels([tmp_path / "labels.csv"], place)
    assert (found.new, found.unchanged) == (90, 10)


def test_a_clock_that_was_set_back_takes_nothing_back(
    labels: pd.DataFrame, place: Path, tmp_path: Path
) -> None:
    imported(labels, tmp_path / "a.csv", place)
    (part,) = place.iterdir()
    part.rename(place / f"21{part.name[2:]}")
    imported(labels.head(1).assign(late=0), tmp_path / "b.csv", place)
    assert read_labels(place).set_index("key")["label"][KEYS[0]] == 0


def import_command(file: Path, place: Path) -> list[str]:
    code = (
        "import os, sys; sys.path[:0] = sys.argv[1].split(os.pathsep); from pathlib import Path; "
        "from slipway.predictions.labels.store import import_labels; "
        "import_labels([Path(sys.argv[2])], sys.argv[3])"
    )
    return [sys.executable, "-c", code, STARTER_PATH, str(file), str(place)]


KILLED_BEFORE_THE_MOVE = (
    "import os, shutil, signal; shutil.move = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
)


def test_however_many_labels_come_at_once_they_are_one_part(place: Path, tmp_path: Path) -> None:
    count = 200_000
    keys = [f"{20130101 + n // 10_000}-UA{n % 10_000}-EWR" for n in range(count)]
    rows = pd.DataFrame({"flight_id": keys, "late": np.arange(count) % 2})
    assert imported(rows, tmp_path / "many.parquet", place).new == count
    assert len(list(place.iterdir())) == 1


def test_labels_have_all_columns_of_a_key_of_several(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "KEY", ["carrier", "flight_id"])
    file = tmp_path / "labels.csv"
    file.write_text(f"flight_id,carrier,late\n{KEYS[0]},UA,1\n{KEYS[0]},AA,0\n", "utf-8")
    (found,), keys = import_labels([file], place)
    assert found.new == 2
    assert keys == {f'["UA","{KEYS[0]}"]', f'["AA","{KEYS[0]}"]'}
    file.write_text(f"flight_id,late\n{KEYS[0]},1\n", "utf-8")
    with pytest.raises(Refused, match="column `carrier` is missing"):
        import_labels([file], place)


def test_without_a_key_labels_have_the_id_of_their_prediction(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "KEY", None)
    file = tmp_path / "labels.csv"
    file.write_text("prediction_id,late\n007,1\n8,0\n", "utf-8")
    _, keys = import_labels([file], place)
    assert keys == {"007", "8"}
    file.write_text(f"flight_id,late\n{KEYS[0]},1\n", "utf-8")
    with pytest.raises(Refused, match=r"column `prediction_id` is missing: rows have no key"):
        import_labels([file], place)
