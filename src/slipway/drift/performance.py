"""Does it hurt? What the labels say that have arrived, and what the scores say where none has.

Labels come late and not for all. Those that came are compared with the holdout, week by week, and
the evidence is gathered over the weeks: one bad week is luck, four are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.drift.arrived import Arrived, Labelled
from slipway.drift.estimate import estimate
from slipway.drift.harm import Watched, episodes, looks_between, watch
from slipway.drift.memory import Calibration, Memory, Rest, Shift
from slipway.drift.selection import selection
from slipway.drift.weeks import measured, windows_of

if TYPE_CHECKING:
    import pandas as pd

    from slipway.settings import Evaluate, Params

STREAMS = ("auc", "loss", "rate up", "rate down")

HURTS = ("auc", "loss")

Row = dict[str, Any]


def look_at_labels(
    arrived: Arrived,
    memory: Memory,
    params: Params,
    threshold: float,
    false_alarms_per_month: float,
    holdout: Mapping[str, Any] | None = None,
) -> Row:
    """Return what labels, and scores without labels, say of a model's predictions.

    Parameters
    ----------
    threshold
        Of the manifest.
    false_alarms_per_month
        That these checks may give all together on traffic where nothing has changed.
    holdout
        As `holdout_metrics` returns them; None if they are not known.

    Returns
    -------
    dict
        `performance` (None while no label has arrived), `concept` (likewise), `estimate` (None
        without predictions) and `alarms`, each with `stream`, `since`, `at`, `until`, `words`.
    """
    found: Row = {"performance": None, "concept": None, "estimate": None, "alarms": []}
    if arrived.rows:
        found["estimate"] = _estimate(arrived, memory, threshold, params, holdout)
    if not len(arrived.labelled.labels):
        return found
    windows = windows_of(arrived, params.drift.min_rows)
    weeks = [measured(window, memory, params) for window in windows]
    looks = looks_between(false_alarms_per_month, len(STREAMS), 7)
    watched = watch_streams(weeks, memory, params, looks)
    alarms = [alarm for name in STREAMS for alarm in _alarms(name, watched[name], weeks, memory)]
    for position, row in enumerate(weeks):
        row["evidence"] = {name: float(watched[name].evidence[position]) for name in STREAMS}
        row["shifts"] = {name: vars(shift) for name, shift in row["shifts"].items()}
    return found | {
        "performance": _performance(arrived, weeks, alarms, params, threshold, holdout, memory),
        "concept": _concept(weeks, alarms),
        "alarms": alarms,
    }


def memory_of(reference: pd.DataFrame | None, manifest: Mapping[str, Any]) -> Memory:
    """Return what is remembered of the holdout.

    Parameters
    ----------
    reference
        Rows of the holdout with the columns `score` and `label`, and the event's time; without
        them, or without both labels among them, scores are taken for what they say.
    """
    known = _labelled(reference)
    if known is None:
        return _without_rows(manifest)
    time = manifest["event_time"]
    days = None
    if time in known:
        times = known[time].dt.tz_convert(None) if known[time].dt.tz else known[time]
        days = times.to_numpy("datetime64[D]")
    return Memory.of(known["label"].to_numpy("float64"), known["score"].to_numpy("float64"), days)


def holdout_metrics(
    reference: pd.DataFrame | None, settings: Evaluate, threshold: float
) -> Row | None:
    """Return every metric of a model on its own rows of the holdout, as `measure` does.

    Parameters
    ----------
    reference
        As of `memory_of`. A report in the repository may be of a newer model.
    """
    from slipway.evaluate import measure

    known = _labelled(reference)
    if known is None:
        return None
    labels, scores = (known[name].to_numpy("float64") for name in ("label", "score"))
    return measure(labels, scores, settings.model_copy(update={"threshold": threshold}))


def _labelled(reference: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the rows whose label is known, if both labels are among them."""
    if reference is None or "label" not in reference:
        return None
    known = reference[reference["label"].notna()]
    return known if known["label"].nunique() == 2 else None


def watch_streams(
    windows: list[Row], memory: Memory, params: Params, looks: float
) -> dict[str, Watched]:
    """Gather the evidence of every stream over the weeks that are judged."""
    floors = {
        "auc": params.watch.auc_drop,
        "loss": params.watch.loss_excess,
        "rate": params.watch.rate_gap,
    }
    found = {}
    for stream in STREAMS:
        name, _, way = stream.partition(" ")
        shifts = [window["shifts"].get(name) for window in windows]
        if way == "down":
            shifts = [shift and Shift(-shift.value, shift.sd) for shift in shifts]
        found[stream] = watch(shifts, floors[name], memory.error[name], looks)
    return found


def _without_rows(manifest: Mapping[str, Any]) -> Memory:
    """Return what the manifest alone tells: how many rows the holdout had, and its label rate."""
    known = manifest["holdout"]
    rate = known["positives"] / max(known["rows"], 1)
    error = float(np.sqrt(max(rate * (1 - rate), 1e-6) / max(known["rows"], 1)))
    nothing = {name: Rest() for name in ("auc", "loss", "rate")}
    # The log loss of a row varies about twice as much as its label; the AUC is not known.
    errors = {"auc": error, "loss": 2 * error, "rate": error}
    return Memory(Calibration.as_they_are(), None, nothing, errors)


