"""`slipway drift`: does what the service sees still look like what the model was measured on?

The reference is the profiles in the model's manifest, so no training data is needed. A column
is *noticed* when chance does not explain the difference, and has *drifted* when the
difference is also large: of ten thousand rows even dust is significant.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from slipway.errors import NO, NO_ANSWER, YES, SlipwayError
from slipway.score import MODEL, read_manifest
from slipway.tables import write_json

if TYPE_CHECKING:
    import pandas as pd

    from slipway.profile import Profile
    from slipway.settings import Drift as Settings
    from slipway.settings import Params

SCORE = "score"
MISSING = "missing"
RARE = "rare values"

# Below this expected count in the smaller sample, cells are taken together: simulated with up to
# 1,000 values and 27,000 against 200 rows, the test then keeps its rate of false alarms.
FEWEST_EXPECTED = 2

# Usual words for the size of a PSI; the limit of "drift" is a setting.
LARGE = 0.25

UNSEEN_SHOWN = 10
VALUE_LETTERS = 40

Status = Literal["ok", "notice", "drift"]


@dataclass(frozen=True)
class Column:
    """What became of one input, or of the score.

    Parameters
    ----------
    psi
        Population stability index in nats, less what chance alone adds to it; at least 0.
    p_value
        Of the two-sample chi-square test, corrected for the number of columns.
    missing_before, missing_now
        Share of rows without a value, in the reference and in the log.
    unseen
        Values that the reference does not have, and their rows: the most frequent ones.
    unseen_share
        Share of rows with any such value.
    """

    name: str
    status: Status
    psi: float
    p_value: float
    missing_before: float
    missing_now: float
    unseen: dict[str, int]
    unseen_share: float
    words: str


@dataclass(frozen=True)
class Report:
    """The answer, or why there is none; `as_dict` is the JSON that `slipway drift` writes."""

    status: Literal["quiet", "drift", "no answer"]
    words: str
    model: str
    log: str
    rows: int = 0
    first: str = ""
    last: str = ""
    other_models: dict[str, int] = field(default_factory=dict)
    reference: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, float] = field(default_factory=dict)
    columns: list[Column] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return {"quiet": YES, "drift": NO, "no answer": NO_ANSWER}[self.status]

    def as_dict(self) -> dict[str, Any]:
        return {"version": 1} | asdict(self)


def drift(
    params: Params,
    log: str = "",
    model: Path = MODEL,
    json: Path | None = None,
    markdown: Path | None = None,
) -> Report:
    """Check a prediction log against a model's manifest; write the report where asked.

    A log that cannot be read is an answer too (`no answer`), so that whoever waits for the
    report gets one.

    Raises
    ------
    SlipwayError
        The model has no manifest.
    """
    from slipway.serve.log import read_log

    manifest = read_manifest(model)
    place = log or log_place(params)
    try:
        report = compare_log(read_log(place), manifest, params.drift, place)
    except SlipwayError as error:
        reason = ": ".join(filter(None, [str(error), error.do]))
        report = Report("no answer", reason, manifest["model"]["sha256"], place)
    if json is not None:
        write_json(report.as_dict(), json)
    if markdown is not None:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        markdown.write_text(to_markdown(report), "utf-8")
    return report


def log_place(params: Params) -> str:
    """Return where the service of this repository writes its log."""
    return os.environ.get("SLIPWAY_LOG") or params.serve.log


def compare_log(
    frame: pd.DataFrame, manifest: dict[str, Any], settings: Settings, log: str = ""
) -> Report:
    """Compare the predictions of one model with its reference.

    Parameters
    ----------
    frame
        As `slipway.serve.log.read_log` returns it. Only records of the manifest's model count;
        those of others are counted by model.

    Returns
    -------
    Report
        `no answer` if fewer than `settings.min_rows` records are this model's.
    """
    sha256 = manifest["model"]["sha256"]
    ours = frame[frame["model"] == sha256]
    others = frame.loc[frame["model"] != sha256, "model"].value_counts().to_dict()
    first, last = _span(ours, manifest["event_time"])
    about: dict[str, Any] = {
        "model": sha256,
        "log": log,
        "rows": len(ours),
        "first": first,
        "last": last,
        "other_models": {str(name): int(count) for name, count in others.items()},
        "reference": {
            "months": manifest["holdout"]["months"],
            "rows": manifest["reference"][SCORE]["rows"],
        },
        "settings": settings.model_dump(),
    }
    if len(ours) < settings.min_rows:
        return Report("no answer", _too_few(about), **about)
    columns = compare_columns(_pairs(ours, manifest["reference"]), settings)
    drifted = any(column.status == "drift" for column in columns)
    status: Literal["drift", "quiet"] = "drift" if drifted else "quiet"
    return Report(status, _sentence(columns, about), columns=columns, **about)


def compare_columns(
    pairs: Iterable[tuple[str, Profile, Profile]], settings: Settings
) -> list[Column]:
    """Compare (name, reference, now) profiles on the same bins; the most moved come first.

    Notes
    -----
    The reference is a sample like the log, so the test is the two-sample one; p-values are
    corrected over all columns after Benjamini and Hochberg (1995).
    """
    from scipy.stats import false_discovery_control

    named = list(pairs)
    tables = [cells(reference, now) for _, reference, now in named]
    p_values = false_discovery_control([chi_square(table) for _, table in tables])
    columns = []
    for (name, reference, now), (names, table), p in zip(named, tables, p_values, strict=True):
        size, significant = psi(table), bool(p <= settings.alpha)
        status: Status = "ok"
        if significant:
            status = "drift" if size >= settings.psi else "notice"
        unseen = unseen_values(reference, now)
        columns.append(
            Column(
                name=name,
                status=status,
                psi=size,
                p_value=float(p),
                missing_before=_share(reference["missing"], reference["rows"]),
                missing_now=_share(now["missing"], now["rows"]),
                unseen=dict(list(unseen.items())[:UNSEEN_SHOWN]),
                unseen_share=_share(sum(unseen.values()), now["rows"]),
                words=_what_moved(reference, now, names, table) if significant else "",
            )
        )
    order = ("drift", "notice", "ok")
    return sorted(columns, key=lambda column: (order.index(column.status), -column.psi))


def profile_like(reference: Profile, values: np.ndarray) -> Profile:
    """Return the profile of some values, shape (rows,), on the bins of another profile."""
    from slipway.profile import profile

    if reference["type"] == "category":
        return profile(values)
    present = values[~np.isnan(values)]
    # What was a float32 in the profile comes back from JSON as its shortest decimal.
    edges, binned = np.asarray(reference["edges"], "float32"), present.astype("float32")
    counts = np.bincount(np.searchsorted(edges, binned, side="left"), minlength=len(edges) + 1)
    return {
        "type": "number",
        "rows": len(values),
        "missing": len(values) - len(present),
        "edges": reference["edges"],
        "counts": counts.tolist(),
        "mean": float(present.mean()) if len(present) else 0.0,
    }


def cells(reference: Profile, now: Profile) -> tuple[list[str], np.ndarray]:
    """Return the names and counts, shape (2, cells), of what the two profiles have in common.

    Missing values are a cell like any other. Cells too rare to be tested are taken together,
    chosen by the rows of both samples, which says nothing of how they differ.
    """
    names, table = _every_cell(reference, now)
    rows, total = table.sum(axis=1), table.sum(axis=0)
    common = total * rows.min() >= FEWEST_EXPECTED * rows.sum()
    kept = [name for name, keep in zip(names, common, strict=True) if keep]
    rest = table[:, ~common].sum(axis=1)
    if not rest.any():
        return kept, table[:, common]
    return [*kept, RARE], np.column_stack([table[:, common], rest])


def chi_square(table: np.ndarray) -> float:
    """Return the p-value that both rows of counts, shape (2, cells), are draws of one thing."""
    from scipy.stats import chi2_contingency

    if table.shape[1] < 2:
        return 1.0
    return float(chi2_contingency(table, correction=False).pvalue)


def psi(table: np.ndarray) -> float:
    """Return the population stability index of two rows of counts, shape (2, cells).

    Notes
    -----
    Two samples of the same thing have a PSI of (cells - 1)(1/n + 1/m) on average, which is
    subtracted. Half a row is added to each cell, so that an empty one has a logarithm.
    """
    before, now = table + 0.5
    before, now = before / before.sum(), now / now.sum()
    chance = (table.shape[1] - 1) * np.sum(1 / table.sum(axis=1))
    moved = np.sum((now - before) * np.log(now / before))
    return max(0.0, float(moved - chance))


def unseen_values(reference: Profile, now: Profile) -> dict[str, int]:
    """Return the categories that the reference does not have, the most frequent first."""
    if reference["type"] != "category":
        return {}
    new = {name: count for name, count in now["counts"].items() if name not in reference["counts"]}
    return dict(sorted(new.items(), key=lambda item: (-item[1], item[0])))


def to_text(report: Report) -> str:
    """Return the report for a terminal."""
    lines = [f"{report.status}: {report.words}"]
    lines += [
        f"  {column.status:<6}  {column.name}: {_sized(column)}; {column.words}"
        for column in report.columns
        if column.status != "ok"
    ]
    return "\n".join([*lines, *_remarks(report)])


def to_markdown(report: Report) -> str:
    """Return the report for an issue or a job's summary."""
    title = {"quiet": "✅ No drift", "drift": "⚠️ Drift", "no answer": "❔ No answer"}
    parts = [f"### {title[report.status]}", "", report.words]
    moved = [column for column in report.columns if column.status != "ok"]
    if moved:
        parts += ["", "| column | | PSI | what moved |", "|---|---|---:|---|"]
        parts += [
            f"| `{column.name}` | {column.status} | {column.psi:.2f} | {_cell(column.words)} |"
            for column in moved
        ]
    for remark in _remarks(report):
        parts += ["", remark]
    return "\n".join(parts) + "\n"


