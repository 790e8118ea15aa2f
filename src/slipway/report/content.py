"""A judgement as a document: first the verdict, then the few numbers, the rest to unfold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from slipway.protected.packages import is_grave
from slipway.report import details, words
from slipway.report.document import Block, Document, Table, quote
from slipway.report.reasons import NAMES
from slipway.report.words import Report, signed

# Names in one line; the rest is counted.
LISTED = 6

# As many as fit into a comment, of what a reader must see by name.
SHOWN = 100

LOCKS = {
    "identical": "identical (rebuilt from the inputs, same bytes)",
    "equivalent": "equivalent (rebuilt from the inputs, other last digits; the rebuilt is judged)",
    "different": "**different** (rebuilt from the inputs, another model)",
    "stale": "**stale** (written for other inputs)",
    "not checked": "not checked here (`slipway lock` does)",
}


def judgement(report: Report, foot: list[str], *, full: bool) -> Document:
    """Return a judgement as a document; `full` lists every row of its tables."""
    return Document(
        tone=words.tone(report),
        headline=words.headline(report),
        blocks=list(_blocks(report)),
        sections=details.sections(report, full=full),
        foot=[*_foot(report), *foot],
    )


def _blocks(report: Report) -> Iterator[Block]:
    yield " ".join(words.lead(report))
    points = words.more_stops(report)
    points += [f"**What to do:** {step}" for step in words.advice(report)]
    points += list(_notes(report))
    if points:
        yield "\n".join(f"- {point}" for point in points)
    if report["metrics"]:
        yield _numbers(report)
    yield "\n".join(f"- {line}" for line in _what_changed(report))


def _numbers(report: Report) -> Table:
    names = [f"champion `{report['champion']['model'][:4]}…`"]
    names.append(f"this change `{report['challenger']['model'][:4]}…`")
    rows = [
        [
            NAMES[row["name"]],
            value(row["champion"]),
            value(row["challenger"]),
            change(row["difference"]),
            "can't tell" if row["verdict"] == "cannot tell" else row["verdict"],
        ]
        for row in report["metrics"]
    ]
    rows += [_cost(name, cost) for name, cost in report["cost"].items()]
    head = ["on the same rows", *names, f"difference ({words.level(report)})", ""]
    return Table(head, rows, numbers=frozenset({1, 2, 3}))


def value(number: float | None) -> str:
    return "–" if number is None else f"{number:.4f}"  # noqa: RUF001


def change(difference: Mapping[str, Any]) -> str:
    low, high = signed(difference["low"]), signed(difference["high"])
    return f"{signed(difference['value'])} ({low} … {high})"


def _cost(name: str, cost: Mapping[str, Any]) -> list[str]:
    unit = {"row_ms": "ms", "model_mb": "MB"}[name]
    digits = {"row_ms": 3, "model_mb": 2}[name]
    before, after = cost["champion"], cost["challenger"]
    said = "over the limit" if after > cost["limit"] else f"within {cost['limit']:g} {unit}"
    return [
        NAMES[name],
        "–" if before is None else f"{before:.{digits}f} {unit}",  # noqa: RUF001
        f"{after:.{digits}f} {unit}",
        "" if before is None else f"{signed(after - before, digits)} {unit}",
        said,
    ]


def _what_changed(report: Report) -> Iterator[str]:
    changes = report["changes"]
    parts = [
        f"{quote(row['name'])} {quote(row['champion'], 30)} → {quote(row['challenger'], 30)}"
        for row in changes["params"]
    ]
    protected = changes.get("protected", [])
    said = [f"**protected: {_all(protected)}**"] if protected else []
    if changes["dependencies"]:
        said.append(f"dependencies: {_dependencies_said(changes['dependencies'])}")
    if parts:
        said.append(f"parameters: {_list(parts)}")
    if report["data"]:
        said.append(f"data: {_data_said(report['data'])}")
    others = [quote(name) for name in changes["files"] if name not in set(protected)]
    if others:
        said.append(f"files: {_list(others)}")
    yield f"**Changed:** {' · '.join(said) or 'nothing that is compared'}"
    yield f"**Lock:** {LOCKS[report['lock']]}{_both_models(report['challenger'])}"
    if report["flips"]:
        yield _flips_said(report["flips"], report["holdout"]["rows"])


def _both_models(challenger: Mapping[str, Any]) -> str:
    """Return the names of the rebuilt model and of another one that the lock records."""
    recorded, rebuilt = challenger.get("recorded", ""), challenger["model"]
    return f": `{rebuilt[:12]}`; dvc.lock records `{recorded[:12]}`" if recorded else ""


def _all(names: list[str]) -> str:
    """Return names that a reader must see: none is left out before there are hundreds."""
    shown = ", ".join(quote(name, 120) for name in names[:SHOWN])
    hidden = len(names) - SHOWN
    return f"{shown} and {hidden} MORE PROTECTED FILES" if hidden > 0 else shown


def _dependencies_said(rows: list[Mapping[str, str]]) -> str:
    """Return each change that is more than another version by name, then some of the rest."""
    grave = [row for row in rows if is_grave(row["champion"], row["challenger"])]
    rest = [row for row in rows if row not in grave]
    named = [*grave[:SHOWN], *rest[: max(LISTED - len(grave), 0)]]
    shown = ", ".join(
        f"{quote(row['name'], 120)} {quote(row['champion'] or 'new')} → "
        f"{quote(row['challenger'] or 'removed', 120)}"
        for row in named
    )
    hidden = len(grave) - SHOWN
    more = f" and {hidden} MORE THAT ARE NOT MERELY ANOTHER VERSION" if hidden > 0 else ""
    versions = len(rows) - len(named) - max(hidden, 0)
    return shown + more + (f" and {versions} other versions" if versions else "")


def _data_said(data: Mapping[str, Any]) -> str:
    before, after = data["months"]["champion"], data["months"]["challenger"]
    if data["champion"] == data["challenger"]:
        return f"no change ({len(after)} months, {data['rows']['challenger']:,} rows)"
    added = [quote(name, 20) for name in after if name not in before]
    gone = [quote(name, 20) for name in before if name not in after]
    rows = data["rows"]["challenger"] - data["rows"]["champion"]
    parts = [f"{_list(added)} added"] if added else []
    parts += [f"{_list(gone)} removed"] if gone else []
    parts += (
        [f"{len(data['files']['modified'])} files rewritten"] if data["files"]["modified"] else []
    )
    return f"{', '.join(parts) or 'rewritten'} ({signed(rows, 0)} rows)"


def _flips_said(flips: Mapping[str, Any], rows: int) -> str:
    up, down = flips["to_positive"], flips["to_negative"]
    if not flips["count"]:
        return "**Decisions that flip:** none"
    return (
        f"**Decisions that flip:** {flips['count']:,} of {rows:,} ({flips['share']:.1%}): "
        f"{up['count']:,} to yes, of which {_share(up)} were; "
        f"{down['count']:,} to no, of which {_share(down)} were yes all the same"
    )


def _share(part: Mapping[str, Any]) -> str:
    return f"{part['positives'] / part['count']:.0%}" if part["count"] else "none"


def _notes(report: Report) -> Iterator[str]:
    holdout, rule = report["holdout"], report["rule"]
    for row in report["slices"]["rows"]:
        if row["accepted"]:
            named, reason = quote(f"{row['slice']}={row['value']}"), quote(row["accepted"], 200)
            yield f"**Accepted:** {named} gets worse, for this reason: {reason}"
    if report["changes"]["judges"]:
        edited = _list([quote(name) for name in report["changes"]["judges"]])
        yield f"**Look closely:** this change also edits what it is judged by: {edited}"
    if holdout["moved"]:
        yield "The data moved the holdout: both models were scored on the new one."
    if holdout["uses"] > rule["budget"]:
        yield (
            f"**The holdout is used up:** {holdout['uses']} judgements, and `judge.budget` is "
            f"{rule['budget']}. *Better* can no longer be said on it; add a fresh month."
        )
    if report["anchor"] and report["anchor"]["lost"]:
        why = quote(report["anchor"]["lost"], 200)
        yield f"The best champion so far could not be asked ({why}): only the last one was."
    for note in report["notes"]:
        yield NOTES[note["code"]]


NOTES = {
    "own rule": "What the rule of the base commit (`judge` in params.yaml) does not set was taken "
    "from this change.",
}


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:LISTED])
    return f"{shown} and {len(names) - LISTED} more" if len(names) > LISTED else shown


def _foot(report: Report) -> list[str]:
    holdout, budget = report["holdout"], report["rule"]["budget"]
    used = f"has been used for {holdout['uses']} of {budget} judgements"
    left = f"reliability left: {holdout['reliability']:.1%}"
    lines = [f"Holdout `{holdout['keys_sha256'][:4]}…` {used} ({left})"]
    if report["champion"]:
        commit, how = report["champion"]["commit"][:7], report["champion"]["how"]
        lines.append(f"champion: commit `{commit}`, {quote(how)}")
    lines.append(f"data `{report['challenger']['data'][:7]}`")
    return [*lines, f"model `{report['challenger']['model']}` (sha256)"]
