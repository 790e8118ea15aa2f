"""A file with a fault is refused whole: the row and the column are named, and nothing changes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from slipway.errors import Refused, SlipwayError
from slipway.predictions.labels.store import history, import_labels, read_labels

Break = Callable[[pd.DataFrame], pd.DataFrame]


def put(rows: pd.DataFrame, column: str, row: int, value: Any) -> pd.DataFrame:
    changed = rows.astype({column: object})
    changed.loc[row, column] = value
    return changed


PLAIN: dict[str, tuple[Break, str]] = {
    "a label that is none": (
        lambda rows: put(rows, "late", 3, "maybe"),
        r"row 3, column `late`: expected 0 or 1 .*, got 'maybe'",
    ),
    "a label that is a probability": (
        lambda rows: rows.assign(late=0.5),
        r"row 0, column `late`: expected 0 or 1 .*, got '?0.5'?\n.*\n.*\n.*\n.*\n  and 95 more",
    ),
    "a row without a key": (
        lambda rows: put(rows, "flight_id", 4, None),
        r"row 4, column `flight_id`: expected a key in every row, got (null|nan)",
    ),
    "a key of another shape": (
        lambda rows: put(rows, "flight_id", 5, "UA-77"),
        r"row 5, column `flight_id`: expected text that matches .*, got 'UA-77'",
    ),
    "two labels of one row": (
        lambda rows: pd.concat([rows, put(rows.head(1), "late", 0, False)], ignore_index=True),
        r"row 100, key '20131001-UA100-EWR': label 0, but row 0 has label 1",
    ),
    "no key": (
        lambda rows: rows.drop(columns="flight_id"),
        r"column `flight_id` is missing: it is the key of the labels",
    ),
    "no label": (
        lambda rows: rows[["flight_id"]],
        r"column `late` is missing, and it cannot be derived from `arr_delay`",
    ),
    "a label under another spelling": (
        lambda rows: rows.rename(columns={"late": "Late "}).assign(arr_delay=0.0),
        r"column 'Late ' is similar to `late`: rename it",
    ),
    "no rows": (lambda rows: rows.head(0), r"the file has no rows"),
}

MADE_OF: dict[str, tuple[Break, str]] = {
    "a delay of a year": (
        lambda rows: put(rows, "arr_delay", 2, 525_600.0),
        r"row 2, column `arr_delay`: expected -200 to 3000, got 525600",
    ),
    "two delays of one flight": (
        lambda rows: pd.concat([rows, rows.iloc[[1]].assign(arr_delay=99)], ignore_index=True),
        r"row 100, key .*arr_delay 99.0, but row 1 has",
    ),
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("fault", [*PLAIN, *MADE_OF])
def test_nothing_of_a_bad_file_is_imported(
    fault: str,
    kind: str,
    labels: pd.DataFrame,
    outcomes: pd.DataFrame,
    place: Path,
    tmp_path: Path,
) -> None:
    good = tmp_path / "good.csv"
    labels.head(10).to_csv(good, index=False)
    import_labels([good], place)
    before = history(place)
    rows, (spoil, expected) = (
        (labels, PLAIN[fault]) if fault in PLAIN else (outcomes, MADE_OF[fault])
    )
    spoilt, bad = spoil(rows), tmp_path / f"bad.{kind}"
    if kind == "csv":
        spoilt.to_csv(bad, index=False)
    else:
        mixed = spoilt.apply(lambda c: c.astype(str) if fault == "a label that is none" else c)
        mixed.to_parquet(bad)
    with pytest.raises(Refused) as refused:
        import_labels([bad], place)
    assert str(refused.value).startswith(f"{bad}: not imported")
    assert re.search(expected, str(refused.value)), str(refused.value)
    assert refused.value.exit_code == 1
    assert history(place).equals(before)


def test_a_column_of_the_wrong_type_is_named(
    labels: pd.DataFrame, outcomes: pd.DataFrame, place: Path, tmp_path: Path
) -> None:
    labels.assign(flight_id=range(100)).to_parquet(tmp_path / "keys.parquet")
    with pytest.raises(Refused, match="column `flight_id`: expected text, its type is int64"):
        import_labels([tmp_path / "keys.parquet"], place)
    outcomes.assign(arr_delay="soon").to_parquet(tmp_path / "text.parquet")
    with pytest.raises(Refused, match="column `arr_delay`: expected a finite number, its type is"):
        import_labels([tmp_path / "text.parquet"], place)
    outcomes.assign(arr_delay="soon").to_csv(tmp_path / "text.csv", index=False)
    with pytest.raises(Refused, match="row 0, column `arr_delay`: expected a finite number, got '"):
        import_labels([tmp_path / "text.csv"], place)
    assert not place.exists()


def test_a_file_that_cannot_be_read_is_no_answer(place: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.parquet").touch()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "text.parquet").write_text("flight_id,late\n")
    for name in ("empty.parquet", "empty.csv", "text.parquet", "missing.csv", "rows.xlsx"):
        with pytest.raises(SlipwayError, match=name) as error:
            import_labels([tmp_path / name], place)
        assert error.value.exit_code == 2
    assert not place.exists()


def test_one_bad_file_among_good_ones_stops_them_all(
    labels: pd.DataFrame, place: Path, tmp_path: Path
) -> None:
    labels.to_csv(tmp_path / "good.csv", index=False)
    labels.head(0).to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(Refused):
        import_labels([tmp_path / "good.csv", tmp_path / "bad.csv"], place)
    assert not place.exists()


@pytest.mark.parametrize("how", ["cut short", "another file", "another name"])
def test_a_store_that_was_damaged_is_reported_and_not_believed(
    how: str, labels: pd.DataFrame, place: Path, tmp_path: Path
) -> None:
    labels.to_csv(tmp_path / "labels.csv", index=False)
    import_labels([tmp_path / "labels.csv"], place)
    (part,) = place.iterdir()
    if how == "cut short":
        part.write_bytes(part.read_bytes()[:-20])
    elif how == "another file":
        labels.to_parquet(part)
    else:
        part = part.rename(place / "part.parquet")
    with pytest.raises(SlipwayError, match=f"{part.name}: not a part of the labels"):
        read_labels(place)


@pytest.mark.parametrize("name", ["outcomes.csv", "x.PARQUET", "x.parquet.gz", "pipe.parquet"])
def test_what_may_hold_labels_and_is_no_part_is_named_and_not_waited_for(
    labels: pd.DataFrame, place: Path, tmp_path: Path, name: str
) -> None:
    labels.to_csv(tmp_path / "labels.csv", index=False)
    import_labels([tmp_path / "labels.csv"], place)
    (place / ".gitkeep").touch()
    (place / "README.txt").write_text("what is here")
    assert len(read_labels(place)) == 100
    if name == "pipe.parquet":
        os.mkfifo(place / name)
    else:
        (place / name).write_bytes(b"rows")

    with pytest.raises(SlipwayError, match=f"{name}: may hold labels"):
        read_labels(place)


@pytest.mark.parametrize("address", ["nothing://labels", "s3://missing/labels"])
@pytest.mark.usefixtures("no_buckets")
def test_a_place_that_cannot_be_reached_is_reported(address: str) -> None:
    with pytest.raises(SlipwayError, match=f"^{address}: the folder of the labels cannot be read"):
        read_labels(address)


def test_a_place_that_cannot_be_written_is_reported(labels: pd.DataFrame, tmp_path: Path) -> None:
    labels.to_csv(tmp_path / "labels.csv", index=False)
    (tmp_path / "labels").write_text("a file where a folder should be")
    with pytest.raises((SlipwayError, OSError)) as error:
        import_labels([tmp_path / "labels.csv"], tmp_path / "labels")
    assert "labels" in str(error.value)


def test_a_label_that_contradicts_what_it_is_made_of_is_refused_by_row(
    outcomes: pd.DataFrame, place: Path, tmp_path: Path
) -> None:
    known = outcomes[outcomes["arr_delay"].notna()].head(3).reset_index(drop=True)
    late = (known["arr_delay"] >= 15).astype(int)
    known.assign(late=1 - late).to_csv(tmp_path / "opposite.csv", index=False)
    with pytest.raises(Refused, match=r"row 0, key .*: `late` is .*, but `arr_delay`"):
        import_labels([tmp_path / "opposite.csv"], place)
    assert not place.exists()


def test_a_label_counts_where_what_it_is_made_of_is_missing(
    outcomes: pd.DataFrame, place: Path, tmp_path: Path
) -> None:
    rows = outcomes.head(2).assign(late=[1, 0], arr_delay=np.nan)
    rows.to_csv(tmp_path / "labels.csv", index=False)
    import_labels([tmp_path / "labels.csv"], place)
    assert read_labels(place)["label"].tolist() == [1, 0]
