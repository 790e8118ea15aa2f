"""From numbers to sections: what they say in a sentence, the charts, a small table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from textwrap import shorten

from slipway import charts
from slipway.drift import LARGE
from slipway.errors import SlipwayError
from slipway.page.inputs import Inputs, Row
from slipway.report.document import plain as unquoted
from slipway.report.reasons import NAMES
from slipway.report.words import signed

SLICES_SHOWN = 20
COLUMNS_SHOWN = 20
MOVED_SHOWN = 8
CARD_LINES = 3
LINE_LETTERS = 200

METRICS = ("auc", "log_loss", "brier", "calibration_error", "precision", "recall")


@dataclass(frozen=True)
class Figure:
    """A chart: `name` is its file's, `caption` says how to read it."""

    name: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Table:
    """Cells are text and a small second line; the first cell of a row heads it."""

    caption: str
    head: list[str]
    rows: list[list[tuple[str, str]]]
    wide: bool = False


@dataclass(frozen=True)
class Card:
    """What the judge said of one change."""

    name: str
    tone: str
    headline: str
    lines: list[str]
    link: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page; one without input has `missing`, which says what makes it."""

    key: str
    title: str
    says: str = ""
    figures: list[Figure] = field(default_factory=list)
    table: Table | None = None
    cards: list[Card] = field(default_factory=list)
    missing: str = ""


@dataclass(frozen=True)
class Tile:
    label: str
    value: str
    note: str
    tone: str = ""


@dataclass(frozen=True)
class Header:
    target: str
    definition: str
    tiles: list[Tile]
    facts: list[tuple[str, str, str]]
    missing: str = ""


def header(inputs: Inputs) -> Header:
    """Return what stands on top: the model that runs, and the state of things in four numbers."""
    manifest = inputs.manifest
    if manifest is None:
        return Header("model", "", [], [], "There is no model yet: build one with `dvc repro`.")
    tiles = [_auc_tile(inputs), _baseline_tile(inputs), _traffic_tile(inputs), _drift_tile(inputs)]
    return Header(
        target=manifest["target"]["name"],
        definition=first_sentence(manifest["target"]["definition"] or ""),
        tiles=[tile for tile in tiles if tile],
        facts=_facts(inputs, manifest),
    )


def sections(inputs: Inputs) -> list[Section]:
    """Return the parts of the page, in order."""
    return [
        verdicts(inputs),
        releases(inputs),
        quality(inputs),
        slices(inputs),
        drift(inputs),
        traffic(inputs),
    ]


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
    figures = [
        Figure(
            f"releases-{metric}",
            charts.releases(history, metric, f"{NAMES[metric]} ({way} is better)"),
            f"Best so far: {_best(history, metric, best)}. "
            "The line holds the true value with 95% confidence.",
        )
        for metric, way, best in (("auc", "higher", max), ("log_loss", "lower", min))
    ]
    rows = [
        [
            (row["name"], _subject(row)),
            (row.get("date", "")[:10], abridged(row.get("model_sha256", ""))),
            _with_interval(row["metrics"]["auc"]),
            (row.get("verdict", ""), ""),
        ]
        for row in reversed(history[-charts.RELEASES_SHOWN :])
    ]
    table = Table("Newest first", ["release", "when", "AUC", "verdict"], rows, wide=True)
    return Section("releases", title, _says_of_releases(history), figures, table)


def quality(inputs: Inputs) -> Section:
    title = "How good it is"
    metrics = inputs.metrics
    if metrics is None:
        return Section(
            "quality", title, missing="Not measured yet: `dvc repro` evaluates the model."
        )
    target = _target(inputs)
    figures = []
    if curve := inputs.plots.get("calibration"):
        figures.append(Figure("calibration", charts.calibration(curve), says_of_calibration(curve)))
    if curve := inputs.plots.get("roc"):
        auc = metrics["model"]["auc"]["value"]
        figures.append(Figure("roc", charts.roc(curve, auc), _says_of_threshold(metrics, target)))
    if histogram := inputs.plots.get("scores"):
        svg = charts.scores(histogram, metrics["threshold"], target)
        figures.append(Figure("scores", svg, _says_of_scores(histogram, metrics, target)))
    return Section("quality", title, _says_of_auc(metrics, target), figures, _metric_table(metrics))


def slices(inputs: Inputs) -> Section:
    title = "Where it is weak"
    table = inputs.plots.get("slices")
    if not table or inputs.metrics is None:
        return Section("slices", title, missing="No slices yet: `dvc repro` measures them.")
    measured = sorted((row for row in table if row["auc"] is not None), key=lambda row: row["auc"])
    small = [f"{row['slice']} {row['value']}" for row in table if row["auc"] is None]
    overall = inputs.metrics["model"]["auc"]["value"]
    if not measured:
        return Section("slices", title, "Every slice has too few rows to be measured.")
    caption = "Dashed: all rows. Red: the whole interval is lower. Behind each name: its rows."
    if len(measured) > SLICES_SHOWN:
        caption += f" The {SLICES_SHOWN} lowest of {len(measured)} slices are shown."
    if small:
        caption += f" Too few rows to be measured: {listed(small, 8)}."
    shown, target = measured[:SLICES_SHOWN], _target(inputs)
    figures = [
        Figure("slices", charts.slices(shown, overall), caption),
        Figure("gaps", charts.gaps(shown, target), _says_of_gaps(shown, target)),
    ]
    return Section("slices", title, _says_of_slices(measured, overall), figures)


def drift(inputs: Inputs) -> Section:
    title = "What drifted"
    report = inputs.drift
    if report is None:
        return Section(
            "drift",
            title,
            missing="Drift was not checked yet: `slipway drift --json build/drift.json` does.",
        )
    if report["status"] == "no answer":
        return Section(
            "drift", title, missing=f"The drift check could not answer: {report['words']}"
        )
    columns = report["columns"]
    limit = report["settings"]["psi"]
    svg = charts.drift(columns[:COLUMNS_SHOWN], limit, LARGE)
    caption = f"Dashed: drift from {limit:g}, a large move from {LARGE:g}. "
    caption += "A notice is a difference that chance does not explain, and that is small."
    moved = [
        [(row["name"], f"{row['status']}, {row['psi']:.2f}"), (plain(row["words"]), "")]
        for row in columns
        if row["status"] != "ok"
    ]
    far = sum(row["status"] == "drift" for row in columns)
    table = Table("What moved", ["column", "how"], moved[: max(MOVED_SHOWN, far)])
    return Section(
        "drift",
        title,
        plain(report["words"]),
        [Figure("drift", svg, caption)],
        table if moved else None,
    )


def traffic(inputs: Inputs) -> Section:
    title = "Day by day"
    days = inputs.days
    if not days:
        return Section(
            "traffic",
            title,
            missing=f"{inputs.no_traffic} `slipway serve` starts the service; "
            "`slipway replay --rows FILE --url URL` sends it rows.",
        )
    target = _target(inputs)
    figures = [
        Figure("traffic", charts.traffic(days), _says_of_days(days)),
        Figure("rates", charts.rates(days, target), _says_of_rates(days, target)),
    ]
    total = sum(row["rows"] for row in days)
    when = span(days[0]["day"], days[-1]["day"])
    says = f"{total:,} predictions, for {when} (the day of the event, UTC)."
    return Section("traffic", title, says, figures)


def says_of_calibration(curve: Sequence[Row]) -> str:
    """Return by how much the probabilities are off, on the whole and where it is worst."""
    rows = sum(row["rows"] for row in curve)
    promised = sum(row["rows"] * row["mean_score"] for row in curve) / rows
    happened = sum(row["rows"] * row["label_rate"] for row in curve) / rows
    off = [row for row in curve if not row["low"] <= row["mean_score"] <= row["high"]]
    whole = f"It says {promised:.1%} on average, and {happened:.1%} happened"
    if not off:
        return f"{whole}. In every bin the probability is within what chance explains."
    worst = max(off, key=lambda row: abs(row["mean_score"] - row["label_rate"]))
    return (
        f"{whole}. It is furthest off where it says {worst['mean_score']:.0%} and "
        f"{worst['label_rate']:.0%} happened; on the dashed line it would be right."
    )


def first_sentence(text: str) -> str:
    """Return the first paragraph of a docstring, without the word `Return`."""
    words = " ".join(text.split("\n\n", 1)[0].split()).removeprefix("Return ")
    return words.rstrip(".")


def listed(names: Sequence[str], most: int) -> str:
    """Return some names and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def abridged(digest: str) -> str:
    return digest[:10]


