"""`slipway train`: fit the estimator; write the model and its manifest."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import contract
from slipway.drift import joint
from slipway.errors import SlipwayError, first_line
from slipway.months import month_files, split_months
from slipway.past import past
from slipway.pointers import data_revision
from slipway.prepare import PREPARED
from slipway.profile import profile, profile_columns
from slipway.score import (
    BASELINE_FILE,
    MANIFEST_FILE,
    MODEL,
    MODEL_FILE,
    Model,
    feature_type,
)
from slipway.tables import (
    as_rows,
    digest,
    read_columns,
    read_json,
    row_count,
    take,
    write_columns,
    write_json,
)
from slipway.user_code import user_code

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

    from slipway.contract import Columns
    from slipway.settings import Params

LIBRARIES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx")

GOLDEN_ROWS = 20

# Of the past, to see how restless the score is: two hundred a day are enough, and spare seconds.
SCORED_ROWS = 60_000

# Rows of the holdout that travel with the model, for what the counts of each column do not show.
REFERENCE_FILE, REFERENCE_ROWS = "reference.parquet", 10_000

# Enough rows for a few hundred coefficients, and a fraction of the time.
BASELINE_ROWS = 50_000

# The model computes in float32, the estimator in float64: measured, they differ by 2e-7.
PARITY = 1e-5


def train(params: Params, prepared: Path = PREPARED, out: Path = MODEL) -> str:
    """Fit on the training rows and write the model folder; return a line about it.

    The same inputs give the same bytes, whatever the number of cores.

    Raises
    ------
    SlipwayError
        The prepared files are missing, or the estimator cannot be written as ONNX or does
        not score the same once it is.
    """
    split = read_json(prepared / "split.json", "dvc repro prepare")
    features, labels = read_prepared(prepared / "train.parquet")
    types = {name: feature_type(values) for name, values in features.items()}
    fitted = fit(params.train, features, labels)
    content = to_onnx(fitted, types)
    manifest = {
        "version": 1,
        "model": _identity(content),
        "target": {"name": contract.TARGET, "definition": contract.label_definition()},
        "features": [_describe(name, types[name], values) for name, values in features.items()],
        **_row_contract(),
        "data": {"md5": data_revision(), "months": [path.stem for path in month_files()]},
        "train": split["train"] | {"params": params.train},
        "holdout": split["holdout"],
        "threshold": params.evaluate.threshold,
        "libraries": {name: version(name) for name in LIBRARIES},
        "requirements_sha256": digest(Path("requirements.lock")),
    }
    model = Model(content, manifest)
    check_parity(fitted, model, features)
    holdout = _holdout(params)
    manifest |= _holdout_memory(model, holdout)
    manifest["past"] = _past(params, model, holdout)
    out.mkdir(parents=True, exist_ok=True)
    write_columns(_reference_rows(holdout), out / REFERENCE_FILE)
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


def fit(params: dict[str, Any], features: Columns, labels: np.ndarray) -> ClassifierMixin:
    """Return the user's estimator, fitted."""
    import pandas as pd

    categories = [name for name, values in features.items() if values.dtype.kind in "OU"]
    estimator = contract.estimator(params, categories)
    try:
        with user_code():
            return estimator.fit(pd.DataFrame(features), labels.astype(int))
    except (ValueError, TypeError) as error:
        raise SlipwayError(
            f"the estimator of src/model/estimator.py does not learn: {first_line(error)}"
            + _texts(params),
            "correct the section `train` of params.yaml, or the estimator",
        ) from error