def _pairs(
    frame: pd.DataFrame, reference: dict[str, Profile]
) -> list[tuple[str, Profile, Profile]]:
    return [
        (name, known, profile_like(known, _values(frame, name, known["type"])))
        for name, known in reference.items()
    ]


def _values(frame: pd.DataFrame, name: str, kind: str) -> np.ndarray:
    column = "probability" if name == SCORE else f"input.{name}"
    if column not in frame:
        # A column that no record has is missing from every row, and is told as such.
        return np.full(len(frame), np.nan if kind == "number" else None)
    if kind == "category":
        return np.asarray(frame[column].astype(object).mask(frame[column].isna(), None))
    try:
        return np.asarray(frame[column].astype("float64"))
    except (TypeError, ValueError):
        raise SlipwayError(
            f"the log's column `{column}` holds something that is not a number",
            "the log was written by another service, or changed: look at its records",
        ) from None


def _every_cell(reference: Profile, now: Profile) -> tuple[list[str], np.ndarray]:
    before, after = reference["counts"], now["counts"]
    if reference["type"] == "number":
        names, table = _bin_names(reference["edges"]), [before, after]
    else:
        names = sorted({*before, *after})
        table = [[counts.get(name, 0) for name in names] for counts in (before, after)]
    missing = [[reference["missing"]], [now["missing"]]]
    found = np.hstack([np.asarray(table, dtype="int64").reshape(2, -1), np.asarray(missing)])
    used = np.flatnonzero(found.sum(axis=0))
    names = [*names, MISSING]
    return [names[cell] for cell in used], found[:, used]


