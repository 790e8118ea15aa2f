"""MLflow as a place for runs and models: what is there already is left as it is."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.errors import SlipwayError, first_line
from slipway.export.packed import Packed
from slipway.export.runs import Point, Run

if TYPE_CHECKING:
    from mlflow import MlflowClient

FOLDER = Path("build/mlflow")

KEY, MODEL, MISSING = "slipway.key", "slipway.model_sha256", "slipway.missing_model"
MODEL_FOLDER = "model"

MOST_METRICS, MOST_PARAMS, MOST_LETTERS = 1000, 100, 5000  # that MLflow takes

# Settings of MLflow, where the user has none: it counts what is used, draws bars, and asks a
# server that is not there for minutes.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


@dataclass
class Stored:
    """A run in MLflow: its id, the sha256 of its model, and whether that is there as a pyfunc."""

    id: str
    model: str
    has_model: bool


@contextmanager
def connected(to: str, name: str) -> Iterator[Store]:
    """Yield the experiment of a name at a place.

    Parameters
    ----------
    to
        A folder, or the address of a server or database.

    Raises
    ------
    SlipwayError
        MLflow is not installed, the place cannot be reached or read, or refuses something.
    """
    for setting, value in QUIET.items():
        os.environ.setdefault(setting, value)
    try:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ModuleNotFoundError:
        raise SlipwayError(
            "MLflow is not installed",
            'add "slipway-ml[mlflow]" to the extra `dev` of pyproject.toml, then `make lock`',
        ) from None
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    try:
        uri, artifacts = _place(to)
        yield Store(uri, artifacts, name)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise SlipwayError(
            f"MLflow at {to}: {first_line(error)}",
            "check the address, that the server runs, and MLFLOW_TRACKING_TOKEN if it needs one",
        ) from error


def _place(to: str) -> tuple[str, str | None]:
    """Return the address of a place, and where a folder keeps its files."""
    scheme, separator, path = to.partition("://")
    if to.startswith("file:"):
        raise SlipwayError(
            f"--to {to}: MLflow 3 keeps no runs in plain files", "name the folder alone"
        )
    if scheme == "sqlite" and not Path(path[1:]).parent.is_dir():
        raise SlipwayError(f"--to {to}: no such folder", "make the folder of the database")
    if separator:
        return to, None
    folder = Path(to).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()


class Store:
    """An experiment of MLflow, and the registered model of the same name."""

    def __init__(self, uri: str, artifacts: str | None, name: str) -> None:
        from mlflow import MlflowClient

        self._client: MlflowClient = MlflowClient(uri, uri)
        self._name = name
        known = self._client.get_experiment_by_name(name)
        self._experiment: str = (
            known.experiment_id if known else self._client.create_experiment(name, artifacts)
        )
        self.stored = dict(self._read())

    def _read(self) -> Iterator[tuple[str, Stored]]:
        """Yield the complete runs by their key; remove those of an export that was interrupted."""
        token: str | None = ""
        while token is not None:
            page = self._client.search_runs([self._experiment], page_token=token or None)
            for run in page:
                tags = run.data.tags
                if KEY not in tags:
                    continue
                if run.info.status == "FINISHED":
                    stored = Stored(run.info.run_id, tags.get(MODEL, ""), MISSING not in tags)
                    yield tags[KEY], stored
                else:
                    self._client.delete_run(run.info.run_id)
            token = page.token or None

    def add(self, run: Run, model: Packed | None, missing: str, report: str) -> None:
        """Write a run with its model, or why that is missing."""
        tags = run.tags | {KEY: run.key, "slipway.kind": run.kind}
        made = self._client.create_run(
            self._experiment, run.time, _short(tags), run_name=run.name[:MOST_LETTERS]
        )
        stored = Stored(made.info.run_id, run.model, has_model=False)
        self.log(stored, run.points)
        self._log_params(stored, run.params)
        self._client.log_text(stored.id, run.content.decode(), f"{run.kind}.json")
        if report:
            self._client.log_text(stored.id, report, "report.html")
        if model:
            self.add_model(stored, model)
        else:
            self._client.set_tag(stored.id, MISSING, missing[:MOST_LETTERS])
        self._client.set_terminated(stored.id, "FINISHED", run.time)
        self.stored[run.key] = stored

    def add_model(self, stored: Stored, model: Packed) -> None:
        """Write the model of a run, its card and its metrics."""
        self._client.log_artifacts(stored.id, str(model.folder), MODEL_FOLDER)
        self._client.log_artifacts(stored.id, str(model.files))
        self._client.set_tag(stored.id, MODEL, model.sha256)
        stored.model, stored.has_model = model.sha256, True

    def complete(self, stored: Stored, model: Packed) -> None:
        """Write the model of a run that was exported without it."""
        self.add_model(stored, model)
        self._client.delete_tag(stored.id, MISSING)

    def log(self, stored: Stored, points: Sequence[Point]) -> None:
        """Write values of metrics; of those that are there already nothing is added."""
        from mlflow.entities import Metric

        for start in range(0, len(points), MOST_METRICS):
            part = points[start : start + MOST_METRICS]
            metrics = [Metric(each.name, each.value, each.time, each.step) for each in part]
            self._client.log_batch(stored.id, metrics=metrics)

    def _log_params(self, stored: Stored, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        listed = [Param(name, value) for name, value in _short(params).items()]
        for start in range(0, len(listed), MOST_PARAMS):
            self._client.log_batch(stored.id, params=listed[start : start + MOST_PARAMS])

    def register(self, models: Mapping[str, Stored]) -> dict[str, str]:
        """Make a version of each model that has none; return the versions by the sha256."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.get_registered_model(self._name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            self._client.create_registered_model(self._name)
        versions = dict(self._versions())
        for model, stored in models.items():
            if model not in versions:
                source = f"runs:/{stored.id}/{MODEL_FOLDER}"
                made: Any = self._client.create_model_version(
                    self._name, source, stored.id, {MODEL: model}
                )
                versions[model] = str(made.version)
        return versions

    def _versions(self) -> Iterator[tuple[str, str]]:
        token: str | None = ""
        while token is not None:
            page = self._client.search_model_versions(
                f"name = '{self._name}'", page_token=token or None
            )
            yield from (
                (each.tags[MODEL], str(each.version)) for each in page if MODEL in each.tags
            )
            token = page.token or None

    def name_version(self, alias: str, version: str | None) -> None:
        """Let an alias name a version; None removes it."""
        now = self._client.get_registered_model(self._name).aliases.get(alias)
        if version is None and now is not None:
            self._client.delete_registered_model_alias(self._name, alias)
        elif version is not None and str(now) != version:
            self._client.set_registered_model_alias(self._name, alias, version)


def _short(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: text[:MOST_LETTERS] for name, text in texts.items()}
