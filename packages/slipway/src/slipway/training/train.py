"""`slipway train`: fit the estimator; write the model and its manifest."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Container, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway import project
from slipway.dataset.periods import local_days, whole_months
from slipway.dataset.reader import schema_types
from slipway.dataset.split import Dataset, evenly_spaced
from slipway.dataset.tables import (
    PREPARED,
    as_rows,
    digest,
    read_columns,
    read_json,
    row_count,
    take,
    write_columns,
    write_json,
)
from slipway.dataset.zone import time_zone
from slipway.errors import SlipwayError, first_line
from slipway.manifest import MANIFEST_FILE, MODEL
from slipway.reference.domain_classifier import NO_WEEKS, past_weeks
from slipway.reference.history import no_history, reference_history
from slipway.reference.profile import MOST_VALUES, profile, profile_columns, series_name
from slipway.repository.pointers import data_revision
from slipway.training.diagnostics import DIAGNOSTICS
from slipway.training.formats.choose import Choice, choose
from slipway.training.formats.format import predictions
from slipway.training.formats.onnx import ONNX
from slipway.training.formats.own_code import require_dependencies
from slipway.training.formats.packages import served_packages
from slipway.training.formats.registry import MODEL_FILES
from slipway.training.score import BASELINE_FILE, Model, feature_type
from slipway.untrusted import shown_name
from slipway.user_code import user_code

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

    from slipway.manifest import Feature, Identity, Manifest, Target
    from slipway.project import Columns
    from slipway.reference.history import History
    from slipway.settings import Params, TrainSettings

LIBRARIES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx")

GOLDEN_ROWS = 20

# Training rows that are scored, to estimate the overdispersion of the score: 200 a day suffice.
SCORED_ROWS = 60_000

# Rows of the holdout that are stored with the model, for tests that need more than counts.
REFERENCE_FILE, REFERENCE_ROWS = "reference.parquet", 10_000

# Enough rows for a few hundred coefficients.
BASELINE_ROWS = 50_000

# Most indicators of categories: memory grows with their square (32 MB), time with the third power.
BASELINE_VALUES = 2_000

# Processors differ in the fourteenth, so they seldom round a coefficient to different numbers. Of
# numbers they are counted from the first digit of their deviation.
BASELINE_DECIMALS = 6


def train(params: Params, prepared: Path = PREPARED, out: Path = MODEL) -> str:
    """Fit on the training rows and write the model folder; return a summary.

    The same inputs give the same bytes, whatever the number of cores.

    Raises
    ------
    SlipwayError
        The prepared files are missing, or no format of the model file holds the estimator.
    """
    from slipway.schema.export import export_schema

    dataset = Dataset.open(params)
    split = read_json(prepared / "split.json", "dvc repro prepare")
    features, labels = read_prepared(prepared / "train.parquet")
    types = {name: feature_type(values) for name, values in features.items()}
    fitted = fit(params.train, features, labels)
    choice = choose(fitted, features, types)
    require_dependencies(choice.exported.types)
    content, hidden = choice.exported.content, project.personal()
    manifest: Manifest = {
        "version": 1,
        "model": _identity(choice),
        "target": _target(fitted),
        "features": [
            _describe(name, types[name], values, hide=name in hidden)
            for name, values in features.items()
        ],
        "key": project.key_entry(),
        "event_time": project.event_time(),
        "inputs": export_schema(project.schema()),
        "rules": list(project.RULES),
        "time_zone": time_zone(),
        "data": {"md5": data_revision(), "months": dataset.periods},
        "train": split["train"] | {"params": params.train},
        "holdout": split["holdout"],
    }
    manifest |= project.task().rule(params.evaluate.threshold)
    manifest |= {
        "libraries": {name: version(name) for name in LIBRARIES},
        "requirements_sha256": digest(Path("requirements.lock")),
    }
    model = Model(content, manifest)
    predicted = _predicted_holdout(model, dataset)
    left_out = _not_monitored(dataset)
    manifest |= _reference(model, dataset, predicted, left_out)
    manifest["past"] = _history(model, dataset, predicted)
    out.mkdir(parents=True, exist_ok=True)
    known = {n: v for n, v in dataset.holdout.inputs().items() if n not in hidden}
    rows = _by_series(known) | predicted
    write_columns(evenly_spaced(rows, REFERENCE_ROWS), out / REFERENCE_FILE)
    for name in MODEL_FILES:
        (out / name).unlink(missing_ok=True)
    (out / choice.format.file).write_bytes(content)
    baseline = ONNX.export(fit_baseline(features, labels), types)
    (out / BASELINE_FILE).write_bytes(baseline.content)
    write_json(manifest, out / MANIFEST_FILE)
    lines = [*_summary(choice, manifest["model"], out, params.judge.max_row_ms)]
    lines += [f"not monitored: {shown_name(name)}, {why}" for name, why in left_out.items()]
    return "\n".join(lines)


def read_prepared(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the features and labels that `slipway prepare` wrote."""
    columns = read_columns([path])
    features = {
        name.removeprefix("feature:"): values
        for name, values in columns.items()
        if name.startswith("feature:")
    }
    return features, columns["label"]


