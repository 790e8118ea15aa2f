"""`params.yaml`, read strictly: an unknown key or a wrong type is an error.

Every setting but those of `train` has a default here; the file holds what a team wants to see
and change. A setting of a newer version therefore breaks no fork. A key that was renamed is
refused by its old name, with the new one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    ValidationError,
    model_validator,
)

from slipway.errors import SlipwayError
from slipway.fairness.registry import DISPARITIES, disparities_of
from slipway.metrics.registry import ALL, Options, compared_of, primary_of
from slipway.predictions.files import MOST_RECORD
from slipway.texts import read_yaml

# Keys of earlier versions, and their names since.
RENAMED = {
    "challengers": "search.candidates",
    "evaluate.min_slice_rows": "judge.min_slice_rows",
    "judge.on_cannot_tell": "judge.on_inconclusive",
    "serve.review_band": "serve.uncertainty_band",
    "watch": "monitoring",
}

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


def _as_json(value: object) -> JsonValue:
    """Refuse values of YAML that JSON does not have: the manifest is JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if isinstance(value, list):
        return [_as_json(part) for part in value]
    if isinstance(value, dict):
        if other := [key for key in value if not isinstance(key, str)]:
            raise ValueError(f"the key {other[0]!r} is not text: put it in quotes")
        return {key: _as_json(part) for key, part in value.items()}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise ValueError(f"{value!r} is a {type(value).__name__}: put text in quotes")


Setting = Annotated[JsonValue, PlainValidator(_as_json)]
"""A setting of the user's estimator: text, a number, true or false, null, a list or a section."""

TrainSettings = Mapping[str, object]
"""The section `train`, or those of its settings that a candidate changes, by name."""

MOST_BODY = MOST_RECORD - 2**20
"""Bytes of a request: its record, with the fields that the service adds, must not exceed
`MOST_RECORD`."""


class Section(BaseModel):
    # Strict: DVC records a number in quotes as text, and true as 1.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Validate(Section):
    # The name is from monthly files: it is of a period of data/, whatever its length.
    rows_per_month: Annotated[tuple[int, int], Field(strict=False)] = (1, 10**9)  # a list in YAML
    chunk_rows: Count = 250_000


def _codec(name: str) -> str:
    """Refuse what is not the name of a text encoding."""
    if name != "auto":
        try:
            "".encode(name)
        except (LookupError, UnicodeError):
            raise ValueError(f"no encoding {name!r}; such as utf-8, utf-16, windows-1252") from None
    return name


def _inside(folder: str) -> str:
    """Refuse a folder that is not below the repository's own, by its path alone."""
    parts = folder.split("/")
    if not all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", part) for part in parts):
        raise ValueError(f"{folder!r} is not a path of plain names, such as build/table")
    return folder


class Data(Section):
    """Where the rows are, and how CSV files are written; auto: as they show.

    Attributes
    ----------
    folder
        The folder of the rows: data/, or the output of a stage that makes it of data/.
    """

    folder: Annotated[str, AfterValidator(_inside)] = "data"
    delimiter: Literal["auto", "comma", "semicolon", "tab", "bar"] = "auto"
    encoding: Annotated[str, AfterValidator(_codec)] = "auto"
    decimal: Literal["auto", "point", "comma"] = "auto"


class Holdout(Section):
    """What is held out: one of a number of the newest periods, a share, a date and a column.

    Attributes
    ----------
    periods
        The newest ones.
    share
        Of the rows: the fewest newest periods that have as many; or those whose hash is in it.
    by
        What is hashed: the entity, the first column of `CLUSTERS` that is not the event time.
        None: nothing if rows have a time, else the entity, or the key if there is none.
    from_
        The first day that is held out.
    column, value
        The rows with this value in a column.
    """

    periods: Count | None = None
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    by: Literal["entity"] | None = None
    from_: Annotated[date | None, Field(alias="from", strict=False)] = None
    column: Annotated[str, Field(min_length=1)] | None = None
    value: str | int | bool | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Holdout:
        given = [each for each in (self.periods, self.share, self.from_, self.column) if each]
        if len(given) != 1 or (self.column is None) != (self.value is None):
            raise ValueError("expected one of: periods; share; from; column with value")
        if self.by and not self.share:
            raise ValueError("`by` needs `share`, such as {by: entity, share: 0.2}")
        return self


