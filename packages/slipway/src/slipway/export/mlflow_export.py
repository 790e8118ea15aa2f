"""`slipway export mlflow`: every release and judgement as a run, with its model."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import orjson

from slipway.documents.html import to_html
from slipway.errors import SlipwayError, first_line
from slipway.export.mlflow_store import FOLDER, Store, connected
from slipway.export.packed import Packed, machine_archive, packed
from slipway.export.runs import Run, production, runs
from slipway.numbers import counted
from slipway.progress import track
from slipway.reports.render import document_of, is_judgement
from slipway.texts import read_text

CHAMPION, CHALLENGER = "champion", "challenger"

REPORTS = ("build/report.json", "build/reports/*.json")


@dataclass
class Exported:
    """What was exported; `missing` names each model that is not there, with the reason."""

    to: str
    name: str
    runs: Sequence[Run]
    new: int = 0
    aliases: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return it for a terminal."""
        kinds = [run.kind for run in self.runs]
        parts = [counted(kinds.count(kind), kind) for kind in ("release", "judgement")]
        lines = [f"{self.to}: {' and '.join(parts)} in the experiment {self.name}, {self.new} new"]
        lines += [f"  models:/{self.name}@{alias}: {text}" for alias, text in self.aliases.items()]
        if self.missing:
            lines.append(f"{counted(len(self.missing), 'model')} could not be exported:")
            lines += [f"  {text}" for text in self.missing]
        return "\n".join(lines)


def export(root: Path, to: str = "") -> Exported:
    """Export all releases and judgements to MLflow; what is there already stays as it is.

    Parameters
    ----------
    to
        A folder or an address; by default MLFLOW_TRACKING_URI, else `FOLDER`.

    Raises
    ------
    SlipwayError
        No release is recorded, MLflow is not installed, or the place refuses.
    """
    to = to or os.environ.get("MLFLOW_TRACKING_URI", "") or str(FOLDER)
    listed = runs(root)
    done = Exported(to, _name(root), listed)
    live, points = production(root)
    with connected(to, done.name) as store, ExitStack() as stack:
        models = _Models(root, stack)
        for run in track(listed, "Exporting"):
            _export(store, run, models, done)
        _register(store, done)
        of_live = [run for run in listed if run.kind == "release" and run.model == live]
        if live and of_live:
            store.log(store.stored[of_live[-1].key], points)
    return done


def _name(root: Path) -> str:
    path = root / "pyproject.toml"
    project = tomllib.loads(read_text(path)).get("project", {}) if path.is_file() else {}
    return str(project.get("name") or root.resolve().name)


class _Models:
    """Packs models; the machine that goes into each of them is packed once."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.root = root
        self._stack = stack

    @cached_property
    def _machine(self) -> Path:
        return self._stack.enter_context(machine_archive(self.root))

    def pack(self, run: Run, stack: ExitStack) -> tuple[Packed | None, str]:
        """Return the model of a run, or why it cannot be had."""
        if not run.commit:
            return None, "git does not have its commit"
        try:
            return stack.enter_context(packed(self.root, run.commit, run.model, self._machine)), ""
        except SlipwayError as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001 - code and manifests of any age
            return None, first_line(error)


def _export(store: Store, run: Run, models: _Models, done: Exported) -> None:
    stored = store.stored.get(run.key)
    if stored and stored.has_model:
        return
    with ExitStack() as stack:
        model, missing = models.pack(run, stack)
        if missing:
            commit = run.tags["slipway.commit"][:7]
            done.missing.append(f"{run.kind} {run.name} ({commit}): {missing}")
        if stored is None:
            store.add(run, model, missing, _report(models.root, run))
            done.new += 1
        elif model:
            store.complete(stored, model)


def _report(root: Path, run: Run) -> str:
    """Return the report of a judgement as HTML, if `slipway judge` has left it here."""
    for pattern in REPORTS if run.model else ():
        for path in sorted(root.glob(pattern)):
            report = orjson.loads(path.read_bytes())
            if not is_judgement(report) or "challenger" not in report:
                continue
            if str(report["challenger"].get("model", "")).startswith(run.model):
                return to_html(document_of(report, [f"commit `{run.commit[:7]}`"], full=True))
    return ""


def _register(store: Store, done: Exported) -> None:
    """Register the released models and the newest one that was judged and not released."""
    released = [run for run in done.runs if run.kind == "release"]
    shas = {store.stored[run.key].model: store.stored[run.key] for run in released}
    judged = [
        run
        for run in done.runs
        if run.kind == "judgement" and not any(sha.startswith(run.model) for sha in shas)
    ]
    named = {CHAMPION: released[-1], **({CHALLENGER: judged[-1]} if judged else {})}
    found = [*shas.values(), *(store.stored[run.key] for run in judged[-1:])]
    versions = store.register({each.model: each for each in found if each.has_model})
    for alias in (CHAMPION, CHALLENGER):
        stored = store.stored[named[alias].key] if alias in named else None
        version = versions.get(stored.model) if stored else None
        store.name_version(alias, version)
        if stored and version:
            done.aliases[alias] = f"version {version}, model {stored.model[:12]}"
