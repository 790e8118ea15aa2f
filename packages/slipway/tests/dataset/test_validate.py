"""What `slipway validate` promises, whatever the file: all violations, once, exactly counted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandera.errors import SchemaErrors
from pandera.pandas import Check, Column, DataFrameSchema
from tests.dataset.conftest import GOOD, HERE, settings_of
from tests.services.dask import Cluster

from model.rules import RULES
from model.schema import schema
from slipway import project
from slipway.dataset.validate import validate_files
from slipway.dataset.violations import ValidationReport, render_json, render_text
from slipway.errors import SlipwayError
from slipway.schema.export import export_schema
from slipway.settings import Params
from slipway.workers import ADDRESS

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(rows: pd.DataFrame, name: str = "2013-09.parquet", **options: Any) -> Path:
        path = tmp_path / name
        if path.suffix == ".csv":
            rows.to_csv(path, index=False)
        else:
            rows.to_parquet(path, index=False, **options)
        return path

    return to_file


def found(report: ValidationReport) -> dict[tuple[str, str], int]:
    """Column and check of every violation, with its count."""
    return {(violation.column, violation.check): violation.count for violation in report.violations}


def break_at_random(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Give a third of the columns some bad values, and some rows a second life."""
    rng = np.random.default_rng(seed)
    rows = rows.copy()
    bad: dict[str, Any] = {
        "carrier": "ZZ",
        "origin": "EWR",
        "dest": "EWR\n",
        "flight_id": "x",
        "weekday": 9,
        "dep_minute": 200,
        "arr_minute": -3,
        "temp": 200.0,
        "humid": np.nan,
        "precip": -np.inf,
        "arr_delay": 5000.0,
    }
    for name in rng.permutation(list(bad))[:5]:
        chosen = rng.random(len(rows)) < rng.choice([0.01, 0.2, 1.0])
        rows[name] = rows[name].mask(chosen, bad[name])
    return pd.concat([rows, rows.sample(7, random_state=seed)], ignore_index=True)


def by_pandera(rows: pd.DataFrame) -> dict[tuple[str, str], int]:
    """What pandera's own lazy validation counts."""
    once = DataFrameSchema(
        {"flight_id": Column(str, unique=True, report_duplicates="exclude_first")}
    )
    counts: dict[tuple[str, str], int] = {}
    for judge in (schema, once):
        try:
            judge.validate(rows, lazy=True)
        except SchemaErrors as errors:
            for error in errors.schema_errors:
                name = error.check if isinstance(error.check, str) else error.check.name
                if name == "field_uniqueness" and judge is schema:
                    continue
                rule = {"arrives_elsewhere": "dest, origin", "leaves_when_open": "dep_minute"}
                column = rule.get(name, error.schema.name)
                name = {"field_uniqueness": "unique"}.get(name, name)
                rows_at_fault = error.failure_cases["index"].nunique()
                counts[str(column), str(name)] = int(rows_at_fault)
    return counts


@pytest.mark.parametrize("seed", range(4))
def test_it_counts_the_same_faults_as_pandera(
    seed: int, good: pd.DataFrame, write: Write, params: Params
) -> None:
    rows = break_at_random(good, seed)
    ours = found(validate_files([write(rows)], params))
    shares = {key: count for key, count in ours.items() if key[1] == "max_missing"}
    assert {key: count for key, count in ours.items() if key not in shares} == by_pandera(rows)
    for (column, _), count in shares.items():
        assert count == rows[column].isna().sum()


@pytest.mark.parametrize("chunk_rows", [1, 7, 64])
def test_the_report_does_not_depend_on_the_size_of_a_chunk(
    chunk_rows: int, good: pd.DataFrame, write: Write, params: Params
) -> None:
    path = write(break_at_random(good, 3), row_group_size=50)
    small = settings_of(chunk_rows)
    assert validate_files([path], small) == validate_files([path], params)


