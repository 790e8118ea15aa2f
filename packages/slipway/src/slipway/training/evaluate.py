"""`slipway evaluate`: measure the model on the holdout, by slice, against two baselines."""

from __future__ import annotations

import csv
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway import project
from slipway.dataset.dependence import Dependence
from slipway.dataset.split import Dataset
from slipway.dataset.tables import round_floats, row_count, write_columns, write_json
from slipway.errors import Refused
from slipway.fairness.measure import Scope
from slipway.fairness.measure import measure as measure_groups
from slipway.manifest import MODEL
from slipway.metrics.calibration import BinCurves
from slipway.metrics.groups import group_of
from slipway.metrics.inference import insufficient_reason
from slipway.metrics.registry import ALL, Metric, Options, Sample, headline_of, metrics_of
from slipway.numbers import counted, plain, signed
from slipway.training.decision_costs import cost_curve, cost_lines, decision_costs, disagreement
from slipway.training.diagnostics import DIAGNOSTICS
from slipway.training.score import Model, score_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from slipway.metrics.paired import Difference
    from slipway.metrics.stats import Estimate
    from slipway.project import Columns
    from slipway.settings import Evaluate, Params
    from slipway.tasks import Task
    from slipway.tasks.predictions import Predictions

# The part of what a baseline is better by than the simplest one that a model may lose: a difference
# that is no reason to prefer the baseline, however many rows show it.
NEGLIGIBLE = 0.01

# With two, Student's t has one degree of freedom: a model of no use is as likely to pass as not.
FEWEST_CLUSTERS = 3

# What metrics.json has of a disparity: limits are those of a judgement.
SHOWN = ("value", "low", "high", "rate", "smallest", "largest")

REPORTS = Path("reports")
PREDICTIONS = Path("build/predictions.parquet")

# Of a metric, or of the standard deviation of the labels: a model file may differ as much from its
# estimator, so that a smaller difference of two models, however certain, is one of their rounding.
ROUNDING = 1e-5

Metrics = dict[str, dict[str, float]]
"""Each metric of a model: `value`, `low` and `high`."""

CsvRow = dict[str, str | int | float]


def evaluate(params: Params, model: Path = MODEL, reports: Path = REPORTS) -> str:
    """Write the metrics, the plots' data and the holdout predictions; return a summary.

    Raises
    ------
    Refused
        The model is shown to be worse than a baseline in a headline metric of its task.
    """
    loaded, dataset = Model.load(model), Dataset.open(params)
    holdout = dataset.labelled_holdout()
    labels = holdout.labels
    features = project.features(holdout.inputs())
    scores = loaded.score_features(features)
    write_columns({"key": project.row_keys(holdout.columns), **score_columns(scores)}, PREDICTIONS)
    baselines = baseline_scores(loaded, model, features)
    dependence = Dependence.declared().within(holdout.columns, dataset.span)
    sample = Sample.of(labels, dependence.clusters(holdout.columns))
    models = {
        name: measure(sample, each, params.evaluate)
        for name, each in {"model": scores, **baselines}.items()
    }
    task = project.task()
    statistics = task.describe(labels)
    counts = {"rows": len(labels), **statistics.model_dump()}
    levels = {**task.rule(params.evaluate.threshold), "confidence": params.evaluate.confidence}
    costs = decision_costs(sample, scores, params.evaluate, task)
    of_costs = {"costs": costs} if costs else {}
    fairness = protected_groups(holdout.columns, sample, scores, params)
    metrics = {**counts, **levels, **round_floats(models | of_costs | fairness)}
    write_json(metrics, reports / "metrics.json")
    write_plots(holdout.columns, sample, scores, params, reports / "plots")
    open_cases = check_baselines(sample, scores, baselines, params.evaluate)
    notes = [*open_cases, *cost_lines(costs), disagreement(params.evaluate, task)]
    rows = f"{counted(len(labels), 'row')}, {statistics.summary(len(labels))}"
    return _summary(rows, models, filter(None, notes))


