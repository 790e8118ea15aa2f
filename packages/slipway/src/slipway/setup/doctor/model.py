"""Checks of what people wrote about the model: its card, and the costs of its errors."""

from __future__ import annotations

from slipway import project
from slipway.card.check import check_content
from slipway.card.written import CARD, Page
from slipway.manifest import MANIFEST_FILE, MODEL, read_manifest
from slipway.setup.doctor.finding import Finding
from slipway.setup.doctor.registry import Context, check
from slipway.training.decision_costs import disagreement


@check(
    "model-card",
    reason="a release stops at a model card that is not complete, or contradicts the model",
    fix="fill it in or correct it: docs/card.md",
)
def model_card(at: Context) -> Finding:
    page = Page.read(at.root, CARD)
    folder = at.root / MODEL
    manifest = read_manifest(folder) if (folder / MANIFEST_FILE).exists() else None
    findings = check_content(page, manifest)
    if findings.wrong:
        return Finding("wrong", "; ".join(findings.wrong[:3]))
    if findings.open:
        return Finding("note", "; ".join(findings.open[:3]))
    return Finding("ok", f"{CARD} is complete")


@check(
    "decision-costs",
    reason="decisions cost more than they have to",
    fix="set the threshold that follows from the costs, or correct the costs: docs/card.md#costs",
)
def decision_costs(at: Context) -> Finding:
    if at.settings.evaluate.costs is None:
        return Finding("ok", "no costs of errors are set")
    if found := disagreement(at.settings.evaluate, project.task()):
        return Finding("note", found)
    return Finding("ok", "the rule of decisions is that of the costs")
