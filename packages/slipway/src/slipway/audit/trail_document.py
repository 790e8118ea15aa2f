"""The chain of a prediction as a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from pydantic import BaseModel

from slipway.audit.replay import Replay
from slipway.audit.trail import Trail
from slipway.audit.what_if import Boundary, WhatIf
from slipway.documents.document import Block, Document, Section, Table
from slipway.untrusted import quote, quote_text, shown

PARAMS_SHOWN, CHANGES_SHOWN = 40, 20

CELL = 100  # characters; a sha256 fits


class Audit(BaseModel):
    """The answer to a question about one prediction."""

    trail: Trail
    replay: Replay | None = None
    what_if: list[WhatIf] = []
    boundary: Boundary | None = None


class Erased(BaseModel):
    """The answer about a prediction that was erased; `erased` is the day."""

    id: str
    erased: str


def erased_document(answer: Erased) -> Document:
    """Return that a prediction was erased."""
    why = f"Its record was erased on {answer.erased}, on request: `slipway forget`."
    return Document("open", f"Prediction {quote(answer.id)}: erased", [why], [], [])


def audit_document(audit: Audit) -> Document:
    """Return what is known of a prediction."""
    made, again = audit.trail, audit.replay
    is_same = again is None or again.result == "identical"
    blocks: list[Block] = [_table("", _facts(made))]
    if again is not None:
        blocks.append(_replayed(again))
    blocks += ["**Input**", _table("Column", made.input.items())]
    blocks += [*_what_if(audit), *_boundary(audit), *_commit(made), *_judgements(made)]
    blocks += _events(made)
    if made.unknown:
        blocks += ["**Not known**", "\n".join(f"- {quote_text(each)}" for each in made.unknown)]
    return Document(
        "good" if is_same else "bad", f"Prediction {quote(made.id)}", blocks, _params(made), []
    )


def _facts(made: Trail) -> Iterator[tuple[str, Any]]:
    yield "time", made.time
    yield from made.answer.items()
    yield "for human review", made.review
    for reason in made.reasons:
        yield f"reason: {reason.get('rule')}", reason.get("message")
    yield "model (sha256)", made.model
    yield "data (md5)", made.data
    yield "record", made.place


def _table(heading: str, values: Iterable[tuple[str, Any]]) -> Table:
    rows = [[quote(name), _cell(value)] for name, value in values]
    return Table([heading, "Value"] if heading else ["", ""], rows)


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return quote(text, CELL)


def _replayed(again: Replay) -> str:
    how = f"by model {quote(again.model[:12])}, {quote_text(again.origin)}"
    if again.result == "identical":
        gap = again.most_difference
        rounding = f", but for the rounding of a score in a batch ({gap:.1g})" if gap else ""
        return f"**Scored again: identical**{rounding}, {how}."
    return (
        f"**Scored again: different**, {how}: {_cell(again.again)}; the largest difference of a "
        f"score is {again.most_difference:.3g}."
    )


def _what_if(audit: Audit) -> list[Block]:
    if not audit.what_if:
        return []
    # First, since the probabilities of many classes are cut.
    decides = any("decision" in each.answer for each in audit.what_if)
    rows = []
    for each in audit.what_if:
        answer = dict(each.answer)
        decision = [_cell(answer.pop("decision"))] if decides else []
        rows.append([_cell(each.changed), *decision, _cell(answer)])
    return ["**What if**", Table(["Changed", *["Decision"] * decides, "Answer"], rows)]


def _boundary(audit: Audit) -> list[Block]:
    found = audit.boundary
    if found is None:
        return []
    value, decision = quote(shown(found.value)), quote(shown(found.decision))
    blocks: list[Block] = [
        f"**Where the decision changes: {quote(found.field)}**",
        f"It is {decision} at {value}. Tried: {quote_text(found.tried)}.",
    ]
    if not found.changes:
        return [*blocks, "The decision is the same for all of them."]
    rows = [
        [
            quote(shown(part))
            for part in (each.before, each.decision_before, each.after, each.decision_after)
        ]
        for each in found.changes[:CHANGES_SHOWN]
    ]
    return [*blocks, Table(["Value", "Decision", "Next value", "Decision there"], rows)]


def _commit(made: Trail) -> list[Block]:
    commit = made.commit
    if commit is None:
        return []
    about = {
        "commit": commit.hash,
        "author": commit.author,
        "date": commit.date,
        "subject": commit.subject,
        "data.dvc (md5)": commit.data_md5,
        "build/model in dvc.lock (md5)": commit.model_md5,
        "requirements.lock (git blob)": commit.requirements,
    }
    return ["**Commit**", _table("", about.items())]


def _judgements(made: Trail) -> list[Block]:
    if not made.verdicts:
        return []
    rows = [
        [quote(each.verdict), quote(each.champion[:12]), _cell(each.may_merge), _cell(each.file)]
        for each in made.verdicts
    ]
    head = ["Verdict", "Compared with", "May be merged", "Record"]
    return ["**Judgements**", Table(head, rows)]


def _events(made: Trail) -> list[Block]:
    if not made.events:
        return []
    rows = [
        [
            *(quote(part) for part in (each.event, each.at, each.by)),
            _cell(each.source),
            quote_text(each.verdict),
        ]
        for each in made.events
    ]
    return ["**Releases**", Table(["Event", "Time", "By", "Source", "Verdict"], rows)]


def _params(made: Trail) -> list[Section]:
    if made.commit is None or not made.commit.params:
        return []
    shown_params = list(made.commit.params.items())[:PARAMS_SHOWN]
    return [Section("Parameters", [_table("Key", shown_params)])]
