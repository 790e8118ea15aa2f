"""All that was tried: judgements of all branches, and experiments of DVC.

A judgement leaves a record in the branch that it judged (`slipway.comparison.record`), and
`dvc exp run` a commit below ``refs/exps``. Both name settings, data and model, so what was tried
before is recognized.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel

from slipway.catalogue.commits import Commit, object_of, params_of, read_commit
from slipway.comparison.record import JUDGEMENTS, Record, parse
from slipway.comparison.report import current
from slipway.metrics.registry import ALL
from slipway.predictions.answers import Fields
from slipway.repository.git import git, names, read_file, shown
from slipway.repository.layout import MODEL_CODE
from slipway.repository.pointers import LOCK, POINTER, read_stages
from slipway.texts import read_yaml

METRICS = "reports/metrics.json"
EXPERIMENTS = "refs/exps"

# What DVC keeps below it for itself.
OF_DVC = ("exec", "stash", "queue", "apply", "temp")

CODE = f"{MODEL_CODE.as_posix()}/model"

_MARK = "\x01"


class Experiment(BaseModel):
    """A model that was tried.

    Attributes
    ----------
    kind
        Whether it was judged, or run by `dvc exp run`.
    name
        That of the experiment of DVC, or the subject of the commit.
    model, champion
        The first digits of the sha256 of the model that was judged, and of its champion.
    value
        Of the primary metric on the newest period.
    settings
        Those of the pipeline, by path.
    code
        The git tree of src/model.
    """

    kind: Literal["judged", "experiment"]
    commit: str
    date: str
    author: str
    name: str
    model: str = ""
    champion: str = ""
    primary: str = ""
    value: float | None = None
    verdict: str = ""
    periods: int = 0
    data: str
    code: str
    settings: Fields

    def is_same(self, other: Settings) -> bool:
        """Return whether it has the settings, data and code of something else."""
        return (self.settings, self.data, self.code) == (other.settings, other.data, other.code)


class Settings(BaseModel):
    """What decides about a model: settings, data and code."""

    settings: Fields
    data: str
    code: str


@dataclass(frozen=True)
class Tried:
    """What was tried, the newest first.

    Attributes
    ----------
    unreadable
        The files of branches that should be records and are none, with the commit that added each.
    """

    experiments: list[Experiment]
    unreadable: list[str]


def experiments(root: Path) -> list[Experiment]:
    """Return what was tried, the newest first; raises as `tried` does."""
    return tried(root).experiments


def tried(root: Path) -> Tried:
    """Return what was tried.

    Raises
    ------
    SlipwayError
        This is no repository.
    """
    unreadable: list[str] = []
    found = [*_judged(root, unreadable), *_of_dvc(root)]
    return Tried(sorted(found, key=lambda each: each.date, reverse=True), unreadable)


def present(root: Path) -> Settings | None:
    """Return what the working tree would try; None if its code is not that of a commit."""
    if git(root, "status", "--porcelain", "--", CODE).strip() or not (root / LOCK).is_file():
        return None
    pointer = read_yaml(root / POINTER) if (root / POINTER).is_file() else {}
    known = params_of(read_stages(root / LOCK))
    params = read_yaml(root / "params.yaml")
    return Settings(
        settings={path: _at(params, path, value) for path, value in known.items()},
        data=next((str(out["md5"]) for out in pointer.get("outs", ())), ""),
        code=object_of(root, "HEAD", CODE),
    )


def _at(params: Any, path: str, otherwise: Any) -> Any:
    """Return a setting of params.yaml; one that it lacks has its default, as before."""
    for name in path.split("."):
        if not isinstance(params, dict) or name not in params:
            return otherwise
        params = params[name]
    return params


def _judged(root: Path, unreadable: list[str]) -> Iterator[Experiment]:
    """Yield the judgements of all branches; add what is no record to `unreadable`."""
    judgements = dict[tuple[str, str, str], list[Record]]()
    for commit, name in _added(root):
        record = parse(read_file(root, commit, name) or "")
        parts = Path(name).stem.split("-")
        if record is None or len(parts) != 3:
            unreadable.append(f"{shown(name)} (commit {commit[:7]})")
        else:
            judgements.setdefault((commit, parts[1], parts[2]), []).append(record)
    for (commit, model, champion), records in judgements.items():
        judged: Fields = {
            "kind": "judged",
            "model": model,
            "champion": champion,
            "primary": records[0].primary,
            "value": records[0].value,
            "verdict": str(current(records[0].verdict)),
            "periods": len(records),
        }
        yield Experiment.model_validate(judged | _about(root, read_commit(root, commit)))


def _added(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the JSON files that commits of any branch added to the records, with the commit."""
    form = f"--format={_MARK}%H"
    command = ("log", "--all", "--diff-filter=A", "--name-only", form, "-z")
    commit = ""
    for part in names(root, *command, "--", JUDGEMENTS.as_posix()):
        for text in part.split("\n"):
            if text.startswith(_MARK):
                commit = text[1:]
            elif text.endswith(".json"):
                yield commit, text


def _of_dvc(root: Path) -> Iterator[Experiment]:
    listed = git(root, "for-each-ref", "--format=%(objectname) %(refname)", EXPERIMENTS)
    for line in listed.splitlines():
        commit, _, name = line.partition(" ")
        if name.split("/")[2] in OF_DVC:
            continue
        own: Fields = {"kind": "experiment", "name": name.rpartition("/")[2]}
        about = _about(root, read_commit(root, commit)) | own | _measured(root, commit)
        yield Experiment.model_validate(about)


def _measured(root: Path, commit: str) -> Fields:
    """Return the first metric that the model of a commit has, if it has one."""
    try:
        metrics = orjson.loads(read_file(root, commit, METRICS) or "")["model"]
    except (ValueError, KeyError, TypeError):
        return {}
    return next(
        ({"primary": key, "value": entry["value"]} for key, entry in metrics.items() if key in ALL),
        {},
    )


def _about(root: Path, commit: Commit) -> Fields:
    return {
        "commit": commit.hash,
        "date": commit.date,
        "author": commit.author,
        "name": commit.subject,
        "data": commit.data_md5,
        "code": object_of(root, commit.hash, CODE),
        "settings": commit.params,
    }


def differing(found: Sequence[Experiment]) -> list[str]:
    """Return the settings that are not the same everywhere."""
    paths = dict.fromkeys(path for each in found for path in each.settings)
    return [
        path for path in paths if len({orjson.dumps(each.settings.get(path)) for each in found}) > 1
    ]
