"""The manifest of a model: what training records of it, in a file next to it.

Manifests of earlier versions, which lack some keys, are read too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic needs it below Python 3.12

from slipway.errors import SlipwayError
from slipway.reference.history import History
from slipway.reference.profile import Profile
from slipway.schema.checks import ColumnSpec

MODEL = Path("build/model")
MANIFEST_FILE = "manifest.json"


class Identity(TypedDict, total=False):
    """The model file: its `format`, its digests, what it holds and what loads it.

    `types` are those that a file of skops may hold; `packages` the versions that predict.
    """

    file: str
    format: str
    sha256: str
    md5: str
    bytes: int
    types: list[str]
    packages: dict[str, str]


class Target(TypedDict, total=False):
    """What is predicted. `seen` are the codes of the classes that training rows have."""

    name: str
    definition: str | None
    task: str
    classes: Sequence[str | bool | float]
    seen: Sequence[int]
    quantile: float


class Feature(TypedDict, total=False):
    """A feature: a category has its `values`, or their number if they are personal."""

    name: str
    type: str
    values: list[str]
    distinct: int


class Data(TypedDict, total=False):
    """The table: its md5, and the periods of its files."""

    md5: str
    months: list[str]


class Part(TypedDict, total=False):
    """The training rows, or the holdout, with what the task describes of their labels.

    `by` is what decides which rows are held out, if not the time.
    """

    months: list[str]
    by: str
    rows: int
    unlabelled: int
    keys_sha256: str
    rows_sha256: str
    first: str
    last: str
    positives: int


class TrainPart(Part, total=False):
    """The training rows, and the section `train` of params.yaml."""

    params: dict[str, object]


class Golden(TypedDict):
    """A row of the holdout and its score: a number, or one of each class.

    The score is that of the environment of the training.
    """

    row: dict[str, object]
    probability: float | list[float]


class Manifest(TypedDict, total=False):
    """What a manifest has.

    `inputs` and `rules` are the schema of a request, `reference` the profile of each series of
    the holdout, `past` the reference history.
    """

    version: int
    model: Identity
    target: Target
    features: list[Feature]
    key: str | list[str] | None
    event_time: str | None
    inputs: list[ColumnSpec]
    rules: list[str]
    time_zone: str
    data: Data
    train: TrainPart
    holdout: Part
    threshold: float
    libraries: dict[str, str]
    requirements_sha256: str
    reference: dict[str, Profile]
    golden: list[Golden]
    past: History


def read_manifest(folder: Path = MODEL) -> Manifest:
    """Return the manifest of a model folder; raises SlipwayError if it is missing."""
    path = folder / MANIFEST_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SlipwayError(f"{path}: no such file", "train a model with `dvc repro`") from None
    return parse_manifest(content, path)


def parse_manifest(content: bytes, path: Path = Path(MANIFEST_FILE)) -> Manifest:
    """Return a manifest from its bytes.

    Raises
    ------
    SlipwayError
        They are no JSON object, or a key of it has another type.
    """
    remedy = "rebuild it with `dvc repro`"
    try:
        manifest: Manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SlipwayError(f"{path}: not JSON ({error})", remedy) from None
    if not isinstance(manifest, dict):
        raise SlipwayError(f"{path}: not a JSON object", remedy)
    try:
        _adapter().validate_python(manifest, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = _place(first["loc"], manifest, is_missing=first["type"] == "missing")
        raise SlipwayError(f"{path}: `{place}`: {first['msg']}", remedy) from None
    return manifest


def _place(parts: Sequence[str | int], manifest: Any, *, is_missing: bool) -> str:
    """Return the keys to a value; pydantic's place has the names of types between them."""
    value, keys = manifest, []
    for part in parts:
        is_key = isinstance(value, dict) and part in value
        if is_key or (isinstance(value, list) and isinstance(part, int)):
            value = value[part]
            keys.append(str(part))
    return ".".join([*keys, str(parts[-1])] if is_missing else keys)


@cache  # building it takes longer than many commands need
def _adapter() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)
