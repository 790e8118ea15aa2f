"""The procedure is fitted at each origin but the last, and scores the period after it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from model import estimator as estimator_module
from slipway import project
from slipway.cli.pipeline import backtest as command
from slipway.dataset.make import write_month
from slipway.dataset.split import Dataset
from slipway.dataset.tables import files_of, read_columns, write_columns
from slipway.errors import SlipwayError
from slipway.settings import read_params
from slipway.tasks.binary import Binary
from slipway.tasks.multiclass import Multiclass
from slipway.training.backtest import BACKTEST, Backtest, backtest
from slipway.training.prepare import prepare
from slipway.training.score import Model, score_columns
from slipway.training.train import train

Edit = Callable[[Path], object]

EARLIER = ["2013-07", "2013-08"]


def set_params(section: str, **changes: Any) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    params[section] |= changes
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")


@pytest.fixture
def fast(project: Path) -> Path:
    """The small project, with settings that learn at once."""
    set_params("train", iterations=10)
    return project


@pytest.fixture(scope="session")
def made_once(small_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of scores, of the small project."""
    folder = tmp_path_factory.mktemp("backtest") / "made"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(small_project)
        params = read_params()
        few = params.model_copy(update={"train": params.train | {"iterations": 10}})
        backtest(few, folder)
    return folder


@pytest.fixture
def made(made_once: Path, project: Path) -> Path:
    """A copy of that folder which a test may change."""
    folder = project / BACKTEST
    folder.mkdir(parents=True)
    for file in made_once.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_each_origin_but_the_holdout_has_the_scores_of_its_rows_in_their_order(
    made: Path,
) -> None:
    found = Backtest.read()
    *earlier, holdout = Dataset.open(read_params()).origins(4)
    assert [origin.name for origin in earlier] == EARLIER
    for origin in earlier:
        rows, scores = origin.read_scored(), found.scores(origin)
        assert scores is not None
        columns = read_columns([made / f"{origin.name}.parquet"])
        assert columns["key"].tolist() == rows.columns["flight_id"].tolist()
        assert columns["score"].tolist() == scores.tolist()
        record = found.of(origin)
        assert record is not None
        assert (record.learned, record.scored) == (origin.learned_periods, [origin.name])
        assert (record.rows, record.positives) == (len(rows.labels), rows.labels.sum())
        assert record.keys_sha256 == rows.keys_sha256
        assert scores[rows.labels == 1].mean() > scores[rows.labels == 0].mean()
    assert found.scores(holdout) is None
    assert found.of(holdout) is None


def test_the_scores_are_those_of_a_model_that_is_trained_on_the_same_months(fast: Path) -> None:
    backtest(read_params())
    (_, origin, _) = Dataset.open(read_params()).origins(4)
    scores = Backtest.read().scores(origin)
    (fast / "data/2013-09.parquet").unlink()
    prepare(read_params())
    train(read_params())
    expected = Model.load().score(origin.read_scored().columns)
    assert scores is not None
    assert np.abs(scores - expected).max() < 1e-6
    assert np.array_equal(scores, np.round(scores, 6))


def test_the_record_names_the_data_and_the_settings(fast: Path) -> None:
    backtest(read_params())
    record = Backtest.read().record
    assert record.data_md5 == yaml.safe_load((fast / "data.dvc").read_text())["outs"][0]["md5"]
    assert record.train == read_params().train


