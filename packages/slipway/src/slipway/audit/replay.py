"""Score stored rows again: with the model of their commit, its code and its packages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import orjson
from pydantic import BaseModel

from slipway.audit.find import Found
from slipway.comparison.champion import Built, build, has_model, tree_of
from slipway.dataset.tables import write_columns
from slipway.errors import SlipwayError
from slipway.manifest import Manifest
from slipway.predictions.answers import Answers, Fields, answers_of, flat_score, is_same_answer
from slipway.predictions.personal import require_rows
from slipway.predictions.record import TaskAnswer
from slipway.project import Row
from slipway.repository.git import PREFIX, resolve
from slipway.schema.validator import Rows, RowValidator
from slipway.tasks import task_of

Result = Literal["identical", "different"]


class Replay(BaseModel):
    """The answer of a prediction that was computed again.

    `origin` is how the model was obtained, and `model` the sha256 of its file.
    """

    id: str
    result: Result
    origin: str
    model: str
    recorded: Fields
    again: Fields
    most_difference: float


@dataclass(frozen=True)
class Decider:
    """The model that made a prediction, ready to score rows with the code of its commit."""

    built: Built
    answers: Answers
    manifest: Manifest

    def answer(self, rows: Sequence[Row]) -> list[TaskAnswer]:
        """Return the answers to rows, as they were sent.

        Raises
        ------
        SlipwayError
            A row is not one of the schema of that model, or its code cannot score it.
        """
        columns = self.columns(rows)
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            given, out = Path(folder) / "rows.parquet", Path(folder) / "scores.parquet"
            write_columns(columns, given)
            scores, reason = self.built.score(given, out)
        if scores is None:
            raise SlipwayError(
                f"the code of the commit cannot score the stored rows: {reason}",
                "the record may be of another model",
            )
        return [self.answers.answer(score) for score in scores.tolist()]

    def columns(self, rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """Return rows, as they were sent, as the columns of the model's schema.

        Raises
        ------
        SlipwayError
            A row is not one of that schema, or lacks personal columns.
        """
        require_rows(self.manifest["inputs"], "score a record again")
        validator = RowValidator(self.manifest["inputs"], {}, max(len(rows), 1))
        # Each alone: rows of one request need different keys.
        parsed = [_parse(validator, row) for row in rows]
        return {
            name: np.concatenate([each.columns[name] for each in parsed])
            for name in parsed[0].columns
        }


@contextmanager
def decider(root: Path, commit: str) -> Iterator[Decider]:
    """Yield the model that a commit locks: restored by hash, or rebuilt in its own environment.

    Raises
    ------
    SlipwayError
        The commit is not known, has no model, or was not committed when the model was made.
    """
    if not commit or commit.endswith("-dirty"):
        raise SlipwayError(
            f"the model is of files that were not committed ({commit or 'no commit is recorded'})",
            "only models of commits can be scored again",
        )
    with tree_of(root, resolve(root, commit)) as tree:
        if not has_model(tree):
            raise SlipwayError(f"commit {commit[:7]} has no model in its dvc.lock")
        built = build(root, tree)
        manifest = built.manifest
        yield Decider(built, answers_of(task_of(manifest), manifest), manifest)


def replay(root: Path, found: Sequence[Found]) -> list[Replay]:
    """Score the rows of records again, those of each commit together.

    Returns
    -------
    list
        In the sequence of the records.

    Raises
    ------
    SlipwayError
        A model cannot be obtained, or cannot score a row.
    """
    commits = dict.fromkeys(str(each.record.get("commit") or "") for each in found)
    results: dict[str, Replay] = {}
    for commit in commits:
        own = [each for each in found if str(each.record.get("commit") or "") == commit]
        with decider(root, commit) as model:
            answers = model.answer([each.record["input"] for each in own])
            for each, again in zip(own, answers, strict=True):
                results[each.id] = _compare(each, again, model.built)
    return [results[each.id] for each in found]


def _compare(found: Found, again: TaskAnswer, built: Built) -> Replay:
    recorded = found.answer()
    before, after = flat_score(recorded), flat_score(again)
    gaps = [abs(one - other) for one, other in zip(before, after, strict=False)]
    same = is_same_answer(again, recorded) and built.sha256 == found.record["model"]
    return Replay(
        id=found.id,
        result="identical" if same else "different",
        origin=built.origin,
        model=built.sha256,
        recorded=recorded,
        again=dict(again),
        most_difference=max(gaps, default=0.0),
    )


def _parse(validator: RowValidator, row: Row) -> Rows:
    parsed = validator.parse(orjson.dumps(row))
    if isinstance(parsed, Rows):
        return parsed
    fault = parsed[0]
    raise SlipwayError(
        f"the row is not one of the model's schema: {fault['field']}: {fault['message']}",
        "see the columns with `slipway schema`",
    )