def fit(params: TrainSettings, features: Columns, labels: np.ndarray) -> BaseEstimator:
    """Return the user's estimator, fitted."""
    import pandas as pd

    categories = [name for name, values in features.items() if values.dtype.kind in "OU"]
    estimator = project.estimator(params, categories)
    try:
        with user_code():
            fitted = estimator.fit(pd.DataFrame(features), project.task().targets(labels))
    except (ValueError, TypeError) as error:
        raise SlipwayError(
            f"the estimator of src/model/estimator.py cannot be fitted: {first_line(error)}"
            + _quoted_numbers(params),
            "correct the section `train` of params.yaml, or the estimator",
        ) from error
    _require_kind(fitted)
    return fitted


def _require_kind(fitted: BaseEstimator) -> None:
    """Refuse a regressor for classes, and a classifier for numbers."""
    task, is_classifier = project.task(), bool(len(getattr(fitted, "classes_", ())))
    if is_classifier != task.is_classifier:
        kinds = ("regressor", "classifier")
        raise SlipwayError(
            f"the estimator of src/model/estimator.py is a {kinds[is_classifier]}, and the task "
            f"is {task.name} (`TASK` of src/model/target.py)",
            f"use a {kinds[task.is_classifier]}, or declare another task",
        )


def scores_of(fitted: BaseEstimator, rows: pd.DataFrame) -> np.ndarray:
    """Return the scores of a fitted estimator, as the task has them, float64."""
    return project.task().scores(predictions(fitted, rows), seen_classes(fitted))


def seen_classes(fitted: BaseEstimator) -> list[int]:
    """Return the codes of the classes that a classifier was fitted on."""
    return [int(code) for code in getattr(fitted, "classes_", ())]


def _target(fitted: BaseEstimator) -> Target:
    task = project.task()
    target: Target = {
        "name": project.TARGET,
        "definition": project.label_definition(),
        "task": task.name,
        "classes": list(task.classes),
        "seen": seen_classes(fitted),
    }
    if task.quantile is not None:
        target["quantile"] = task.quantile
    return target


