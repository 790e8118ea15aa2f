"""Write what is not the model: data/, params.yaml, the plots of dvc.yaml, pyproject.toml, pages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from slipway.card.written import CANVAS, CARD, Page, write_prompts
from slipway.dataset.folder import DATA
from slipway.errors import SlipwayError
from slipway.numbers import counted
from slipway.settings import Monitoring, Serve
from slipway.setup.adopt.estimators import RARE, Chosen
from slipway.setup.adopt.plan import Plan
from slipway.setup.adopt.table import to_arrow
from slipway.setup.sections import sections_of
from slipway.setup.starter import OF_THE_STARTER, PLOTS, packages_of_starter, without_packages
from slipway.texts import read_text
from slipway.training.diagnostics import DIAGNOSTICS
from slipway.training.diagnostics.base import Axes

PLOT_FILES = Path("reports/plots")

PARAMS, PIPELINE = Path("params.yaml"), Path("dvc.yaml")

# A loss of this share of the loss of a constant does not matter, before a person decides.
MARGIN = 0.01

# Of the same loss, what is no alarm on labelled traffic.
EXCESS = 0.02

# Of the label rate.
RATE_GAP = 0.2

# Of the threshold: around one near 0, nearly all rows are within the default.
BAND = 0.2


def write_data(plan: Plan, root: Path) -> Path | None:
    """Copy the files to data/, or write them again as parquet if columns were converted.

    Returns
    -------
    Where the files that were in data/ are now; None if there were none.
    """
    import pyarrow.parquet as pq

    new, folder, table = root / "build/adopted", root / DATA, plan.table
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    if table.converted or table.left_out:
        pq.write_table(to_arrow(table), new / f"{table.paths[0].stem}.parquet")
    else:
        for path in table.paths:
            shutil.copy(path, new / path.name)
    old = _set_aside(folder, root / "build") if folder.exists() else None
    new.rename(folder)
    return old


def _set_aside(folder: Path, parent: Path) -> Path:
    """Move a folder to a free name: files that DVC does not track would be lost otherwise."""
    number = next(n for n in count(1) if not (parent / f"replaced-{folder.name}-{n}").exists())
    return folder.rename(parent / f"replaced-{folder.name}-{number}")


def write_pages(plan: Plan, root: Path) -> None:
    """Write model card and canvas with prompts, unless people have written those of this target."""
    page, canvas = Page.read(root, CARD), root / CANVAS
    is_starter = canvas.is_file() and OF_THE_STARTER.search(read_text(canvas))
    claims = {"target": plan.target.name, "task": plan.task.name}
    if page and claims.items() <= page.front.items() and not is_starter:
        return
    for path in (CARD, CANVAS):
        write_prompts(root, path, plan.target.name, plan.task.name)


def write_params(plan: Plan, chosen: Chosen, root: Path) -> None:
    """Replace the sections of params.yaml that depend on the table."""
    path = root / PARAMS
    sections = sections_of(read_text(path))
    made = {
        "validate": VALIDATE,
        "prepare": _prepare(plan),
        "train": _train(chosen),
        "search": _search(plan, chosen),
        "evaluate": _evaluate(chosen),
        "judge": _judge(plan),
        "fairness": FAIRNESS,
        "serve": _serve(chosen, sections.get("serve", "serve:\n")),
        "monitoring": _monitoring(plan, sections.get("monitoring", "monitoring:\n")),
    }
    kept = {name: text for name, text in sections.items() if name not in made}
    names = [name for name in sections if name in made or name in kept]
    text = "\n".join((made | kept)[name] for name in dict.fromkeys([*names, *made]))
    path.write_text(text, "utf-8")


VALIDATE = """validate:
  chunk_rows: 250000 # rows held in memory at once
"""


FAIRNESS = """fairness: # disparities between the groups that src/model/slices.py names in PROTECTED
  limits: {} # beyond which a change is stopped: yours to decide (docs/fairness.md)
  on_inconclusive: go # a disparity that may be beyond its limit: stop, or go
