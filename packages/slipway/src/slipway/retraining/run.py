"""Retrain in a copy of the last commit, and report the result."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from slipway import project
from slipway.comparison.champion import tree_of
from slipway.dataset.folder import DATA
from slipway.dataset.tables import write_json
from slipway.errors import INCONCLUSIVE, NO, YES, Refused, SlipwayError
from slipway.monitoring.check import log_place
from slipway.numbers import counted
from slipway.predictions.labels.store import labels_place
from slipway.progress import spinner
from slipway.reports.messages import summary
from slipway.repository.git import resolve
from slipway.repository.pointers import POINTER
from slipway.repository.restore import restore
from slipway.retraining.months import Added, Places, add_months
from slipway.retraining.pipeline import (
    REPORT,
    VALIDATION,
    collect,
    track,
    train_and_judge,
    try_candidates,
)
from slipway.settings import Params, TrainSettings, read_params

RETRAIN = Path("build/retrain.json")

# What a person or a workflow may want to see or to commit.
FOLDER = Path("build/retrain")
FILES = FOLDER / "files"

Status = Literal["better", "not better", "nothing new", "inconclusive"]

VERSION = 2


@dataclass(frozen=True)
class Retrained:
    """The result, ``build/retrain.json``.

    `months` has rows and origin of the `months_added`. `challenger` has the settings of `train`
    that the best candidate changes, `report` the path of the judge's report, and `files` and
    `branch_files` the folder and the names of the files to propose, if the model is better.
    """

    status: Status
    words: str
    commit: str = ""
    months_added: list[str] = field(default_factory=list)
    months: list[Added] = field(default_factory=list)
    challenger: TrainSettings | None = None
    report: str = ""
    files: str = ""
    branch_files: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return {"better": YES, "inconclusive": INCONCLUSIVE}.get(self.status, NO)

    def as_dict(self) -> dict[str, object]:
        return {"version": VERSION} | asdict(self)

    def text(self) -> str:
        lines = [f"{self.status}: {self.words}"]
        if self.branch_files:
            lines.append(
                f"  → a pull request needs the {counted(len(self.branch_files), 'file')} in "
                f"{self.files}/"
            )
        return "\n".join(lines)


def retrain(root: Path, until: str = "", log: str = "", out: Path = RETRAIN) -> Retrained:
    """Train on the newest labels in a copy of the last commit; write and return the result.

    The result is inconclusive, and is written all the same, if an error occurs.

    Parameters
    ----------
    until
        The last month to add, as ``YYYY-MM``; empty for all.
    log
        Folder or URL of the prediction log; empty for `serve.log` of params.yaml.
    """
    shutil.rmtree(root / FOLDER, ignore_errors=True)
    try:
        result = _retrain(root, until, log)
    except SlipwayError as error:
        result = Retrained("inconclusive", _reason(error))
    write_json(result.as_dict(), out)
    return result


def _retrain(root: Path, until: str, log: str) -> Retrained:
    _require_periods()
    commit = resolve(root, "HEAD")
    with tree_of(root, commit) as tree, _kept(tree, root / FOLDER):
        params = read_params(tree / "params.yaml")
        places = _places(root, params, log)
        with spinner("Looking for labelled periods"):
            restore(tree, POINTER)
            if Path(params.data.folder) != DATA:
                restore(tree, params.data.folder)
            added, why = add_months(tree / "data", params, places, until)
        names = [month.month for month in added]
        result = Retrained("nothing new", _nothing_new(why), commit, names, added)
        if not added:
            return result
        try:
            return _train(root, tree, params, why, result)
        except SlipwayError as error:
            return replace(result, status="inconclusive", words=_reason(error))


def _require_periods() -> None:
    """Refuse rows that belong to no period, or that are not known by one column."""
    if reason := project.not_retrainable():
        raise SlipwayError(
            reason,
            "add rows to data/, then `dvc add data`, `dvc repro` and `slipway judge` "
            "(docs/data.md)",
        )


def _reason(error: SlipwayError) -> str:
    return ": ".join(filter(None, [str(error), error.do]))


def _train(root: Path, tree: Path, params: Params, why: list[str], result: Retrained) -> Retrained:
    """Train with the months of a result and compare; return the whole result."""
    track(tree, made=Path(params.data.folder) != DATA)
    if params.search.candidates:
        with spinner("Trying the candidates"):
            result = replace(result, challenger=try_candidates(tree) or None)
    sentences = [f"with {', '.join(month.text() for month in result.months)}", *why]
    try:
        with spinner("Training and judging"):
            report = train_and_judge(tree, result.commit)
    except Refused as refusal:
        words = "; ".join([*sentences, str(refusal)])
        return replace(result, status="not better", words=words)
    result = replace(
        result,
        status="not better",
        words=f"{'; '.join(sentences)}. {summary(report)}",
        report=str(FOLDER / REPORT.name),
    )
    if not (report.verdict == "better" and report.may_merge):
        return result
    names = collect(tree, root / FILES)
    return replace(result, status="better", files=str(FILES), branch_files=names)


def _places(root: Path, params: Params, log: str) -> Places:
    """Return log and labels; a relative folder is in this repository, not in the copy."""
    places = (log or log_place(params), labels_place(params))
    return Places(*(_absolute(root, place) for place in places))


def _absolute(root: Path, place: str) -> str:
    return place if "://" in place else str((root / place).resolve())


@contextmanager
def _kept(tree: Path, folder: Path) -> Iterator[None]:
    """Keep the reports of the copy, also after an error."""
    try:
        yield
    finally:
        for name in (REPORT, VALIDATION):
            if (tree / name).is_file():
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy2(tree / name, folder / name.name)


def _nothing_new(why: list[str]) -> str:
    return "; ".join(why) or "there is no further period"