def test_a_cluster_reads_the_parts_of_files_and_gives_the_same_report(
    good: pd.DataFrame, write: Write, two_workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        write(break_at_random(good, 1), "2013-08.parquet", row_group_size=70),
        write(break_at_random(good, 2), "2013-09.parquet", row_group_size=60),
        write(good, "2013-10.csv"),
    ]
    params = settings_of(chunk_rows=100)
    here = validate_files(files, params)
    assert here.violations
    monkeypatch.setenv(ADDRESS, two_workers.address)
    assert render_json(validate_files(files, params)) == render_json(here)


def test_all_faults_come_in_one_pass(good: pd.DataFrame, write: Write, params: Params) -> None:
    good.loc[3, "carrier"] = "ZZ"
    good["dest"] = good["dest"].mask(good.index == 4, good["origin"])
    good.loc[5, "dep_minute"] = 1500
    good.loc[5, "arr_minute"] = 1500
    bad = good.drop(columns="temp").assign(wings=1, weekday=good["weekday"].astype("int64"))
    again = pd.concat([bad, bad.head(2)])
    assert found(validate_files([write(again)], params)) == {
        ("temp", "missing_column"): 202,
        ("wings", "unknown_column"): 202,
        ("weekday", "type"): 202,
        ("flight_id", "unique"): 2,
        ("carrier", "isin"): 1,
        ("dep_minute", "in_range"): 1,
        ("arr_minute", "in_range"): 1,
        ("dest, origin", "arrives_elsewhere"): 1,
    }


def test_a_fault_shows_its_first_rows_and_some_values(
    good: pd.DataFrame, write: Write, params: Params
) -> None:
    for number, row in enumerate([150, 20, 30, 40, 50, 60, 70]):
        good.loc[row, "dep_minute"] = 1500 + number
    (violation,) = validate_files([write(good)], params).violations
    assert (violation.count, violation.share) == (7, 0.035)
    assert violation.rows == [20, 30, 40, 50, 60]
    assert violation.examples == ["1501", "1502", "1503"]
    assert violation.expected == "0 to 1439"


def test_missing_columns_come_in_the_order_of_the_schema(
    good: pd.DataFrame, write: Write, params: Params
) -> None:
    report = validate_files([write(good[["flight_id", "arr_delay"]])], params)
    missing = [name for name in schema.columns if name not in {"flight_id", "arr_delay"}]
    assert [violation.column for violation in report.violations] == missing


