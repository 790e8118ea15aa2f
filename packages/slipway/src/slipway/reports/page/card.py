"""The model card on the page: what people wrote of it, and a link to the whole."""

from __future__ import annotations

from slipway.card.check import check_content
from slipway.documents.document import Card, Cards, Section
from slipway.numbers import counted
from slipway.reports.page.components import missing, plain
from slipway.reports.page.inputs import Inputs

CARD_PAGE = "card.html"

# Letters of a section that are shown.
SHOWN = 400


def card(inputs: Inputs) -> Section:
    key, title = "card", "Model card"
    content = inputs.card
    if content is None:
        return missing(key, title, "No card yet: `dvc repro` makes the model that it describes.")
    findings = check_content(content.page, content.manifest)
    tone = "bad" if findings.wrong else "open" if findings.open else "good"
    headline = {
        "bad": f"{counted(len(findings.wrong), 'statement')} of it contradicts the manifest",
        "open": f"{counted(len(findings.open), 'part')} to fill in",
        "good": "complete, and agrees with the manifest",
    }[tone]
    lines = [
        f"**{plain(name, 80)}:** {plain(' '.join(text.split()), SHOWN)}"
        for name, text in content.written.items()
    ]
    return Section(title, [Cards([Card("the model", tone, headline, lines, CARD_PAGE)])], key)