def test_one_core_writes_the_same_bytes_as_two(fast: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    backtest(read_params())
    first = files_of(BACKTEST)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    backtest(read_params())
    assert files_of(BACKTEST) == first
    assert set(first) == {"origins.json", *(f"{name}.parquet" for name in EARLIER)}


@pytest.mark.parametrize("link", [False, True])
def test_no_file_of_an_earlier_run_is_left(fast: Path, link: bool) -> None:
    old = fast / ("elsewhere" if link else BACKTEST)
    old.mkdir(parents=True)
    (old / "2012-01.parquet").write_bytes(b"old")
    if link:
        BACKTEST.parent.mkdir()
        BACKTEST.symlink_to(old)
    set_params("prepare", origins=1)
    record = backtest(read_params())
    assert set(files_of(BACKTEST)) == {"origins.json"}
    assert (old / "2012-01.parquet").exists() == link
    assert Backtest.read().record.origins == []
    assert "no origin before the holdout" in record.text()


def overwrite(month: str, **columns: Any) -> None:
    """Give all rows of a month one value in some columns."""
    path = Path(f"data/{month}.parquet")
    write_month(pd.read_parquet(path).assign(**columns), path)


def test_an_origin_whose_scored_rows_have_one_label_is_recorded_with_the_reason(
    fast: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overwrite("2013-07", arr_delay=np.float32(0))
    command()
    found = Backtest.read()
    first, second, _ = Dataset.open(read_params()).origins(4)
    record = found.of(first)
    assert record is not None
    assert record.positives == 0
    assert "the scored rows have only the label 0" in str(record.not_fitted)
    assert found.scores(first) is None
    assert found.scores(second) is not None
    assert "2013-07: learned 2013-01 to 2013-06, not fitted" in capsys.readouterr().out


def test_an_origin_whose_learned_rows_have_one_label_is_recorded_with_the_reason(
    fast: Path,
) -> None:
    for month in ("2013-01", "2013-02", "2013-06"):
        overwrite(month, arr_delay=np.float32(0))
    reasons = [origin.not_fitted for origin in backtest(read_params()).origins]
    assert "the learned rows have only the label 0" in str(reasons[0])
    assert reasons[1] is None


def test_an_estimator_that_cannot_be_fitted_is_recorded_with_the_reason(fast: Path) -> None:
    set_params("train", learning_rate=-1.0)
    record = backtest(read_params())
    assert [origin.file for origin in record.origins] == [None, None]
    assert all("cannot be fitted" in str(origin.not_fitted) for origin in record.origins)
    assert all("\n" not in str(origin.not_fitted) for origin in record.origins)
    assert Backtest.read().record == record


def test_an_estimator_that_cannot_score_a_later_month_is_recorded(
    fast: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # in this process, whose estimator is replaced
    build = estimator_module.build

    def strict(params: Any, categories: Any) -> Any:
        pipeline = build(params, categories)
        encode = pipeline.named_steps["encode"].transformers[0][1]
        encode.set_params(handle_unknown="error", unknown_value=None)
        return pipeline

    monkeypatch.setattr(estimator_module, "build", strict)
    reasons = [origin.not_fitted for origin in backtest(read_params()).origins]
    assert "cannot score rows of a later period: ValueError" in str(reasons[0])


# --- reading what a commit names ------------------------------------------------------------


def record(change: Callable[[dict[str, Any]], object]) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / "origins.json"
        content = json.loads(path.read_text("utf-8"))
        change(content)
        path.write_text(json.dumps(content), "utf-8")

    return edit


def first(**changes: Any) -> Edit:
    return record(lambda content: content["origins"][0].update(changes))


def scores(change: Callable[[np.ndarray], object], dtype: str = "float64") -> Edit:
    def edit(folder: Path) -> None:
        path = folder / f"{EARLIER[0]}.parquet"
        columns = read_columns([path])
        values = columns["score"].copy()
        change(values)
        write_columns({"key": columns["key"], "score": values.astype(dtype)}, path)

    return edit


def table(change: Callable[[pa.Table], pa.Table]) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / f"{EARLIER[0]}.parquet"
        pq.write_table(change(pq.read_table(path)), path)

    return edit


MALFORMED: dict[str, tuple[Edit, str]] = {
    "no record": (lambda folder: (folder / "origins.json").unlink(), "no such file"),
    "no JSON": (lambda folder: (folder / "origins.json").write_text("{"), "Invalid JSON"),
    "deep": (lambda folder: (folder / "origins.json").write_text("[" * 99999), "Invalid JSON"),
    "version": (record(lambda content: content.update(version=2)), "version"),
    "another key": (record(lambda content: content.update(more=1)), "more"),
    "a key less": (record(lambda content: content.pop("train")), "train"),
    "no result": (record(lambda content: content["origins"][0].pop("file")), "either `file`"),
    "two results": (first(not_fitted="no rows"), "either `file`"),
    "a long reason": (first(file=None, not_fitted="x" * 301), "not_fitted"),
    "another folder": (first(file="../2013-07.parquet"), "is not 2013-07.parquet"),
    "an absolute path": (first(file="/tmp/2013-07.parquet"), "is not 2013-07.parquet"),
    "a path as month": (first(scored=["../../x"], file="../../x.parquet"), "pattern"),
    "an origin twice": (
        record(lambda content: content["origins"].append(content["origins"][0])),
        "two origins",
    ),
    "a file twice": (first(scored=["2013-08"], file="2013-08.parquet"), "two origins"),
    "rows": (first(rows=5), "origins.json has 5"),
    "keys": (first(keys_sha256="0" * 64), "other keys"),
    "text for a number": (first(rows="5"), "rows"),
    "no scores": (lambda folder: (folder / "2013-07.parquet").unlink(), "no such file"),
    "no parquet": (
        lambda folder: (folder / "2013-07.parquet").write_bytes(b"x" * 99),
        "not a parquet file",
    ),
    "not a number": (
        scores(lambda values: values.put(0, np.nan)),
        r"1 of .* scores are not numbers",
    ),
    "infinite": (scores(lambda values: values.put(0, np.inf)), r"1 of .* scores are not numbers"),
    "above 1": (scores(lambda values: values.put(0, 1.01)), r"1 of .* scores are not numbers"),
    "below 0": (scores(lambda values: values.put(0, -0.01)), r"1 of .* scores are not numbers"),
    "another type": (scores(lambda values: None, "float32"), "key and score"),
    "fewer rows": (table(lambda rows: rows.slice(1)), "origins.json has"),
    "another column": (table(lambda rows: rows.append_column("x", rows["score"])), "key and score"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_content_is_refused_with_the_file_and_the_reason(made: Path, name: str) -> None:
    edit, reason = MALFORMED[name]
    edit(made)
    with pytest.raises(SlipwayError, match=reason) as error:
        Backtest.read(made)
    assert str(error.value).startswith(str(made))
    assert error.value.do


@pytest.mark.parametrize(
    ("stored", "classes", "reason"),
    [(1, 3, "one column of .* multiclass"), (3, 0, "3 columns of .* binary"), (2, 3, "2 columns")],
)
def test_scores_of_another_task_are_refused_with_what_to_run(
    made: Path, monkeypatch: pytest.MonkeyPatch, stored: int, classes: int, reason: str
) -> None:
    task = Multiclass(tuple("abc"[:classes])) if classes else Binary()
    monkeypatch.setattr(project, "task", lambda: task)
    path = made / f"{EARLIER[0]}.parquet"
    keys = read_columns([path])["key"]
    shape = (len(keys), stored) if stored > 1 else (len(keys),)
    write_columns({"key": keys, **score_columns(np.full(shape, 1 / stored))}, path)
    with pytest.raises(SlipwayError, match=reason) as error:
        Backtest.read(made)
    assert "slipway backtest" in error.value.do


def test_an_origin_of_other_rows_has_no_scores(made: Path) -> None:
    found = Backtest.read(made)
    assert found.scores(Dataset.open(read_params()).origins(4)[0]) is not None
    overwrite("2013-01", temp=np.float32(20))
    assert found.scores(Dataset.open(read_params()).origins(4)[0]) is None
