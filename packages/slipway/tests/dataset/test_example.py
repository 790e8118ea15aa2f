"""What `slipway schema` prints of a table."""

from __future__ import annotations

import json
import shlex

import pytest

from slipway import project
from slipway.dataset import example
from slipway.schema.checks import ColumnSpec
from slipway.settings import Params

HOSTILE = "\u202eEVIL\x1b[2J\x9b\r\nEVIL\u2028\U000e0041"


def test_names_and_values_of_rows_are_printed_without_control_characters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    isin: ColumnSpec = {
        "name": f"plan{HOSTILE}",
        "type": "string",
        "dtype": "str",
        "nullable": False,
        "unique": False,
        "rules": [{"rule": "isin", "check": "isin", "arguments": {"allowed_values": [HOSTILE]}}],
    }
    row = {f"plan{HOSTILE}": HOSTILE}
    monkeypatch.setattr(example, "_columns", lambda: [isin])
    monkeypatch.setattr(example, "example_row", lambda _: row)
    monkeypatch.setattr(project, "personal", dict)
    text = example.describe_rows(Params.model_construct())
    assert "EVIL" in text
    assert all(line.isprintable() for line in text.split("\n"))
    assert "\nEVIL" not in text
    assert json.loads(shlex.split(text.split("\n")[-1])[-1]) == row