def _performance(
    arrived: Arrived,
    windows: list[Row],
    alarms: list[Row],
    params: Params,
    threshold: float,
    holdout: Mapping[str, Any] | None,
    memory: Memory,
) -> Row:
    part = arrived.labelled
    settings = params.evaluate.model_copy(update={"threshold": threshold})
    judged = [window for window in windows if window["status"] == "judged"]
    hurting = [alarm for alarm in alarms if alarm["stream"] in HURTS and alarm["until"] is None]
    chosen = selection(arrived, params.prepare.max_label_missing)
    status = "no answer" if not judged else "worse" if hurting else "not worse"
    metrics = _against_holdout(part, settings, holdout)
    found = {
        "status": status,
        "rows": arrived.rows,
        "labelled": len(part.labels),
        "coverage": len(part.labels) / max(arrived.rows, 1),
        "metrics": metrics,
        "selection": chosen,
        "weeks": windows,
    }
    return {"words": _performance_words(found, judged, hurting, memory)} | found


def _against_holdout(
    part: Labelled, settings: Evaluate, holdout: Mapping[str, Any] | None
) -> dict[str, Row]:
    """Return every metric of the labelled rows, beside the holdout's and less it."""
    from slipway.evaluate import measure

    if not 0 < part.labels.sum() < len(part.labels):
        return {}
    found = {}
    for name, now in measure(part.labels, part.scores, settings).items():
        found[name] = now | {"holdout": None, "difference": None}
        before = (holdout or {}).get(name)
        if before:
            widths = (now["high"] - now["low"], before["high"] - before["low"])
            by = float(np.hypot(*widths)) / 2
            value = now["value"] - before["value"]
            found[name] |= {
                "holdout": dict(before),
                "difference": {"value": value, "low": value - by, "high": value + by},
            }
    return found


def _performance_words(found: Row, judged: list[Row], hurting: list[Row], memory: Memory) -> str:
    counts = f"{found['labelled']:,} of {found['rows']:,} predictions"
    said = [f"Labels have arrived for {counts} ({found['coverage']:.0%})"]
    auc = found["metrics"].get("auc")
    if auc:
        against = auc["holdout"] or ({"value": memory.auc} if memory.auc else None)
        beside = f", against {against['value']:.3f} on the holdout" if against else ""
        said.append(f"AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f}){beside}")
    if not judged:
        said.append("no week has labels enough to be judged")
    said += [alarm["words"] for alarm in hurting]
    if judged and not hurting:
        said.append("no sign that the model has become worse")
    if found["selection"]["status"] == "not like the rest":
        said.append(found["selection"]["words"])
    return ". ".join(part[:1].upper() + part[1:] for part in said) + "."


def _concept(windows: list[Row], alarms: list[Row]) -> Row:
    """Return whether the same scores now end otherwise than on the holdout."""
    judged = [window for window in windows if window["status"] == "judged"]
    active = [alarm for alarm in alarms if alarm["stream"] != "auc" and alarm["until"] is None]
    if not judged:
        return {"status": "no answer", "words": "No week has labels enough to be judged."}
    words = [alarm["words"] for alarm in active] or [
        "rows with the same score end as they did on the holdout"
    ]
    said = ". ".join(part[:1].upper() + part[1:] for part in words) + "."
    newest = judged[-1]
    return {
        "status": "drift" if active else "quiet",
        "words": said,
        "label_rate": newest["label_rate"],
        "expected_rate": newest["expected_rate"],
        "excess_loss": newest["shifts"]["loss"]["value"],
        "weeks_judged": len(judged),
    }


def _alarms(stream: str, watched: Watched, windows: list[Row], memory: Memory) -> list[Row]:
    found = []
    for since, at, until in episodes(watched):
        inside = [window for window in windows[since : at + 1] if window["shifts"]]
        found.append(
            {
                "stream": stream,
                "since": windows[since]["first"],
                "at": windows[at]["last"],
                "until": None if until is None else windows[until]["last"],
                "words": _alarm_words(stream, inside, memory),
            }
        )
    return found


def _alarm_words(stream: str, windows: list[Row], memory: Memory) -> str:
    rows = np.array([window["labelled"] for window in windows], dtype=float)

    def mean(values: list[float]) -> float:
        return float(np.average(values, weights=rows))

    when = f"from the week of {windows[0]['first']} on"
    if stream == "auc" and memory.auc is not None:
        now = memory.auc - mean([window["shifts"]["auc"].value for window in windows])
        return f"{when}, the model ranks worse: AUC {now:.3f}, {memory.auc:.3f} on the holdout"
    if stream == "loss":
        more = mean([window["shifts"]["loss"].value for window in windows])
        return f"{when}, log loss is {more:.3f} above what the scores promise: they mean less now"
    rate = mean([window["label_rate"] for window in windows])
    expected = mean([window["expected_rate"] for window in windows])
    word = "more" if stream == "rate up" else "fewer"
    rates = f"{rate:.1%}, not {expected:.1%}"
    return f"{when}, {word} rows are positive than their scores promise: {rates}"


def _estimate(
    arrived: Arrived,
    memory: Memory,
    threshold: float,
    params: Params,
    holdout: Mapping[str, Any] | None,
) -> Row:
    found = estimate(arrived, memory.calibration, threshold, params.evaluate.confidence)
    auc = found["metrics"]["auc"]
    before = (holdout or {}).get("auc", {}).get("value", memory.auc)
    beside = f" ({before:.3f} on the holdout)" if before else ""
    words = (
        f"Without labels, from the scores alone: AUC about {auc['value']:.3f}{beside}, if rows "
        "with the same score still end as they did. Concept drift cannot be seen this way."
    )
    return {"status": "estimate", "words": words} | found
