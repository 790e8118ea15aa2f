"""`slipway train`: fit the estimator; write the model and its manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import project
from slipway.dataset.periods import whole_months
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
from slipway.errors import SlipwayError, first_line
from slipway.reference.domain_classifier import past_weeks
from slipway.reference.history import reference_history
from slipway.reference.profile import profile, profile_columns
from slipway.repository.pointers import data_revision
from slipway.training.score import (
    BASELINE_FILE,
    MANIFEST_FILE,
    MODEL,
    MODEL_FILE,
    Model,
    feature_type,
)
from slipway.user_code import user_code

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

    from slipway.project import Columns
    from slipway.settings import Params

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

# Processors differ in the fourteenth, so they seldom round a coefficient to different numbers.
BASELINE_DECIMALS = 6

# The model computes in float32, the estimator in float64: they differ by about 2e-7.
PARITY = 1e-5


def train(params: Params, prepared: Path = PREPARED, out: Path = MODEL) -> str:
    """Fit on the training rows and write the model folder; return a summary line.

    The same inputs give the same bytes, whatever the number of cores.

    Raises
    ------
    SlipwayError
        The prepared files are missing, or the estimator cannot be written as ONNX or does
        not score the same once it is.
    """
    dataset = Dataset.open(params)
    split = read_json(prepared / "split.json", "dvc repro prepare")
    features, labels = read_prepared(prepared / "train.parquet")
    types = {name: feature_type(values) for name, values in features.items()}
    fitted = fit(params.train, features, labels)
    content = to_onnx(fitted, types)
    manifest: dict[str, Any] = {
        "version": 1,
        "model": _identity(content),
        "target": {"name": project.TARGET, "definition": project.label_definition()},
        "features": [_describe(name, types[name], values) for name, values in features.items()],
        **_row_schema(),
        "data": {"md5": data_revision(), "months": dataset.periods},
        "train": split["train"] | {"params": params.train},
        "holdout": split["holdout"],
        "threshold": params.evaluate.threshold,
        "libraries": {name: version(name) for name in LIBRARIES},
        "requirements_sha256": digest(Path("requirements.lock")),
    }
    model = Model(content, manifest)
    check_parity(fitted, model, features)
    holdout = _scored_holdout(model, dataset)
    manifest |= _reference(model, holdout)
    manifest["past"] = _history(model, dataset, holdout)
    out.mkdir(parents=True, exist_ok=True)
    write_columns(evenly_spaced(holdout, REFERENCE_ROWS), out / REFERENCE_FILE)
    (out / MODEL_FILE).write_bytes(content)
    (out / BASELINE_FILE).write_bytes(to_onnx(fit_baseline(features, labels), types))
    write_json(manifest, out / MANIFEST_FILE)
    return f"{out / MODEL_FILE}: {len(content):,} bytes, sha256 {manifest['model']['sha256'][:12]}…"


def read_prepared(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the features and labels that `slipway prepare` wrote."""
    columns = read_columns([path])
    features = {
        name.removeprefix("feature:"): values
        for name, values in columns.items()
        if name.startswith("feature:")
    }
    return features, columns["label"]


def fit(params: Mapping[str, Any], features: Columns, labels: np.ndarray) -> ClassifierMixin:
    """Return the user's estimator, fitted."""
    import pandas as pd

    categories = [name for name, values in features.items() if values.dtype.kind in "OU"]
    estimator = project.estimator(params, categories)
    try:
        with user_code():
            return estimator.fit(pd.DataFrame(features), labels.astype(int))
    except (ValueError, TypeError) as error:
        raise SlipwayError(
            f"the estimator of src/model/estimator.py cannot be fitted: {first_line(error)}"
            + _quoted_numbers(params),
            "correct the section `train` of params.yaml, or the estimator",
        ) from error


def _quoted_numbers(params: Mapping[str, Any]) -> str:
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


def fit_baseline(features: Columns, labels: np.ndarray) -> ClassifierMixin:
    """Return a logistic regression on the same features: what needs no ideas of its own.

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
    from sklearn.linear_model import LogisticRegression
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
    regression = LogisticRegression(solver="newton-cholesky", tol=1e-10)
    baseline = make_pipeline(
        make_column_transformer(
            (make_pipeline(encoder, exact), categories),
            (make_pipeline(SimpleImputer(strategy="median"), exact, StandardScaler()), numbers),
        ),
        regression,
    )
    baseline.fit(frame, labels[rows].astype(int))
    regression.coef_ = np.round(regression.coef_, BASELINE_DECIMALS)
    regression.intercept_ = np.round(regression.intercept_, BASELINE_DECIMALS)
    return baseline


def frequent_values(values: np.ndarray, most: int) -> np.ndarray:
    """Return the most frequent of some values, sorted; ties in the sequence of the values."""
    names, counts = np.unique(values, return_counts=True)
    return np.sort(names[np.argsort(-counts, kind="stable")[:most]])


def to_onnx(fitted: ClassifierMixin, types: dict[str, str]) -> bytes:
    """Return the estimator as ONNX: one input a feature, the output named `probabilities`.

    Raises
    ------
    SlipwayError
        Some part of it has no converter.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    tensors = {"number": FloatTensorType, "category": StringTensorType}
    try:
        model = convert_sklearn(
            fitted,
            name=project.TARGET,
            initial_types=[(name, tensors[kind]([None, 1])) for name, kind in types.items()],
            options={"zipmap": False},
            target_opset=18,
        )
    except RuntimeError as error:
        raise SlipwayError(
            f"src/model/estimator.py: this estimator cannot be written as ONNX: {error}",
            "use one that skl2onnx converts (docs/model.md lists them), or register a converter",
        ) from None
    # The converter lists the operator sets in the order of a hash; bytes must not depend on it.
    domains = sorted(model.opset_import, key=lambda operators: str(operators.domain))
    del model.opset_import[:]
    model.opset_import.extend(domains)
    return bytes(model.SerializeToString(deterministic=True))


