"""A judgement as a document: the verdict, then the main numbers, the rest in sections."""

from __future__ import annotations

from collections.abc import Iterator

from slipway.comparison.report import (
    Change,
    ChangedDecisions,
    CostEntry,
    DataChanges,
    Difference,
    Direction,
    Judgement,
    ModelEntry,
)
from slipway.dataset.periods import called
from slipway.documents.document import Block, Document, Table
from slipway.numbers import counted, plain, signed
from slipway.protected.packages import is_grave
from slipway.reports import details, messages
from slipway.reports.reasons import NAMES, newest_part
from slipway.untrusted import quote

# Names in one line; the rest is counted.
LISTED = 6

# As many as fit into a comment, of the names that a reader must see.
SHOWN = 100

NO_VALUE = "–"  # noqa: RUF001

LOCKS = {
    "identical": "identical (rebuilt from the inputs, same bytes)",
    "equivalent": "equivalent (rebuilt from the inputs, other last digits; the rebuilt is judged)",
    "different": "**different** (rebuilt from the inputs, another model)",
    "stale": "**stale** (written for other inputs)",
    "not checked": "not checked here (`slipway verify-lock` does)",
}

# Unit and digits of each cost.
UNITS = {"row_ms": ("ms", 3), "model_mb": ("MB", 2)}

NOTES = {
    "own rule": "Settings that `judge` in params.yaml of the base commit lacks were taken from "
    "this change: {about}.",
    "own clusters": "**Look closely:** which rows depend on each other is taken from this change, "
    "since src/model/schema.py of the base {about} is missing or names columns that these rows "
    "do not have.",
    "one holdout": "**Only {newest} decides**, because the models could not be compared "
    "on the other {parts} ({about}).",
    "few periods": "**Only {newest} decides**, because an earlier one needs half of the training "
    "data before it, two periods or more, and there are {about}.",
    "period left out": "One of the {parts} is left out: {about}.",
    "snapshots": "All rows of a period have one {about}, so they are taken to be independent, and "
    "only the newest period decides. If some rows belong together, name their column in `CLUSTERS` "
    "of src/model/schema.py.",
    "unreadable records": "**Look closely:** the base has files in reports/judgements that are no "
    "records of judgements ({about}). They count as judgements by their names; a best champion "
    "that one of them named is not compared with. Restore them from git, or delete them.",
}


def judgement(report: Judgement, foot: list[str], *, full: bool, update: str = "") -> Document:
    """Return a judgement as a document; `full` lists every row of its tables.

    Parameters
    ----------
    update
        How a stale lock is updated, if that is not done by hand.
    """
    return Document(
        tone=messages.tone(report),
        headline=messages.headline(report),
        blocks=list(_blocks(report, update)),
        sections=details.sections(report, full=full),
        foot=[*_foot(report), *foot],
    )


def _blocks(report: Judgement, update: str) -> Iterator[Block]:
    steps = [f"**What to do:** {step}" for step in messages.advice(report)]
    if report.waits_for_lock:
        yield update or steps.pop()
        steps = []
    yield " ".join(messages.lead(report))
    points = messages.more_stops(report) + steps
    points += list(_notes(report))
    if points:
        yield "\n".join(f"- {point}" for point in points)
    if report.champion and report.metrics:
        yield _numbers(report, report.champion)
    yield "\n".join(f"- {line}" for line in _changes(report))


def _numbers(report: Judgement, champion: ModelEntry) -> Table:
    rows = [
        [
            NAMES[row.name],
            value(row.champion),
            value(row.challenger),
            change(row.difference),
            row.verdict,
        ]
        for row in report.metrics
    ]
    rows += [_cost(name, cost) for name, cost in report.cost.entries().items()]
    head = [
        "on the same rows",
        f"champion `{champion.model[:4]}…`",
        f"this change `{report.challenger.model[:4]}…`",
        f"difference ({messages.level(report)})",
        "",
    ]
    return Table(head, rows, numbers=frozenset({1, 2, 3}))


def value(number: float | None) -> str:
    return NO_VALUE if number is None else plain(number)


def change(difference: Difference) -> str:
    low, high = signed(difference.low), signed(difference.high)
    return f"{signed(difference.value)} ({low} … {high})"


def _cost(name: str, cost: CostEntry) -> list[str]:
    unit, digits = UNITS[name]
    before, after = cost.champion, cost.challenger
    return [
        NAMES[name],
        NO_VALUE if before is None else f"{before:.{digits}f} {unit}",
        f"{after:.{digits}f} {unit}",
        "" if before is None else f"{signed(after - before, digits)} {unit}",
        "over the limit" if after > cost.limit else f"within {cost.limit:g} {unit}",
    ]


def _changes(report: Judgement) -> Iterator[str]:
    changes = report.changes
    parts = [f"**protected: {_all(changes.protected)}**"] if changes.protected else []
    if changes.dependencies:
        parts.append(f"dependencies: {_dependencies(changes.dependencies)}")
    if changes.params:
        settings = [
            f"{quote(row.name)} {quote(row.champion, 30)} → {quote(row.challenger, 30)}"
            for row in changes.params
        ]
        parts.append(f"parameters: {_list(settings)}")
    if report.data:
        parts.append(f"data: {_data(report.data)}")
    protected = set(changes.protected)
    others = [quote(name) for name in changes.files if name not in protected]
    if others:
        parts.append(f"files: {_list(others)}")
    yield f"**Changed:** {' · '.join(parts) or 'nothing that is compared'}"
    yield f"**Lock:** {LOCKS[report.lock]}{_both_models(report.challenger)}"
    if report.changed_decisions:
        yield _decisions(report.changed_decisions, report.holdout.rows)


