from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model import features as features_module
from model import schema as schema_module
from model import target as target_module
from slipway import project as contract
from slipway.dataset.split import Dataset
from slipway.dataset.tables import digest, files_of, keys_digest, read_columns, read_json
from slipway.errors import Refused, SlipwayError
from slipway.settings import Holdout, read_params
from slipway.training.periods import Period, joined
from slipway.training.prepare import check_leak, prepare


def test_the_newest_month_is_held_out_and_no_row_is_on_both_sides(project):
    split = prepare(read_params())

    train = read_columns([project / "build/prepared/train.parquet"])
    holdout = Dataset.open(read_params()).labelled_holdout().columns
    assert split.train.months == ["2013-01", "2013-02", "2013-06", "2013-07", "2013-08"]
    assert split.holdout.months == ["2013-09"]
    assert split.train.last < split.holdout.first
    assert not set(train["key"]) & set(holdout["flight_id"])


def test_the_holdout_is_named_by_the_hash_of_its_keys(project):
    prepare(read_params())

    holdout = Dataset.open(read_params()).labelled_holdout().columns
    recorded = read_json(project / "build/prepared/split.json", "slipway prepare")
    shuffled = np.random.default_rng(0).permutation(holdout["flight_id"])
    assert recorded["holdout"]["keys_sha256"] == keys_digest(shuffled)
    assert keys_digest(shuffled[1:]) != keys_digest(shuffled)


def test_rows_without_a_label_are_left_out_and_counted(project):
    rows = pd.read_parquet(project / "data/2013-09.parquet")
    cancelled = int(rows["arr_delay"].isna().sum())

    split = prepare(read_params())

    assert cancelled > 0
    assert split.holdout.unlabelled == cancelled
    assert split.holdout.rows == len(rows) - cancelled


