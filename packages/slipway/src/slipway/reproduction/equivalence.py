"""Equivalence of recorded and rebuilt outputs: equal up to the effect of another processor.

Two processors add the same numbers in another sequence, so the same inputs give other bytes. The
numbers that may differ for that reason are listed here, with their tolerance; all else must be
equal. The recorded files are never released: the rebuilt ones are.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from slipway import project
from slipway.dataset.split import Dataset, evenly_spaced
from slipway.dataset.tables import files_of, read_columns, row_count
from slipway.errors import SlipwayError
from slipway.manifest import MANIFEST_FILE, parse_manifest
from slipway.numbers import counted
from slipway.settings import read_params
from slipway.tasks.binary import DECIMALS
from slipway.training.backtest import BACKTEST
from slipway.training.formats.registry import MODEL_FILES
from slipway.training.score import BASELINE_FILE, Model, is_score

# Of a prediction, which is a float32, and of a sum of float64.
TOLERANCE = 1e-6

# Of the baseline's predictions: a coefficient may be rounded to the next sixth decimal.
BASELINE_TOLERANCE = 1e-4

# Of scores that were rounded to the next of six decimals, which binary numbers do not hold exactly.
ROUNDED_TOLERANCE = 1.5 * 10**-DECIMALS

# Of numbers in reports and profiles that derive from scores, written with five digits.
DERIVED_TOLERANCE = 1e-4

# A last digit of a score at the edge of a bin moves a row to the next bin.
MOVED_ROWS = 2

TRAINING_ROWS = 50_000

RANDOM_ROWS = 20_000

# Identity of the model's bytes; its predictions are compared instead.
IDENTITY = {("model", "sha256"), ("model", "md5"), ("model", "bytes")}

Key = tuple[str, ...]

Close = Callable[[Key, Any, Any], bool]


def compare_folders(root: Path, recorded: Path, rebuilt: Path) -> tuple[list[str], str]:
    """Compare two model folders in the project `root`.

    Returns
    -------
    The differences, one entry each (empty if they are equivalent), and the measured deviation.
    """
    unequal, changed = _changed_files(recorded, rebuilt)
    try:
        if not unequal and MANIFEST_FILE in changed:
            unequal = compare_manifests(recorded, rebuilt)
        if unequal:
            return unequal, ""
        unequal = [
            f"`{name}`: {fault}"
            for name in changed
            if name not in (MANIFEST_FILE, *MODEL_FILES, BASELINE_FILE)
            if (fault := _other_file(recorded / name, rebuilt / name))
        ]
        if unequal:
            return unequal, ""
        return _compare_predictions(root, recorded, rebuilt)
    except SlipwayError as error:
        return [f"the recorded model cannot be compared: {error}"], ""


def compare_backtests(recorded: Path, rebuilt: Path) -> tuple[list[str], str]:
    """Compare two folders of `slipway backtest`.

    Returns
    -------
    The differences, one entry each (empty if they are equivalent), and what may differ.
    """
    unequal, changed = _changed_files(recorded, rebuilt)
    try:
        unequal += [
            f"`{name}`: {fault}"
            for name in changed
            if (fault := _other_file(recorded / name, rebuilt / name, ROUNDED_TOLERANCE))
        ]
    except SlipwayError as error:
        unequal = [f"it cannot be compared: {error}"]
    step = f"scores of {BACKTEST} differ by at most one in decimal {DECIMALS}"
    return [f"`{BACKTEST}`: {reason}" for reason in unequal], step


def compare_manifests(recorded: Path, rebuilt: Path) -> list[str]:
    """Return the differences of two manifests that another processor does not explain."""
    texts = ((folder / MANIFEST_FILE).read_bytes() for folder in (recorded, rebuilt))
    first, second = (parse_manifest(text) for text in texts)
    return [
        f"`{MANIFEST_FILE}`: {place}" for place in _differences(first, second, _close_in_manifest)
    ]


def compare_report(name: str, recorded: bytes, rebuilt: bytes) -> list[str]:
    """Return the differences of two versions of a report that are larger than the last digits."""
    try:
        first, second = (_read_report(name, content) for content in (recorded, rebuilt))
    except (ValueError, RecursionError):
        return [f"`{name}` cannot be read"]
    return [f"`{name}`: {place}" for place in _differences(first, second, _close_in_report)]


def probe_rows(
    features: Mapping[str, np.ndarray], count: int, random: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return features of random rows: observed values, missing ones, and ones out of range.

    Each feature is drawn independently, so that new combinations occur.
    """
    return {name: _draw(values, count, random) for name, values in features.items()}


def _changed_files(recorded: Path, rebuilt: Path) -> tuple[list[str], list[str]]:
    """Return the differences in the names of files, and the files with other bytes."""
    before, after = files_of(recorded), files_of(rebuilt)
    unequal = [f"`{name}` is in only one of the two" for name in sorted(before.keys() ^ after)]
    return unequal, [name for name in after if before.get(name, after[name]) != after[name]]


def _compare_predictions(root: Path, recorded: Path, rebuilt: Path) -> tuple[list[str], str]:
    features, words = _features(root)
    first, second = Model.load(recorded), Model.load(rebuilt)
    gap = _gap(first, second, features)
    measured = f"predictions differ by at most {gap:.2g} (tolerance {TOLERANCE:g}) on {words}"
    unequal = [] if gap <= TOLERANCE else [measured]
    if (rebuilt / BASELINE_FILE).exists():
        worst = _gap(Model.load_baseline(recorded), Model.load_baseline(rebuilt), features)
        baseline = f"those of the baseline by at most {worst:.2g} ({BASELINE_TOLERANCE:g})"
        unequal += [] if worst <= BASELINE_TOLERANCE else [baseline]
        measured = f"{measured}; {baseline}"
    return unequal, measured


