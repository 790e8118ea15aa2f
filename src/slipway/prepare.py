"""`slipway prepare`: split by time, compute the features, refuse a leak."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway import contract, stats
from slipway.errors import Refused, SlipwayError
from slipway.months import list_data, month_files, named, split_months
from slipway.score import feature_type
from slipway.tables import (
    keys_digest,
    read_columns,
    row_count,
    take,
    write_columns,
    write_json,
)

if TYPE_CHECKING:
    from slipway.contract import Columns
    from slipway.files import NotRead
    from slipway.settings import Params

PREPARED = Path("build/prepared")


@dataclass(frozen=True)
class Part:
    """Some months of rows, as `split.json` records them."""

    months: list[str]
    rows: int
    positives: int
    unlabelled: int
    keys_sha256: str
    first: str
    last: str


@dataclass(frozen=True)
class Split:
    """Both parts, and the files of ``data/`` that are in neither."""

    train: Part
    holdout: Part
    not_read: list[NotRead]

    def summary(self) -> str:
        lines = [
            f"{name}: {part.rows:,} rows, {part.positives / part.rows:.1%} positive, "
            f"{part.months[0]} to {part.months[-1]}, {part.unlabelled:,} without a label left out"
            for name, part in (("train", self.train), ("holdout", self.holdout))
        ]
        if self.not_read:
            lines.append(f"not read: {named(self.not_read)}")
        return "\n".join(lines)


def prepare(params: Params, out: Path = PREPARED) -> Split:
    """Write the training and holdout features, and the record of which rows are which.

    Raises
    ------
    Refused
        A feature is known only after the prediction is asked for, or predicts the label
        implausibly well by itself; or too many rows have no label.
    SlipwayError
        There are not enough months, a file cannot be read, or the files are not in an order of
        time (`slipway.months`).
    """
    older, newest = split_months(month_files(), params.prepare.holdout_months)
    split = Split(
        train=_prepare_part("train", older, params, out),
        holdout=_prepare_part("holdout", newest, params, out),
        not_read=list_data().not_read,
    )
    parts = {"train": asdict(split.train), "holdout": asdict(split.holdout)}
    write_json(parts, out / "split.json")
    return split


def labelled(columns: Columns) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the rows whose label is known and those labels, float32 of 0 and 1.

    Raises
    ------
    SlipwayError
        The labels are not binary.
    """
    labels = contract.label(columns)
    known = ~np.isnan(labels)
    return take(columns, known), labels[known]


def require_both_labels(name: str, labels: np.ndarray) -> None:
    """Refuse rows that all have the same label: nothing can be learned or measured on them.

    Raises
    ------
    SlipwayError
        Names the rows, and the label that they have.
    """
    values = np.unique(labels)
    if len(values) < 2:
        found = f"only the label {values[0]:g}" if len(values) else "no label"
        raise SlipwayError(
            f"the {name} rows have {found} (`{contract.TARGET}`), and 0 and 1 are needed",
            "look at `label` in src/model/target.py, or take more months: "
            "`prepare.holdout_months` in params.yaml",
        )


def check_leak(features: Columns, labels: np.ndarray, limit: float) -> None:
    """Refuse a feature that ranks the label better by itself than `limit` (AUC, either way).

    Raises
    ------
    Refused
        Names the feature and its AUC.
    """
    for name, values in features.items():
        auc = _solo_auc(values, labels)
        if auc > limit:
            raise Refused(
                f"feature `{name}` alone predicts the label with AUC {auc:.3f} "
                f"(prepare.max_feature_auc in params.yaml is {limit})",
                "that is the label in disguise, or known only afterwards: take it out of "
                "src/model/features.py, or raise the limit if you know why it is so good",
            )


def _prepare_part(name: str, files: list[Path], params: Params, out: Path) -> Part:
    columns = read_columns(files)
    rows, labels = labelled(columns)
    unlabelled = row_count(columns) - len(labels)
    _check_labels(name, labels, unlabelled, params.prepare.max_label_missing)
    allowed = {column: rows[column] for column in contract.inputs()}
    features = contract.features(allowed)
    if name == "train":
        check_leak(features, labels, params.prepare.max_feature_auc)
    key, time = rows[contract.key()], rows[contract.event_time()]
    write_columns({"key": key, "label": labels, **_named(features)}, out / f"{name}.parquet")
    return Part(
        months=[file.stem for file in files],
        rows=len(labels),
        positives=int(labels.sum()),
        unlabelled=unlabelled,
        keys_sha256=keys_digest(key),
        first=f"{time.min()}Z",
        last=f"{time.max()}Z",
    )


def _check_labels(name: str, labels: np.ndarray, unlabelled: int, limit: float) -> None:
    share = unlabelled / max(len(labels) + unlabelled, 1)
    if share > limit:
        raise Refused(
            f"{share:.1%} of the {name} rows have no label "
            f"(prepare.max_label_missing in params.yaml is {limit:.1%})",
            "wait until more labels have arrived, or leave the newest month out",
        )
    require_both_labels(name, labels)


def _named(features: Columns) -> dict[str, np.ndarray]:
    for values in features.values():
        feature_type(values)
    return {f"feature:{name}": values for name, values in features.items()}


def _solo_auc(values: np.ndarray, labels: np.ndarray) -> float:
    scores = _target_rate(values, labels) if values.dtype.kind in "OU" else np.nan_to_num(values)
    auc = stats.auc(labels, scores).value
    return max(auc, 1 - auc)


def _target_rate(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return each category's label rate, shrunk so that rare values do not explain themselves."""
    _, codes = np.unique(values.astype(str), return_inverse=True)
    rows = np.bincount(codes)
    rate: np.ndarray = (np.bincount(codes, weights=labels) + 20 * labels.mean()) / (rows + 20)
    return rate[codes]
