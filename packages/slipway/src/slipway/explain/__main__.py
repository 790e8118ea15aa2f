"""Explain one row with the model and the code of the current folder.

`slipway explain` runs it in the tree of the commit that made a prediction.
"""

from __future__ import annotations

import sys
from pathlib import Path

from slipway import project
from slipway.dataset.tables import read_columns
from slipway.exits import ends_process
from slipway.explain.explainer import Explainer


def main() -> None:
    """Read a file of one row, and write its explanation."""
    row, out, explained_class = sys.argv[1:]
    with ends_process("slipway explain"):
        columns = read_columns([Path(row)])
        explained = Explainer.load().explain(project.features(columns), explained_class)
        Path(out).write_text(explained.model_dump_json(), "utf-8")


if __name__ == "__main__":
    main()