def _quoted_numbers(params: TrainSettings) -> str:
    """Name the settings that are numbers in quotes, a frequent cause of an estimator's error."""
    quoted = [
        f"`train.{key}` of params.yaml is the text {value!r}, not a number"
        for key, value in params.items()
        if isinstance(value, str) and _is_number(value)
    ]
    return "".join(f"; {name}" for name in quoted)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def fit_baseline(features: Columns, labels: np.ndarray) -> BaseEstimator:
    """Return a linear model on the same features: what needs no ideas of its own.

    It learns from `BASELINE_ROWS` of the rows, evenly spaced.

    Notes
    -----
    Its bytes and scores do not depend on the processor. After Newton's method the coefficients of
    two processors differ by 3e-14 (docs/benchmarks.md), which rounding hides; after L-BFGS, by
    5e-9. The scores are computed in float64.
    """
    import pandas as pd
    from skl2onnx.sklapi import CastTransformer
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rows = np.arange(0, len(labels), max(1, len(labels) // BASELINE_ROWS))
    frame = pd.DataFrame(take(features, rows))
    categories = list(frame.select_dtypes(exclude="number"))
    numbers = [name for name in frame if name not in categories]
    most = max(BASELINE_VALUES // max(len(categories), 1), 1)
    encoder = OneHotEncoder(
        categories=[frequent_values(frame[name].to_numpy(), most) for name in categories],
        handle_unknown="ignore",
    )
    exact = CastTransformer(dtype=np.float64)
    task = project.task()
    regression = DIAGNOSTICS[task.name].estimator()
    baseline = make_pipeline(
        make_column_transformer(
            (make_pipeline(encoder, exact), categories),
            (make_pipeline(SimpleImputer(strategy="median"), exact, StandardScaler()), numbers),
        ),
        regression,
    )
    baseline.fit(frame, task.targets(labels[rows]))
    if task.quantile is not None:
        errors = labels[rows] - baseline.predict(frame)
        regression.intercept_ += np.quantile(errors, task.quantile)
    decimals = BASELINE_DECIMALS - (0 if task.is_classifier else magnitude(labels[rows]))
    regression.coef_ = np.round(regression.coef_, decimals)
    regression.intercept_ = np.round(regression.intercept_, decimals)
    return baseline


def magnitude(numbers: np.ndarray) -> int:
    """Return the power of ten of the deviation of some numbers, such as -6 for 0.0000031."""
    return math.floor(math.log10(float(numbers.std()) or 1.0))


def frequent_values(values: np.ndarray, most: int) -> np.ndarray:
    """Return the most frequent of some values, sorted; ties in the sequence of the values."""
    names, counts = np.unique(values, return_counts=True)
    return np.sort(names[np.argsort(-counts, kind="stable")[:most]])


def _describe(name: str, kind: str, values: np.ndarray, *, hide: bool) -> Feature:
    """Return a feature as the manifest has it: a category with all values of the training rows.

    Of more than `MOST_VALUES` only the number is given: it is free text, or names. So it is of a
    personal column, whose values `hide` leaves out.
    """
    if kind != "category":
        return {"name": name, "type": kind}
    found = sorted(set(values.tolist()))
    if hide or len(found) > MOST_VALUES:
        return {"name": name, "type": kind, "distinct": len(found)}
    return {"name": name, "type": kind, "values": found}


def _identity(choice: Choice) -> Identity:
    """Return the model file as the manifest has it, with what reading it needs."""
    content, types = choice.exported.content, choice.exported.types
    return {
        "file": choice.format.file,
        "format": choice.format.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "bytes": len(content),
        "types": list(types),
        "packages": served_packages(choice.format, types),
    }


def _summary(choice: Choice, identity: Identity, out: Path, max_row_ms: float) -> Iterator[str]:
    """Yield what was written, why in that format, what a row costs, and what the image needs."""
    sha256 = identity["sha256"][:12]
    yield f"{out / choice.format.file}: {identity['bytes']:,} bytes, sha256 {sha256}…"
    for each in choice.rejected:
        yield f"format {choice.format.name}, since {each.format.name} cannot be used: {each.reason}"
        yield from (f"  → for {each.format.name}: {remedy}" for remedy in each.remedies)
    if not choice.rejected:
        yield f"format {choice.format.name}: predicts what the estimator predicts"
    slow = f", and judge.max_row_ms of params.yaml is {max_row_ms:g}"
    cost = f"{choice.row_ms:.{0 if choice.row_ms >= 10 else 3}f} ms (median)"
    yield f"one row: {cost}{slow if choice.row_ms > max_row_ms else ''}"
    yield f"the image needs: {', '.join(choice.format.dependencies(identity['packages']))}"


def _predicted_holdout(model: Model, dataset: Dataset) -> dict[str, np.ndarray]:
    """Return `label` (NaN if unknown) and the predictions of the holdout."""
    scores = model.score(dataset.holdout.inputs())
    labels = {"label": dataset.holdout.labels}
    return labels | model.columns(scores) | model.watched(scores)


def _by_series(inputs: Columns) -> dict[str, np.ndarray]:
    return {series_name(name): values for name, values in inputs.items()}


def _not_monitored(dataset: Dataset) -> dict[str, str]:
    """Return why an input other than the key and the event time has no reference, by its name."""
    known = {*project.key_columns(), project.event_time()}
    kinds = {name: kind for name, (kind, _) in schema_types().items() if name not in known}
    inputs = [name for name in project.inputs() if name in kinds]
    found = {name: "a time" for name in inputs if kinds[name] == "timestamp"}
    found |= dict.fromkeys(sorted(project.personal().keys() & {*inputs}), "which is personal")
    texts = [name for name in inputs if kinds[name] == "string" and name not in found]
    parts = (dataset.read_train(texts), dataset.holdout.columns) if texts else ()
    for name in texts:
        count = len(set().union(*(part[name].tolist() for part in parts)))
        if count > MOST_VALUES:
            found[name] = f"a category of {count:,} values, of which at most {MOST_VALUES:,} are"
    return found


def _reference(
    model: Model, dataset: Dataset, predicted: Columns, left_out: Container[str]
) -> Manifest:
    """Return the reference profile of the holdout and some golden predictions."""
    holdout = dataset.holdout.inputs()
    rows = {name: holdout[name] for name in project.inputs()}
    not_monitored = {*project.key_columns(), project.event_time()}
    names = [name for name in rows if name not in not_monitored and name not in left_out]
    profiles = profile_columns(_by_series({name: rows[name] for name in names}))
    golden = evenly_spaced(rows, GOLDEN_ROWS)
    scores = model.score(golden)
    return {
        "reference": profiles | {name: profile(predicted[name]) for name in model.watched(scores)},
        "golden": [
            {"row": row, "probability": score}
            for row, score in zip(as_rows(golden), scores.tolist(), strict=True)
        ],
    }


def _history(model: Model, dataset: Dataset, predicted: Columns) -> History:
    """Return the reference history: months and weeks of the inputs and of the score.

    The model has learned from most of these rows, so its score may follow each day a little more
    closely than on later days: its overdispersion is overestimated. Without an event time the
    history is empty.
    """
    reference, time = model.manifest["reference"], project.event_time()
    if time is None:
        return {**no_history(reference), "joint": NO_WEEKS}
    rows, holdout = dataset.read_train(project.inputs()), dataset.holdout.inputs()
    inputs = {name: np.concatenate([rows[name], holdout[name]]) for name in project.inputs()}
    days = local_days(inputs[time], time_zone())
    monitored = {name: each for name, each in _by_series(inputs).items() if name in reference}
    profiles = {name: reference[name] for name in monitored}
    history = reference_history(monitored, days, profiles, whole_months(dataset.periods))
    sample = np.arange(0, row_count(rows), max(1, row_count(rows) // SCORED_ROWS))
    earlier = model.watched(model.score(take(rows, sample)))
    series = {name: np.concatenate([part, predicted[name]]) for name, part in earlier.items()}
    scored = local_days(np.concatenate([rows[time][sample], holdout[time]]), time_zone())
    references = {name: reference[name] for name in series}
    of_score = reference_history(series, scored, references, history["months"])
    history["wobble"] |= of_score["wobble"]
    # A month with few rows may have none that were scored.
    history["months"] = {
        month: {**part, "profiles": part["profiles"] | of_score["months"][month]["profiles"]}
        for month, part in history["months"].items()
        if month in of_score["months"]
    }
    coded, missing = _coded(monitored)
    weeks = past_weeks(coded, days, missing)
    return {**history, "joint": weeks}


def _coded(columns: Columns) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Return categories as codes, and the code of a missing value of each."""
    coded, missing = {}, {}
    for name, values in columns.items():
        if values.dtype.kind not in "OU":
            coded[name] = values.astype("float64")
            continue
        absent = values == None  # noqa: E711
        names, codes = np.unique(np.where(absent, "", values).astype(str), return_inverse=True)
        missing[name] = len(names)
        coded[name] = np.where(absent, len(names), codes)
    return coded, missing