def _gap(first: Model, second: Model, features: Mapping[str, np.ndarray]) -> float:
    """Return the largest difference; of numbers, in standard deviations of the predictions."""
    expected = first.score_features(features)
    gap = np.abs(expected - second.score_features(features)).max()
    scale = 1.0 if first.task.is_classifier else float(expected.std()) or 1.0
    return math.inf if np.isnan(gap) else float(gap / scale)


def _features(root: Path) -> tuple[dict[str, np.ndarray], str]:
    """Return the features of all rows to predict (holdout, training, random), and their counts."""
    params = read_params(root / "params.yaml")
    dataset = Dataset.open(params, root / params.data.folder)
    training = _sample(dataset)
    parts = [project.features(dataset.holdout.inputs()), training]
    parts.append(probe_rows(training, RANDOM_ROWS, np.random.default_rng()))
    counts = zip(("holdout", "training", "random"), map(row_count, parts), strict=True)
    words = ", ".join(f"{count:,} {name}" for name, count in counts)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in training}
    return joined, f"{words} rows"


def _sample(dataset: Dataset) -> dict[str, np.ndarray]:
    """Return the features of some rows of each training period, evenly spaced."""
    found = dataset.table.read_each(dataset.learned, project.inputs())
    each = max(TRAINING_ROWS // len(found), 1)
    parts = [evenly_spaced(rows, each) for rows in found]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return project.features(rows)


def _draw(values: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    seen = values[random.integers(0, len(values), count)]
    if values.dtype.kind != "f":
        return seen
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (-1.0, 1.0)
    span = max(high - low, 1.0)
    drawn = np.where(
        random.random(count) < 0.5, seen, random.uniform(low - span, high + span, count)
    )
    drawn[random.random(count) < 0.05] = np.nan
    return drawn.astype(values.dtype)


def _other_file(recorded: Path, rebuilt: Path, of_scores: float = TOLERANCE) -> str:
    """Return how two other files differ; empty if they are equal up to a tolerance of scores."""
    if rebuilt.suffix != ".parquet":
        return "other bytes"
    first, second = read_columns([recorded]), read_columns([rebuilt])
    if list(first) != list(second):
        return "other columns"
    for name, values in second.items():
        if len(first[name]) != len(values) or first[name].dtype != values.dtype:
            return "other rows" if first[name].dtype == values.dtype else f"another `{name}`"
        # Predicted numbers may be large: a float32 has a relative error.
        tolerance = of_scores * max(1.0, float(values.std())) if is_score(name) else 0.0
        if not _equal(first[name], values, tolerance):
            return f"another `{name}`"
    return ""


def _equal(first: np.ndarray, second: np.ndarray, tolerance: float) -> bool:
    if first.dtype.kind == "f":
        return bool(np.allclose(first, second, rtol=0, atol=tolerance, equal_nan=True))
    if first.dtype.kind in "mM":
        return bool(np.array_equal(first.view("int64"), second.view("int64")))
    return bool(np.array_equal(first, second))


def _read_report(name: str, content: bytes) -> Any:
    text = content.decode("utf-8")
    return list(csv.reader(io.StringIO(text))) if name.endswith(".csv") else json.loads(text)


def _differences(first: Any, second: Any, close: Close, at: Key = ()) -> Iterator[str]:
    """Yield where two JSON values differ by more than `close` allows."""
    if isinstance(first, dict) and isinstance(second, dict):
        for key in sorted(first.keys() | second.keys()):
            if key in first and key in second:
                yield from _differences(first[key], second[key], close, (*at, key))
            else:
                yield f"{_named((*at, key))} is in only one of the two"
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for number, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from _differences(one, other, close, (*at, str(number)))
    elif not (type(first) is type(second) and (first == second or close(at, first, second))):
        yield f"{_named(at)} is {_short(first)}, rebuilt {_short(second)}"


def _close_in_manifest(at: Key, first: Any, second: Any) -> bool:
    if at in IDENTITY:
        return True
    if at[0] == "golden" and "probability" in at:
        return _near(first, second, TOLERANCE)
    if at[0] not in ("reference", "past"):
        return False
    if "score" in at:
        return _near(first, second, DERIVED_TOLERANCE, MOVED_ROWS)
    return _near(first, second, TOLERANCE)


def _close_in_report(_at: Key, first: Any, second: Any) -> bool:
    if not isinstance(first, str):
        return _near(first, second, DERIVED_TOLERANCE)
    one, other = _number(first), _number(second)  # a cell of a CSV file
    return (
        one is not None and other is not None and _near(one, other, DERIVED_TOLERANCE, MOVED_ROWS)
    )


def _near(first: Any, second: Any, tolerance: float, moved: int = 0) -> bool:
    if type(first) is int and type(second) is int:
        return abs(first - second) <= moved
    if not isinstance(first, float) or not isinstance(second, float):
        return False
    return math.isclose(first, second, rel_tol=tolerance, abs_tol=tolerance)


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _named(at: Key) -> str:
    return f"`{'.'.join(at)}`"


def _short(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return counted(len(value), "entry", "entries")
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}…"
