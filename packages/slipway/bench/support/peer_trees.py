"""Compiled trees, in an environment of their own: LightGBM itself, lleaves and treelite.

    python peer_trees.py MODEL.txt ROWS.npy ROUNDS

Prints as JSON the seconds of each round by library, those of the compilation, and the largest
difference from LightGBM's scores.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightgbm
import lleaves  # type: ignore[import-not-found]
import numpy as np
import tl2cgen  # type: ignore[import-not-found]
import treelite  # type: ignore[import-not-found]

Predict = Callable[[], Any]

CORES = os.cpu_count() or 1


def by_lightgbm(model: Path, rows: np.ndarray, _: Path) -> Predict:
    booster = lightgbm.Booster(model_file=str(model))
    return lambda: booster.predict(rows, num_threads=CORES)


def by_lleaves(model: Path, rows: np.ndarray, _: Path) -> Predict:
    compiled = lleaves.Model(model_file=str(model))
    compiled.compile()
    return lambda: compiled.predict(rows, n_jobs=CORES)


def by_treelite(model: Path, rows: np.ndarray, folder: Path) -> Predict:
    trees = treelite.frontend.load_lightgbm_model(str(model))
    library = str(folder / "trees.so")
    tl2cgen.export_lib(trees, "gcc", library, params={"parallel_comp": CORES})
    predictor, matrix = tl2cgen.Predictor(library, nthread=CORES), tl2cgen.DMatrix(rows)
    return lambda: np.ravel(predictor.predict(matrix))


LIBRARIES = {"LightGBM": by_lightgbm, "lleaves": by_lleaves, "treelite (TL2cgen, gcc)": by_treelite}


def main(model: str, values: str, rounds: str) -> None:
    rows = np.load(values).astype("float64")
    expected = by_lightgbm(Path(model), rows, Path())()
    found = {}
    with TemporaryDirectory() as folder:
        for name, load in LIBRARIES.items():
            start = time.perf_counter()
            predict = load(Path(model), rows, Path(folder))
            compiled = time.perf_counter() - start
            taken = []
            for _ in range(int(rounds)):
                start = time.perf_counter()
                scores = predict()
                taken.append(time.perf_counter() - start)
            difference = float(np.abs(scores - expected).max())
            found[name] = {"seconds": taken, "compiled": compiled, "difference": difference}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