def check_parity(fitted: ClassifierMixin, model: Model, features: Columns) -> None:
    """Refuse a model file whose scores differ from those of its estimator.

    Raises
    ------
    SlipwayError
        One of 20,000 training rows, evenly spaced, has another probability.
    """
    import pandas as pd

    count = row_count(features)
    sample = take(features, np.arange(0, count, max(1, count // 20_000)))
    expected = fitted.predict_proba(pd.DataFrame(sample))[:, 1]
    worst = float(np.abs(model.score_features(sample) - expected).max())
    if worst > PARITY:
        raise SlipwayError(
            f"the ONNX model and the estimator disagree by up to {worst:.2g} (allowed: {PARITY:g})",
            "make the features exact in float32 (whole numbers, few decimals), or use another "
            "estimator in src/model/estimator.py",
        )


def _describe(name: str, kind: str, values: np.ndarray) -> dict[str, object]:
    """Return a feature as the manifest has it: a category with all values of the training rows."""
    described: dict[str, object] = {"name": name, "type": kind}
    if kind == "category":
        described["values"] = sorted(set(values.tolist()))
    return described


def _identity(content: bytes) -> dict[str, str | int]:
    return {
        "file": MODEL_FILE,
        "sha256": hashlib.sha256(content).hexdigest(),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "bytes": len(content),
    }


def _row_schema() -> dict[str, object]:
    from slipway.schema.export import export_schema

    return {
        "key": project.key(),
        "event_time": project.event_time(),
        "inputs": export_schema(project.schema()),
        "rules": list(project.RULES),
    }


def _scored_holdout(model: Model, dataset: Dataset) -> dict[str, np.ndarray]:
    """Return the rows of the holdout: inputs, `label` (NaN if unknown) and `score`."""
    inputs = dataset.holdout.inputs()
    return inputs | {"label": dataset.holdout.labels, "score": model.score(inputs)}


def _reference(model: Model, holdout: Columns) -> dict[str, object]:
    """Return the reference profile of the holdout and some golden predictions."""
    rows = {name: holdout[name] for name in project.inputs()}
    profiles = profile_columns({name: rows[name] for name in _monitored()})
    golden = evenly_spaced(rows, GOLDEN_ROWS)
    return {
        "reference": profiles | {"score": profile(holdout["score"])},
        "golden": [
            {"row": row, "probability": float(probability)}
            for row, probability in zip(as_rows(golden), model.score(golden), strict=True)
        ],
    }


def _history(model: Model, dataset: Dataset, holdout: Columns) -> dict[str, object]:
    """Return the reference history: months and weeks of the inputs and of the score.

    The model has learned from most of these rows, so its score may follow each day a little more
    closely than on later days: its overdispersion is overestimated.
    """
    reference = model.manifest["reference"]
    rows = dataset.read_train(project.inputs())
    inputs = {name: np.concatenate([rows[name], holdout[name]]) for name in project.inputs()}
    times = inputs[project.event_time()]
    monitored = {name: inputs[name] for name in _monitored()}
    profiles = {name: reference[name] for name in monitored}
    history = reference_history(monitored, times, profiles, whole_months(dataset.periods))
    sample = np.arange(0, row_count(rows), max(1, row_count(rows) // SCORED_ROWS))
    scores = np.concatenate([model.score(take(rows, sample)), holdout["score"]])
    scored = np.concatenate([rows[project.event_time()][sample], holdout[project.event_time()]])
    of_score = reference_history(
        {"score": scores}, scored, {"score": reference["score"]}, history["months"]
    )
    history["wobble"] |= of_score["wobble"]
    # A month with few rows may have none that were scored.
    history["months"] = {
        month: part | {"profiles": part["profiles"] | of_score["months"][month]["profiles"]}
        for month, part in history["months"].items()
        if month in of_score["months"]
    }
    coded, missing = _coded(monitored)
    weeks = past_weeks(coded, times.astype("datetime64[D]"), missing)
    return history | {"joint": weeks}


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


def _monitored() -> list[str]:
    not_monitored = {project.key(), project.event_time()}
    return [name for name in project.inputs() if name not in not_monitored]