def plain(text: str) -> str:
    """Return Markdown's code spans as plain words."""
    return text.replace("`", "")


def span(first: str, last: str) -> str:
    """Return a span of days as a person writes it: `1 to 31 October 2013`."""
    start, end = date.fromisoformat(first[:10]), date.fromisoformat(last[:10])
    ending = f"{end.day} {end:%B %Y}"
    if start == end:
        return ending
    if (start.year, start.month) == (end.year, end.month):
        return f"{start.day} to {ending}"
    year = "" if start.year == end.year else f" {start.year}"
    return f"{start.day} {start:%B}{year} to {ending}"


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


def _auc_tile(inputs: Inputs) -> Tile | None:
    if inputs.metrics is None:
        return None
    auc = inputs.metrics["model"]["auc"]
    return Tile(
        "AUC on the holdout", f"{auc['value']:.3f}", f"{auc['low']:.3f} to {auc['high']:.3f}"
    )


def _baseline_tile(inputs: Inputs) -> Tile | None:
    metrics = inputs.metrics
    if metrics is None or "logistic_regression" not in metrics:
        return None
    gain = metrics["model"]["auc"]["value"] - metrics["logistic_regression"]["auc"]["value"]
    return Tile("Over logistic regression", signed(gain, 3), "AUC")