def test_a_sample_of_the_training_rows_is_evenly_spaced_and_the_holdout_is_whole(project):
    params = read_params()
    whole, file = prepare(params), project / "build/prepared/train.parquet"
    keys = read_columns([file])["key"].tolist()
    section = params.prepare.model_copy(update={"sample_rows": 500})
    split = prepare(params.model_copy(update={"prepare": section}))

    places = [keys.index(key) for key in read_columns([file])["key"].tolist()]
    assert len(places) == 500
    assert set(np.diff(places)) <= {len(keys) // 500, len(keys) // 500 + 1}
    assert (split.train, split.holdout) == (whole.train, whole.holdout)
    assert "500 of the training rows" in split.summary()
    periods = [
        Period({"x": np.arange(9.0)}, np.arange(9.0)),
        Period({"x": np.array([9.0])}, np.array([9.0])),
    ]
    assert joined(periods, 4).labels.tolist() == [0, 3, 6, 9]
    assert joined(periods, 20).labels.tolist() == joined(periods).labels.tolist()


def test_holdout_rows_of_entities_seen_in_training_are_counted(project, monkeypatch):
    assert not prepare(read_params()).notes
    monkeypatch.setattr(schema_module, "CLUSTERS", ["scheduled_departure", "dest"], raising=False)
    (note,) = prepare(read_params()).notes
    dataset = Dataset.open(read_params())
    known = set(dataset.read_train(["dest"])["dest"].tolist())
    holdout = dataset.labelled_holdout().columns["dest"].tolist()
    shared = sum(each in known for each in holdout)
    assert 0 < shared < len(holdout)
    assert note.startswith(f"{shared:,} of {len(holdout):,} holdout rows")
    params = read_params()
    by_entity = Holdout(share=0.2, by="entity")
    held = params.prepare.model_copy(update={"holdout": by_entity, "holdout_months": None})
    split = prepare(params.model_copy(update={"prepare": held}))
    assert not split.notes
    assert split.holdout.by == "hash of dest, 0.2"


def test_a_key_that_is_no_column_is_named(project, monkeypatch):
    monkeypatch.setattr(schema_module, "KEY", ["carrier", "flight id"])
    with pytest.raises(SlipwayError, match=r"KEY.*flight id"):
        prepare(read_params())


def test_a_feature_known_only_afterwards_stops_the_pipeline_and_is_named(project, monkeypatch):
    monkeypatch.setattr(
        features_module, "features", lambda columns: {"delay": columns["dep_delay"]}
    )

    with pytest.raises(Refused, match="`dep_delay`, which is not known when"):
        prepare(read_params())


def test_a_feature_that_predicts_the_label_implausibly_well_stops_the_pipeline(
    project, monkeypatch
):
    honest = features_module.features
    rows = read_columns(sorted((project / "data").glob("*")))
    late = dict(zip(rows["flight_id"], rows["arr_delay"], strict=True))

    def leaking(columns):
        known = np.array([late[key] for key in columns["flight_id"]], dtype="float32")
        return honest(columns) | {"crystal_ball": known}

    monkeypatch.setattr(features_module, "features", leaking)

    with pytest.raises(Refused, match=r"`crystal_ball` alone predicts the label with AUC 1\.000"):
        prepare(read_params())


@pytest.mark.parametrize("invert", [False, True])
def test_a_leak_is_seen_whichever_way_it_ranks(invert):
    labels = np.repeat([0.0, 1.0], 500)
    leak = (1 - labels if invert else labels).astype("float32")

    with pytest.raises(Refused, match="`leak`"):
        check_leak({"leak": leak}, labels, limit=0.85)


@pytest.mark.parametrize("missing", [0.0, 1.0])
def test_a_value_that_is_missing_by_the_label_is_a_leak(missing):
    labels = np.repeat([0.0, 1.0], 500)
    leak = np.random.default_rng(0).normal(size=1000).astype("float32")
    check_leak({"minutes": leak}, labels, limit=0.85)

    leak[labels == missing] = np.nan
    with pytest.raises(Refused, match="`minutes`"):
        check_leak({"minutes": leak}, labels, limit=0.85)


def test_text_of_one_row_is_no_leak_and_text_that_names_the_label_is():
    labels = np.tile([0.0, 1.0], 500)
    texts = np.array([f"row {number}" for number in range(1000)], dtype=object)
    check_leak({"comment": texts}, labels, limit=0.85)

    words = np.where(labels == 1, "yes", "no").astype(object)
    with pytest.raises(Refused, match="`answer`"):
        check_leak({"answer": words}, labels, limit=0.85)


def test_features_of_ordinary_strength_pass_the_leak_check():
    rng = np.random.default_rng(0)
    labels = (rng.random(5000) < 0.2).astype("float32")
    features = {
        "useful": (labels + rng.normal(0, 1, 5000)).astype("float32"),
        "colour": rng.choice(np.array(["red", "blue"], dtype=object), 5000),
    }

    check_leak(features, labels, limit=0.85)


def test_too_few_months_to_hold_one_out_cannot_be_answered(project):
    for path in sorted((project / "data").glob("*.parquet"))[1:]:
        path.unlink()

    params = read_params()
    too_many = {"holdout": Holdout(periods=99), "holdout_months": None}
    section = params.prepare.model_copy(update=too_many)
    with pytest.raises(SlipwayError, match="holds out 99") as error:
        prepare(params.model_copy(update={"prepare": section}))
    assert error.value.exit_code == 2


def test_a_month_whose_labels_have_not_come_yet_is_refused(project, monkeypatch):
    honest = target_module.label
    monkeypatch.setattr(
        contract,
        "label",
        lambda columns: np.where(np.arange(len(honest(columns))) % 3, honest(columns), np.nan),
    )

    with pytest.raises(Refused, match="of the train rows have no label"):
        prepare(read_params())


def test_how_a_file_stores_its_text_and_orders_its_columns_changes_nothing(project):
    prepare(read_params())
    before = digest(project / "build/prepared/train.parquet")
    for month, store in (("2013-06", pa.large_string()), ("2013-07", pa.string())):
        path = project / f"data/{month}.parquet"
        table = pq.read_table(path)
        texts = [field.name for field in table.schema if field.name in ("carrier", "dest")]
        for name in texts:
            at, column = table.column_names.index(name), table[name].cast(store)
            table = table.set_column(at, name, column)
        at = table.column_names.index("origin")
        table = table.set_column(at, "origin", table["origin"].cast(store).dictionary_encode())
        pq.write_table(table.select(table.column_names[::-1]), path)

    prepare(read_params())

    assert digest(project / "build/prepared/train.parquet") == before


def test_the_same_rows_in_csv_files_of_any_name_give_the_same_features_and_split(project):
    prepare(read_params())
    expected = files_of(project / "build/prepared")
    months = sorted((project / "data").glob("*.parquet"))
    rows = pd.concat([pd.read_parquet(month) for month in months])
    for month in months:
        month.unlink()
    rows.iloc[1::2].to_csv(project / "data/b.csv", sep=";", decimal=",", index=False)
    rows.iloc[::2].to_csv(project / "data/a.tsv", sep="\t", encoding="utf-16", index=False)

    prepare(read_params())

    assert files_of(project / "build/prepared") == expected