def _texts(params: dict[str, Any]) -> str:
    """Name the settings that are numbers in quotes: the usual reason why an estimator refuses."""
    named = [
        f"`train.{key}` of params.yaml is the text {value!r}, not a number"
        for key, value in params.items()
        if isinstance(value, str) and _is_number(value)
    ]
    return "".join(f"; {name}" for name in named)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def fit_baseline(features: Columns, labels: np.ndarray) -> ClassifierMixin:
    """Return a logistic regression on the same features: what needs no ideas of its own.

    It learns from `BASELINE_ROWS` of the rows, evenly spaced.
    """
    import pandas as pd
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rows = np.arange(0, len(labels), max(1, len(labels) // BASELINE_ROWS))
    numbers = make_column_selector(dtype_include="number")
    categories = make_column_selector(dtype_exclude="number")
    baseline = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), categories),
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        ),
        LogisticRegression(max_iter=500),
    )
    return baseline.fit(pd.DataFrame(take(features, rows)), labels[rows].astype(int))


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
            name=contract.TARGET,
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
    """Refuse a model file that scores otherwise than the estimator it was made from.

    Raises
    ------
    SlipwayError
        Some of 20,000 training rows, evenly spaced, get another probability.
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


def _describe(name: str, kind: str, values: np.ndarray) -> dict[str, Any]:
    """Return a feature as the manifest has it: of a category, with every value learned from."""
    known = {"values": sorted(set(values.tolist()))} if kind == "category" else {}
    return {"name": name, "type": kind} | known


def _identity(content: bytes) -> dict[str, Any]:
    return {
        "file": MODEL_FILE,
        "sha256": hashlib.sha256(content).hexdigest(),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "bytes": len(content),
    }


def _row_contract() -> dict[str, Any]:
    from slipway.rows import specify

    return {
        "key": contract.key(),
        "event_time": contract.event_time(),
        "inputs": specify(contract.schema()),
        "rules": list(contract.RULES),
    }


def _holdout(params: Params) -> dict[str, np.ndarray]:
    """Return the rows of the holdout: inputs, and `label`, NaN where it is not known."""
    _, files = split_months(month_files(), params.prepare.holdout_months)
    whole = read_columns(files)
    return {name: whole[name] for name in contract.inputs()} | {"label": contract.label(whole)}


def _holdout_memory(model: Model, holdout: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return what later steps compare with: the reference profile and some golden predictions.

    The holdout's rows get their scores.
    """
    rows = {name: holdout[name] for name in contract.inputs()}
    holdout["score"] = scores = model.score(rows)
    profiles = profile_columns({name: rows[name] for name in _watched()})
    golden = take(rows, np.linspace(0, len(scores) - 1, GOLDEN_ROWS).astype(int))
    return {
        "reference": profiles | {"score": profile(scores)},
        "golden": [
            {"row": row, "probability": float(probability)}
            for row, probability in zip(as_rows(golden), model.score(golden), strict=True)
        ],
    }


def _past(params: Params, model: Model, holdout: Columns) -> dict[str, Any]:
    """Return what months and weeks looked like, and the model's score on every so many rows.

    The model has learned from most of these rows, so its score may follow each day a little more
    closely than it will follow days to come: a check takes it to be more restless than it is.
    """
    reference = model.manifest["reference"]
    files, _ = split_months(month_files(), params.prepare.holdout_months)
    rows = read_columns(files, contract.inputs())
    whole = {name: np.concatenate([rows[name], holdout[name]]) for name in contract.inputs()}
    times = whole[contract.event_time()]
    watched = {name: whole[name] for name in _watched()}
    named = [path.stem for path in month_files()]
    found = past(watched, times, {name: reference[name] for name in watched}, named)
    asked = np.arange(0, row_count(rows), max(1, row_count(rows) // SCORED_ROWS))
    scores = np.concatenate([model.score(take(rows, asked)), holdout["score"]])
    scored = np.concatenate([rows[contract.event_time()][asked], holdout[contract.event_time()]])
    of_score = past({"score": scores}, scored, {"score": reference["score"]}, found["months"])
    found["wobble"] |= of_score["wobble"]
    # Of a month with few rows none may be among those that were scored.
    found["months"] = {
        month: about | {"profiles": about["profiles"] | of_score["months"][month]["profiles"]}
        for month, about in found["months"].items()
        if month in of_score["months"]
    }
    sample, missing = _coded(watched)
    weeks = joint.past_weeks(sample, times.astype("datetime64[D]"), missing)
    return found | {"joint": weeks}


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


def _reference_rows(holdout: Columns) -> dict[str, np.ndarray]:
    """Return rows of the holdout, evenly spaced in the order of the files."""
    count = row_count(holdout)
    return take(holdout, np.linspace(0, count - 1, min(count, REFERENCE_ROWS)).astype(int))


def _watched() -> list[str]:
    named = {contract.key(), contract.event_time()}
    return [name for name in contract.inputs() if name not in named]
