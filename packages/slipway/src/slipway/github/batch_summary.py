"""Publish the result of a batch in the summary of the job."""

from __future__ import annotations

from slipway.actions import Level, add_summary, annotate
from slipway.batch.score import Result
from slipway.documents.document import Document
from slipway.documents.markdown import to_markdown
from slipway.errors import YES
from slipway.numbers import counted
from slipway.untrusted import as_text, quote_text


def publish_batch(result: Result, exit_code: int) -> None:
    """Add the summary of a batch to that of the job, and annotate it."""
    headline, *lines = (quote_text(line.strip()) for line in result.text().splitlines())
    level: Level = "notice" if not result.counts.rejected else "warning"
    if exit_code != YES:
        level = "error"
    tone = {"notice": "good", "warning": "open", "error": "bad"}[level]
    add_summary(to_markdown(Document(tone, headline, lines, [], [])))
    rows = counted(result.counts.rejected, "row")
    rejected = f"{rows} rejected: " if result.counts.rejected else ""
    annotate(level, f"{rejected}{as_text(headline)}", as_text("\n".join(lines)))
