"""`slipway evaluate`: measure the model on the holdout, by slice, against two baselines."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway import project
from slipway.dataset.dependence import Dependence
from slipway.dataset.split import Dataset
from slipway.dataset.tables import round_floats, row_count, write_columns, write_json
from slipway.errors import Refused
from slipway.metrics import stats
from slipway.metrics.registry import HEADLINE, METRICS, Options, Predictions, Sample
from slipway.training.score import BASELINE_FILE, MODEL, Model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from slipway.project import Columns
    from slipway.settings import Evaluate, Params

REPORTS = Path("reports")
PREDICTIONS = Path("build/predictions.parquet")

ROC_POINTS = 101

Metrics = dict[str, dict[str, float]]
"""Each metric of a model: `value`, `low` and `high`."""

CsvRow = dict[str, str | int | float]


def evaluate(params: Params, model: Path = MODEL, reports: Path = REPORTS) -> str:
    """Write the metrics, the plots' data and the holdout predictions; return a summary.

    Raises
    ------
    Refused
        The model is shown to be worse than a baseline, by AUC or by log loss.
    """
    loaded, dataset = Model.load(model), Dataset.open(params)
    holdout = dataset.labelled_holdout()
    labels = holdout.labels
    features = project.features(holdout.inputs())
    scores = loaded.score_features(features)
    write_columns({"key": holdout.columns[project.key()], "score": scores}, PREDICTIONS)
    baselines = baseline_scores(loaded, model, features)
    dependence = Dependence.declared().within(holdout.columns, dataset.span)
    sample = Sample.of(labels, dependence.clusters(holdout.columns))
    models = {
        name: measure(sample, each, params.evaluate)
        for name, each in {"model": scores, **baselines}.items()
    }
    counts = {"rows": len(labels), "positives": int(labels.sum())}
    levels = {"threshold": params.evaluate.threshold, "confidence": params.evaluate.confidence}
    write_json({**counts, **levels, **round_floats(models)}, reports / "metrics.json")
    write_plots(holdout.columns, sample, scores, params, reports / "plots")
    open_cases = check_baselines(sample, scores, baselines, params.evaluate)
    return _summary(counts, models, open_cases)


def measure(sample: Sample, scores: np.ndarray, settings: Evaluate) -> Metrics:
    """Return every metric of one model, whose scores have shape (rows,), with its interval."""
    model = Predictions.at(scores, settings.threshold)
    options = Options(settings.confidence, settings.bins)
    return {
        name: metric.estimate(sample, model, options).as_dict() for name, metric in METRICS.items()
    }


def baseline_scores(model: Model, folder: Path, features: Columns) -> dict[str, np.ndarray]:
    """Return the scores of two baselines: the training label rate and a logistic regression.

    Parameters
    ----------
    model
        The model that they are compared with.
    folder
        Its folder, which holds the logistic regression.
    """
    training = model.manifest["train"]
    logistic = Model((folder / BASELINE_FILE).read_bytes(), model.manifest)
    return {
        "base_rate": np.full(row_count(features), training["positives"] / training["rows"]),
        "logistic_regression": logistic.score_features(features),
    }


def check_baselines(
    sample: Sample, scores: np.ndarray, baselines: Mapping[str, np.ndarray], settings: Evaluate
) -> list[str]:
    """Refuse a model that is shown to be worse than a baseline in a headline metric.

    Returns
    -------
    The comparisons in which it is not shown to be better either, each as a sentence.

    Raises
    ------
    Refused
        Names the baseline, the metric, both values and the interval of their difference.
    """
    model = Predictions.at(scores, settings.threshold)
    options, alpha = Options(settings.confidence, settings.bins), (1 - settings.confidence) / 2
    open_cases = []
    for name, theirs in baselines.items():
        baseline = Predictions.at(theirs, settings.threshold)
        for metric in HEADLINE:
            found = METRICS[metric].difference(sample, baseline, model, options)
            if found.insufficient_reason and sample.clusters.ways:
                # Too few clusters: what independent rows do not show, dependent ones do not either.
                alone = Sample.of(sample.labels)
                found = METRICS[metric].difference(alone, baseline, model, options)
            up, down = found.p_up, found.p_down
            p_gain, p_loss = (up, down) if METRICS[metric].higher_is_better else (down, up)
            ends = f"{found.low:+.4f} to {found.high:+.4f}"
            numbers = f"{METRICS[metric].label} {found.value:+.4f} ({ends})"
            if p_loss <= alpha and not found.insufficient_reason:
                raise Refused(
                    f"the model is worse than the baseline `{name}` on the holdout: {metric} "
                    f"{found.second:.4f} against {found.first:.4f}, {numbers}",
                    "change src/model/estimator.py, the section `train` of params.yaml or the "
                    "features, which the baseline has too (docs/model.md#estimators)",
                )
            if p_gain > alpha or found.insufficient_reason:
                open_cases.append(f"not shown to be better than {name}: {numbers}")
    return open_cases


def slice_table(rows: Columns, sample: Sample, scores: np.ndarray, params: Params) -> list[CsvRow]:
    """Return a row for each value of each slice; headline metrics where there are enough rows."""
    return [
        _slice_row(name, str(value), sample.take(at), scores[at], params)
        for name, group in project.slices(rows).items()
        for texts in [_texts(group)]
        for value in np.unique(texts)
        for at in [np.flatnonzero(texts == value)]
    ]


def write_plots(
    rows: Columns, sample: Sample, scores: np.ndarray, params: Params, folder: Path
) -> None:
    """Write the data of the plots that `dvc plots` draws."""
    labels = sample.labels
    tables: dict[str, Sequence[Mapping[str, object]]] = {
        "roc": _roc(labels, scores),
        "calibration": stats.calibration_curve(labels, scores, params.evaluate.bins),
        "scores": _score_histogram(labels, scores),
        "slices": slice_table(rows, sample, scores, params),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        _write_csv(round_floats(table), folder / f"{name}.csv")


def _texts(group: np.ndarray) -> np.ndarray:
    missing = group.astype(object) == None  # noqa: E711 - element by element
    return np.where(missing, "(none)", group.astype(str))


def _slice_row(name: str, value: str, sample: Sample, scores: np.ndarray, params: Params) -> CsvRow:
    labels = sample.labels
    row: CsvRow = {
        "slice": name,
        "value": value,
        "rows": len(labels),
        "positives": int(labels.sum()),
    }
    enough = len(labels) >= params.judge.min_slice_rows and 0 < labels.sum() < len(labels)
    model = Predictions.at(scores, params.evaluate.threshold)
    options = Options(params.evaluate.confidence, params.evaluate.bins)
    for metric in HEADLINE:
        estimate = METRICS[metric].estimate(sample, model, options).as_dict() if enough else {}
        for part, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            row[metric + suffix] = f"{estimate[part]:.5f}" if estimate else ""
    return row | {
        "label_rate": f"{labels.mean():.5f}",
        "mean_score": f"{scores.mean():.5f}",
    }


def _roc(labels: np.ndarray, scores: np.ndarray) -> list[CsvRow]:
    """Return the ROC curve at evenly spaced false positive rates."""
    order = np.argsort(-scores, kind="stable")
    hits = np.concatenate([[0], np.cumsum(labels[order])]) / labels.sum()
    alarms = np.concatenate([[0], np.cumsum(1 - labels[order])]) / (1 - labels).sum()
    at = np.linspace(0, 1, ROC_POINTS)
    return [
        {"false_positive_rate": f"{x:.2f}", "true_positive_rate": f"{y:.5f}"}
        for x, y in zip(at, np.interp(at, alarms, hits), strict=True)
    ]


def _score_histogram(labels: np.ndarray, scores: np.ndarray) -> list[CsvRow]:
    edges = np.linspace(0, 1, 21)
    return [
        {"score": f"{start:.2f}", "label": label, "rows": int(count)}
        for label in (0, 1)
        for start, count in zip(
            edges, np.histogram(scores[labels == label], edges)[0], strict=False
        )
    ]


def _write_csv(table: Sequence[Mapping[str, object]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def _summary(
    counts: Mapping[str, int], models: Mapping[str, Metrics], open_cases: Iterable[str]
) -> str:
    lines = [f"holdout: {counts['rows']:,} rows, {counts['positives']:,} positive"]
    for name in ("model", "logistic_regression", "base_rate"):
        shown = (
            f"{METRICS[key].label} {estimate['value']:.4f} "
            f"({estimate['low']:.4f} to {estimate['high']:.4f})"
            for key in HEADLINE
            for estimate in [models[name][key]]
        )
        lines.append(f"{name:>20}: {', '.join(shown)}")
    return "\n".join([*lines, *open_cases])
