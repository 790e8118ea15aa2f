"""`slipway backtest`: fit at earlier origins, and score the period after each.

One holdout shows how a procedure does in one period. The judge compares at several: for each
origin but the last, which is the holdout, the estimator is fitted on the periods before it and
scores those after it, or on the other folds and scores one. `build/backtest` has a file of scores
for each, and a record of what was learned and scored.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from slipway import project
from slipway.dataset.labelled import LabelledRows
from slipway.dataset.origins import Origin
from slipway.dataset.periods import NAME
from slipway.dataset.split import Dataset
from slipway.dataset.table import FOLD, PART
from slipway.dataset.tables import keys_digest, read_columns, write_columns, write_json
from slipway.errors import LONGEST, SlipwayError
from slipway.numbers import counted
from slipway.progress import track
from slipway.repository.pointers import data_revision
from slipway.training.periods import Period, fit_and_score, joined
from slipway.training.score import read_scores, score_columns
from slipway.untrusted import shorten, shown_name
from slipway.workers import workers

if TYPE_CHECKING:
    from slipway.settings import Params, TrainSettings

BACKTEST = Path("build/backtest")

RECORD_FILE = "origins.json"

REMEDY = "make it again with `slipway backtest`; if a commit names it, restore it by its hash"

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
PeriodName = Annotated[str, Field(pattern=f"^({NAME}|{PART})$")]
Count = Annotated[int, Field(ge=0)]


class _Entry(BaseModel):
    # Strict: it is read from commits that are not trusted.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class OriginRecord(_Entry):
    """What was learned and scored at an origin.

    Attributes
    ----------
    sha256
        That of the origin: of the rows that were learned and scored.
    rows, positives, keys_sha256
        Of the scored rows with a known label.
    file
        The scores, named after the first period that is scored; None if there are none.
    not_fitted
        Why there are none.
    """

    sha256: Sha256
    learned: list[PeriodName]
    scored: Annotated[list[PeriodName], Field(min_length=1)]
    rows: Count
    positives: Count = 0
    keys_sha256: Sha256
    file: str | None = None
    not_fitted: Annotated[str, Field(min_length=1, max_length=LONGEST)] | None = None

    @model_validator(mode="after")
    def _has_one_result(self) -> OriginRecord:
        if (self.file is None) == (self.not_fitted is None):
            raise ValueError("expected either `file` or `not_fitted`")
        # No other name: it must not lead out of the folder.
        if self.file not in (None, f"{self.scored[0]}.parquet"):
            raise ValueError(f"`file` is not {self.scored[0]}.parquet, the first scored period")
        return self


class Record(_Entry):
    """The content of ``origins.json``.

    Attributes
    ----------
    data_md5
        The name that DVC gives to the data.
    train
        The section `train` of ``params.yaml``.
    origins
        All but the last one, which is the holdout; oldest first.
    """

    version: Literal[1]
    data_md5: str
    train: dict[str, JsonValue]
    origins: list[OriginRecord]

    @field_validator("origins")
    @classmethod
    def _has_each_once(cls, origins: list[OriginRecord]) -> list[OriginRecord]:
        for what in ("sha256", "scored"):
            if len({str(getattr(origin, what)) for origin in origins}) < len(origins):
                raise ValueError(f"two origins have the same `{what}`")
        return origins

    def text(self) -> str:
        lines = [
            f"{origin.scored[0]}: learned {_learned(origin)}, "
            + (
                f"not fitted: {origin.not_fitted}"
                if origin.not_fitted
                else f"{counted(origin.rows, 'row')} scored"
            )
            for origin in self.origins
        ]
        none = "no origin before the holdout (`prepare.origins`, periods of training data)"
        return "\n".join(lines) or none


def _learned(origin: OriginRecord) -> str:
    if origin.scored[0].startswith(FOLD):
        return f"the {len(origin.learned)} other folds"
    return f"{origin.learned[0]} to {origin.learned[-1]}"


@dataclass(frozen=True)
class Backtest:
    """The scores of a procedure at earlier origins, checked when they are read."""

    record: Record
    _scores: Mapping[str, np.ndarray]

    @classmethod
    def read(cls, folder: Path = BACKTEST) -> Backtest:
        """Read the folder that `slipway backtest` writes, which may be that of any commit.

        Raises
        ------
        SlipwayError
            A file is missing or cannot be read, or its content is not what the command writes.
        """
        record = _read_record(folder / RECORD_FILE)
        scores = {
            origin.sha256: _read_scores(folder / origin.file, origin)
            for origin in record.origins
            if origin.file
        }
        return cls(record, scores)

    def of(self, origin: Origin) -> OriginRecord | None:
        """Return the record of an origin with the same rows; None if there is none."""
        same = (found for found in self.record.origins if found.sha256 == origin.sha256)
        return next(same, None)

    def scores_on(self, origin: Origin, keys_sha256: str) -> np.ndarray | None:
        """Return the scores of an origin if they are of the rows with these keys."""
        entry = self.of(origin)
        return self.scores(origin) if entry and entry.keys_sha256 == keys_sha256 else None

    def scores(self, origin: Origin) -> np.ndarray | None:
        """Return the scores of an origin, shape (rows,), in the order of `Origin.read_scored`.

        None if it has no such origin, or the estimator could not be fitted there.
        """
        return self._scores.get(origin.sha256)


def backtest(params: Params, folder: Path = BACKTEST) -> Record:
    """Fit and score at each origin but the last one; write and return the record.

    The same inputs give the same bytes, whatever the number of cores.

    Raises
    ------
    SlipwayError
        The data cannot be read or split, or the features cannot be computed.
    """
    _empty(folder)
    dataset = Dataset.open(params)
    origins = dataset.origins(params.prepare.origins)[:-1]
    records = _write_scores(origins, dataset, params, folder) if origins else []
    record = Record(version=1, data_md5=data_revision(), train=params.train, origins=records)
    write_json(record.model_dump(exclude_none=True), folder / RECORD_FILE)
    return record


def _empty(folder: Path) -> None:
    """Remove the files of an earlier run."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _write_scores(
    origins: Sequence[Origin], dataset: Dataset, params: Params, folder: Path
) -> list[OriginRecord]:
    """Write a file of scores for each origin; return the records."""
    known = [LabelledRows.of(rows).known() for rows in dataset.table.read_each(dataset.learned)]
    keys = [project.row_keys(rows.columns) for rows in known]
    periods = [Period.of(rows) for rows in known]
    most = params.prepare.sample_rows
    jobs = [(params.train, most, [*origin.learned], [*origin.scored]) for origin in origins]
    records = []
    with workers() as pool:
        results = track(pool.run(_try, jobs, periods), "Backtesting", len(jobs))
        for origin, result in zip(origins, results, strict=True):
            of_rows = np.concatenate([keys[number] for number in origin.scored])
            labels = np.concatenate([periods[number].labels for number in origin.scored])
            records.append(_save(origin, of_rows, labels, result, folder))
    return records


