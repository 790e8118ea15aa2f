"""Protected groups: how often a fair and an unfair model is stopped, and found in production.

    .venv/bin/python bench/fairness.py [simulated] [starter] [production]

The parts on the starter's rows need `build/model` and `build/backtest`. RUNS in the environment is
the number of runs of a cell (200 if it is not set).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
import orjson
from support.measure import ROOT, machine, table
from support.starter_data import MONTHS, NOW, write_log

from slipway.comparison.compare import Rows
from slipway.comparison.fairness import with_verdicts
from slipway.comparison.periods import ScoredPeriod, compared
from slipway.comparison.report import Fairness, FairnessRule, ProtectedGroups
from slipway.dataset.dependence import Dependence
from slipway.dataset.make import make_months
from slipway.dataset.split import Dataset
from slipway.fairness.measure import Scope, measure
from slipway.manifest import MODEL
from slipway.metrics.clusters import DAY, Clusters, Way
from slipway.metrics.groups import Group
from slipway.metrics.registry import Options, Sample
from slipway.monitoring.check import drift
from slipway.predictions.labels.store import import_labels
from slipway.project import Columns
from slipway.settings import read_params
from slipway.tasks.binary import Binary
from slipway.training.backtest import Backtest
from slipway.training.score import Model

RUNS = int(os.environ.get("RUNS", "200"))

ALPHA = 0.025

LIMIT = 0.1

NAMES = ("demographic_parity_difference", "equalized_odds_difference")

THRESHOLD = 0.3

ATTRIBUTES, GROUPS = 20, 4

# Of the log: the group that is shifted, from which day on, and by how much.
SHIFTED, FROM, SHIFTS = "random 0=g0", "2013-11-04", (0.5, 1.0)

Row = dict[str, str]


def main(wanted: list[str]) -> None:
    parts: dict[str, Callable[[], None]] = {
        "simulated": simulated,
        "starter": starter,
        "production": production,
    }
    print(f"## Protected groups\n\n{machine()}\n")
    for name in wanted or parts:
        parts[name]()


def verdicts(sample: Sample, scores: np.ndarray, groups: Mapping[str, Group]) -> list[str]:
    """Return the verdict on each limit, as `slipway judge` gives it."""
    limits = dict.fromkeys(NAMES, LIMIT)
    scope = Scope((), 200, limits, Options(1 - 2 * ALPHA))
    found = measure(sample, Binary().predictions(scores, THRESHOLD), groups, scope)
    parts = [ProtectedGroups.model_validate(asdict(each)) for each in found]
    fairness = with_verdicts(Fairness(rule=FairnessRule(limits=limits), attributes=parts), ALPHA)
    return [gap.verdict for _, gap in fairness.limited()]


# --- simulated ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """Clusters of 100 rows; the selection rate of the first group is larger by `gap`."""

    clusters: int
    ordered: bool
    by_cluster: bool
    groups: int
    gap: float

    def draw(self, rng: np.random.Generator) -> tuple[Sample, np.ndarray, Group]:
        """Return rows whose decisions move together within clusters."""
        cluster = np.repeat(np.arange(self.clusters), 100)
        rows = len(cluster)
        unit = cluster if self.by_cluster else np.arange(rows)
        codes = rng.integers(0, self.groups, unit[-1] + 1)[unit]
        mood = rng.normal(0, 0.1, self.clusters)[cluster]
        # Of a uniform number, `mood` and the gap shift the share above the threshold.
        rate = 0.3 + self.gap * (codes == 0) + mood
        scores = np.where(rng.random(rows) < rate, 0.9, 0.1)
        labels = (rng.random(rows) < 0.3).astype("float64")
        way = Way.of(cluster, ordered=self.ordered, name=DAY if self.ordered else "cluster")
        names = [f"g{code}" for code in range(self.groups)]
        return Sample.of(labels, Clusters((way,))), scores, Group(names, codes.astype("uint8"))


def simulated() -> None:
    """Print how often a difference of selection rates is called beyond or within its limit."""
    rows = []
    for ordered, groups, by_cluster in product((False, True), (2, 5), (False, True)):
        clusters = 60 * groups  # so that a group has enough of them
        row = {
            "clusters": f"{clusters} {'days' if ordered else 'customers'}",
            "groups": str(groups),
            "groups of": "a cluster" if by_cluster else "a row",
        }
        for gap in (0.0, LIMIT, 0.2):
            case, rng = Case(clusters, ordered, by_cluster, groups, gap), np.random.default_rng(1)
            found = [_parity(*case.draw(rng)) for _ in range(RUNS)]
            row[f"true {gap:g}: beyond"] = f"{found.count('beyond') / RUNS:.1%}"
            if gap in (0.0, LIMIT):
                row[f"true {gap:g}: within"] = f"{found.count('within') / RUNS:.1%}"
        rows.append(row)
    print(f"### Simulated: {RUNS} runs a cell, limit {LIMIT:g}, alpha {ALPHA:g}\n")
    print(table(rows))
    print()


def _parity(sample: Sample, scores: np.ndarray, group: Group) -> str:
    limits = {NAMES[0]: LIMIT}
    scope = Scope((), 200, limits, Options(1 - 2 * ALPHA))
    (found,) = measure(sample, Binary().predictions(scores, THRESHOLD), {"group": group}, scope)
    gap = next(each for each in found.gaps if each.name == NAMES[0])
    return "beyond" if gap.p_beyond <= ALPHA else "within" if gap.p_within <= ALPHA else "open"


# --- the starter's rows ---------------------------------------------------------------------------


def starter() -> None:
    """Print how often the starter is stopped if groups are drawn at random, and one is shifted."""
    rows, scores, columns = rolling()
    table_rows = []
    for name in ("each row", "each carrier and day", "each day"):
        key = KEYS[name]
        unit = np.unique(key(columns), return_inverse=True)[1]
        for shift in (0.0, 0.5, 1.0):
            counts = {"beyond": 0, "inconclusive": 0, "stopped": 0}
            for seed in range(RUNS):
                codes = np.random.default_rng(seed).integers(0, GROUPS, unit.max() + 1)[unit]
                group = Group([f"g{code}" for code in range(GROUPS)], codes.astype("uint8"))
                found = verdicts(rows.sample, shifted(scores, codes == 0, shift), {"random": group})
                counts["stopped"] += "beyond" in found
                counts["inconclusive"] += "inconclusive" in found and "beyond" not in found
            within = RUNS - counts["stopped"] - counts["inconclusive"]
            table_rows.append(
                {
                    "group drawn for": name,
                    "log odds of one group": f"+{shift:g}",
                    "stopped": f"{counts['stopped'] / RUNS:.1%}",
                    "inconclusive": f"{counts['inconclusive'] / RUNS:.1%}",
                    "within": f"{within / RUNS:.1%}",
                }
            )
    sample = rows.sample
    print(
        f"### The starter's {sample.rows:,} rows of four periods "
        f"({sample.clusters.count(sample.rows)} days), {GROUPS} groups drawn at random, "
        f"{RUNS} times; limits of {LIMIT:g} on {' and '.join(NAMES)}\n"
    )
    print(table(table_rows))
    print()


def rolling() -> tuple[Rows, np.ndarray, Columns]:
    """Return the rows that the judge compares on, the model's scores, and their columns."""
    dataset, backtest = Dataset.open(read_params()), Backtest.read()
    origins = dataset.origins(4)
    parts = [origin.read_scored() for origin in origins]
    scores = [backtest.scores(origin) for origin in origins[:-1]]
    scores.append(Model.load(MODEL).score(parts[-1].inputs()))
    periods = [
        ScoredPeriod(origin, part, each, each)
        for origin, part, each in zip(origins, parts, scores, strict=True)
        if each is not None
    ]
    dependence = Dependence.declared().within(parts[-1].columns, dataset.span)
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns
    }
    rows = compared(periods, parts[-1], dependence).rolling
    return rows, np.concatenate([each for each in scores if each is not None]), columns