def _traffic_tile(inputs: Inputs) -> Tile | None:
    days = inputs.days
    if not days:
        return None
    total = sum(row["rows"] for row in days)
    return Tile("Predictions", f"{total:,}", span(days[0]["day"], days[-1]["day"]))


def _drift_tile(inputs: Inputs) -> Tile | None:
    report = inputs.drift
    if report is None:
        return None
    if report["status"] == "no answer":
        return Tile("Drift", "?", "could not be checked", "warn")
    moved = sum(row["status"] == "drift" for row in report["columns"])
    of = f"of {len(report['columns'])} columns moved far"
    return Tile("Drift", str(moved), of, "bad" if moved else "good")


def _facts(inputs: Inputs, manifest: Row) -> list[tuple[str, str, str]]:
    """Return (name, value, full value) of what is needed to find the model again."""
    train, holdout = manifest["train"], manifest["holdout"]
    running = [
        row for row in inputs.releases if row.get("model_sha256") == manifest["model"]["sha256"]
    ]
    sha256, data = manifest["model"]["sha256"], manifest["data"]["md5"]
    facts = [
        ("model", abridged(sha256), f"sha256 {sha256}"),
        ("data", abridged(data), f"md5 {data}"),
    ]
    for row in running[:1]:
        facts.append(("commit", abridged(row["commit"]), row["commit"]))
        facts.append(("merged", row["date"][:10], ""))
    facts += [
        ("trained on", f"{train['rows']:,} rows, {_months(train['months'])}", ""),
        ("measured on", f"{holdout['rows']:,} rows, {_months(holdout['months'])}", ""),
    ]
    return facts


def _months(months: Sequence[str]) -> str:
    return months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"


def _target(inputs: Inputs) -> str:
    return str(inputs.manifest["target"]["name"]) if inputs.manifest else "positive"


