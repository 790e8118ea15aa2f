"""Reports and charts: nothing is imported that takes seconds and is not needed."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "work",
    [
        "import slipway.reports.check; assert 'jsonschema' not in sys.modules",
        "import slipway.documents.charts; import altair",
    ],
    ids=["report", "chart"],
)
def test_no_grammar_of_iris_is_built(work: str) -> None:
    code = f"import sys; {work}; sys.exit('lark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)

    assert done.returncode == 0, done.stderr


def test_it_is_built_where_nothing_keeps_it_out() -> None:
    """The failing twin."""
    code = "import jsonschema, sys; sys.exit('lark' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 1