def shifted(scores: np.ndarray, rows: np.ndarray, by: float) -> np.ndarray:
    """Return scores of which some have other log odds."""
    odds = np.log(scores / (1 - scores)) + by * rows
    return np.asarray(1 / (1 + np.exp(-odds)))


def of_row(columns: Columns) -> np.ndarray:
    return np.asarray(columns["flight_id"].astype(str))


def of_hour(columns: Columns) -> np.ndarray:
    hours = columns["scheduled_departure"].astype("datetime64[h]").astype(str)
    return np.char.add(hours, columns["origin"].astype(str))


def of_carrier_day(columns: Columns) -> np.ndarray:
    days = columns["scheduled_departure"].astype("datetime64[D]").astype(str)
    return np.char.add(days, columns["carrier"].astype(str))


def of_day(columns: Columns) -> np.ndarray:
    return np.asarray(columns["scheduled_departure"].astype("datetime64[D]").astype(str))


KEYS: dict[str, Callable[[Columns], np.ndarray]] = {
    "each row": of_row,
    "each airport and hour": of_hour,
    "each carrier and day": of_carrier_day,
    "each day": of_day,
}


# --- production -----------------------------------------------------------------------------------


def drawn(key: Callable[[Columns], np.ndarray]) -> Callable[[Columns], dict[str, np.ndarray]]:
    """Return a function from rows to groups of some attributes, drawn by hash."""

    def slicer(columns: Columns) -> dict[str, np.ndarray]:
        names, unit = np.unique(key(columns), return_inverse=True)
        return {
            f"random {number}": np.array([f"g{_hash(number, name)}" for name in names], object)[
                unit
            ]
            for number in range(ATTRIBUTES)
        }

    return slicer


