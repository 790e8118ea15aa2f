"""`slipway explain`: the explanation of a logged prediction, by the model that made it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

import slipway
from slipway.audit.find import Found, find_records
from slipway.audit.replay import Decider, decider
from slipway.dataset.tables import write_columns
from slipway.documents.document import Block, Document, Section, Table
from slipway.documents.output import Output
from slipway.errors import YES, SlipwayError
from slipway.explain.explanation import Explanation, require_packages
from slipway.numbers import counted
from slipway.predictions.answers import Fields
from slipway.repository.git import PREFIX
from slipway.repository.layout import MODEL_CODE
from slipway.repository.worktrees import environment
from slipway.training.formats.choose import PARITY
from slipway.untrusted import quote, quote_text

MACHINE = str(Path(slipway.__file__).parents[1])

CELL = 40  # characters of a value


class Explained(BaseModel):
    """The explanation of a logged prediction."""

    id: str
    commit: str
    model: str
    answer: Fields
    explanation: Explanation


def explain(root: Path, log: str, given: str, explained_class: str, output: Output) -> int:
    """Explain a prediction of the log; return the exit code.

    Raises
    ------
    SlipwayError
        There is no such prediction, its model cannot be obtained or does not have the class, or the
        packages of the extra `explain` are missing.
    """
    require_packages()
    (found,) = find_records(log, [given])
    commit = str(found.record.get("commit") or "")
    with decider(root, commit) as model:
        explanation = explain_by(found, model, explained_class)
    explained = Explained(
        id=found.id,
        commit=commit,
        model=str(found.record["model"]),
        answer=found.answer(),
        explanation=explanation,
    )
    output.write([explained_document(explained)], explained.model_dump_json(indent=1).encode())
    return YES


def explain_by(found: Found, model: Decider, explained_class: str = "") -> Explanation:
    """Return the explanation of a record, by the model that made the prediction.

    The features are those of the commit's code, and the code that explains is that of this package.

    Raises
    ------
    SlipwayError
        The row cannot be explained; or its prediction is not the one in the record.
    """
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        row, out = Path(folder) / "row.parquet", Path(folder) / "explanation.json"
        write_columns(model.columns([found.record["input"]]), row)
        done = subprocess.run(
            [sys.executable, "-m", "slipway.explain", str(row), str(out), explained_class],
            cwd=model.built.tree,
            env=environment(model.built.tree)
            | {"PYTHONPATH": os.pathsep.join([MACHINE, str(model.built.tree / MODEL_CODE)])},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            what, *do = (done.stderr.strip() or "no message").splitlines()
            raise SlipwayError(
                f"the prediction cannot be explained: {what.removeprefix('slipway: ')}",
                do[0].strip(" →") if do else "see docs/explain.md",
            )
        explanation = Explanation.model_validate_json(out.read_bytes())
    recorded = _recorded(found, explanation)
    if not abs(recorded - explanation.prediction) <= PARITY * max(1.0, abs(recorded)):
        raise SlipwayError(
            f"the model of the commit predicts {explanation.prediction:g} for this row, and the "
            f"record has {recorded:g}: an explanation would be of another model",
            f"see `slipway audit {found.id} --replay`",
        )
    return explanation


def _recorded(found: Found, explanation: Explanation) -> float:
    """Return the number in the record that is explained."""
    record = found.record
    if "probabilities" in record and explanation.explained_class is not None:
        return float(record["probabilities"][explanation.explained_class])
    return float(record["probability"] if "probability" in record else record["value"])


def explained_document(explained: Explained) -> Document:
    """Return an explanation as a document."""
    found = explained.explanation
    of = f" of {quote(found.explained_class)}" if found.explained_class else ""
    headline = f"Prediction {quote(explained.id)}: {found.prediction:.6g}{of}"
    blocks: list[Block] = [_contributions(found), "\n".join(f"- {each}" for each in _notes(found))]
    model = f"model {quote(explained.model[:12])} of commit {quote(explained.commit[:7])}"
    return Document("good", headline, blocks, [Section("Origin", [model])], [])


def _contributions(found: Explanation) -> Table:
    sampled = not found.exact
    rows = [
        [
            quote(each.feature),
            "missing" if each.value is None else quote(_text(each.value), CELL),
            f"{each.contribution:+.4f}",
            *([f"{each.error:.4f}"] if each.error is not None else []),
        ]
        for each in found.contributions
    ]
    head = ["Feature", "Value", "Contribution", *(["Standard error"] if sampled else [])]
    empty = [""] * sampled
    rows.append(["baseline", "", f"{found.baseline.value:+.4f}", *empty])
    rows.append(["sum", "", f"{found.raw:+.4f}", *empty])
    return Table(head, rows, frozenset({2, 3} if sampled else {2}))


def _notes(found: Explanation) -> Iterator[str]:
    yield f"Unit of the contributions: {found.unit}. Method: {found.method} of shap."
    yield f"Baseline: the mean of {counted(found.baseline.rows, 'row')}: {found.baseline.of}."
    if found.last_step != "none":
        yield f"Last step, {found.last_step}: {found.raw:.6g} becomes {found.prediction:.6g}."
    if found.reason:
        yield f"Not by trees or a linear model: {quote_text(found.reason)}."


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
