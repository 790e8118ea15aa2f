"""Why there is no verdict: violations in the data, or a stage that stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from slipway.comparison.report import Count, Part, Share, many
from slipway.dataset.violations import MOST_NOTED, Violation, sentence
from slipway.documents.document import Block, Document, Section
from slipway.errors import NO, Refused
from slipway.numbers import counted
from slipway.schemas import check_version, parse
from slipway.untrusted import quote

VERSION = 1

# Violations and lines above the first section.
SHOWN = 12


def _without_surrogates(text: Any) -> Any:
    """Replace the surrogates of bytes in a file name that are not UTF-8."""
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else text


Name = Annotated[str, BeforeValidator(_without_surrogates), Field(max_length=2000)]


class ViolationEntry(Part):
    file: Name
    column: Name
    check: Name
    rule: bool
    count: Count
    share: Share
    rows: Annotated[list[Count], many(100)]
    examples: Annotated[list[Name], many(100)]
    expected: Name


class Validation(Part):
    """A report of `slipway validate`; other fields are not read."""

    model_config = ConfigDict(extra="ignore")

    version: Literal[1]
    valid: bool
    files: Annotated[list[Any], many(100_000)]
    not_read: Annotated[list[Name], many(100_000)] = Field(default_factory=list)
    faults: Annotated[list[ViolationEntry], many(100_000)]


class Stop(Part):
    """A stage that stopped, its exit code, and the end of its output."""

    stage: Name
    exit_code: int
    said: Annotated[list[Name], many(1000)]

    @property
    def refused(self) -> bool:
        """Whether the stage refused; one that crashed has not come to a result."""
        crashed = any(line.startswith("Traceback (most recent call") for line in self.said)
        return self.exit_code == NO and not crashed


class StoppedRebuild(Part):
    """A report of `slipway reproduce` in which a stage stopped; other fields are not read."""

    model_config = ConfigDict(extra="ignore")

    changed: bool
    stopped: Stop


def violations(report: Mapping[str, object], foot: list[str], *, full: bool) -> Document:
    """Return a report of `slipway validate` as a document; `full` lists every violation.

    Raises
    ------
    Refused
        It is not such a report, or `valid` contradicts its violations.
    """
    check_version(report, VERSION)
    validation = parse(Validation, report, "a report of `slipway validate`")
    found = [Violation(**entry.model_dump()) for entry in validation.faults]
    if validation.valid == bool(found):
        raise Refused("the report contradicts itself: `valid` does not follow from its violations")
    not_read = _not_read(validation.not_read)
    if not found:
        headline = f"The data is valid: {counted(len(validation.files), 'file')}"
        return Document("good", headline, not_read, [], foot)
    count = counted(len(found), "violation")
    command = f"slipway validate {min(violation.file for violation in found)}"
    blocks: list[Block] = [
        "\n".join(f"- {line}" for line in _lines(found[:SHOWN])),
        f"Nothing was trained. {quote(command, 120)} shows the same on your machine.",
        *not_read,
    ]
    rest = found[SHOWN:] if full else found[SHOWN : 10 * SHOWN]
    points = "\n".join(f"- {line}" for line in _lines(rest))
    title = counted(len(found) - SHOWN, "more violation")
    sections = [Section(title, [points])] if rest else []
    return Document("bad", f"Not judged: the data has {count}", blocks, sections, foot)


def stopped(report: Mapping[str, object], foot: list[str]) -> Document:
    """Return a rebuild in which a stage stopped as a document.

    Raises
    ------
    Refused
        It is not the report of such a rebuild.
    """
    stop = stop_of(report)
    result = "refused" if stop.refused else "failed"
    reason = next((line[9:] for line in stop.said if line.startswith("slipway: ")), "")
    result += f": {quote(reason, 160)}" if reason else ""
    output = [quote(line, 300) for line in stop.said[-SHOWN:]]
    command = quote(f"dvc repro {stop.stage}")
    blocks: list[Block] = ["\n".join(f"- {line}" for line in output)] if output else []
    blocks.append(f"No model was trained. {command} does the same on your machine.")
    return Document("bad", f"Not judged: {quote(stop.stage)} {result}", blocks, [], foot)


def stop_of(report: Mapping[str, object]) -> Stop:
    """Return the stage that stopped a rebuild; raises Refused if the report does not name one."""
    return parse(StoppedRebuild, report, "a report of `slipway reproduce`").stopped


def _not_read(files: list[str]) -> list[Block]:
    if not files:
        return []
    more = f" and {len(files) - MOST_NOTED:,} more" if len(files) > MOST_NOTED else ""
    names = ", ".join(quote(file, 160) for file in files[:MOST_NOTED])
    return [f"Not read ({len(files):,}): {names}{more}"]


def _lines(found: list[Violation]) -> Iterator[str]:
    for violation in found:
        yield f"{quote(violation.file, 120)}: {sentence(violation, quote)}"
