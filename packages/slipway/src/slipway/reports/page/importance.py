"""Which features the model depends on, as the newest judgement of it has measured."""

from __future__ import annotations

from contextlib import suppress

from slipway.comparison.report import Judgement
from slipway.documents.document import Section
from slipway.errors import SlipwayError
from slipway.reports.importance import importance_table, meaning
from slipway.reports.page.components import missing, section
from slipway.reports.page.inputs import Inputs


def importance(inputs: Inputs) -> Section:
    key, title = "importance", "Feature importance"
    report = _newest(inputs)
    if report is None or not report.permutation_importance:
        return missing(
            key,
            title,
            "No judgement of this model yet: `slipway judge --base main --out "
            "build/reports/NAME.json` measures it.",
        )
    confidence = 1 - 2 * report.rule.alpha
    table = importance_table(report.permutation_importance, report.task, confidence)
    return section(key, title, meaning(report.task), table)


def _newest(inputs: Inputs) -> Judgement | None:
    """Return the newest judgement of the live model; reports of `slipway validate` are none."""
    model = inputs.manifest["model"]["sha256"] if inputs.manifest else ""
    for report in reversed(list(inputs.verdicts.values())):
        entry = report.get("challenger")
        if isinstance(entry, dict) and entry.get("model") == model:
            with suppress(SlipwayError):  # the list of judged changes names what is wrong with it
                return Judgement.of(report)
    return None