def _bin_names(edges: list[float]) -> list[str]:
    ends = [f"{edge:.5g}" for edge in edges]
    if not ends:
        return ["any value"]
    between = [f"above {low} to {high}" for low, high in pairwise(ends)]
    return [f"up to {ends[0]}", *between, f"above {ends[-1]}"]


def _what_moved(reference: Profile, now: Profile, names: list[str], table: np.ndarray) -> str:
    said = [_missing_words(reference, now), _unseen_words(reference, now)]
    if reference["type"] == "number":
        said.append(_mean_words(reference, now))
    if not any(said):
        if reference["type"] == "category":
            names = [name if name in (MISSING, RARE) else _value(name) for name in names]
        said.append(_cell_words(names, table))
    return "; ".join(filter(None, said))


def _missing_words(reference: Profile, now: Profile) -> str:
    before = _share(reference["missing"], reference["rows"])
    after = _share(now["missing"], now["rows"])
    if abs(after - before) < max(0.01, 0.1 * before):
        return ""
    return f"missing in {_percent(before)} → {_percent(after)} of rows"


def _unseen_words(reference: Profile, now: Profile) -> str:
    unseen = unseen_values(reference, now)
    if not unseen:
        return ""
    shown = ", ".join(_value(name) for name in list(unseen)[:3])
    more = ", …" if len(unseen) > 3 else ""
    share = _percent(_share(sum(unseen.values()), now["rows"]))
    return f"never seen before: {shown}{more} ({share} of rows)"


