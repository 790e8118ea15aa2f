"""Why nothing was judged: faults in the data, or a stage that stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from slipway.errors import NO, Refused
from slipway.findings import MOST_NOTED, Fault, sentence
from slipway.report.believe import check_schema, check_version
from slipway.report.document import Block, Document, Section, quote

VERSION = 1

# Faults and lines that stand above the fold.
SHOWN = 12

NAME = {"type": "string", "maxLength": 2000}

COUNT = {"type": "integer", "minimum": 0}

VALIDATION = {
    "type": "object",
    "required": ["version", "valid", "files", "faults"],
    "properties": {
        "version": {"const": VERSION},
        "valid": {"type": "boolean"},
        "files": {"type": "array", "maxItems": 100_000},
        "not_read": {"type": "array", "items": NAME, "maxItems": 100_000},
        "faults": {
            "type": "array",
            "maxItems": 100_000,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": list(Fault.__dataclass_fields__),
                "properties": {
                    "file": NAME,
                    "column": NAME,
                    "check": NAME,
                    "rule": {"type": "boolean"},
                    "count": COUNT,
                    "share": {"type": "number", "minimum": 0, "maximum": 1},
                    "rows": {"type": "array", "items": COUNT, "maxItems": 100},
                    "examples": {"type": "array", "items": NAME, "maxItems": 100},
                    "expected": NAME,
                },
            },
        },
    },
}

REBUILD = {
    "type": "object",
    "required": ["changed", "stopped"],
    "properties": {
        "changed": {"type": "boolean"},
        "stopped": {
            "type": "object",
            "additionalProperties": False,
            "required": ["stage", "exit_code", "said"],
            "properties": {
                "stage": NAME,
                "exit_code": {"type": "integer"},
                "said": {"type": "array", "items": NAME, "maxItems": 1000},
            },
        },
    },
}


def faults(report: Mapping[str, Any], foot: list[str], *, full: bool) -> Document:
    """Return a report of `slipway validate` as a document; `full` lists every fault.

    Raises
    ------
    Refused
        It is not such a report, or it claims to be in order and lists faults.
    """
    check_version(report, VERSION)
    check_schema(report, VALIDATION, "a report of `slipway validate`")
    found = [Fault(**fault) for fault in report["faults"]]
    if report["valid"] != (not found):
        raise Refused("the report contradicts itself: `valid` does not follow from its faults")
    if not found:
        headline = f"The data is in order: {len(report['files']):,} files"
        return Document("good", headline, _not_read(report), [], foot)
    count = f"{len(found):,} fault{'' if len(found) == 1 else 's'}"
    files = sorted({fault.file for fault in found})
    command = f"slipway validate {files[0]}"
    blocks: list[Block] = [
        "\n".join(f"- {line}" for line in _lines(found[:SHOWN])),
        f"Nothing was trained. {quote(command, 120)} shows the same on your machine.",
        *_not_read(report),
    ]
    rest = found[SHOWN:] if full else found[SHOWN : 10 * SHOWN]
    more = [
        Section(
            f"{len(found) - SHOWN:,} more faults", ["\n".join(f"- {line}" for line in _lines(rest))]
        )
    ]
    return Document("bad", f"Not judged: the data has {count}", blocks, more if rest else [], foot)


def stopped(report: Mapping[str, Any], foot: list[str]) -> Document:
    """Return a rebuild in which a stage stopped as a document.

    Raises
    ------
    Refused
        It is not the report of such a rebuild.
    """
    check_schema(report, REBUILD, "a report of `slipway rebuild`")
    stop = report["stopped"]
    stage = quote(stop["stage"])
    why = "refused" if is_refusal(stop) else "could not answer"
    reason = next((line[9:] for line in stop["said"] if line.startswith("slipway: ")), "")
    why += f": {quote(reason, 160)}" if reason else ""
    said = [quote(line, 300) for line in stop["said"][-SHOWN:]]
    command = quote(f"dvc repro {stop['stage']}")
    blocks: list[Block] = ["\n".join(f"- {line}" for line in said)] if said else []
    blocks.append(f"No model was made. {command} does the same on your machine.")
    return Document("bad", f"Not judged: {stage} {why}", blocks, [], foot)


def is_refusal(stop: Mapping[str, Any]) -> bool:
    """Return whether a stage looked and refused; one that crashed has found out nothing."""
    crashed = any(str(line).startswith("Traceback (most recent call") for line in stop["said"])
    return bool(stop["exit_code"] == NO and not crashed)


def _not_read(report: Mapping[str, Any]) -> list[Block]:
    files = report.get("not_read", [])
    if not files:
        return []
    more = f" and {len(files) - MOST_NOTED:,} more" if len(files) > MOST_NOTED else ""
    names = ", ".join(quote(file, 160) for file in files[:MOST_NOTED])
    return [f"Not read ({len(files):,}): {names}{more}"]


def _lines(found: list[Fault]) -> Iterator[str]:
    for fault in found:
        yield f"{quote(fault.file, 120)}: {sentence(fault, quote)}"
