"""Feature code may use pandas: its columns become arrays of the types that a model takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FEATURES = """
import pandas as pd


def features(columns):
    frame = pd.DataFrame(dict(columns))
    spend = frame["spend"].fillna(0).clip(upper=10)
    return frame[["plan", "months"]].assign(spend=spend, is_new=frame["months"] < 3)
"""

USE = """
import numpy as np
from slipway import project

columns = {
    "plan": np.array(["a", None], object),
    "months": np.array([1, 5]),
    "spend": np.array([np.nan, 12.5]),
}
for name, values in project.features(columns).items():
    print(name, values.dtype, values.tolist())
"""


def test_a_data_frame_gives_numbers_as_float32_and_text_without_missing_values(
    tmp_path: Path,
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/__init__.py").touch()
    (tmp_path / "model/features.py").write_text(FEATURES, "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "plan object ['a', '']",
        "months float32 [1.0, 5.0]",
        "spend float32 [0.0, 10.0]",
        "is_new float32 [1.0, 0.0]",
    ]