def _with_interval(estimate: Row) -> tuple[str, str]:
    return f"{estimate['value']:.3f}", f"{estimate['low']:.3f} to {estimate['high']:.3f}"


def _metric_table(metrics: Row) -> Table:
    models = [name for name in ("model", "logistic_regression", "base_rate") if name in metrics]
    rows = [
        [(NAMES[name], ""), *(_with_interval(metrics[model][name]) for model in models)]
        for name in METRICS
        if name in metrics["model"]
    ]
    level = f"{metrics['confidence']:.0%}"
    head = ["", *(model.replace("_", " ") for model in models)]
    return Table(f"On {metrics['rows']:,} held-out rows, with {level} intervals", head, rows)


def _says_of_auc(metrics: Row, target: str) -> str:
    auc = metrics["model"]["auc"]["value"]
    says = (
        f"Of a row that is {target} and one that is not, it ranks the right one higher "
        f"{auc:.0%} of the time."
    )
    if "logistic_regression" in metrics:
        other = metrics["logistic_regression"]["auc"]["value"]
        says += f" Logistic regression on the same features: {other:.0%}; chance: 50%."
    return says


def _says_of_threshold(metrics: Row, target: str) -> str:
    found, right = metrics["model"]["recall"]["value"], metrics["model"]["precision"]["value"]
    return (
        f"At the threshold of {metrics['threshold']:.0%} it finds {found:.0%} of what is {target}, "
        f"and {right:.0%} of what it calls {target} is."
    )


def _says_of_scores(histogram: Sequence[Row], metrics: Row, target: str) -> str:
    cut = metrics["threshold"]
    rows = sum(row["rows"] for row in histogram)
    called = sum(row["rows"] for row in histogram if row["score"] >= cut - 1e-9)
    return (
        f"{called / rows:.0%} of the rows score {cut:.0%} or more (dashed) and are called "
        f"{target}; {metrics['positives'] / metrics['rows']:.0%} are."
    )


def _says_of_slices(measured: Sequence[Row], overall: float) -> str:
    below = [row for row in measured if row["auc_high"] < overall]
    worst = measured[0]
    first = (
        f"Lowest: {worst['slice']} {worst['value']} with AUC {worst['auc']:.3f} "
        f"on {worst['rows']:,} rows; all rows: {overall:.3f}."
    )
    if not below:
        return f"No slice is clearly below the whole. {first}"
    return f"{len(below)} of {len(measured)} slices are clearly below the whole. {first}"


def _says_of_gaps(shown: Sequence[Row], target: str) -> str:
    worst = max(shown, key=lambda row: abs(row["mean_score"] - row["label_rate"]))
    return (
        f"Furthest apart: {worst['slice']} {worst['value']}, where it says "
        f"{worst['mean_score']:.0%} and {worst['label_rate']:.0%} were {target}."
    )


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


def _says_of_days(days: Sequence[Row]) -> str:
    most, least = (pick(days, key=lambda row: row["rows"]) for pick in (max, min))
    if len(days) == 1:
        return f"{most['rows']:,} predictions on the one day."
    return (
        f"Most on {span(most['day'], most['day'])} ({most['rows']:,}), "
        f"fewest on {span(least['day'], least['day'])} ({least['rows']:,})."
    )


def _says_of_rates(days: Sequence[Row], target: str) -> str:
    rows = sum(row["rows"] for row in days)
    mean = sum(row["rows"] * row["mean_score"] for row in days) / rows
    arrived = sum(row["labels"] for row in days)
    if not arrived:
        return f"The mean score is {mean:.1%}. No labels of these rows have arrived yet."
    rate = sum(row["labels"] * (row["label_rate"] or 0) for row in days) / arrived
    return (
        f"It said {mean:.1%} on average. Labels have arrived for {arrived / rows:.0%} of the rows; "
        f"{rate:.1%} of those were {target}."
    )