def _both_models(challenger: ModelEntry) -> str:
    """Return the names of the rebuilt model and of another one that the lock records."""
    if not challenger.recorded:
        return ""
    return f": `{challenger.model[:12]}`; dvc.lock records `{challenger.recorded[:12]}`"


def _all(names: list[str]) -> str:
    """Return names that a reader must see: hundreds, before any is left out."""
    shown = ", ".join(quote(name, 120) for name in names[:SHOWN])
    hidden = len(names) - SHOWN
    return f"{shown} and {hidden} MORE PROTECTED FILES" if hidden > 0 else shown


def _dependencies(rows: list[Change]) -> str:
    """Return each change that is more than another version by name, then some of the rest."""
    grave = [row for row in rows if is_grave(row.champion, row.challenger)]
    rest = [row for row in rows if row not in grave]
    named = [*grave[:SHOWN], *rest[: max(LISTED - len(grave), 0)]]
    shown = ", ".join(
        f"{quote(row.name, 120)} {quote(row.champion or 'new')} → "
        f"{quote(row.challenger or 'removed', 120)}"
        for row in named
    )
    hidden = max(len(grave) - SHOWN, 0)
    if hidden:
        shown += f" and {hidden} MORE THAT ARE NOT MERELY ANOTHER VERSION"
    versions = len(rows) - len(named) - hidden
    return f"{shown} and {counted(versions, 'other version')}" if versions else shown


def _data(data: DataChanges) -> str:
    before, after = data.months.champion, data.months.challenger
    if data.same:
        name = called(after)
        periods = "" if name == "folds" else f"{len(after)} {name}, "
        return f"no change ({periods}{counted(data.rows.challenger, 'row')})"
    added = [quote(name, 20) for name in after if name not in before]
    removed = [quote(name, 20) for name in before if name not in after]
    parts = [f"{_list(added)} added"] if added else []
    parts += [f"{_list(removed)} removed"] if removed else []
    parts += (
        [f"{counted(len(data.files.modified), 'file')} rewritten"] if data.files.modified else []
    )
    rows = data.rows.challenger - data.rows.champion
    return f"{', '.join(parts) or 'rewritten'} ({signed(rows, 0)} rows)"


def _decisions(changed: ChangedDecisions, rows: int) -> str:
    up, down = changed.to_positive, changed.to_negative
    if not changed.count:
        return "**Changed decisions:** none"
    share = f"**Changed decisions:** {changed.count:,} of {rows:,} ({changed.share:.1%})"
    if not up or not down:
        return f"{share}: {changed.now_right:,} are right now, {changed.now_wrong:,} were before"
    return (
        f"{share}: "
        f"{up.count:,} to positive ({_positive(up)} of these were positive), "
        f"{down.count:,} to negative ({_positive(down)} of these were positive)"
    )


def _positive(part: Direction) -> str:
    return f"{part.positives / part.count:.0%}" if part.count else "none"


def _notes(report: Judgement) -> Iterator[str]:
    holdout, budget = report.holdout, report.rule.budget
    for row in report.slice_rows:
        if row.accepted:
            reason = quote(row.accepted, 200)
            yield f"**Accepted:** {quote(row.name)} gets worse, for this reason: {reason}"
    if report.changes.judging_rules:
        edited = _list([quote(name) for name in report.changes.judging_rules])
        yield f"**Look closely:** this change also edits the rules that it is judged by: {edited}"
    if holdout.moved and not report.incomparable:  # else no champion was scored
        yield "The change of the data moved the holdout: both models were scored on the new one."
    if holdout.uses > budget:
        yield (
            f"**The holdout is used up:** {holdout.uses} judgements; `judge.budget` is {budget}. "
            "No model can be shown to be *better* until new rows replace the used ones."
        )
    if report.best_champion and report.best_champion.unavailable:
        reason = quote(report.best_champion.unavailable, 200)
        yield (
            f"The best champion so far could not be scored ({reason}): the comparison is with the "
            "last champion only."
        )
    for note in report.notes:
        yield NOTES[note.code].format(
            about=quote(note.about, 200),
            newest=newest_part(report),
            parts=messages.parts_of(report),
        )


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:LISTED])
    return f"{shown} and {len(names) - LISTED} more" if len(names) > LISTED else shown


def _foot(report: Judgement) -> list[str]:
    holdout, budget = report.holdout, report.rule.budget
    used = f"was used for {holdout.uses} of {budget} judgements"
    if len(report.periods) > 1:
        used = f"with the other {messages.parts_of(report)} {used}"
    left = f"reliability left: {holdout.reliability:.1%}"
    lines = [f"Holdout `{holdout.keys_sha256[:4]}…` {used} ({left})"]
    if report.champion:
        origin = quote(report.champion.origin)
        lines.append(f"champion: commit `{report.champion.commit[:7]}`, {origin}")
    lines.append(f"data `{report.challenger.data[:7]}`")
    return [*lines, f"model `{report.challenger.model}` (sha256)"]