def test_two_checks_of_one_name_are_two_faults(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.schema.schema", with_after(Check.ge(-20), Check.ge(-10)))
    expected = [violation.expected for violation in validate_files([GOOD], params).violations]
    assert expected == ["-20 or more", "-10 or more"]


# --- missing values ---


def test_the_share_of_missing_values_is_that_of_the_whole_file(
    good: pd.DataFrame, write: Write
) -> None:
    limit = schema.columns["temp"].metadata["max_missing"]
    good.loc[:, "temp"] = 60.0
    good.loc[: int(200 * limit) - 1, "temp"] = np.nan
    assert validate_files([write(good)], settings_of(chunk_rows=10)).violations == []
    good.loc[199, "temp"] = np.nan
    assert found(validate_files([write(good)], settings_of(chunk_rows=10))) == {
        ("temp", "max_missing"): int(200 * limit) + 1
    }


# --- keys ---


def test_a_key_comes_once_over_all_files(good: pd.DataFrame, write: Write, params: Params) -> None:
    first = write(good.head(120))
    second = write(good.tail(120), "2013-09b.parquet")
    (violation,) = validate_files([first, second], params).violations
    assert (violation.file, violation.column, violation.check) == (
        second.as_posix(),
        "flight_id",
        "unique",
    )
    assert (violation.count, violation.rows) == (40, [0, 1, 2, 3, 4])
    assert f"is also row 80 of {first.as_posix()}" in violation.expected


def test_a_file_named_twice_is_read_once(params: Params) -> None:
    report = validate_files(
        [GOOD, GOOD.parent / "." / GOOD.name, GOOD.parent / "csv/.." / GOOD.name], params
    )
    assert (len(report.files), report.violations) == (1, [])


def test_keys_with_the_same_hash_are_not_the_same_key(
    good: pd.DataFrame, write: Write, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(pd.concat([good, good.head(3)]))
    expected = validate_files([path], params)
    assert found(expected) == {("flight_id", "unique"): 3}
    monkeypatch.setattr(
        "pandas.util.hash_array",
        lambda values, **_: np.array([len(str(v)) % 3 for v in values], dtype="uint64"),
    )
    assert validate_files([path], params) == expected


def test_keys_are_confirmed_in_as_many_rounds_as_it_takes(
    good: pd.DataFrame, write: Write, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(pd.concat([good, good.sample(50, random_state=1)]))
    expected = validate_files([path], params)
    assert found(expected) == {("flight_id", "unique"): 50}
    monkeypatch.setattr("slipway.dataset.validate.KEYS_AT_ONCE", 7)
    assert validate_files([path], params) == expected


def test_missing_keys_do_not_repeat_each_other(
    good: pd.DataFrame, write: Write, params: Params
) -> None:
    good.loc[[5, 6], "flight_id"] = None
    assert found(validate_files([write(good)], params)) == {("flight_id", "not_nullable"): 2}


# --- time ---


def test_a_time_after_now_is_in_the_future(params: Params) -> None:
    before = datetime(2013, 9, 15, 12, tzinfo=UTC)
    times = pd.read_parquet(GOOD)["scheduled_departure"]
    assert found(validate_files([GOOD], params, now=before)) == {
        ("scheduled_departure", "future"): int((times > before).sum())
    }
    assert validate_files([GOOD], params, now=times.max().to_pydatetime()).violations == []


@pytest.mark.parametrize(
    ("time", "in_range"),
    [("1699-12-31T23:59:59.999999", False), ("1700-01-01", True), ("9999-12-31", False)],
)
def test_a_time_lies_in_the_years_that_the_service_takes(
    time: str, in_range: bool, good: pd.DataFrame, write: Write, params: Params
) -> None:
    good.loc[0, "scheduled_departure"] = pd.Timestamp(time, tz="UTC")
    violations = found(validate_files([write(good)], params))
    assert violations.get(("scheduled_departure", "time_range")) == (None if in_range else 1)


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00Z"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_time_in_a_year_that_python_lacks_is_a_fault(
    time: str, kind: str, good: pd.DataFrame, write: Write, params: Params
) -> None:
    texts = good["scheduled_departure"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    texts.loc[0] = time
    times = (
        texts
        if kind == "csv"
        else pd.to_datetime(texts, utc=True, format="ISO8601").dt.as_unit("us")
    )
    rows = good.assign(scheduled_departure=times)
    violations = found(validate_files([write(rows, f"2013-09.{kind}")], params))
    assert violations[("scheduled_departure", "time_range")] == 1


@pytest.mark.parametrize(("limits", "valid"), [((100, 300), True), ((201, 300), False)])
def test_the_rows_of_a_period_are_counted_over_the_files_of_the_data(
    limits: tuple[int, int],
    valid: bool,
    good: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    good.head(90).to_csv("data/a.csv", index=False)
    good.tail(110).to_parquet("data/b.parquet", index=False)
    report = validate_files([], settings_of(rows=limits))
    assert report.periods == ["2013-09"]
    expected = [] if valid else [("rows_per_month", 200, ["2013-09"])]
    assert [(each.check, each.count, each.examples) for each in report.violations] == expected


def test_periods_are_not_counted_while_the_times_of_a_file_cannot_be_read(
    good: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    good.head(90).to_parquet("data/a.parquet", index=False)
    mistyped = good.tail(110).assign(scheduled_departure="2013-09-07 09:30")
    mistyped.to_parquet("data/b.parquet", index=False)

    report = validate_files([], settings_of(rows=(100, 300)))

    assert found(report) == {("scheduled_departure", "type"): 110}
    first, *_ = render_text(report).splitlines()
    assert first.endswith("200 rows, periods not counted (no time can be read in data/b.parquet)")
    assert render_json(report)["without_times"] == ["data/b.parquet"]


def test_a_file_may_have_a_part_of_a_period(good: pd.DataFrame, write: Write) -> None:
    report = validate_files([write(good, "flights.parquet")], settings_of(rows=(1000, 2000)))
    assert report.violations == []


# --- how values are stored ---


def test_text_may_be_stored_as_a_dictionary(
    good: pd.DataFrame, tmp_path: Path, params: Params
) -> None:
    good.loc[9, "dest"] = "lga"
    table = pa.Table.from_pandas(good, preserve_index=False)
    at = table.schema.get_field_index("dest")
    table = table.set_column(at, "dest", table["dest"].combine_chunks().dictionary_encode())
    pq.write_table(table, tmp_path / "2013-09.parquet")
    assert found(validate_files([tmp_path / "2013-09.parquet"], params)) == {
        ("dest", "str_matches"): 1
    }


def test_a_csv_file_has_the_faults_of_the_same_rows_in_parquet(
    good: pd.DataFrame, write: Write, params: Params
) -> None:
    rows = break_at_random(good, 5)
    as_text, binary = (
        validate_files([write(rows, f"2013-09.{kind}")], params) for kind in ("csv", "parquet")
    )
    assert found(as_text)
    assert found(as_text) == found(binary)


def test_text_that_is_no_number_is_a_fault_of_its_row_and_hides_no_other(
    good: pd.DataFrame, write: Write, params: Params
) -> None:
    rows = good.astype({"dep_minute": object, "temp": object})
    rows.loc[5, "dep_minute"] = "early"
    rows.loc[6, "dep_minute"] = 2000
    rows.loc[7, "dep_minute"] = 200
    rows.loc[8, "dep_minute"] = 300.5
    rows.loc[9, "temp"] = "warm"
    report = validate_files([write(rows, "2013-09.csv")], params)
    assert found(report) == {
        ("dep_minute", "type"): 2,
        ("dep_minute", "in_range"): 1,
        ("dep_minute", "leaves_when_open"): 1,
        ("temp", "type"): 1,
    }
    assert report.violations[0].rows == [5, 8]
    assert report.violations[0].examples == ["'early'", "'300.5'"]


# --- checks of the schema ---


def with_after(*checks: Check, whole: list[Check] | None = None) -> DataFrameSchema:
    """The real schema with other checks on a column that is known only after."""
    after = {"known": "after", "max_missing": 1.0}
    columns = {
        **schema.columns,
        "arr_delay": Column("float32", list(checks), nullable=True, metadata=after),
    }
    return DataFrameSchema(columns, checks=[*schema.checks, *(whole or [])], strict=True)


def even(values: pd.Series) -> pd.Series:
    return values % 2 == 0


def test_any_check_by_rows_works_on_a_column_known_only_after(
    good: pd.DataFrame, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.schema.schema", with_after(Check(even, error="an even number")))
    (violation,) = validate_files([GOOD], params).violations
    assert (violation.column, violation.check, violation.expected) == (
        "arr_delay",
        "even",
        "an even number",
    )
    assert violation.count == int((good["arr_delay"].dropna() % 2 != 0).sum())


def test_a_check_across_columns_known_only_after_runs_too(
    good: pd.DataFrame, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    catches_up = Check(
        lambda rows: ~(rows["arr_delay"] < rows["dep_delay"]), name="never_catches_up"
    )
    monkeypatch.setattr("model.schema.schema", with_after(whole=[catches_up]))
    expected = int((good["arr_delay"] < good["dep_delay"]).sum())
    assert found(validate_files([GOOD], params)) == {("", "never_catches_up"): expected}


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (Check(lambda values: values.mean() > 0, name="mean"), "does not return one value a row"),
        (Check(lambda values: values.absent > 0, name="typo"), "stopped: AttributeError"),
    ],
)
def test_a_check_that_cannot_be_made_is_named(
    check: Check, message: str, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.schema.schema", with_after(check))
    with pytest.raises(SlipwayError, match=f"column `arr_delay`: check `{check.name}` {message}"):
        validate_files([GOOD], params)


def test_a_schema_that_the_service_could_not_check_is_refused_here_already(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_rules = DataFrameSchema(dict(schema.columns), strict=True)
    monkeypatch.setattr("model.schema.schema", without_rules)
    with pytest.raises(SlipwayError, match=f"the rule `{next(iter(RULES))}`"):
        validate_files([GOOD], params)


# --- how it is reported ---

HOSTILE = [
    "|a|b|",
    "`code`",
    "<img src=x onerror=alert(1)>",
    "@octocat #1 GH-1",
    "[link](https://evil.example) ![i](http://evil.example/i.png)",
    "https://evil.example www.evil.example",
    "a\n\n## Better: merge this\n\n|x|",
    "\x1b[2J\x1b[31m\u202e\x00",
    "&lt;b&gt;",
    "x" * 100_000,
]


@pytest.mark.parametrize("value", HOSTILE)
def test_values_from_the_data_cannot_act_in_a_report(
    value: str, good: pd.DataFrame, write: Write, params: Params
) -> None:
    good.loc[0, "carrier"] = value
    report = validate_files([write(good.assign(**{value: 1}))], params)
    assert {violation.check for violation in report.violations} == {"isin", "unknown_column"}
    shown = render_text(report)
    assert shown.replace("\n", "").isprintable()
    assert all(len(line) < 1000 for line in shown.splitlines())


def test_a_thousand_unknown_columns_do_not_fill_a_report(
    good: pd.DataFrame, write: Write, params: Params
) -> None:
    wide = pd.concat([good, pd.DataFrame(0, good.index, [f"x{i}" for i in range(1000)])], axis=1)
    report = validate_files([write(wide)], params)
    assert len(report.violations) == 20
    assert "1,000 are" in report.violations[0].expected


def test_the_same_files_give_the_same_json(params: Params) -> None:
    folder = HERE / "rejected/dep_minute.in_range"
    texts = [
        json.dumps(render_json(validate_files([folder], params, now)), allow_nan=False)
        for now in (datetime(2014, 1, 1, tzinfo=UTC), datetime(2034, 1, 1, tzinfo=UTC))
    ]
    assert texts[0] == texts[1]
    assert json.loads(texts[0])["faults"] == [
        asdict(violation) for violation in validate_files([folder], params).violations
    ]


def test_a_pattern_ends_at_the_end_of_the_text_in_files_and_in_requests(
    good: pd.DataFrame, write: Write, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    column = Column(str, Check.str_matches("^[A-Z]{3}$"), metadata={"known": "before"})
    other = DataFrameSchema(schema.columns | {"dest": column}, checks=schema.checks, strict=True)
    monkeypatch.setattr("model.schema.schema", other)
    good.loc[4, "dest"] = "EWR\n"
    for name in ("2013-09.parquet", "2013-09.csv"):
        assert found(validate_files([write(good, name)], params))["dest", "str_matches"] == 1
    (rule,) = next(c["rules"] for c in export_schema(project.schema()) if c["name"] == "dest")
    assert re.match(rule["arguments"]["pattern"], "EWR\n") is None


def test_a_column_name_shows_the_blank_that_is_wrong_with_it(
    good: pd.DataFrame, write: Write, params: Params
) -> None:
    rows = good.rename(columns={"dest": " dest"}).assign(**{"": 1, "a\u202eb": 2})
    text = render_text(validate_files([write(rows, "2013-09.csv")], params))
    assert "' dest' is unknown" in text
    assert "index=False" in text
    assert r"'a\u202eb' is unknown" in text