def measure(
    sample: Sample, scores: np.ndarray, settings: Evaluate, task: Task | None = None
) -> Metrics:
    """Return every metric of one model with its interval; `scores` are those of the task.

    Parameters
    ----------
    task
        Of the model; by default that of the project.
    """
    task = task or project.task()
    model = task.predictions(scores, settings.threshold)
    options = settings.options
    return {
        name: metric.estimate(sample, model, options).as_dict()
        for name, metric in metrics_of(task.name).items()
    }


def protected_groups(
    rows: Columns, sample: Sample, scores: np.ndarray, params: Params
) -> dict[str, object]:
    """Return `fairness`: the disparities and groups of each attribute; nothing if there is none.

    Groups are a list, so that `dvc metrics` shows the disparities alone.
    """
    task = project.task()
    groups = {name: group_of(texts) for name, texts in project.protected_slices(rows).items()}
    if not groups:
        return {}
    model = task.predictions(scores, params.evaluate.threshold)
    scope = Scope(task.classes, params.judge.min_slice_rows, {}, params.evaluate.options)
    return {
        "fairness": {
            found.attribute: {
                **{gap.name: {key: getattr(gap, key) for key in SHOWN} for gap in found.gaps},
                "groups": [asdict(row) for row in found.groups],
                "small": [{"group": name, "rows": rows} for name, rows in found.small.items()],
            }
            for found in measure_groups(sample, model, groups, scope)
        }
    }


def baseline_scores(model: Model, folder: Path, features: Columns) -> dict[str, np.ndarray]:
    """Return the scores of two baselines: one that learned the labels alone, and a linear model.

    Parameters
    ----------
    model
        The model that they are compared with.
    folder
        Its folder, which holds the linear model.
    """
    task, training = project.task(), model.manifest["train"]
    constant = task.statistics.of(training).constant(training["rows"])
    simple, linear = DIAGNOSTICS[task.name], Model.load_baseline(folder)
    return {
        simple.simplest: np.repeat([constant], row_count(features), axis=0),
        simple.regressor: linear.score_features(features),
    }


def check_baselines(
    sample: Sample, scores: np.ndarray, baselines: Mapping[str, np.ndarray], settings: Evaluate
) -> list[str]:
    """Refuse a model that is shown to be worse than a baseline in a headline metric.

    A difference below `NEGLIGIBLE` of what the baseline gains over the first one, which is the
    simplest, is none, and neither is one that rounding explains.

    Returns
    -------
    The comparisons in which it is not shown to be better either, each as a sentence.

    Raises
    ------
    Refused
        Names the baseline, the metric, both values and the interval of their difference.
    """
    task = project.task()
    model = task.predictions(scores, settings.threshold)
    options, alpha = settings.options, (1 - settings.confidence) / 2
    unit = float(np.std(sample.labels))
    open_cases = []
    simplest: dict[str, float] = {}
    for name, theirs in baselines.items():
        baseline = task.predictions(theirs, settings.threshold)
        for metric in headline_of(task.name):
            found = _difference(ALL[metric], sample, baseline, model, options)
            up, down, sign = found.p_up, found.p_down, 1
            if not ALL[metric].higher_is_better:
                up, down, sign = down, up, -1
            value = found.first or 0
            gain = sign * (value - simplest.setdefault(metric, value))
            rounding = ROUNDING * (unit if ALL[metric].in_label_units else 1)
            is_worse = -sign * found.value > max(NEGLIGIBLE * gain, rounding)
            ends = f"{signed(found.low)} to {signed(found.high)}"
            numbers = f"{ALL[metric].label} {signed(found.value)} ({ends})"
            if down <= alpha and is_worse and not found.insufficient_reason:
                raise Refused(
                    f"the model is worse than the baseline `{name}` on the holdout: {metric} "
                    f"{plain(found.second or 0)} against {plain(value)}, {numbers}",
                    "change src/model/estimator.py, the section `train` of params.yaml or the "
                    "features, which the baseline has too (docs/model.md#estimators)",
                )
            if up > alpha or found.insufficient_reason:
                why = f"; {found.insufficient_reason}" if found.insufficient_reason else ""
                open_cases.append(f"not shown to be better than {name}: {numbers}{why}")
    return open_cases


