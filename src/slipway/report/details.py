"""The parts of a judgement that a reader unfolds, most wanted first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.judge.verdict import gain
from slipway.report.document import Block, Chart, Section, Table, quote
from slipway.report.reasons import NAMES
from slipway.report.words import Report, level, signed

# Rows of a table in a comment; the HTML has them all.
SHOWN = 40

BARS = 12


def sections(report: Report, *, full: bool) -> list[Section]:
    """Return the sections of a judgement; what could not be measured has none."""
    limit = 100_000 if full else SHOWN
    found = [
        _slices(report, limit),
        _behaviours(report),
        _data(report, limit),
        _dependencies(report, limit),
        _flips(report),
        _calibration(report),
        _leaning(report, limit),
        Section("The rule", [rule_said(report)]),
    ]
    return [section for section in found if section]


def rule_said(report: Report) -> str:
    """Return the rule that was applied, in a few sentences."""
    rule, name = report["rule"], report["rule"]["primary"]
    guards = [NAMES[guard] for guard in rule["guards"] if guard != name]
    guarded = f"; {' and '.join(guards)} must not get worse" if guards else ""
    doubt = "may go on" if rule["on_cannot_tell"] == "go" else "waits"
    return (
        f"{NAMES[name]} decides, and a loss up to {rule['margins'][name]:g} does not matter"
        f"{guarded}. What is {rule['require']} may be merged; what can't be told {doubt}. A wrong "
        f"“worse” has a chance of {rule['alpha']:.1%}, a wrong “better” of {rule['alpha']:.1%} "
        f"over all {rule['budget']} judgements that a holdout is good for. Set in the section "
        "`judge` of params.yaml; a pull request is judged by the rule of its base."
    )


def _slices(report: Report, limit: int) -> Section | None:
    slices = report["slices"]
    if not slices["rows"]:
        return None
    rows = sorted(slices["rows"], key=lambda row: (row["verdict"] != "worse", _closest(row)))
    worse = sum(row["verdict"] == "worse" for row in rows)
    first = quote(f"{rows[0]['slice']}={rows[0]['value']}")
    call = f"{worse} worse" if worse else f"none worse; closest call: {first}"
    table = Table(
        ["slice", "rows", "AUC", f"difference ({level(report)})", "log loss, difference", ""],
        [_slice_row(row) for row in rows[:limit]],
        numbers=frozenset({1, 2, 3, 4}),
    )
    small = f" {slices['small']} are too small to test." if slices["small"] else ""
    said = f"{slices['tests']} tests of a loss, corrected together (Holm).{small}"
    said += _hidden(rows, limit)
    blocks: list[Block] = [said, table]
    ranked = [row for row in rows if row["auc"]][:BARS]
    if ranked:
        blocks.append(
            Chart(
                "AUC by slice: this change less the champion",
                [f"{row['slice']}={row['value']}" for row in ranked],
                "difference",
                bars=[row["auc"]["difference"]["value"] for row in ranked],
            )
        )
    return Section(f"Slices: {len(rows)} tested, {call}", blocks)


def _slice_row(row: Mapping[str, Any]) -> list[str]:
    auc, loss = row["auc"], row["log_loss"]
    said = "**worse**" if row["verdict"] == "worse" else "no harm seen"
    return [
        quote(f"{row['slice']}={row['value']}"),
        f"{row['rows']:,}",
        f"{auc['champion']:.4f} → {auc['challenger']:.4f}" if auc else "too few",
        _spread(auc["difference"]) if auc else "",
        _spread(loss["difference"]) if loss else "",
        "worse, accepted" if row["accepted"] else said,
    ]


def _closest(row: Mapping[str, Any]) -> float:
    """Return the smallest p-value of a loss; ties go to the larger slice loss."""
    losses = [
        gain(metric, row[metric]["difference"])[3] for metric in ("auc", "log_loss") if row[metric]
    ]
    return min(losses, default=1.0)


def _behaviours(report: Report) -> Section | None:
    found = report["behaviours"]
    if not found:
        return None
    held = sum(row["holds"] for row in found)
    rows = [
        [
            quote(row["says"], 120),
            f"{row['share']:.1%}",
            f"{row['at_least']:.0%}",
            "holds" if row["holds"] else "**does not hold**",
        ]
        for row in found
    ]
    head = ["what must hold", "holds for", "at least", ""]
    return Section(
        f"Behaviour: {held} of {len(found)} hold", [Table(head, rows, frozenset({1, 2}))]
    )


def _data(report: Report, limit: int) -> Section | None:
    data = report["data"]
    if not data:
        return None
    same = data["champion"] == data["challenger"]
    title = "Data: no change" if same else "Data: what is different"
    rates = data["label_rate"]
    rows = [
        [what, str(pair["champion"]), str(pair["challenger"])]
        for what, pair in (
            ("months", {side: len(names) for side, names in data["months"].items()}),
            ("rows", {side: f"{count:,}" for side, count in data["rows"].items()}),
            ("label rate, training", _percent(rates["train"])),
            ("label rate, holdout", _percent(rates["holdout"])),
        )
    ]
    rows += [
        [f"{quote(row['column'])} missing", f"{row['champion']:.1%}", f"{row['challenger']:.1%}"]
        for row in data["missing"][:limit]
    ]
    blocks: list[Block] = [Table(["", "champion", "this change"], rows, frozenset({1, 2}))]
    points = [f"- column {quote(name)} is new" for name in data["columns"]["added"][:limit]]
    points += [f"- column {quote(name)} is gone" for name in data["columns"]["removed"][:limit]]
    points += [
        f"- file {quote(name)} {kind}"
        for kind, names in data["files"].items()
        for name in names[:limit]
    ]
    points += [
        f"- distribution of {quote(row['column'])} moved: {row['distance']:.0%} of the rows "
        "lie elsewhere"
        for row in data["moved"][:limit]
    ]
    return Section(title, [*blocks, "\n".join(points)] if points else blocks)


def _percent(pair: Mapping[str, float]) -> dict[str, str]:
    return {side: f"{share:.1%}" for side, share in pair.items()}


def _dependencies(report: Report, limit: int) -> Section | None:
    found = report["changes"]["dependencies"]
    rows = [
        [quote(row["name"]), quote(row["champion"] or "–"), quote(row["challenger"] or "–")]  # noqa: RUF001
        for row in found[:limit]
    ]
    title = f"Dependencies: {len(found)} changed"
    return Section(title, [Table(["package", "champion", "this change"], rows)]) if found else None


def _flips(report: Report) -> Section | None:
    flips = report["flips"]
    if not flips or not flips["count"]:
        return None
    rows = [
        [
            quote(f"{row['slice']}={row['value']}"),
            f"{row['rows']:,}",
            f"{row['flips']:,}",
            f"{row['share']:.1%}",
        ]
        for row in flips["who"]
    ]
    said = (
        f"Of {flips['count']:,} changed decisions, {flips['now_right']:,} are now right and "
        f"{flips['now_wrong']:,} now wrong (McNemar: p = {flips['p_equally_right']:.3f} that the "
        "two models are right equally often). Decisions flip most often here:"
    )
    return Section(
        "Decisions that flip: who they are",
        [said, Table(["slice", "rows", "flips", "share"], rows, frozenset({1, 2, 3}))],
    )


def _calibration(report: Report) -> Section | None:
    if not report["curves"]:
        return None
    before, after = report["curves"]["champion"], report["curves"]["challenger"]
    rows = [
        [str(bin_ + 1), *_bin(before, bin_), *_bin(after, bin_)]
        for bin_ in range(max(len(before), len(after)))
    ]
    head = ["part", "champion says", "it was", "this change says", "it was"]
    lines = {
        "this change says": [row["mean_score"] for row in after],
        "it was": [row["label_rate"] for row in after],
    }
    labels = [str(bin_ + 1) for bin_ in range(len(after))]
    title = "This change: what it says (first line) and what it was (second)"
    return Section(
        "Calibration: what the models say, and what it was",
        [
            "Rows in equal parts, from the lowest probability to the highest.",
            Table(head, rows, frozenset(range(5))),
            Chart(title, labels, "share", lines=lines),
        ],
    )


def _bin(curve: list[Mapping[str, float]], bin_: int) -> list[str]:
    if bin_ >= len(curve):
        return ["", ""]
    return [f"{curve[bin_]['mean_score']:.1%}", f"{curve[bin_]['label_rate']:.1%}"]


def _leaning(report: Report, limit: int) -> Section | None:
    rows = [[quote(row["feature"]), f"{row['auc_lost']:.4f}"] for row in report["leans_on"][:limit]]
    said = "AUC lost when a feature is shuffled. One that another can stand in for loses little."
    table = Table(["feature", "AUC lost"], rows, frozenset({1}))
    return Section("What the model leans on", [said, table]) if rows else None


def _spread(difference: Mapping[str, Any]) -> str:
    low, high = signed(difference["low"], 3), signed(difference["high"], 3)
    return f"{signed(difference['value'], 3)} ({low} … {high})"


def _hidden(rows: list[Any], limit: int) -> str:
    more = len(rows) - limit
    return f" {more} more rows are in the HTML report." if more > 0 else ""