class Prepare(Section):
    period: Literal["auto", "day", "week", "month"] = "auto"
    holdout_months: Count | None = None
    holdout: Holdout | None = None
    origins: Count = 4
    max_feature_auc: Annotated[float, Field(gt=0.5, le=1)] = 0.95
    max_label_missing: Share = 0.1
    sample_rows: Count | None = None

    @model_validator(mode="after")
    def _has_one_holdout(self) -> Prepare:
        if self.holdout and self.holdout_months:
            raise ValueError("both `holdout` and `holdout_months` are set: remove one")
        if self.holdout_months and self.period not in ("auto", "month"):
            raise ValueError(f"`holdout_months` with periods of a {self.period}: set `holdout`")
        return self

    @property
    def rule(self) -> Holdout:
        """What is held out; one period, or its default without an event time, if nothing is set."""
        return self.holdout or Holdout(periods=self.holdout_months or 1)

    @property
    def unit(self) -> Literal["day", "week", "month"] | None:
        """The periods that are set; None: as the data has them."""
        if self.period == "auto":
            return "month" if self.holdout_months else None
        return self.period


Cost = Annotated[float, Field(ge=0)]

MAY_DIFFER = 0.005
"""Of a threshold or quantile from that of the costs: two decimals are enough."""


class Costs(Section):
    """What a wrong answer costs, in any unit; a right one costs nothing.

    Attributes
    ----------
    false_positive, false_negative
        Of a row that is called positive, or is not, and is the other.
    over, under
        Of a number that is predicted one unit too high, or too low.
    classes
        True class, decided class: cost; a pair that is not named costs 1.
    """

    false_positive: Cost | None = None
    false_negative: Cost | None = None
    over: Cost | None = None
    under: Cost | None = None
    classes: dict[str, dict[str, Cost]] | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Costs:
        pairs = (self.false_positive, self.false_negative), (self.over, self.under)
        given = [
            pair for pair in (*pairs, (self.classes,)) if any(each is not None for each in pair)
        ]
        if len(given) != 1 or None in given[0]:
            raise ValueError(
                "expected one of: false_positive and false_negative; over and under; classes"
            )
        if self.classes is None and not any(given[0]):
            raise ValueError("both costs are 0: no rule is better than another")
        return self

    @property
    def task(self) -> Literal["binary", "multiclass", "regression"]:
        """The task that has such errors; a quantile has those of a regression."""
        if self.classes is not None:
            return "multiclass"
        return "binary" if self.false_positive is not None else "regression"

    @property
    def level(self) -> float | None:
        """The threshold, or quantile, at which expected costs are lowest; None for classes.

        Notes
        -----
        A row of probability p is called positive if p x false_negative ≥ (1 - p) x false_positive
        (Elkan 2001, *The Foundations of Cost-Sensitive Learning*). The expected cost of a number is
        lowest at its under / (under + over) quantile (Koenker and Bassett 1978).
        """
        if self.false_positive is not None and self.false_negative is not None:
            return self.false_positive / (self.false_positive + self.false_negative)
        if self.over is not None and self.under is not None:
            return self.under / (self.under + self.over)
        return None


class Evaluate(Section):
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    threshold: Share = 0.5
    costs: Costs | None = None
    bins: Annotated[int, Field(ge=2, le=100)] = 10
    precision: Annotated[float, Field(gt=0, lt=1)] = 0.9

    @property
    def options(self) -> Options:
        """How metrics are computed."""
        return Options(self.confidence, self.bins, self.precision)


class Search(Section):
    """Other settings of `train` that `slipway search` tries."""

    candidates: list[dict[str, Setting]] = []


class Accepted(Section):
    """A slice that may get worse, and why."""

    slice: Annotated[str, Field(pattern=r"^[^=]+=.+$")]
    reason: Annotated[str, Field(min_length=10)]


def _one_of(names: Iterable[str]) -> AfterValidator:
    """Refuse what is not the name of a metric in a list."""
    allowed = tuple(names)

    def check(name: str) -> str:
        if name not in allowed:
            raise ValueError(f"no metric {name!r}; expected one of: {', '.join(allowed)}")
        return name

    return AfterValidator(check)


COMPARED = {name: metric for name, metric in ALL.items() if metric.is_compared}

Guard = Annotated[str, _one_of(COMPARED)]

PRIMARY = [name for name, metric in ALL.items() if metric.may_be_primary]

# No margin in the unit of the labels suits every project: such a metric is never *not worse*
# before one is set.
MARGINS = {
    name: 0.0 if metric.in_label_units else metric.margin for name, metric in COMPARED.items()
}


def _within_range(margins: dict[str, float]) -> dict[str, float]:
    for name, margin in margins.items():
        if margin > ALL[name].largest:
            raise ValueError(
                f"{name}: {margin:g} is above {ALL[name].largest:g}, its highest value"
            )
    return MARGINS | margins


Margin = Annotated[float, Field(ge=0)]

# For each metric, the loss that does not matter, in the metric's own unit.
Margins = Annotated[dict[Guard, Margin], AfterValidator(_within_range)]