def _try(
    train: TrainSettings,
    most: int | None,
    learned: list[int],
    scored: list[int],
    periods: Sequence[Period],
) -> np.ndarray | str:
    """Return the scores at an origin, or why there are none, in a sentence."""
    task = project.task()
    past = joined((periods[at] for at in learned), most)
    later = joined(periods[at] for at in scored)
    try:
        for name, part in (("learned", past), ("scored", later)):
            task.require(name, project.TARGET, part.labels)
        scores = task.rounded(fit_and_score(train, past, later))
    except SlipwayError as error:
        return shorten(" ".join(str(error).split()), LONGEST)
    wrong = int(task.invalid(scores).sum())
    return f"{wrong:,} of its scores are not {task.valid_scores}" if wrong else scores


def _save(
    origin: Origin, keys: np.ndarray, labels: np.ndarray, result: np.ndarray | str, folder: Path
) -> OriginRecord:
    """Write the scores of an origin, if there are any; return its record."""
    file = reason = None
    if isinstance(result, str):
        reason = result
    else:
        file = f"{origin.name}.parquet"
        write_columns({"key": keys, **score_columns(result)}, folder / file)
    return OriginRecord(
        sha256=origin.sha256,
        learned=origin.learned_periods,
        scored=origin.scored_periods,
        rows=len(labels),
        **project.task().counts(labels),
        keys_sha256=keys_digest(keys),
        file=file,
        not_fitted=reason,
    )


def _read_record(path: Path) -> Record:
    try:
        return Record.model_validate_json(path.read_bytes())
    except OSError:
        raise SlipwayError(f"{path}: no such file", "make it with `slipway backtest`") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(shown_name(str(part), 60) for part in first["loc"]) or "the file"
        raise SlipwayError(f"{path}: {key}: {first['msg']}", REMEDY) from None


def _read_scores(path: Path, origin: OriginRecord) -> np.ndarray:
    columns, task = read_columns([path]), project.task()
    scores = read_scores(columns)
    if scores is None:
        raise SlipwayError(f"{path}: expected the columns key and score (float64)", REMEDY)
    if scores.shape[1:] != ((len(task.classes),) if task.classes else ()):
        has = counted(scores.shape[1], "column") if scores.ndim > 1 else "one column"
        expected = f"one for each of {len(task.classes)} classes" if task.classes else "one"
        what = f"{has} of scores; a {task.name} model has {expected}"
        raise SlipwayError(f"{path}: {what}", REMEDY)
    if len(scores) != origin.rows:
        what = f"{counted(len(scores), 'row')}, and {RECORD_FILE} has {origin.rows:,}"
        raise SlipwayError(f"{path}: {what}", REMEDY)
    if keys_digest(columns["key"]) != origin.keys_sha256:
        raise SlipwayError(f"{path}: other keys than {RECORD_FILE} has", REMEDY)
    if wrong := int(task.invalid(scores).sum()):
        raise SlipwayError(
            f"{path}: {wrong:,} of {len(scores):,} scores are not {task.valid_scores}", REMEDY
        )
    return scores
