"""What a table is used for, and what is refused first, in one sentence."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandera.errors import SchemaError
from tests.adopt.conftest import ROWS, plan_of

from slipway.errors import SlipwayError
from slipway.setup.adopt.estimators import candidates, choose_estimator
from slipway.setup.adopt.model_code import write_model
from slipway.setup.adopt.plan import Plan, make_plan
from slipway.setup.adopt.report import decisions_text, plan_text
from slipway.setup.adopt.request import Decision, Request
from slipway.setup.adopt.run import features_of
from slipway.setup.adopt.table import read_table, to_arrow


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([0, 1], "binary"),
        (["no", "yes"], "binary"),
        ([1, 2], "binary"),
        (["a", "b", "c"], "multiclass"),
        ([0, 1, 2], "multiclass"),
        ([0.5, 1.5, 2.5], "regression"),
        (list(range(100)), "regression"),
    ],
)
def test_the_task_is_found_in_the_labels_and_is_to_be_confirmed(
    tmp_path: Path, columns: dict[str, Any], values: list[Any], task: str
) -> None:
    label = np.resize(np.array(values), ROWS)
    plan = plan_of(tmp_path, columns | {"label": label, "amount": columns["x"] ** 2})
    assert plan.task.name == task
    assert any("task" in each.what for each in plan.decisions)


def test_roles_follow_from_the_types(tmp_path: Path, columns: dict[str, Any]) -> None:
    more = {
        "constant": ["same"] * ROWS,
        "text": [f"a long text {number}" for number in range(ROWS)],
        "seen": pd.date_range("2024-01-01", periods=ROWS, freq="h", tz="UTC").strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        ),
        "born": np.resize(["1990-01-01", "1980-05-05"], ROWS),
    }
    plan = plan_of(tmp_path, columns | more, time="seen", key=("id",))
    assert plan.named("number") == ["x", "amount"]
    assert plan.named("category") == ["plan"]
    assert plan.named("time") == ["born"]
    assert plan.named("unused") == ["constant", "text"]
    named = " ".join(each.what for each in plan.decisions)
    assert "constant" in named
    assert "text" in named


def hours(days: int) -> list[str]:
    """Return times that are spread evenly over some days."""
    start = pd.Timestamp("2024-01-01", tz="UTC")
    times = pd.date_range(start, start + pd.Timedelta(days=days), ROWS + 1)[:-1]
    return list(times.strftime("%Y-%m-%dT%H:%M:%SZ"))


def test_a_number_that_counts_the_rows_or_follows_the_time_is_no_feature(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    numbers = np.arange(ROWS)
    more = {
        "seen": hours(90),
        "Order Nr.": numbers + 100_000,
        "batch": numbers // 3,
        "shuffled": np.random.default_rng(1).permutation(numbers // 3),
    }
    plan = plan_of(tmp_path, columns | more, key=("id",))
    assert plan.named("number") == ["x", "amount", "shuffled"]
    assert plan.named("unused") == ["Order Nr.", "batch"]


def test_several_columns_identify_a_row_and_one_of_them_is_the_entity(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    more = {"shop": np.arange(ROWS) // 4, "order": np.arange(ROWS) % 4}
    plan = plan_of(tmp_path, columns | more, key=("shop", "order"), entity="shop")
    assert plan.key == ("shop", "order")
    assert not {"shop", "order"} & {*plan.named("number"), *plan.named("category")}
    write_model(plan, candidates(plan)[0].text, tmp_path / "model")
    written = runpy.run_path(str(tmp_path / "model/schema.py"))
    assert written["KEY"] == ["shop", "order"]
    rows = to_arrow(plan.table).to_pandas()
    written["schema"].validate(rows)
    with pytest.raises(SchemaError):
        written["schema"].validate(pd.concat([rows, rows.head(1)], ignore_index=True))


def test_a_time_after_that_of_the_prediction_is_no_feature_and_listed(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    seen = pd.to_datetime(hours(90))
    closed, opened = (
        (seen + pd.Timedelta(hours=each)).strftime("%Y-%m-%dT%H:%M:%SZ") for each in (5, -5)
    )
    more = {"seen": hours(90), "closed": closed, "opened": opened}
    plan = plan_of(tmp_path, columns | more, time="seen", key=("id",))
    assert plan.named("time") == ["opened"]
    assert any("closed" in each.what and "200 of 200" in each.evidence for each in plan.decisions)


@pytest.mark.parametrize(("days", "listed"), [(11, True), (90, False)])
def test_too_few_days_for_a_verdict_are_to_be_decided_on(
    tmp_path: Path, columns: dict[str, Any], days: int, listed: bool
) -> None:
    plan = plan_of(tmp_path, columns | {"seen": hours(days)})
    assert any(f"of {days} days" in each.what for each in plan.decisions) == listed


def test_a_feature_that_is_the_label_is_left_out_with_its_evidence(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    until = np.where(columns["label"] == 1, np.nan, np.arange(ROWS) % 7)
    plan = plan_of(tmp_path, columns | {"copy": columns["label"] * 7.5, "until": until})
    assert plan.named("leak") == ["copy", "until"]
    assert any("copy" in each.what and "1.000" in each.evidence for each in plan.decisions)
    assert "amount" in plan.named("number")


@pytest.mark.parametrize(
    ("label", "positive"),
    [(["no", "yes"], "yes"), (["gone", "kept"], "gone"), ([3, 2], 3)],
)
def test_the_positive_class_is_what_its_name_means_or_the_rarer_one(
    tmp_path: Path, columns: dict[str, Any], label: list[Any], positive: Any
) -> None:
    values = np.where(np.arange(ROWS) % 4 == 0, label[0], label[1])
    plan = plan_of(tmp_path, columns | {"label": values, "amount": 1})
    assert plan.positive == positive
    other = plan_of(
        tmp_path, columns | {"label": values, "amount": 1}, positive=str(label[1])
    ).positive
    assert other == label[1]


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no such target": ({}, {"target": "lable"}, "but label"),
    "constant target": ({"label": 1}, {}, "only the value 1"),
    "infinite target": (
        {"label": np.resize([1.5, np.inf, 2.5], ROWS)},
        {},
        "infinite in 67 rows",
    ),
    "times as target": ({"label": "2024-01-01"}, {}, "holds times"),
    "three values under binary": (
        {"label": np.resize([0, 1, 2], ROWS)},
        {"task": "binary"},
        "3 different values: 0, 1, 2",
    ),
    "text under regression": (
        {"label": np.resize(["a", "b"], ROWS)},
        {"task": "regression"},
        "is text",
    ),
    "fractions under multiclass": ({}, {"target": "amount", "task": "multiclass"}, "fractions"),
    "no such task": ({}, {"task": "ranking"}, "no such task"),
    "a time that is none": ({}, {"time": "plan"}, "not times"),
    "a time with gaps": (
        {"at": np.resize(["2024-01-01", ""], ROWS)},
        {"time": "at"},
        "100 rows have none",
    ),
    "two times": ({"at": "2024-01-01", "then": "2024-01-02"}, {}, "several columns are times"),
    "only times that no clock shows": (
        {"at": np.resize(["2025-03-30 02:30", "2025-01-01 00:00"], ROWS)},
        {"zone": "Europe/Berlin"},
        "at has a time that the clocks of",
    ),
    "a key that is repeated": ({}, {"key": ("plan",)}, "is in"),
    "a key of two columns that is repeated": ({"n": 1}, {"key": ("plan", "n")}, "'basic', 1 is in"),
    "a column twice in the key": ({}, {"key": ("id", "id")}, "twice"),
    "a key with a column of fractions": ({}, {"key": ("id", "x")}, "`x`: its type"),
    "a key of fractions": ({}, {"key": ("x",)}, "whole number"),
    "an infinite feature": ({"x": np.resize([1.5, -np.inf], ROWS)}, {}, "infinite in 100 rows"),
    "a task that is not adopted": ({}, {"task": "quantile"}, "quantile"),
    "no such entity": ({}, {"entity": "customer"}, "no such column"),
    "the target as entity": ({}, {"entity": "label"}, "is the target"),
    "the key as entity": ({}, {"entity": "id", "key": ("id",)}, "is the key"),
    "an entity of one row each": ({}, {"entity": "id", "key": ("none",)}, "no two rows"),
    "a positive value of numbers": ({}, {"target": "amount", "positive": "1"}, "no positive value"),
    "an entity of all rows": ({"shop": "a"}, {"entity": "shop"}, "the same one"),
    "the target as key": ({"label": range(ROWS)}, {"key": ("label",)}, "is the target"),
    "a positive class that does not exist": ({}, {"positive": "2"}, "0, 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_in_a_sentence_that_names_it(
    tmp_path: Path, columns: dict[str, Any], name: str
) -> None:
    changed, stated, part = REFUSED[name]
    with pytest.raises(SlipwayError, match=part) as refused:
        plan_of(tmp_path, columns | changed, **stated)
    assert refused.value.do
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "stated"),
    [
        ({"label": [f"class {at // 2}" for at in range(ROWS)]}, {}),
        ({"region": np.resize(["east", "west"], ROWS)}, {"entity": "region"}),
        (
            {
                "label": (np.arange(ROWS) < ROWS / 2).astype(int),
                "at": pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d"),
            },
            {"time": "at"},
        ),
    ],
    ids=["two rows of each class", "two entities", "one class at first"],
)
def test_an_estimator_is_chosen_however_few_rows_a_group_has(
    tmp_path: Path, columns: dict[str, Any], changed: dict[str, Any], stated: dict[str, Any]
) -> None:
    plan = plan_of(tmp_path, columns | changed, **stated)
    assert choose_estimator(plan, features_of(plan)).losses


def test_too_few_rows_are_refused(tmp_path: Path, columns: dict[str, Any]) -> None:
    few = {name: list(values)[:40] for name, values in columns.items()}
    with pytest.raises(SlipwayError, match="40 rows have a label"):
        plan_of(tmp_path, few)


def test_more_classes_than_are_supported_are_refused(tmp_path: Path) -> None:
    rows = 600
    columns = {"x": np.arange(rows) % 7, "label": [f"c{number % 201}" for number in range(rows)]}
    with pytest.raises(SlipwayError, match="201 classes"):
        plan_of(tmp_path, columns)


def test_a_table_without_a_feature_is_refused(tmp_path: Path) -> None:
    columns = {"constant": [1] * ROWS, "label": np.resize([0, 1], ROWS)}
    with pytest.raises(SlipwayError, match="no column is left"):
        plan_of(tmp_path, columns)


def test_repeated_customers_are_listed_until_the_user_decides(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    repeated = columns | {"customer": [f"c{number % 50}" for number in range(ROWS)]}

    def listed(**stated: Any) -> bool:
        return any(
            "customer" in each.evidence for each in plan_of(tmp_path, repeated, **stated).decisions
        )

    assert listed()
    assert not listed(entity="none")


@pytest.mark.parametrize(("shops", "warned"), [(40, True), (60, False)])
def test_entities_that_are_too_few_without_a_time_are_listed(
    tmp_path: Path, columns: dict[str, Any], shops: int, warned: bool
) -> None:
    """About half of them are compared on: the others are only learned from."""
    repeated = columns | {"shop": [f"s{number % shops}" for number in range(ROWS)]}
    found = plan_of(tmp_path, repeated, entity="shop").decisions
    assert any(f"`shop` has {shops} values" in each.what for each in found) == warned


def test_numbers_are_offered_as_entity_by_their_name_only(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    numbers = np.arange(ROWS) % 60
    more = {
        "age": numbers + 18,
        "number of rooms": numbers,
        "customer no": numbers,
        "region": np.resize([f"r{number}" for number in range(20)], ROWS),  # too few clusters
    }
    (listed,) = [
        each.evidence
        for each in plan_of(tmp_path, columns | more).decisions
        if "60" in each.evidence
    ]
    assert re.findall("`(.*?)`", listed) == ["customer no"]


def test_few_rows_of_many_columns_get_a_strongly_regularised_model(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 100))
    columns: dict[str, Any] = {f"x{at}": x[:, at] for at in range(100)}
    columns["label"] = (x[:, 0] + x[:, 1] + random.normal(size=ROWS) > 0).astype(int)
    plan = plan_of(tmp_path, columns)
    chosen = choose_estimator(plan, features_of(plan))
    losses = {*chosen.losses.values()} - {chosen.losses["a constant"]}
    assert min(losses) < chosen.losses["a constant"]
    assert chosen.candidate.train not in chosen.candidate.others


def test_a_word_for_a_missing_label_is_no_class(tmp_path: Path, columns: dict[str, Any]) -> None:
    label = np.resize(["yes", "no", "NA", "yes"], ROWS)
    plan = plan_of(tmp_path, columns | {"label": label})
    assert plan.task.name == "binary"
    assert np.isnan(plan.labels).sum() == ROWS // 4
    assert "NA" in plan.table.converted["label"]


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M"])
def test_dates_that_are_not_read_are_listed_with_the_line_that_converts_them(
    tmp_path: Path, columns: dict[str, Any], form: str
) -> None:
    days = pd.date_range("2024-01-01", periods=ROWS)
    table = {"day": days.strftime(form)} | columns
    (listed,) = _about_day(plan_of(tmp_path, table))
    assert form in listed.evidence
    with pytest.raises(SlipwayError, match="--time day") as refused:
        plan_of(tmp_path, table, key=("id",), time="day")
    assert refused.value.do == listed.do

    (line,) = re.findall("`(table.*)`", listed.do)
    exec(line, {"table": table, "pandas": pd})
    assert list(table["day"]) == list(days)
    assert plan_of(tmp_path, table, key=("id",)).time == "day"


def test_dates_of_which_no_day_is_above_12_are_listed_with_both_formats(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    days = pd.to_datetime([f"2024-{1 + n % 9}-{1 + n % 12}" for n in range(ROWS)])
    plan = plan_of(tmp_path, columns | {"day": days.strftime("%d/%m/%Y")}, key=("id",))
    (listed,) = _about_day(plan)
    assert "%d/%m/%Y and %m/%d/%Y" in listed.evidence
    assert plan.roles["day"] == "unused"


def _about_day(plan: Plan) -> list[Decision]:
    return [each for each in plan.decisions if "`day`" in each.what]


def test_a_time_that_no_clock_shows_leaves_its_column_out_by_name(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    days = pd.date_range("2024-03-10 02:30", periods=ROWS, freq="h").strftime("%Y-%m-%d %H:%M")
    path = tmp_path / "table.csv"
    pd.DataFrame(columns | {"at": days}).to_csv(path, index=False)
    table = read_table([path], zone="America/New_York")
    assert "2024-03-10 02:30" in table.left_out["at"]


HOSTILE = "\u202eEVIL\x1b[2J\x9b\r\nEVIL\u2028"


@pytest.mark.parametrize(
    "stated",
    [{}, {"entity": f"plan{HOSTILE}"}, {"key": (f"id{HOSTILE}",)}],
    ids=["nothing", "entity", "key"],
)
def test_names_and_values_of_a_table_are_printed_without_control_characters(
    tmp_path: Path, columns: dict[str, Any], stated: dict[str, Any]
) -> None:
    more = columns | {
        "copy": columns["label"],
        "born": np.resize(["10.05.2023", "31.12.2022"], ROWS),
        "same": ["EVIL"] * ROWS,
        "note": [f"a {number}" for number in range(ROWS)],
        "sent": hours(90),
    }
    hostile = {
        f"{name}{HOSTILE}": [f"{value}{HOSTILE}" for value in values] if name == "plan" else values
        for name, values in more.items()
    }
    path = tmp_path / "table.parquet"
    labels = np.where(columns["label"], HOSTILE, "no")
    objects = [{HOSTILE: 1}] * ROWS
    more = {f"label{HOSTILE}": labels, f"objects{HOSTILE}": objects}
    pd.DataFrame(hostile | more).to_parquet(path)
    plan = make_plan(read_table([path]), Request(f"label{HOSTILE}", **stated))
    for text in (plan_text(plan), decisions_text(plan)):
        assert "EVIL" in text
        assert all(line.isprintable() for line in text.split("\n"))
        assert "\nEVIL" not in text


def test_a_refusal_names_a_column_without_control_characters(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    infinite = {f"x{HOSTILE}": np.where(columns["x"] > 0, np.inf, 1.0)}
    with pytest.raises(SlipwayError, match="is infinite") as refused:
        plan_of(tmp_path, columns | infinite)
    assert str(refused.value).isprintable()
