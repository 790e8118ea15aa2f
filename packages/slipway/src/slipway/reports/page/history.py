"""The history of the model: the changes that were judged, and the releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten

from slipway.catalogue.releases import Interval, Release
from slipway.comparison.report import current
from slipway.documents import charts
from slipway.documents.document import Card, Cards, Cell, Figure, Section, Table
from slipway.errors import SlipwayError
from slipway.metrics.registry import Metric
from slipway.numbers import counted, signed
from slipway.reports.page.components import abridged, missing, plain, section, with_interval
from slipway.reports.page.inputs import Inputs
from slipway.untrusted import as_text

CARD_LINES = 3
LINE_LETTERS = 200


def verdicts(inputs: Inputs) -> Section:
    key, title = "verdicts", "Judged changes"
    if not inputs.verdicts:
        return missing(
            key,
            title,
            "No change was judged yet: `slipway judge --base main --out build/reports/NAME.json` "
            "compares this tree's model with that of main.",
        )
    cards = [
        _card(name, report, inputs.full_reports.get(name, ""))
        for name, report in inputs.verdicts.items()
    ]
    passed = sum(card.tone == "good" for card in cards)
    text = f"{passed} of {len(cards)} may be merged. A merge rebuilds the model and judges again."
    return section(key, title, text, Cards(cards))


def releases(inputs: Inputs) -> Section:
    key, title = "releases", "Releases"
    history, main = inputs.releases, inputs.headline
    if not history:
        return missing(
            key,
            title,
            "No release yet: commit reports/metrics.json, or merge a change and deploy it. "
            f"{inputs.releases_note}".rstrip(),
        )
    keys = {metric.key for metric in [main, *inputs.shown]}
    # Those of another task, such as of the starter model, lack some: tasks share the log loss.
    measured = [each for each in history if each.metrics and keys <= each.metrics.keys()]
    figures = [_figure(measured, metric) for metric in inputs.shown if measured]
    rows: list[list[Cell]] = [
        [
            (plain(release.name), _subject(release)),
            (plain(release.day), abridged(release.model_sha256)),
            with_interval(_interval(release, main.key).model_dump(), main)
            if release in measured
            else "",
            (plain(current(release.verdict)), _event(release)),
        ]
        for release in reversed(history[-charts.RELEASES_SHOWN :])
    ]
    head = ["release", "date", main.label, "verdict"]
    table = Table(head, rows, caption="Newest first", wide=True)
    text = f"{_summary(history, measured, main)} {inputs.releases_note}".rstrip()
    return section(key, title, text, *figures, table)


def _figure(history: Sequence[Release], metric: Metric) -> Figure:
    title = f"{metric.label} ({metric.direction} is better)"
    rows = [release.model_dump() for release in history]
    return Figure(
        f"releases-{metric.key}",
        charts.releases(rows, metric.key, title),
        f"Best so far: {_best(history, metric)}. The lines are 95% intervals.",
    )


def _event(release: Release) -> str:
    """Return how it became live, unless it was deployed."""
    return plain(release.event) if release.event not in ("", "deployed") else ""


def _card(name: str, report: Mapping[str, object], link: str) -> Card:
    """Return the first lines of a report, or why it is refused."""
    from slipway.reports.render import document_of

    try:
        document = document_of(report, [], full=False)
    except SlipwayError as error:
        return Card(plain(name), "open", "Rejected", [plain(error)], link)
    texts = [block.splitlines() for block in document.blocks if isinstance(block, str)]
    shown = texts[0][:CARD_LINES] if texts else []
    shown += [line for text in texts[1:] for line in text if "**Changed:**" in line]
    lines = [
        plain(shorten(as_text(line).removeprefix("- "), LINE_LETTERS, placeholder=" …"))
        for line in shown
    ]
    return Card(plain(name), document.tone, plain(as_text(document.headline)), lines, link)


def _subject(release: Release) -> str:
    if release.subject in ("", release.name):
        return abridged(release.commit)
    return plain(release.subject)


def _interval(release: Release, metric: str) -> Interval:
    if not release.metrics or metric not in release.metrics:
        raise SlipwayError(
            f"the release {release.name} has no {metric} among its metrics",
            "add it to build/releases.json, or delete that file",
        )
    return release.metrics[metric]


def _best(history: Sequence[Release], metric: Metric) -> str:
    best = max(history, key=lambda release: metric.sign * _interval(release, metric.key).value)
    return f"{plain(best.name)}, {metric.shown(_interval(best, metric.key).value)}"


def _summary(history: Sequence[Release], measured: Sequence[Release], metric: Metric) -> str:
    """Return how many releases there are, and the metric of the newest one that has it."""
    if not measured:
        return f"{counted(len(history), 'release')}."
    newest = measured[-1]
    name, value = plain(newest.name), _interval(newest, metric.key).value
    shown = f"{metric.label} {metric.shown(value)}"
    if len(history) == 1:
        return f"One release so far, {name}, with {shown}."
    if len(measured) == 1:
        return f"{counted(len(history), 'release')}, of which {name} alone has {shown}."
    before = measured[-2]
    difference = signed(value - _interval(before, metric.key).value, 3)
    text = f"{name} has {shown}, {difference} against {plain(before.name)}."
    if newest.verdict:
        text += f" The verdict of the paired comparison: {plain(current(newest.verdict))}."
    return text
