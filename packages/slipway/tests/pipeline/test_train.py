from __future__ import annotations

import json
import re

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from model import estimator as estimator_module
from model import schema as schema_module
from slipway.dataset.folder import DATA, list_data
from slipway.dataset.holdout import divide
from slipway.dataset.periods import local_days
from slipway.dataset.split import Dataset
from slipway.dataset.tables import digest, read_columns, take
from slipway.errors import SlipwayError
from slipway.manifest import read_manifest
from slipway.serving.human_review import known_categories
from slipway.settings import read_params
from slipway.training import train as train_module
from slipway.training.evaluate import evaluate
from slipway.training.prepare import prepare
from slipway.training.score import Model
from slipway.training.train import train


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_months_of_the_reference_history_begin_at_midnight_in_the_time_zone(
    project, monkeypatch, zone
):
    monkeypatch.setattr(schema_module, "TIME_ZONE", zone, raising=False)
    prepare(read_params())
    train(read_params())
    months = read_manifest()["past"]["months"]
    dataset, name = Dataset.open(read_params()), schema_module.EVENT_TIME
    times = np.concatenate([dataset.read_train([name])[name], dataset.holdout.columns[name]])
    found, rows = np.unique(local_days(times, zone).astype("datetime64[M]"), return_counts=True)
    expected = dict(zip(found.astype(str).tolist(), rows.tolist(), strict=True))
    assert {month: part["rows"] for month, part in months.items()} == expected


@pytest.fixture
def prepared(project):
    prepare(read_params())
    return project


def test_the_manifest_names_the_model_its_inputs_and_its_holdout(trained):
    manifest = Model.load(trained / "build/model").manifest
    split = json.loads((trained / "build/prepared/split.json").read_text())
    assert manifest["model"]["sha256"] == digest(trained / "build/model/model.onnx")
    assert manifest["model"]["md5"] == digest(trained / "build/model/model.onnx", "md5")
    assert manifest["holdout"] == split["holdout"]
    assert manifest["train"]["params"]["iterations"] == 120
    assert manifest["requirements_sha256"] == digest(trained / "requirements.lock")
    assert {"score", "carrier", "temp"} <= manifest["reference"].keys()
    carrier = next(item for item in manifest["features"] if item["name"] == "carrier")
    assert set(carrier["values"]) == set(
        read_columns([trained / "build/prepared/train.parquet"])["feature:carrier"]
    )
    assert "arr_delay" not in {column["name"] for column in manifest["inputs"]}


def test_what_is_no_estimator_and_a_missing_package_are_named_with_a_remedy(prepared, monkeypatch):
    monkeypatch.setattr(estimator_module, "build", lambda _params, _categories: None)
    with pytest.raises(SlipwayError, match="returns None"):
        train(read_params(), out=prepared / "build/other")

    def build(_params, _categories):
        raise ModuleNotFoundError("No module named 'boosting'", name="boosting")

    build.__code__ = build.__code__.replace(co_filename=estimator_module.__file__)
    monkeypatch.setattr(estimator_module, "build", build)
    with pytest.raises(SlipwayError, match="No module named") as error:
        train(read_params(), out=prepared / "build/other")
    assert "make lock" in error.value.do


def test_free_text_and_times_are_not_monitored_and_named(prepared, monkeypatch):
    monkeypatch.setattr(train_module, "MOST_VALUES", 12)  # there are more carriers
    monkeypatch.setattr(schema_module, "EVENT_TIME", None)  # so its column is any time
    monkeypatch.setattr(Dataset, "open", _by_key)
    shown = train(read_params(), out=prepared / "build/other")
    manifest = Model.load(prepared / "build/other").manifest
    assert manifest["reference"].keys().isdisjoint({"carrier", "dest", "scheduled_departure"})
    assert "origin" in manifest["reference"]
    carrier = next(item for item in manifest["features"] if item["name"] == "carrier")
    assert carrier == {"name": "carrier", "type": "category", "distinct": 15}
    assert "not monitored: scheduled_departure, a time" in shown
    assert "not monitored: dest, a category of 100 values" in shown
    assert "carrier" not in known_categories(manifest)


def _by_key(params):
    prepare = params.prepare.model_copy(update={"holdout_months": None})
    validate = type(params.validate_)()
    settings = params.model_copy(update={"prepare": prepare, "validate_": validate})
    found = list_data(DATA)
    table, held = divide(found.read, settings)
    return Dataset(table, held)


def test_nothing_in_the_model_folder_depends_on_the_clock_or_the_commit(trained):
    manifest = (trained / "build/model/manifest.json").read_text()
    assert "commit" not in manifest
    assert not re.search(r"20[2-9][0-9]-[01][0-9]", manifest)


def test_golden_rows_score_as_in_the_manifest(trained):
    model = Model.load(trained / "build/model")

    rows = read_columns([trained / "data/2013-09.parquet"])
    for golden in model.manifest["golden"][:5]:
        row = take(rows, rows["flight_id"] == golden["row"]["flight_id"])
        assert model.score(row)[0] == golden["probability"]


def test_a_row_scores_the_same_alone_as_in_a_batch(trained):
    model = Model.load(trained / "build/model")
    rows = take(read_columns([trained / "data/2013-09.parquet"]), slice(0, 50))

    alone = [model.score(take(rows, slice(i, i + 1)))[0] for i in range(50)]

    assert model.score(rows).tolist() == alone


def test_a_changed_model_file_is_refused_before_it_is_read(trained):
    model = trained / "build/model/model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)

    with pytest.raises(SlipwayError, match=r"model\.onnx: sha256 is .* but manifest\.json"):
        Model.load(trained / "build/model")


def test_an_estimator_that_no_format_holds_is_refused_with_the_reason_of_each(
    prepared, monkeypatch
):
    monkeypatch.setattr(
        estimator_module,
        "build",
        lambda params, categories: make_pipeline(
            FunctionTransformer(lambda frame: frame.drop(columns=categories).fillna(0)),
            KNeighborsClassifier(),
        ),
    )

    with pytest.raises(SlipwayError, match=r"FunctionTransformer.*<lambda>") as refused:
        train(read_params())

    assert "src/model/features.py" in refused.value.do


def test_a_model_that_onnx_does_not_hold_exactly_is_trained_evaluated_and_rebuilt_in_another_format(
    trained, monkeypatch
):
    build = estimator_module.build
    monkeypatch.setattr(
        estimator_module,
        "build",
        lambda params, categories: CalibratedClassifierCV(build(params, categories)),
    )
    params = read_params()
    params.train["iterations"] = 20

    summary = train(params)

    folder = trained / "build/model"
    model = Model.load(folder)
    content = (folder / "model.skops").read_bytes()
    assert model.manifest["model"]["format"] == "skops"
    assert model.manifest["model"]["packages"].keys() >= {"scikit-learn", "skops", "pandas"}
    assert not (folder / "model.onnx").exists()
    assert "slipway-ml[serve,serve-sklearn]" in summary
    assert "put the preprocessing before" in summary
    rows = read_columns([trained / "data/2013-09.parquet"])
    for golden in model.manifest["golden"][:3]:
        row = take(rows, rows["flight_id"] == golden["row"]["flight_id"])
        assert model.score(row)[0] == golden["probability"]
    evaluate(params)
    train(params)
    assert (folder / "model.skops").read_bytes() == content


def test_a_parameter_that_the_estimator_misses_is_named(prepared):
    params = read_params()
    del params.train["learning_rate"]

    with pytest.raises(SlipwayError, match="'learning_rate' from `train`"):
        train(params)
