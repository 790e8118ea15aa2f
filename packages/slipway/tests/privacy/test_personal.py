"""Personal columns: dropped or hashed in the log, and shown in no message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from slipway.errors import SlipwayError
from slipway.predictions.personal import SECRET, Hasher, Mask, require_rows
from slipway.schema.checks import ColumnSpec, RowSchema
from slipway.schema.validator import Rows, RowValidator

ENVIRONMENT = {SECRET: "a secret of the tests"}


def column(name: str, kind: str, way: str = "", *, key: bool = False) -> ColumnSpec:
    dtype = {"string": "object", "integer": "int64", "number": "float64"}[kind]
    most = {"rule": "at most 9", "check": "less_than_or_equal_to", "arguments": {"max_value": 9}}
    spec = {"name": name, "type": kind, "dtype": dtype, "nullable": False, "unique": key}
    personal = {"personal": way} if way else {}
    return {**spec, "rules": [most] if kind == "number" else [], **personal}  # type: ignore[typeddict-item]


SPEC: RowSchema = [
    column("customer", "integer", "hash", key=True),
    column("name", "string", "drop"),
    column("city", "string", "hash"),
    column("spend", "number", "hash"),
    column("plan", "string"),
]
ROW = {"customer": 7741, "name": "Ada", "city": "Zürich", "spend": 3.5, "plan": "basic"}


def test_values_are_dropped_or_replaced_by_the_hash_of_the_secret() -> None:
    mask = Mask(SPEC, ["customer"], ENVIRONMENT)
    logged = mask.row(ROW)
    hasher = Hasher(ENVIRONMENT)

    assert logged.keys() == ROW.keys() - {"name"}
    assert logged["plan"] == "basic"
    assert {n: logged[n] for n in ("customer", "city", "spend")} == {
        n: hasher.text(ROW[n]) for n in ("customer", "city", "spend")
    }
    assert mask.key(7741) == logged["customer"]
    assert Mask(SPEC, ["customer"], {SECRET: "another of the tests"}).row(ROW) != logged


def test_a_table_is_masked_as_its_rows_are() -> None:
    mask = Mask(SPEC, ["customer"], ENVIRONMENT)
    rows = [ROW, ROW | {"customer": 2, "city": None}]
    assert mask.table(pa.Table.from_pylist(rows)).to_pylist() == [mask.row(row) for row in rows]


def test_a_key_of_several_columns_keeps_the_part_that_is_not_personal() -> None:
    mask = Mask(SPEC, ["city", "plan"], ENVIRONMENT)
    city = mask.row(ROW)["city"]
    assert mask.key('["Zürich","basic"]') == f'["{city}","basic"]'


@pytest.mark.parametrize("secret", ["", "short"])
def test_without_a_secret_nothing_is_hashed(secret: str) -> None:
    with pytest.raises(SlipwayError):
        Mask(SPEC, ["customer"], {SECRET: secret})
    assert not Mask([column("plan", "string")], [], {})  # and none is needed


def test_a_row_of_the_log_is_not_scored_again() -> None:
    with pytest.raises(SlipwayError, match="`customer`, `name`, `city`, `spend`"):
        require_rows(SPEC, "replay")
    require_rows(SPEC[-1:], "replay")


def test_the_faults_of_a_request_do_not_show_personal_values() -> None:
    def differ(columns: Mapping[str, Any]) -> Any:
        """City and plan differ."""
        return columns["city"] != columns["plan"]

    validator = RowValidator(SPEC, {"differ": differ})
    bad = b'[{"customer":"7741","name":5512,"city":"QXZ","spend":5577.25,"plan":"QXZ"},'
    bad += b'{"customer":9914,"name":"a","city":"b","spend":1,"plan":"c"},'
    bad += b'{"customer":9914,"name":"a","city":"b","spend":1,"plan":5}]'
    faults = validator.parse(bad)

    assert not isinstance(faults, Rows)
    messages = " ".join(fault["message"] for fault in faults)
    assert len(faults) >= 6
    for value in ("7741", "5512", "5577", "9914"):
        assert value not in messages
    assert messages.count("a personal value") >= 5
    assert "city a personal value, plan 'QXZ'" in messages  # which is not personal
