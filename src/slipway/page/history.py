"""What became of the model: the changes that were judged, and the releases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import shorten

from slipway import charts
from slipway.errors import SlipwayError
from slipway.page.inputs import Inputs, Row
from slipway.page.pieces import (
    Card,
    Figure,
    Section,
    Table,
    abridged,
    plain,
    with_interval,
)
from slipway.report.document import plain as unquoted
from slipway.report.reasons import NAMES
from slipway.report.words import signed

CARD_LINES = 3
LINE_LETTERS = 200


def verdicts(inputs: Inputs) -> Section:
    title = "Changes that were judged"
    if not inputs.verdicts:
        return Section(
            "verdicts",
            title,
            missing="No change was judged yet: `slipway judge --base main --out "
            "build/reports/NAME.json` compares this tree's model with that of main.",
        )
    cards = [
        _card(name, report, inputs.full_reports.get(name, ""))
        for name, report in inputs.verdicts.items()
    ]
    passed = sum(card.tone == "good" for card in cards)
    says = (
        f"{passed} of {len(cards)} may be merged. What is merged is built again, and judged again."
    )
    return Section("verdicts", title, says, cards=cards)


def releases(inputs: Inputs) -> Section:
    title = "From release to release"
    history = inputs.releases
    if not history:
        return Section(
            "releases",
            title,
            missing="No release yet: commit reports/metrics.json, or merge a change and deploy it.",
        )
    measured = [row for row in history if row.get("metrics")]
    figures = [
        Figure(
            f"releases-{metric}",
            charts.releases(measured, metric, f"{NAMES[metric]} ({way} is better)"),
            f"Best so far: {_best(measured, metric, best)}. "
            "The line holds the true value with 95% confidence.",
        )
        for metric, way, best in (("auc", "higher", max), ("log_loss", "lower", min))
        if measured
    ]
    rows = [
        [
            (row["name"], _subject(row)),
            (row.get("date", "")[:10], abridged(row.get("model_sha256", ""))),
            with_interval(row["metrics"]["auc"]) if row.get("metrics") else ("", ""),
            (row.get("verdict", ""), _how(row)),
        ]
        for row in reversed(history[-charts.RELEASES_SHOWN :])
    ]
    table = Table("Newest first", ["release", "when", "AUC", "verdict"], rows, wide=True)
    says = _says_of_releases(measured) if measured else f"{len(history)} releases."
    return Section("releases", title, says, figures, table)


def _how(release: Row) -> str:
    """Return how it came to run, if that was not by a deployment."""
    return str(release["event"]) if release.get("event", "deployed") != "deployed" else ""


def _card(name: str, report: Row, link: str) -> Card:
    """Return the verdict in the report's own words, or why the report is not believed."""
    from slipway.report.render import document_of

    try:
        document = document_of(report, [], full=False)
    except SlipwayError as error:
        return Card(name, "open", "Not believed", [str(error)], link)
    texts = [block.splitlines() for block in document.blocks if isinstance(block, str)]
    shown = texts[0][:CARD_LINES] if texts else []
    shown += [line for text in texts[1:] for line in text if "**Changed:**" in line]
    said = [
        shorten(_unmarked(line).removeprefix("- "), LINE_LETTERS, placeholder=" …")
        for line in shown
    ]
    return Card(name, document.tone, _unmarked(document.headline), said, link)


def _unmarked(text: str) -> str:
    return plain(unquoted(text))


def _subject(release: Row) -> str:
    subject = str(release.get("subject", ""))
    return abridged(release.get("commit", "")) if subject in ("", release["name"]) else subject


def _best(history: Sequence[Row], metric: str, best: Callable[..., Row]) -> str:
    row = best(history, key=lambda row: row["metrics"][metric]["value"])
    return f"{row['name']}, {row['metrics'][metric]['value']:.3f}"


def _says_of_releases(history: Sequence[Row]) -> str:
    newest = history[-1]
    value = newest["metrics"]["auc"]["value"]
    if len(history) == 1:
        return f"One release so far, {newest['name']}, with AUC {value:.3f}."
    before = history[-2]
    gain = value - before["metrics"]["auc"]["value"]
    says = f"{newest['name']} has AUC {value:.3f}, {signed(gain, 3)} against {before['name']}."
    if verdict := newest.get("verdict"):
        says += f" The judge, who compares row by row, said: {verdict}."
    return says