def _value(name: str) -> str:
    """Return a value that a stranger sent, as text that neither a terminal nor Markdown obeys."""
    seen = "".join(letter for letter in name if letter.isprintable() and letter != "`")
    cut = seen if len(seen) <= VALUE_LETTERS else f"{seen[: VALUE_LETTERS - 1]}…"
    return f"`{cut or '(empty)'}`"


def _mean_words(reference: Profile, now: Profile) -> str:
    moved = now["mean"] - reference["mean"]
    if now["missing"] == now["rows"] or abs(moved) < 0.1 * reference["sd"] or not moved:
        return ""
    way = "higher" if moved > 0 else "lower"
    by = f" ({abs(moved) / reference['sd']:.1f} sd {way})" if reference["sd"] else ""
    return f"mean {reference['mean']:.4g} → {now['mean']:.4g}{by}"


def _cell_words(names: list[str], table: np.ndarray) -> str:
    before, now = table / table.sum(axis=1, keepdims=True)
    most = np.argsort(-np.abs(now - before), kind="stable")[:2]
    return ", ".join(f"{names[i]}: {_percent(before[i])} → {_percent(now[i])}" for i in most)


def _sentence(columns: list[Column], about: dict[str, Any]) -> str:
    compared = (
        f"{about['rows']:,} predictions compared with {about['reference']['rows']:,} rows "
        f"of {' to '.join(_ends(about['reference']['months']))}"
    )
    drifted = [column for column in columns if column.status == "drift"]
    noticed = [column for column in columns if column.status == "notice"]
    small = f"; {len(noticed)} moved a little" if noticed else ""
    if not drifted:
        return f"{compared}: none of {len(columns)} columns moved far{small}."
    first = ", ".join(f"`{column.name}`" for column in drifted[:3])
    more = f" and {len(drifted) - 3} more" if len(drifted) > 3 else ""
    far = f"{len(drifted)} of {len(columns)} columns moved far{small}"
    return f"{compared}: {far}. Furthest: {first}{more}."


def _too_few(about: dict[str, Any]) -> str:
    wanted = about["settings"]["min_rows"]
    if about["rows"]:
        return (
            f"too few rows: {about['rows']:,} predictions of this model, and the test wants "
            f"{wanted:,} (drift.min_rows in params.yaml). Wait for more traffic."
        )
    if about["other_models"]:
        return "no traffic of this model: every record in the log is another model's."
    return "no traffic: the log has no predictions. Is the service running, and is this its log?"


def _remarks(report: Report) -> list[str]:
    return [
        f"Not counted: {rows:,} predictions of another model, `{sha256[:12]}…`."
        for sha256, rows in report.other_models.items()
    ]


def _span(frame: pd.DataFrame, event_time: str) -> tuple[str, str]:
    """Return the first and last event time; the clock's, if events have none in the log."""
    import pandas as pd

    column = f"input.{event_time}"
    times = frame[column if column in frame else "time"].dropna()
    if times.empty:
        return "", ""
    ends = pd.to_datetime(pd.Series([times.min(), times.max()]), utc=True)
    first, last = (moment.isoformat().replace("+00:00", "Z") for moment in ends)
    return first, last


def _ends(months: list[str]) -> list[str]:
    return months[:1] if len(months) == 1 else [months[0], months[-1]]


def _sized(column: Column) -> str:
    size = "large" if column.psi >= LARGE else "moderate" if column.psi >= 0.1 else "small"
    return f"PSI {column.psi:.2f} ({size})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _share(part: int, rows: int) -> float:
    return part / rows if rows else 0.0
