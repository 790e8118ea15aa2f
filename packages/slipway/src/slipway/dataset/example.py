"""What a row is, as a caller of the service sees it: the columns, an example and a command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import project
from slipway.dataset.folder import list_data
from slipway.dataset.tables import as_rows, read_columns, take
from slipway.errors import SlipwayError
from slipway.schema.checks import ColumnSpec
from slipway.schema.expected import HIDDEN, NOUNS, describe
from slipway.schema.export import export_schema
from slipway.untrusted import escaped, escaped_json

if TYPE_CHECKING:
    from slipway.settings import Params

# Where `slipway serve` answers.
ADDRESS = "http://localhost:3000"


def describe_rows(params: Params) -> str:
    """Return the columns of a request, a row of the data, and the command that sends it.

    Raises
    ------
    SlipwayError
        The schema cannot be served, or there is no row in data/.
    """
    columns = _columns()
    names = [escaped(column["name"]) for column in columns]
    width = max(map(len, names))
    lines = [
        f"{name:<{width}}  {escaped(_expected(column))}"
        for name, column in zip(names, columns, strict=True)
    ]
    personal = project.personal()
    row = {n: HIDDEN if n in personal else value for n, value in example_row(params).items()}
    note = [f"Replace each `{HIDDEN}` by one of its column.", ""] if personal else []
    return "\n".join(
        [
            "What a row of a request is (src/model/schema.py):",
            "",
            *(f"  {line}" for line in lines),
            "",
            "The first row of the data:",
            "",
            escaped_json(json.dumps(row, indent=2, ensure_ascii=False)),
            "",
            *note,
            "Ask for its prediction, while `slipway serve` runs:",
            "",
            curl(row),
        ]
    )


def example_row(params: Params) -> dict[str, object]:
    """Return the first row of the data as a request has it.

    Raises
    ------
    SlipwayError
        There is none, or a file cannot be read.
    """
    for file in list_data(Path(params.data.folder)).read:
        columns = read_columns([file], [column["name"] for column in _columns()], params.data)
        for row in as_rows(take(columns, slice(0, 1))):
            return row
    no_row = f"{params.data.folder}/: no row"
    raise SlipwayError(no_row, "add files that have rows, or run `make data`")


def curl(row: Mapping[str, object]) -> str:
    """Return a command that sends a row to the service of this machine."""
    body = shlex.quote(escaped_json(json.dumps(row, ensure_ascii=False)))
    return f"curl -H 'Content-Type: application/json' {ADDRESS}/predict -d {body}"


def _columns() -> list[ColumnSpec]:
    return export_schema(project.schema())


def _in_key(column: ColumnSpec) -> str:
    if not column["unique"]:
        return ""
    others = [name for name in project.key_columns() if name != column["name"]]
    return f", unique together with {', '.join(others)}" if others else ", another one in each row"


def _expected(column: ColumnSpec) -> str:
    """Return what a value of a column must be."""
    checks = ", ".join(describe(rule["check"], rule["arguments"]) for rule in column["rules"])
    missing = ", or null" if column["nullable"] else ""
    key = _in_key(column)
    return f"{NOUNS[column['type']]}{f': {checks}' if checks else ''}{key}{missing}"
