"""What the demo shows: the changes that it judges, and the rows that it replays as traffic.

Only the starter's story is known beforehand, with the verdict of each change. Any other model
shows its own candidates (`search.candidates` of params.yaml) on its own holdout, whatever their
verdicts are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slipway import project
from slipway.comparison.report import Verdict
from slipway.comparison.starters import starters
from slipway.dataset.split import Dataset
from slipway.errors import NO, YES, SlipwayError
from slipway.manifest import MODEL, read_manifest
from slipway.settings import TrainSettings, read_params
from slipway.setup.demo.scenario import Scenario
from slipway.training.search import candidates_of, named

MOST_CHANGES = 2
"""Candidates of the user that are judged: each takes a training of every origin."""

MOST_ROWS = 10_000
"""Rows of a holdout that are replayed."""


@dataclass(frozen=True)
class Change:
    """A change of `train` in params.yaml, as a pull request.

    Attributes
    ----------
    name
        Of its branch and its reports.
    train
        The settings that it changes.
    verdict
        The one that it must have; None if it may have any.
    """

    name: str
    title: str
    train: TrainSettings
    verdict: Verdict | None = None

    @property
    def exit_codes(self) -> tuple[int, ...]:
        """Those that `slipway judge` may have."""
        if self.verdict is None:
            return (YES, NO)
        return (YES,) if self.verdict in ("better", "not worse") else (NO,)

    def edits(self, train: TrainSettings) -> str:
        """Return each setting of `train` that is changed, before and after, as Markdown."""
        return "\n\n".join(
            f"`{name}: {train[name]}` → `{name}: {value}`" for name, value in self.train.items()
        )

    def check(self, verdict: Verdict) -> None:
        """Refuse another verdict than the one that the change must have.

        Raises
        ------
        SlipwayError
            Names both.
        """
        if self.verdict not in (None, verdict):
            raise SlipwayError(
                f"{self.name}: the verdict is {verdict!r}, expected {self.verdict!r}",
                "the starter has the expected one: find the change of the code that altered it",
            )


@dataclass(frozen=True)
class Plan:
    """What the demo shows.

    Attributes
    ----------
    traffic
        What the rows are that are replayed, in words.
    file
        The name of the file with these rows.
    broken
        The name of the file with violations, and of its branch and reports.
    write_rows
        Writes the rows of the traffic to a file, and returns a sentence on what they are.
    """

    changes: tuple[Change, ...]
    traffic: str
    file: str
    broken: str
    write_rows: Callable[[Scenario, Path], str]


def plan_of(scenario: Scenario) -> Plan:
    """Return what is shown of the model in the copy.

    A model is the starter if the sha256 of its file is on the package's list. A starter that was
    changed, or trained again to other bytes, is shown as any other model.

    Raises
    ------
    SlipwayError
        There is no model, or a candidate of params.yaml is not valid.
    """
    manifest = read_manifest(scenario.copy / MODEL)
    if manifest["model"]["sha256"] in starters():
        return STARTER
    params = read_params(scenario.copy / "params.yaml")
    candidates = candidates_of(params)[:MOST_CHANGES] if params.search.candidates else ()
    changes = (
        Change(f"candidate-{number}", f"with {named(candidate)}", candidate)
        for number, candidate in enumerate(candidates, 1)
    )
    return Plan(
        changes=tuple(changes),
        traffic="rows of the holdout",
        file="holdout.parquet",
        broken="broken-rows",
        write_rows=write_holdout,
    )


def write_holdout(scenario: Scenario, path: Path) -> str:
    """Write the first rows of the holdout: in the order of time, if rows have a time."""
    import pyarrow.parquet as pq

    params = read_params(scenario.copy / "params.yaml")
    dataset = Dataset.open(params, scenario.copy / params.data.folder)
    held = dataset.held_out
    rows = dataset.table.arrow(held, list(project.schema().columns)).slice(0, MOST_ROWS)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path)
    names = dataset.periods[held.start : held.stop] if dataset.table.unit else []
    span = f" ({' to '.join(dict.fromkeys([names[0], names[-1]]))})" if names else ""
    every = int(dataset.table.rows[held.start : held.stop].sum())
    which = "all" if len(rows) == every else f"the first {len(rows):,} of"
    return f"Traffic: {which} {every:,} rows of the holdout{span}."


def _write_next_month(scenario: Scenario, path: Path) -> str:
    scenario.slipway("data", "--month", path.stem, "--out", str(path.parent))
    return f"Traffic: the rows of {path.stem}, the month after the data."


# How the changes do in later months: docs/benchmarks.md.
STARTER = Plan(
    changes=(
        Change("fewer-trees", "with fewer trees, which is better", {"iterations": 100}, "better"),
        Change(
            "learn-too-fast",
            "with a learning rate that is too high, which is worse",
            {"learning_rate": 1.0, "iterations": 100},
            "worse",
        ),
        Change(
            "very-few-trees",
            "with very few trees, which is inconclusive",
            {"iterations": 10},
            "inconclusive",
        ),
    ),
    traffic="traffic of the next month",
    file="2013-10.parquet",
    broken="broken-october",
    write_rows=_write_next_month,
)