def _difference(
    metric: Metric, sample: Sample, baseline: Predictions, model: Predictions, options: Options
) -> Difference:
    """Return the paired difference, also of fewer clusters than a verdict needs.

    So few days do not show how they depend on their neighbours: they count as independent of each
    other. Of fewer than `FEWEST_CLUSTERS`, all rows do, else no model would ever be refused.
    """
    few = insufficient_reason(sample.clusters, sample.rows)
    if few and sample.clusters.count(sample.rows) < FEWEST_CLUSTERS:
        sample = Sample.of(sample.labels)
    elif few:
        sample = replace(sample, clusters=sample.clusters.unordered())
    found = metric.difference(sample, baseline, model, options)
    return replace(found, insufficient_reason="") if found.insufficient_reason == few else found


def slice_table(rows: Columns, sample: Sample, scores: np.ndarray, params: Params) -> list[CsvRow]:
    """Return a row for each value of each slice; headline metrics where there are enough rows."""
    return [
        _slice_row(name, str(value), sample.take(at), scores[at], params)
        for name, group in _groups(rows, sample.labels).items()
        for texts in [_texts(group)]
        for value in np.unique(texts)
        for at in [np.flatnonzero(texts == value)]
    ]


def write_plots(
    rows: Columns, sample: Sample, scores: np.ndarray, params: Params, folder: Path
) -> None:
    """Write the data of the plots that `dvc plots` draws."""
    task = project.task()
    model = task.predictions(scores, params.evaluate.threshold)
    tables: dict[str, Sequence[Mapping[str, object]]] = {
        **DIAGNOSTICS[task.name].plots(BinCurves(sample, params.evaluate.bins), model),
        "slices": slice_table(rows, sample, scores, params),
    }
    if task.name == "binary":
        tables["costs"] = cost_curve(sample, scores, params.evaluate)
    # A model without slices, or without costs, has a file with the header alone.
    headers = {name: list(table[0]) for name, table in tables.items() if table}
    headers.setdefault("slices", list(_slice_row("", "", sample, scores, params)))
    headers.setdefault("costs", ["threshold", "cost", "low", "high"])
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        _write_csv(round_floats(table), headers[name], folder / f"{name}.csv")


def _texts(group: np.ndarray) -> np.ndarray:
    missing = group.astype(object) == None  # noqa: E711 - element by element
    return np.where(missing, "(none)", group.astype(str))


def _groups(rows: Columns, labels: np.ndarray) -> dict[str, np.ndarray]:
    return project.task().groups(project.TARGET, labels) | project.slices(rows)


def _slice_row(name: str, value: str, sample: Sample, scores: np.ndarray, params: Params) -> CsvRow:
    task, labels = project.task(), sample.labels
    row: CsvRow = {"slice": name, "value": value, "rows": len(labels), **task.counts(labels)}
    model = task.predictions(scores, params.evaluate.threshold)
    options = params.evaluate.options
    enough = len(labels) >= params.judge.min_slice_rows
    for metric in headline_of(task.name):
        estimate = _estimate(metric, sample, model, options) if enough else None
        form = ".6g" if ALL[metric].in_label_units else ".5f"
        for part, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            row[metric + suffix] = f"{getattr(estimate, part):{form}}" if estimate else ""
    return row | DIAGNOSTICS[task.name].of_slice(labels, model)


def _estimate(metric: str, sample: Sample, model: Predictions, options: Options) -> Estimate | None:
    """Return a metric of a slice, or None if it does not exist for its rows."""
    try:
        return ALL[metric].estimate(sample, model, options)
    except ValueError:
        return None


def _write_csv(table: Sequence[Mapping[str, object]], header: Sequence[str], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def _summary(rows: str, models: Mapping[str, Metrics], open_cases: Iterable[str]) -> str:
    task, lines = project.task(), [f"holdout: {rows}"]
    for name, metrics in models.items():
        shown = (
            f"{ALL[key].label} {plain(estimate['value'])} "
            f"({plain(estimate['low'])} to {plain(estimate['high'])})"
            for key in headline_of(task.name)
            for estimate in [metrics[key]]
        )
        lines.append(f"{name:>20}: {', '.join(shown)}")
    return "\n".join([*lines, *open_cases])