"""


def _prepare(plan: Plan) -> str:
    missing = float(np.isnan(plan.labels).mean())
    limit = round(min(1.0, missing * 1.5 + 0.02), 2)
    by_time = "the newest periods that have this share of the rows" if plan.time else BY_HASH
    return (
        "prepare:\n"
        f"  holdout: {{share: 0.2}} # never trained on: {by_time}\n"
        "  origins: 4 # points in time at which models are compared; 1: the holdout alone\n"
        f"  max_feature_auc: {plan.max_feature_auc} # a feature with a higher AUC is a leak\n"
        f"  max_label_missing: {limit} # largest share of rows without a label\n"
    )


BY_HASH = "rows chosen by a hash of their key or entity"


def _train(chosen: Chosen) -> str:
    return "train: # passed unchanged to src/model/estimator.py; the keys are yours\n" + _lines(
        chosen.candidate.train
    )


def _search(plan: Plan, chosen: Chosen) -> str:
    who = "`slipway search` and `slipway retrain` try" if is_retrainable(plan) else SEARCH_ALONE
    tried = "".join(f"    - {_flow(other)}\n" for other in chosen.candidate.others)
    candidates = f" # other settings of `train`\n{tried}" if tried else " [] # none is as good\n"
    return f"search: # {who} each candidate on the training data\n  candidates:{candidates}"


SEARCH_ALONE = "`slipway search` tries"


def is_retrainable(plan: Plan) -> bool:
    """Return whether rows of the prediction log can be added to data/."""
    return plan.time is not None and len(plan.key) == 1


def _monitoring(plan: Plan, section: str) -> str:
    """Return the section with the smallest changes that raise an alarm, as the task has them."""
    values = {**Monitoring().model_dump(), **_rule(plan).alarms}
    every = "|".join({name for of_task in SMALLEST.values() for name in of_task})
    section = re.sub(rf"(?m)^  ({every}):.*\n", "", section)
    if not is_retrainable(plan):
        section = re.sub(r"(?m)^  (retrain|cooldown_days):.*\n", "", section)
        section += "  retrain: never # rows of the log need an event time and a key to be added\n"
    smallest = SMALLEST[plan.task.name].items()
    return section + "".join(f"  {name}: {values[name]} # {what}\n" for name, what in smallest)


SMALLEST: Mapping[str, Mapping[str, str]] = {
    "binary": {
        "auc_drop": "a smaller loss of AUC on labelled traffic is no alarm",
        "rate_gap": "nor is a label rate this close to what the scores promise",
        "loss_excess": "nor a log loss this close to it (nats a row)",
    },
    "multiclass": {
        "accuracy_drop": "a smaller loss of accuracy on labelled traffic is no alarm",
        "rate_gap": "nor is an accuracy this close to what the probabilities promise",
    },
    "regression": {
        "error_rise": "of the mean absolute error: a smaller rise on labelled traffic is no alarm",
        "bias_gap": "of the mean absolute error: nor is a smaller change of the mean error",
    },
}


def _evaluate(chosen: Chosen) -> str:
    comment = " # probability from which a row is positive; costs of errors: docs/card.md#costs"
    rule = f"  threshold: {chosen.threshold}{comment}\n" if chosen.threshold else ""
    return (
        "evaluate:\n  confidence: 0.95 # level of every interval\n"
        f"{rule or NO_RULE}  bins: 10 # of the calibration curve\n"
    )


NO_RULE = "  threshold: 0.5 # of a binary model\n"


def _serve(chosen: Chosen, section: str) -> str:
    """Return the section with a band of uncertain probabilities that fits the threshold."""
    band = Serve().uncertainty_band
    if chosen.threshold:
        band = _at_most(band, BAND * min(chosen.threshold, 1 - chosen.threshold))
    return re.sub(r"(?m)^(  uncertainty_band:) [^\s#]+", rf"\g<1> {band}", section)


def _judge(plan: Plan) -> str:
    rule = _rule(plan)
    rows = min(200, max(50, plan.table.rows // 25))
    limits = ", ".join(f"{name}: {value:g}" for name, value in rule.margins.items())
    return f"""judge: # a pull request is judged by the rule of its base
  primary: {rule.primary} # the metric that decides (docs/model.md#tasks)
  guards: [{", ".join(rule.guards)}] # further metrics that must not get worse
  margins: {{{limits}}} # a loss up to this size does not matter: yours to decide
  alpha: 0.025 # chance that "better" or "worse" is luck
  require: not worse # what may be merged: not worse, or only what is better
  on_inconclusive: stop # an inconclusive change: stop, or go
  min_slice_rows: {rows} # smaller slices are counted, not tested
  budget: 50 # judgements on one holdout; "better" shares its alpha among them
  max_row_ms: 5.0 # median time to score one row
  max_model_mb: 20 # size of the model file
