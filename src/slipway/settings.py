"""`params.yaml`, read strictly: an unknown key, a missing key or a wrong type is an error."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from slipway.errors import SlipwayError
from slipway.log_files import MOST_RECORD
from slipway.texts import read_yaml

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


def _as_json(value: Any) -> Any:
    """Refuse what YAML can write and the manifest, which is JSON, cannot hold."""
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


Setting = Annotated[Any, AfterValidator(_as_json)]
"""A setting of the user's estimator: text, a number, true or false, null, a list or a section."""


MOST_BODY = MOST_RECORD - 2**20
"""Bytes of a request: with what the service adds, the record of a row is one that readers take."""


class Section(BaseModel):
    # Strict: DVC records the text of a number in quotes, and true for 1.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Validate(Section):
    rows_per_month: Annotated[tuple[int, int], Field(strict=False)]  # a list in YAML
    chunk_rows: Count


class Prepare(Section):
    holdout_months: Count
    max_feature_auc: Annotated[float, Field(gt=0.5, le=1)]
    max_label_missing: Share


class Evaluate(Section):
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    threshold: Share
    bins: Annotated[int, Field(ge=2, le=100)]
    min_slice_rows: Count


class Accepted(Section):
    """A slice that may get worse, and why."""

    slice: Annotated[str, Field(pattern=r"^[^=]+=.+$")]
    reason: Annotated[str, Field(min_length=10)]


class Margins(Section):
    """For each metric, the loss that does not matter, in the metric's own unit."""

    auc: Share
    log_loss: Share
    brier: Share
    calibration_error: Share
    precision: Share
    recall: Share


class Judge(Section):
    primary: Literal["auc", "log_loss", "brier"]
    alpha: Annotated[float, Field(gt=0, le=0.2)]
    margins: Margins
    guards: list[Literal["auc", "log_loss", "brier", "calibration_error", "precision", "recall"]]
    require: Literal["better", "not worse"]
    on_cannot_tell: Literal["stop", "go"]
    min_slice_rows: Annotated[int, Field(ge=50)]
    budget: Count
    max_row_ms: Annotated[float, Field(gt=0)]
    max_model_mb: Annotated[float, Field(gt=0)]
    accept: list[Accepted]


class Serve(Section):
    review_band: Share
    max_rows: Count
    max_body_bytes: Annotated[int, Field(ge=1, le=MOST_BODY)]
    log: str
    log_durable: Literal["disk", "process"]


class Drift(Section):
    false_alarms_per_month: Annotated[float, Field(gt=0, le=10)]
    psi: Annotated[float, Field(ge=0)]
    auc: Annotated[float, Field(ge=0.5, lt=1)]
    volume: Annotated[float, Field(gt=1)]
    min_rows: Annotated[int, Field(ge=50)]
    silent_days: Count
    memory_mb: Annotated[int, Field(ge=150)]


class Canary(Section):
    """What a release must hold to while it has a small share of the traffic."""

    share: Annotated[float, Field(gt=0, lt=1)]
    seconds: Annotated[float, Field(ge=0)]
    min_requests: Count
    max_error_share: Share
    max_latency_ratio: Annotated[float, Field(ge=1)]
    max_latency_ms: Annotated[float, Field(gt=0)]
    max_score_psi: Annotated[float, Field(ge=0)]
    max_refused_share: Share = 0.01
    on_inconclusive: Literal["extend", "back", "go"] = "extend"
    max_seconds: Annotated[float, Field(ge=0)] = 600

    @property
    def patience_ms(self) -> int:
        """Return how long a candidate may take to answer; then the old version is asked instead."""
        return round(max(500, 2 * self.max_latency_ms))


class Shadow(Section):
    """What a candidate must hold to when it is asked what the service was asked."""

    min_rows: Count
    max_flipped: Share
    max_refused: Share
    max_row_ms: Annotated[float, Field(gt=0)]


class Deploy(Section):
    target: Literal["local", "host", "kubernetes"]
    address: str
    port: Annotated[int, Field(ge=1, le=65535)]
    registry: str
    base_image: Annotated[str, Field(min_length=1)]
    proxy_image: Annotated[str, Field(min_length=1)]
    overlay: Annotated[str, Field(min_length=1)]
    memory_mb: Annotated[int, Field(ge=128)]
    start_seconds: Annotated[float, Field(gt=0)]
    # With fewer, memory that a service takes once looks as if each request took some.
    smoke_requests: Literal[0] | Annotated[int, Field(ge=600)] = 2400
    drain_seconds: Annotated[float, Field(ge=0)]
    shadow_rows: Count
    shadow: Shadow
    canary: Canary


class Watch(Section):
    labels: Annotated[str, Field(min_length=1)]
    auc_drop: Share
    rate_gap: Share
    loss_excess: Annotated[float, Field(ge=0)]
    retrain: Literal["on drift", "never"]
    cooldown_days: Annotated[int, Field(ge=0)]


class Params(Section):
    """The whole of ``params.yaml``; `train` belongs to the user's estimator and is not checked.

    `challengers` are other settings of `train` for `slipway search` to try.
    """

    validate_: Validate = Field(alias="validate")
    prepare: Prepare
    train: dict[str, Setting]
    challengers: list[dict[str, Setting]]
    evaluate: Evaluate
    judge: Judge
    serve: Serve
    drift: Drift
    deploy: Deploy
    watch: Watch


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
    try:
        return Params.model_validate(read_yaml(path))
    except ValidationError as error:
        raise SlipwayError(
            explain(str(path), error), "compare with params.yaml of the last commit"
        ) from None


def explain(path: str, error: ValidationError) -> str:
    faults = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"]) or "the file"
        faults.append(f"{path}: `{key}`: {_reason(fault['type'], fault['msg'])}")
    return "\n".join(faults)


def _reason(kind: str, message: str) -> str:
    reasons = {"extra_forbidden": "no such setting", "missing": "this setting is missing"}
    message = message.removeprefix("Value error, ")
    return reasons.get(kind, message[:1].lower() + message[1:])
