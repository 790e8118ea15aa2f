"""NannyML's univariate drift with its defaults, in an environment of its own.

    python peer_nannyml.py REFERENCE.parquet FOLDER

Each parquet file of the folder is one chunk; prints for each how many columns alert, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nannyml  # type: ignore[import-not-found]
import pandas as pd


def main(reference: str, folder: str) -> None:
    known = pd.read_parquet(reference)
    paths = sorted(Path(folder).glob("*.parquet"))
    windows = [pd.read_parquet(path) for path in paths]
    names = list(known.columns)
    calculator = nannyml.UnivariateDriftCalculator(column_names=names, chunk_size=len(windows[0]))
    calculator.fit(known)
    result = calculator.calculate(pd.concat(windows, ignore_index=True))
    table = result.filter(period="analysis").to_df()
    alerts = [column for column in table.columns if column[-1] == "alert"]
    counts = table[alerts].sum(axis=1).astype(int).tolist()
    found = {path.stem: {"columns": count} for path, count in zip(paths, counts, strict=True)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