"""


class Rule(NamedTuple):
    """How models of a table are judged, and the alarms that are not the defaults."""

    primary: str
    guards: list[str]
    margins: dict[str, float]
    alarms: Mapping[str, float] = MappingProxyType({})


def _rule(plan: Plan) -> Rule:
    return RULES[plan.task.name](plan.labels[~np.isnan(plan.labels)])


def _binary(labels: np.ndarray) -> Rule:
    """Return smaller limits for rare positives: there, a constant has a log loss near 0."""
    primary, defaults = "average_precision" if labels.mean() < RARE else "auc", Monitoring()
    rates = np.array([labels.mean(), 1 - labels.mean()])
    loss = float(-(rates * np.log(rates)).sum())
    return Rule(
        primary,
        ["log_loss"],
        {primary: 0.005, "log_loss": _at_most(0.005, MARGIN * loss)},
        {
            "rate_gap": _at_most(defaults.rate_gap, RATE_GAP * float(rates.min())),
            "loss_excess": _at_most(defaults.loss_excess, EXCESS * loss),
        },
    )


def _at_most(limit: float, value: float) -> float:
    return min(limit, float(f"{value:.2g}"))


def _multiclass(_labels: np.ndarray) -> Rule:
    return Rule("log_loss", ["accuracy"], {"log_loss": 0.01, "accuracy": 0.01})


def _regression(labels: np.ndarray) -> Rule:
    """Return margins in the unit of the label: of the errors of the median and of the mean."""
    absolute = float(np.abs(labels - np.median(labels)).mean())
    margins = {"mae": MARGIN * absolute, "rmse": MARGIN * float(labels.std())}
    rounded = {name: float(f"{value:.2g}") for name, value in margins.items()}
    return Rule("mae", ["rmse"], rounded)


RULES: dict[str, Callable[[np.ndarray], Rule]] = {
    "binary": _binary,
    "multiclass": _multiclass,
    "regression": _regression,
}


def _lines(settings: Mapping[str, float]) -> str:
    return "".join(f"  {name}: {value}\n" for name, value in settings.items())


def _flow(settings: Mapping[str, float]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in settings.items()) + "}"


# --- dvc.yaml -------------------------------------------------------------------------------------


def write_plots(plan: Plan, root: Path) -> None:
    """Name the plots of the task in dvc.yaml, and remove those of an earlier task."""
    path = root / PIPELINE
    text = read_text(path)
    found = PLOTS.search(text)
    if found is None:
        raise SlipwayError(
            f"{path}: the stage `evaluate` has no plots", "restore the file of the template"
        )
    shutil.rmtree(root / PLOT_FILES, ignore_errors=True)
    entries = "".join(_entry(plot) for plot in DIAGNOSTICS[plan.task.name].axes)
    path.write_text(text[: found.start()] + f"    plots:\n{entries}" + text[found.end() :], "utf-8")


def _entry(plot: Axes) -> str:
    lines = [f"      - reports/plots/{plot.file}.csv:", "          cache: false"]
    lines += [f"          x: {plot.x}", f"          y: {plot.y}"]
    lines += [f"          template: {plot.template}"] if plot.template else []
    return "\n".join([*lines, f"          title: {plot.title}"]) + "\n"


# --- the starter ----------------------------------------------------------------------------------

# The part of README.md that took the place of the starter's.
OF_AN_ADOPTED = re.compile(r"<!-- adopted -->\n.*?<!-- /adopted -->\n\n?", re.DOTALL)


def remove_starter(plan: Plan, root: Path) -> bool:
    """Remove what README.md, docs/ and pyproject.toml have about the starter.

    Returns
    -------
    Whether a dependency was removed, so that requirements.lock must be compiled again.
    """
    for path in filter(Path.is_file, sorted((root / "docs").glob("*.md"))):
        path.write_text(OF_THE_STARTER.sub("", read_text(path)), "utf-8")
    readme, about = root / "README.md", _about(plan)
    if readme.is_file():
        text = OF_THE_STARTER.sub(lambda _: about, read_text(readme))
        readme.write_text(OF_AN_ADOPTED.sub(lambda _: about, text), "utf-8")
    return _remove_packages(plan, root)


def _about(plan: Plan) -> str:
    rows = counted(plan.table.rows, "row")
    about = f"The model predicts `{plan.target.name}` ({plan.task.name}); it began with {rows}."
    return f"<!-- adopted -->\n{about}\n<!-- /adopted -->\n\n"


def _remove_packages(plan: Plan, root: Path) -> bool:
    """Remove the packages of the starter from pyproject.toml; return whether there were any."""
    path = root / "pyproject.toml"
    text = read_text(path)
    packages = packages_of_starter(text)
    text = without_packages(text, packages)
    if packages:
        name = _slug(root.resolve().name)
        text = re.sub(r'(?m)^name = ".*"$', f'name = "{name}"', text, count=1)
    about = re.sub(r'["\\]', "'", f"Predicts {plan.target.name}.")
    old = ".*" if packages else r"Predicts .*"
    text = re.sub(
        rf'(?m)^description = "{old}"$', lambda _: f'description = "{about}"', text, count=1
    )
    path.write_text(text, "utf-8")
    return bool(packages)


def _slug(name: str) -> str:
    """Return a name that a Python project can have."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"
