"""`slipway audit`: answer the question, and write it as text, JSON and HTML."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from slipway.audit.document import log_document
from slipway.audit.find import Found, find_records
from slipway.audit.replay import decider, replay
from slipway.audit.sealed import SEALED, changed_seals
from slipway.audit.trail import trail
from slipway.audit.trail_document import Audit, Erased, audit_document, erased_document
from slipway.audit.verify import FileFault, seal_log, verify_log
from slipway.audit.what_if import boundary, read_assignment, what_if
from slipway.documents.output import Output
from slipway.errors import NO, YES, SlipwayError
from slipway.numbers import counted
from slipway.repository.erasures import ERASURES, Erasure, erasure_of, read_erasures, uncommitted


@dataclass(frozen=True)
class Question:
    """What is asked of some predictions."""

    ids: Sequence[str]
    what_if: Sequence[str] = ()
    boundary: str = ""
    replay: bool = False

    @property
    def needs_model(self) -> bool:
        return bool(self.what_if or self.boundary)


def verify(root: Path, log: str, checkpoints: str, output: Output) -> int:
    """Verify a log; return the exit code."""
    found = verify_log(log, checkpoints, root / SEALED, root / ERASURES)
    what = f"its entry in {SEALED} is not the one of the last commit"
    found.faults += [FileFault(file=name, line=0, what=what) for name in changed_seals(root)]
    found.uncommitted = uncommitted(root)
    output.write([log_document(found)], found.model_dump_json(indent=1).encode())
    return found.exit_code


def seal(log: str, checkpoints: str, output: Output) -> int:
    """Seal the complete files of a log; return the exit code."""
    added = seal_log(log, checkpoints)
    what = f"{counted(len(added), 'file')} added" if added else "nothing new"
    output.echo(f"{SEALED}: {what}")
    return YES


def predictions(root: Path, log: str, question: Question, output: Output) -> int:
    """Answer a question about predictions; return the exit code."""
    ids = list(dict.fromkeys(question.ids))
    if question.needs_model and len(ids) > 1:
        raise SlipwayError("--what-if and --boundary are of one prediction", "name one id")
    erasures = read_erasures(root / ERASURES)
    erased = [_erased(each, one) for each in ids if (one := erasure_of(each, erasures))]
    gone = {each.id for each in erased}
    ids = [each for each in ids if each not in gone]
    if question.needs_model and erased:
        raise SlipwayError(f"{erased[0].id}: erased on {erased[0].erased}", "name another id")
    found = find_records(log, ids) if ids else []
    again = replay(root, found) if question.replay else [None] * len(found)
    audits = [
        Audit(trail=trail(root, each), replay=scored)
        for each, scored in zip(found, again, strict=True)
    ]
    if question.needs_model:
        audits = [_with_variations(root, found[0], audits[0], question)]
    documents = [*map(erased_document, erased), *map(audit_document, audits)]
    output.write(documents, AUDITS.dump_json([*erased, *audits], indent=1))
    return NO if erased or any(each and each.result == "different" for each in again) else YES


def _with_variations(root: Path, found: Found, audit: Audit, question: Question) -> Audit:
    with decider(root, str(found.record.get("commit") or "")) as model:
        changes = [read_assignment(text, model) for text in question.what_if]
        if len(changes) > 1:
            changes.append(dict(ChainMap(*changes)))
        answers = what_if(found, changes, model) if changes else []
        place = boundary(found, question.boundary, model) if question.boundary else None
    return audit.model_copy(update={"what_if": answers, "boundary": place})


def _erased(prediction: str, erasure: Erasure) -> Erased:
    return Erased(id=prediction, erased=f"{erasure.time[:10]}")


AUDITS = TypeAdapter(list[Erased | Audit])
