"""From the last commit to an answer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from slipway.errors import NO, NO_ANSWER, YES, Refused, SlipwayError
from slipway.git import resolve
from slipway.judge.champion import tree_of
from slipway.labels.store import labels_place
from slipway.pointers import POINTER
from slipway.progress import busy
from slipway.report.words import summary
from slipway.restore import restore
from slipway.retrain.months import Added, Places, add_months
from slipway.retrain.steps import (
    REPORT,
    VALIDATION,
    collect,
    track,
    train_and_judge,
    try_challengers,
)
from slipway.settings import Params, read_params
from slipway.tables import write_json

RETRAIN = Path("build/retrain.json")

# What a person or a workflow may want to see or to commit.
FOLDER = Path("build/retrain")
FILES = FOLDER / "files"

Status = Literal["better", "not better", "nothing new", "no answer"]


@dataclass(frozen=True)
class Retrained:
    """What came of it.

    Parameters
    ----------
    months_added
        That the model learned from or was judged on, and was not before.
    months
        The same, with rows and origin.
    challenger
        What the best challenger changes in `train`; None if the settings stay.
    report
        The judge's report, beside `build/retrain.json`; empty if nothing was judged.
    files, branch_files
        The folder, and the names in it, that make the branch; none unless it is better.
    """

    status: Status
    words: str
    commit: str = ""
    months_added: list[str] = field(default_factory=list)
    months: list[dict[str, Any]] = field(default_factory=list)
    challenger: dict[str, Any] | None = None
    report: str = ""
    files: str = ""
    branch_files: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return {"better": YES, "no answer": NO_ANSWER}.get(self.status, NO)

    def as_dict(self) -> dict[str, Any]:
        return {"version": 1} | asdict(self)

    def text(self) -> str:
        lines = [f"{self.status}: {self.words}"]
        if self.branch_files:
            lines.append(
                f"  → a pull request needs the {len(self.branch_files)} files in {self.files}/"
            )
        return "\n".join(lines)


def retrain(root: Path, until: str = "", log: str = "", out: Path = RETRAIN) -> Retrained:
    """Learn from the newest labels in a copy of the last commit; write and return the answer.

    That there is no answer is one too, so that whoever waits for the file gets one.

    Parameters
    ----------
    until
        The last month to add, as ``YYYY-MM``; empty for all that there are.
    log
        Folder or address of the prediction log; empty for the one of the parameters.
    """
    shutil.rmtree(root / FOLDER, ignore_errors=True)
    try:
        found = _retrain(root, until, log)
    except SlipwayError as error:
        found = Retrained("no answer", ": ".join(filter(None, [str(error), error.do])))
    write_json(found.as_dict(), out)
    return found


def _retrain(root: Path, until: str, log: str) -> Retrained:
    commit = resolve(root, "HEAD")
    with tree_of(root, commit) as tree, _kept(tree, root / FOLDER):
        params = read_params(tree / "params.yaml")
        places = _places(root, params, log)
        with busy("Looking for labelled months"):
            restore(tree, POINTER)
            added, why = add_months(tree / "data", params, places, until)
        about: dict[str, Any] = {
            "commit": commit,
            "months_added": [month.month for month in added],
            "months": [asdict(month) for month in added],
        }
        if not added:
            return Retrained("nothing new", _nothing_new(why), **about)
        try:
            return _try(root, tree, commit, params, added, why, about)
        except SlipwayError as error:
            reason = ": ".join(filter(None, [str(error), error.do]))
            return Retrained("no answer", reason, **about)


def _try(
    root: Path,
    tree: Path,
    commit: str,
    params: Params,
    added: list[Added],
    why: list[str],
    about: dict[str, Any],
) -> Retrained:
    track(tree)
    chosen = {}
    if params.challengers:
        with busy("Trying the challengers"):
            chosen = try_challengers(tree)
    found = about | {"challenger": chosen or None}
    said = [f"with {', '.join(month.text() for month in added)}", *why]
    try:
        with busy("Training and judging"):
            report = train_and_judge(tree, commit)
    except Refused as no:
        return Retrained("not better", words="; ".join([*said, str(no)]), **found)
    better = report["verdict"] == "better" and report["may_merge"]
    found |= {
        "words": f"{'; '.join(said)}. {summary(report)}",
        "report": str(FOLDER / REPORT.name),
    }
    if not better:
        return Retrained("not better", **found)
    names = collect(tree, root / FILES)
    return Retrained("better", files=str(FILES), branch_files=names, **found)


def _places(root: Path, params: Params, log: str) -> Places:
    """Return where log and labels are; a folder is one of this repository, not of the copy."""
    named = log or os.environ.get("SLIPWAY_LOG") or params.serve.log
    return Places(*(_absolute(root, place) for place in (named, labels_place(params))))


def _absolute(root: Path, place: str) -> str:
    return place if "://" in place else str((root / place).resolve())


@contextmanager
def _kept(tree: Path, folder: Path) -> Iterator[None]:
    """Keep the reports of the copy, whatever becomes of it."""
    try:
        yield
    finally:
        for name in (REPORT, VALIDATION):
            if (tree / name).is_file():
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy2(tree / name, folder / name.name)


def _nothing_new(why: list[str]) -> str:
    return "; ".join(why) or "there is no further month"
