"""Is one group of rows worse off, however good the model is on the whole?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from slipway import contract, paired, stats
from slipway.contract import Columns
from slipway.judge import verdict

# Losses show a shifted probability, AUC a spoiled ranking; one alone would miss the other.
METRICS = ("auc", "log_loss")


@dataclass(frozen=True)
class Group:
    """A slice: the texts that it has, and for each row which one, shape (rows,)."""

    values: Sequence[str]
    codes: np.ndarray


Groups = Mapping[str, Group]


def groups_of(columns: Columns) -> dict[str, Group]:
    """Return every slice of `src/model/slices.py` for these rows."""
    return {name: _group(texts) for name, texts in contract.slices(columns).items()}


def slice_table(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    groups: Groups,
    rule: Mapping[str, Any],
    accepted: Mapping[str, str],
) -> dict[str, Any]:
    """Return both models on every slice that is large enough, and which slices are worse.

    Parameters
    ----------
    labels, first, second
        0 or 1, and two probabilities; each of shape (rows,).
    accepted
        Slices that may get worse, as ``name=value``, and the reason given.

    Notes
    -----
    One-sided tests of a loss, all slices and both metrics together corrected by Holm: with
    no true difference anywhere, the chance that any slice is called worse is alpha at most.
    """
    rows, small = [], 0
    level = 1 - 2 * rule["alpha"]
    for name, group in groups.items():
        for value, members in _members(group):
            if len(members) == len(labels):
                continue  # that is no slice but the whole
            if len(members) < rule["min_slice_rows"]:
                small += 1
                continue
            here, before, after = labels[members], first[members], second[members]
            auc = paired.auc(here, before, after, level)
            losses = stats.log_losses(here, before), stats.log_losses(here, after)
            found = {"auc": auc, "log_loss": paired.mean(*losses, level)}
            rows.append(
                {
                    "slice": name,
                    "value": value,
                    "rows": len(members),
                    "positives": int(here.sum()),
                    **{metric: _entry(difference) for metric, difference in found.items()},
                }
            )
    tests = _correct(rows)
    for row in rows:
        named = f"{row['slice']}={row['value']}"
        row["verdict"] = "worse" if is_worse(row, rule) else "no harm seen"
        row["accepted"] = accepted.get(named, "") if row["verdict"] == "worse" else ""
    return {"tests": tests, "small": small, "rows": rows}


def is_worse(row: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
    """Return whether a row of the table shows harm, in either metric."""
    return any(
        verdict.harm(metric, row[metric]["difference"], row[metric]["p_adjusted"], rule)
        for metric in METRICS
        if row[metric] is not None
    )


def _group(texts: np.ndarray) -> Group:
    import pyarrow as pa

    found = pa.array(texts.astype(object), pa.string()).dictionary_encode()
    values = [value or "" for value in found.dictionary.to_pylist()]
    codes = found.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return Group([*values, "(none)"], codes.astype(np.min_scalar_type(len(values) + 1)))


def _members(group: Group) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each value that occurs and the positions of its rows."""
    order = np.argsort(group.codes, kind="stable").astype("int32")
    ends = np.cumsum(np.bincount(group.codes, minlength=len(group.values)))
    for value, start, end in zip(group.values, [0, *ends[:-1]], ends, strict=True):
        if end > start:
            yield value, order[start:end]


def _entry(difference: paired.Difference) -> dict[str, Any] | None:
    """Return the numbers of one metric, or None where they could not decide anything."""
    if difference.doubt:
        return None
    found = difference.as_dict()
    return {"champion": found.pop("first"), "challenger": found.pop("second"), "difference": found}


def _correct(rows: list[dict[str, Any]]) -> int:
    """Add the p-values of a loss, corrected for all tests; return how many tests there are."""
    tests = [(row, metric) for row in rows for metric in METRICS if row[metric] is not None]
    losses = [verdict.gain(metric, row[metric]["difference"])[3] for row, metric in tests]
    for (row, metric), adjusted in zip(tests, paired.holm(losses), strict=True):
        row[metric]["p_adjusted"] = adjusted
    return len(tests)
