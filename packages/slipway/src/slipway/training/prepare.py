"""`slipway prepare`: split the rows, compute the features, refuse a leak."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from slipway import project
from slipway.dataset.dependence import Dependence, column_of
from slipway.dataset.files import NotRead
from slipway.dataset.folder import named
from slipway.dataset.labelled import LabelledRows
from slipway.dataset.split import Dataset, evenly_spaced
from slipway.dataset.table import FOLD, HELD_OUT, TIME
from slipway.dataset.tables import PREPARED, write_columns, write_json
from slipway.errors import Refused
from slipway.numbers import counted
from slipway.training.diagnostics import DIAGNOSTICS
from slipway.training.diagnostics.base import strength_of
from slipway.training.score import feature_type
from slipway.untrusted import shown_name

if TYPE_CHECKING:
    from slipway.project import Columns
    from slipway.settings import Params
    from slipway.tasks.base import LabelStatistics


@dataclass(frozen=True)
class Part:
    """Some rows, as `split.json` records them; `months` has the names of their periods.

    `first` and `last` are the times of the first and the last event; "" if rows have no time.
    `rows_sha256` is the digest of all rows if they have no key, else "".
    """

    months: list[str]
    rows: int
    labels: LabelStatistics
    unlabelled: int
    keys_sha256: str
    first: str
    last: str
    by: str
    rows_sha256: str

    def record(self) -> dict[str, object]:
        """Return what the manifest records: what describes the labels is among the other fields."""
        rest = ("unlabelled", "keys_sha256", "first", "last")
        record = {"months": self.months, "rows": self.rows, **self.labels.model_dump()}
        record |= {name: getattr(self, name) for name in rest}
        some = {"by": self.by if self.by != TIME else "", "rows_sha256": self.rows_sha256}
        return record | {name: value for name, value in some.items() if value}

    def span(self) -> str:
        """Return the first and the last period; of rows without periods, their number of folds."""
        if self.months[0] == HELD_OUT:
            return f"by {self.by}"
        if self.months[0].startswith(FOLD):
            return counted(len(self.months), "fold")
        return " to ".join(dict.fromkeys([self.months[0], self.months[-1]]))


@dataclass(frozen=True)
class Split:
    """Both parts, and the files of ``data/`` that are in neither.

    `notes` has a sentence for each thing that the split does not rule out.
    """

    train: Part
    holdout: Part
    not_read: list[NotRead]
    notes: list[str]

    def summary(self) -> str:
        lines = [
            f"{name}: {counted(part.rows, 'row')}, "
            f"{part.labels.summary(part.rows)}, {part.span()}, "
            f"{part.unlabelled:,} without a label left out"
            for name, part in (("train", self.train), ("holdout", self.holdout))
        ]
        lines += self.notes
        if self.not_read:
            lines.append(f"not read: {named(self.not_read)}")
        return "\n".join(lines)


def prepare(params: Params, out: Path = PREPARED) -> Split:
    """Write the training features, and the record of which rows are held out.

    Raises
    ------
    Refused
        A feature is known only after the prediction is requested, or predicts the label
        implausibly well by itself; or too many rows have no label.
    SlipwayError
        The data cannot be read or split (`slipway.dataset.split`).
    """
    params.judge.check_metrics(project.task().name)
    dataset = Dataset.open(params)
    limit = params.prepare.max_label_missing
    rows = LabelledRows.of(dataset.read_train())
    training = _labelled("train", rows, limit)
    features = project.features(training.inputs())
    check_leak(features, training.labels, params.prepare.max_feature_auc)
    columns = {"key": project.row_keys(training.columns), "label": training.labels}
    columns |= _named(features)
    most = params.prepare.sample_rows or len(training.labels)
    write_columns(evenly_spaced(columns, most), out / "train.parquet")
    held_out = _labelled("holdout", dataset.holdout, limit)
    split = Split(
        train=_part(dataset, dataset.learned, training, rows.unlabelled),
        holdout=_part(dataset, dataset.held_out, held_out, dataset.holdout.unlabelled),
        not_read=list(dataset.not_read),
        notes=[
            *_notes_on_sample(most, len(training.labels)),
            *_notes_on_keys(),
            *_notes_on_entities(dataset, training, held_out),
        ],
    )
    sample = {"sample_rows": most} if most < len(training.labels) else {}
    write_json(
        {"train": split.train.record() | sample, "holdout": split.holdout.record()},
        out / "split.json",
    )
    return split


def check_leak(features: Columns, labels: np.ndarray, limit: float) -> None:
    """Refuse a feature that ranks the label better by itself than `limit` (AUC, either way).

    For several classes it is the highest AUC of one against the others, for numbers the
    concordance index: the share of pairs of rows that are ranked correctly.

    Raises
    ------
    Refused
        Names the feature and its AUC.
    """
    diagnostics = DIAGNOSTICS[project.task().name]
    for name, values in features.items():
        strength = strength_of(diagnostics, values, labels)
        if strength > limit:
            raise Refused(
                f"feature `{name}` alone predicts the label with AUC {strength:.3f} "
                f"(prepare.max_feature_auc in params.yaml is {limit})",
                "it is the label in disguise, or known only afterwards: remove it from "
                "src/model/features.py, or raise the limit if you know why it is so good",
            )


def _labelled(name: str, rows: LabelledRows, limit: float) -> LabelledRows:
    """Return the rows with a known label; refuse too many without one."""
    share = rows.unlabelled / max(len(rows.labels), 1)
    if share > limit:
        raise Refused(
            f"{share:.1%} of the {name} rows have no label "
            f"(prepare.max_label_missing in params.yaml is {limit:.1%})",
            "wait until more labels have arrived, or leave the newest rows out",
        )
    return rows.labelled(name)


def _part(dataset: Dataset, parts: range, rows: LabelledRows, unlabelled: int) -> Part:
    name = project.event_time()
    first, last = ("", "") if name is None else _ends(rows.columns[name])
    return Part(
        months=[dataset.periods[part] for part in parts],
        rows=len(rows.labels),
        labels=project.task().describe(rows.labels),
        unlabelled=unlabelled,
        keys_sha256=rows.keys_sha256,
        first=first,
        last=last,
        by=dataset.table.by,
        rows_sha256="" if project.key_columns() else dataset.table.digest(parts),
    )


def _ends(times: np.ndarray) -> tuple[str, str]:
    return f"{times.min()}Z", f"{times.max()}Z"


def _notes_on_sample(most: int, rows: int) -> Iterator[str]:
    if most < rows:
        yield f"models are fitted on {most:,} of the training rows, evenly spaced"


def _notes_on_keys() -> Iterator[str]:
    if not project.key_columns():
        yield (
            "no key (`KEY` is None): a row is known by its file and its number in it, so append "
            "rows only; repeated rows are not found, and labels are joined by the id of a "
            "prediction alone"
        )


def _notes_on_entities(
    dataset: Dataset, training: LabelledRows, holdout: LabelledRows
) -> Iterator[str]:
    """Yield for each entity how many rows of the holdout are of one in the training data."""
    remedy = (
        ""
        if dataset.table.is_random
        else " (for new ones: `prepare.holdout: {by: entity, share: 0.2}`)"
    )
    for name in Dependence.declared().entities:
        known, values = (pd.Series(column_of(name, rows.columns)) for rows in (training, holdout))
        if count := int((values.notna() & values.isin(known.dropna().unique())).sum()):
            yield (
                f"{count:,} of {len(values):,} holdout rows have a {shown_name(name)} that is also "
                f"in the training data: the metrics are about such rows{remedy}"
            )


def _named(features: Columns) -> dict[str, np.ndarray]:
    for values in features.values():
        feature_type(values)
    return {f"feature:{name}": values for name, values in features.items()}
