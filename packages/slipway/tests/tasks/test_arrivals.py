"""Labels of each task that arrive late are imported, corrected, or refused by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from tests.tasks.test_pipeline import slipway, task_of

from slipway.dataset.files import PARQUET

COLUMNS = {"multiclass": ("ticket", "team"), "regression": ("delivery", "minutes")}
OTHER: dict[str, Any] = {"multiclass": "billing", "regression": 12.5}
WRONG: dict[str, Any] = {"multiclass": "press", "regression": -3.0}


def stored(folder: Path) -> pd.DataFrame:
    parts = [pq.read_table(path).to_pandas() for path in sorted(folder.glob(f"*{PARQUET}"))]
    return pd.concat(parts).drop_duplicates("key", keep="last").set_index("key")["label"]


def test_labels_are_stored_in_their_own_type_and_corrected(repository: Path) -> None:
    key, label = COLUMNS[task_of(repository)]
    month = pd.read_parquet(repository / "data/2022-05.parquet")[[key, label]]
    month.to_csv(repository / "all.csv", index=False)
    done = slipway(repository, "labels", "import", "all.csv")
    assert done.returncode == 0, done.stderr
    known = month.dropna().set_index(key)[label]
    assert f"{len(known):,} new" in done.stdout
    assert stored(repository / "labels").to_dict() == known.to_dict()

    changed = month.dropna().head(1).assign(**{label: OTHER[task_of(repository)]})
    changed.to_csv(repository / "correction.csv", index=False)
    again = slipway(repository, "labels", "import", "correction.csv", "all.csv")
    assert "1 corrected" in again.stdout
    assert stored(repository / "labels")[changed[key].iloc[0]] == OTHER[task_of(repository)]


def test_a_value_that_is_no_label_is_refused_with_its_row(repository: Path) -> None:
    key, label = COLUMNS[task_of(repository)]
    values = [OTHER[task_of(repository)], WRONG[task_of(repository)]]
    rows = pd.DataFrame({key: ["a", "b"], label: values})
    rows.to_csv(repository / "wrong.csv", index=False)
    done = slipway(repository, "labels", "import", "wrong.csv")
    assert done.returncode == 1
    assert "row 1" in done.stderr
    assert str(WRONG[task_of(repository)]) in done.stderr
    assert not (repository / "labels").exists()