class Judge(Section):
    primary: Annotated[str, _one_of(PRIMARY)] = "auc"
    alpha: Annotated[float, Field(gt=0, le=0.2)] = 0.025
    margins: Margins = MARGINS
    guards: list[Guard] = ["log_loss"]
    require: Literal["better", "not worse"] = "not worse"
    on_inconclusive: Literal["stop", "go"] = "stop"
    min_slice_rows: Annotated[int, Field(ge=50)] = 200
    budget: Count = 50
    max_row_ms: Annotated[float, Field(gt=0)] = 1.0
    max_model_mb: Annotated[float, Field(gt=0)] = 20
    accept: list[Accepted] = []

    def check_metrics(self, task: str) -> None:
        """Refuse metrics that a task does not have, or that it has no margin for.

        Raises
        ------
        SlipwayError
            Names the setting, and the metrics of the task.
        """
        for key, names, possible in (
            ("primary", [self.primary], primary_of(task)),
            ("guards", self.guards, compared_of(task)),
        ):
            for name in names:
                if name not in possible:
                    raise SlipwayError(
                        f"params.yaml: `judge.{key}` is {name}, which no {task} model has",
                        f"choose from: {', '.join(possible)} ({name} is of `TASK = "
                        f"'{ALL[name].tasks[0]}'`: docs/model.md#tasks)",
                    )
                if ALL[name].in_label_units and not self.margins[name]:
                    raise SlipwayError(
                        f"params.yaml: `judge.margins.{name}` is not set, and {name} decides "
                        f"(`judge.{key}`)",
                        "set it to the loss that does not matter, in the unit of the label",
                    )


def _disparity(name: str) -> str:
    """Refuse what is not the name of a disparity."""
    if name not in DISPARITIES:
        raise ValueError(f"no disparity {name!r}; expected one of: {', '.join(DISPARITIES)}")
    return name


def _possible(limits: dict[str, float]) -> dict[str, float]:
    for name, limit in limits.items():
        if limit > DISPARITIES[name].largest:
            raise ValueError(f"{name}: {limit:g} is above {DISPARITIES[name].largest:g}")
    return limits


Limits = Annotated[
    dict[Annotated[str, AfterValidator(_disparity)], Annotated[float, Field(ge=0)]],
    AfterValidator(_possible),
]


class Fairness(Section):
    """Limits of the disparities between protected groups; without a limit they are shown."""

    limits: Limits = {}
    on_inconclusive: Literal["stop", "go"] = "go"

    def check_limits(self, task: str) -> None:
        """Refuse limits of disparities that a task does not have.

        Raises
        ------
        SlipwayError
            Names the setting, and the disparities of the task.
        """
        possible = [each.key for each in disparities_of(task)]
        for name in self.limits:
            if name not in possible:
                raise SlipwayError(
                    f"params.yaml: `fairness.limits` has {name}, which no {task} model has",
                    f"choose from: {', '.join(possible)}",
                )


class Serve(Section):
    uncertainty_band: Share = 0.03
    max_rows: Count = 1000
    max_body_bytes: Annotated[int, Field(ge=1, le=MOST_BODY)] = 2**20
    log: str = "predictions"
    log_durable: Literal["disk", "process"] = "disk"


class Drift(Section):
    false_alarms_per_month: Annotated[float, Field(gt=0, le=10)] = 0.1
    psi: Annotated[float, Field(ge=0)] = 0.03
    auc: Annotated[float, Field(ge=0.5, lt=1)] = 0.55
    volume: Annotated[float, Field(gt=1)] = 3
    min_rows: Annotated[int, Field(ge=50)] = 200
    silent_days: Count = 3
    memory_mb: Annotated[int, Field(ge=150)] = 300


class Canary(Section):
    """Limits of a release while it has a small share of the traffic."""

    share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    seconds: Annotated[float, Field(ge=0)] = 60
    min_requests: Count = 100
    max_error_share: Share = 0.01
    max_latency_ratio: Annotated[float, Field(ge=1)] = 2
    max_latency_ms: Annotated[float, Field(gt=0)] = 250
    max_score_psi: Annotated[float, Field(ge=0)] = 0.25
    max_refused_share: Share = 0.01
    on_inconclusive: Literal["extend", "back", "go"] = "extend"
    max_seconds: Annotated[float, Field(ge=0)] = 600

    @property
    def patience_ms(self) -> int:
        """Return the timeout of a candidate, after which the old version answers."""
        return round(max(500, 2 * self.max_latency_ms))


class Shadow(Section):
    """Limits of a candidate that scores logged requests."""

    min_rows: Count = 100
    max_flipped: Share = 0.1
    max_refused: Share = 0
    max_row_ms: Annotated[float, Field(gt=0)] = 5