def _hash(number: int, name: str) -> int:
    """Return the group of a name; those of two attributes do not depend on each other."""
    digest = hashlib.blake2b(f"{number} {name}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % GROUPS


def production() -> None:
    """Print the alarms of a log of three months, without and with a shift of one group."""
    with tempfile.TemporaryDirectory() as folder:
        print(
            f"### Production: the log of {MONTHS[0]} to {MONTHS[-1]} with its labels, "
            f"{ATTRIBUTES} attributes of {GROUPS} groups drawn at random\n"
        )
        print(table(_alarms(Path(folder))))


def _alarms(folder: Path) -> Iterator[Row]:
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "build/model", folder / "build/model")
    files = [Path(path) for path in make_months(MONTHS, folder / "future")]
    write_log(folder, files)
    with contextlib.chdir(folder):
        import_labels(files, "labels")
        params = read_params()
        for name, key in list(KEYS.items())[:3]:
            report = drift(params, now=NOW, slicer=drawn(key))
            raised = [alarm for alarm in report.alarms if " of random " in alarm.stream]
            yield {
                "group drawn for": name,
                "log odds of one group": "+0",
                "attributes with an alarm": str(len({_attribute(a.stream) for a in raised})),
                "alarms": ", ".join(sorted({alarm.stream for alarm in raised})[:3]),
            }
        for by in SHIFTS:
            log = shifted_log(folder / "predictions", folder / f"shifted-{by:g}", by)
            report = drift(params, str(log), now=NOW, slicer=drawn(of_row))
            raised = [alarm for alarm in report.alarms if " of random " in alarm.stream]
            own = [alarm for alarm in raised if alarm.stream.endswith(f" of {SHIFTED}")]
            named = {alarm.stream.partition(" of ")[0]: alarm.at for alarm in own[::-1]}
            yield {
                "group drawn for": "each row",
                "log odds of one group": f"+{by:g} from {FROM} on",
                "attributes with an alarm": str(len({_attribute(a.stream) for a in raised})),
                "alarms": "; ".join(f"{rate} on {at}" for rate, at in named.items()),
            }


def shifted_log(log: Path, out: Path, by: float) -> Path:
    """Write a log in which the scores of one group are shifted from a day on."""
    out.mkdir()
    for path in log.glob("*.jsonl"):
        with (out / path.name).open("wb") as file:
            for line in path.read_bytes().splitlines():
                record = orjson.loads(line)
                row = record["input"]
                if _hash(0, row["flight_id"]) == 0 and row["scheduled_departure"] >= FROM:
                    odds = np.array([record["probability"]])
                    record["probability"] = float(shifted(odds, np.ones(1), by)[0])
                    record["decision"] = record["probability"] >= THRESHOLD
                file.write(orjson.dumps(record) + b"\n")
    return out


def _attribute(stream: str) -> str:
    return stream.partition(" of ")[2].partition("=")[0]


if __name__ == "__main__":
    with contextlib.chdir(ROOT):
        main(sys.argv[1:])
