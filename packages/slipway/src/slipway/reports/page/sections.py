"""The page as a document."""

from __future__ import annotations

from slipway.documents.document import Document
from slipway.reports.page.card import card
from slipway.reports.page.components import target_of
from slipway.reports.page.header import header
from slipway.reports.page.history import releases, verdicts
from slipway.reports.page.importance import importance
from slipway.reports.page.inputs import Inputs
from slipway.reports.page.monitoring import drift, traffic
from slipway.reports.page.performance import alarms, performance
from slipway.reports.page.protected import protected_groups
from slipway.reports.page.quality import quality, slices
from slipway.untrusted import quote_text

FOOT = (
    "Made by `slipway page` from reports/, build/ and the prediction log. Every chart is also a "
    "file next to this page."
)


def document(inputs: Inputs) -> Document:
    return Document(
        tone="open",
        headline=quote_text(target_of(inputs) if inputs.manifest else "model", code=False),
        blocks=header(inputs),
        sections=[
            verdicts(inputs),
            releases(inputs),
            quality(inputs),
            slices(inputs),
            protected_groups(inputs),
            importance(inputs),
            drift(inputs),
            performance(inputs),
            alarms(inputs),
            traffic(inputs),
            card(inputs),
        ],
        foot=[FOOT],
    )