class Deploy(Section):
    target: Annotated[str, Field(min_length=1)] = "local"  # one of `slipway.targets.TARGETS`
    address: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    registry: str = ""
    # Pinned by digest, so they are in the file, where `images.yml` renews them.
    base_image: Annotated[str, Field(min_length=1)]
    proxy_image: Annotated[str, Field(min_length=1)]
    overlay: Annotated[str, Field(min_length=1)] = "deploy/kubernetes/overlays/production"
    memory_mb: Annotated[int, Field(ge=128)] = 512
    start_seconds: Annotated[float, Field(gt=0)] = 30
    # With fewer requests, memory that is allocated once looks like a leak.
    smoke_requests: Literal[0] | Annotated[int, Field(ge=600)] = 2400
    drain_seconds: Annotated[float, Field(ge=0)] = 30
    shadow_rows: Count = 1000
    shadow: Shadow = Shadow()
    canary: Canary = Canary()


class Monitoring(Section):
    labels: Annotated[str, Field(min_length=1)] = "labels"
    auc_drop: Share = 0.02
    rate_gap: Share = 0.02
    loss_excess: Annotated[float, Field(ge=0)] = 0.01
    accuracy_drop: Share = 0.02
    error_rise: Annotated[float, Field(ge=0)] = 0.1
    bias_gap: Annotated[float, Field(ge=0)] = 0.2
    group_gap: Share = 0.1
    retention_days: Count | None = None
    retrain: Literal["on drift", "never"] = "never"
    cooldown_days: Annotated[int, Field(ge=0)] = 7


class Params(Section):
    """All of ``params.yaml``; `train` belongs to the user's estimator and is not checked."""

    data: Data = Data()
    validate_: Validate = Field(Validate(), alias="validate")
    prepare: Prepare = Prepare()
    train: dict[str, Setting] = {}
    search: Search = Search()
    evaluate: Evaluate = Evaluate()
    judge: Judge = Judge()
    fairness: Fairness = Fairness()
    serve: Serve = Serve()
    drift: Drift = Drift()
    deploy: Deploy
    monitoring: Monitoring = Monitoring()


def read_params(path: Path = Path("params.yaml")) -> Params:
    """Return the settings.

    Raises
    ------
    SlipwayError
        The file is missing or is not YAML, or a key is unknown, missing or out of range.
    """
    if not path.exists():
        raise SlipwayError(
            f"{path}: no such file", "run slipway from the top folder of the repository"
        )
    content = read_yaml(path)
    if isinstance(content, dict):
        content = {"deploy": {}} | content  # names what is missing in it
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        if not isinstance(content, dict):
            found = {type(None): "nothing", str: "text"}.get(type(content), "a list or one value")
            raise SlipwayError(
                f"{path}: expected settings as `name: value`, got {found}",
                f"restore the file: `git checkout {path}`",
            ) from None
        raise SlipwayError(explain(str(path), error), _remedy(error)) from None


def explain(path: str, error: ValidationError) -> str:
    """Return one line for each invalid key of a file."""
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"] if part != "[key]") or "the file"
        lines.append(f"{path}: `{key}`: {_reason(key, item['type'], item['msg'])}")
    return "\n".join(lines)


def _remedy(error: ValidationError) -> str:
    kinds = {item["type"] for item in error.errors()}
    if kinds == {"missing"}:
        return "add it: it has no default"
    if kinds == {"extra_forbidden"}:
        return "rename or remove it; the comments of params.yaml describe the settings"
    return "correct it; the comments of params.yaml describe the settings"


def with_new_names(section: Mapping[str, object], name: str) -> dict[str, object]:
    """Return a section of ``params.yaml`` with the keys of earlier versions renamed.

    A key that is set by its new name as well keeps that value.
    """
    prefix = f"{name}."
    renamed = {
        old.removeprefix(prefix): new.removeprefix(prefix)
        for old, new in RENAMED.items()
        if old.startswith(prefix) and new.startswith(prefix)
    }
    moved = {renamed[key]: value for key, value in section.items() if key in renamed}
    return moved | {key: value for key, value in section.items() if key not in renamed}


def _reason(key: str, kind: str, message: str) -> str:
    if kind == "extra_forbidden" and key in RENAMED:
        return f"renamed: set `{RENAMED[key]}` instead"
    if kind == "extra_forbidden" and (close := get_close_matches(key, _known_keys(), 1, 0.8)):
        return f"no such setting; did you mean `{close[0]}`?"
    reasons = {"extra_forbidden": "no such setting", "missing": "this setting is missing"}
    message = message.removeprefix("Value error, ")
    return reasons.get(kind, message[:1].lower() + message[1:])


def _known_keys(model: type[BaseModel] = Params, prefix: str = "") -> list[str]:
    """Return the names of all settings, such as `judge.alpha`."""
    keys = []
    for name, field in model.model_fields.items():
        keys.append(key := f"{prefix}{field.alias or name}")
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += _known_keys(field.annotation, f"{key}.")
    return keys
