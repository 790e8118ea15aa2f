"""The model of a commit: by its hash, with its metrics, and what it predicts."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.comparison.champion import build, has_model, tree_of
from slipway.errors import SlipwayError
from slipway.explore.session import repository, with_short_errors
from slipway.metrics.registry import ALL, metrics_of
from slipway.repository.git import PREFIX, read_file, resolve
from slipway.repository.layout import MODEL_CODE
from slipway.repository.pointers import LOCK
from slipway.tasks import task_of
from slipway.training.evaluate import REPORTS
from slipway.training.score import score_columns

if TYPE_CHECKING:
    import pandas as pd

    from slipway.manifest import Manifest

METRICS = REPORTS / "metrics.json"


@dataclass(frozen=True)
class Model:
    """A model that a commit locks.

    Attributes
    ----------
    commit
        The full hash of the commit.
    sha256
        Of the model file, by which reports, images and predictions name it.
    origin
        How it was obtained, such as *restored by hash*.
    manifest
        What was recorded when it was trained.
    """

    root: Path = field(repr=False)
    commit: str
    sha256: str
    origin: str
    manifest: Manifest = field(repr=False)

    @with_short_errors
    def metrics(self) -> pd.DataFrame:
        """Return the metrics on the holdout, as the commit reports them.

        Returns
        -------
        A row for each metric of the task: `value`, and `low` and `high` of its interval, whose
        level is `evaluate.confidence`; `better` is *higher*, *lower*, or empty.

        Raises
        ------
        SlipwayError
            The commit has no such report.
        """
        import orjson
        import pandas as pd

        text = read_file(self.root, self.commit, METRICS.as_posix())
        try:
            entries = orjson.loads(text or "")["model"]
        except (ValueError, KeyError, TypeError):
            raise SlipwayError(
                f"{METRICS} of commit {self.commit[:7]} has no metrics of a model",
                "run `dvc repro` on that commit, and commit reports/",
            ) from None
        rows = [
            {
                "metric": ALL[name].label,
                **entries[name],
                "better": ALL[name].direction if ALL[name].is_compared else "",
            }
            for name in metrics_of(task_of(self.manifest).name)
            if name in entries
        ]
        return pd.DataFrame(rows, columns=["metric", "value", "low", "high", "better"])

    @with_short_errors
    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return what the model predicts, computed by the code of its commit.

        Parameters
        ----------
        rows
            With the columns that are known before the event, as `data` returns them.

        Returns
        -------
        `score`: a probability or a number. Of several classes, a column for each, by its name. The
        index is that of the rows.

        Raises
        ------
        SlipwayError
            A column is missing, or has another type.
        """
        import pandas as pd

        with (
            tree_of(self.root, self.commit) as tree,
            tempfile.TemporaryDirectory(prefix=PREFIX) as folder,
        ):
            file = Path(folder) / "rows.parquet"
            rows.to_parquet(file, index=False)
            scores, reason = build(self.root, tree).score(file, Path(folder) / "scores.parquet")
        if scores is None:
            raise SlipwayError(
                f"commit {self.commit[:7]} cannot score these rows: {reason}",
                f"name the columns as {MODEL_CODE}/model/schema.py of that commit does",
            )
        classes = task_of(self.manifest).classes
        columns = score_columns(scores)
        names = map(str, classes) if len(columns) == len(classes) else columns
        return pd.DataFrame(
            dict(zip(names, columns.values(), strict=True)),
            index=rows.index,
        )


@with_short_errors
def model(revision: str = "HEAD") -> Model:
    """Return the model of a commit, branch or tag: restored by its hash, or rebuilt.

    Raises
    ------
    SlipwayError
        The commit does not exist or locks no model, or it is in no cache or remote and cannot be
        rebuilt.
    """
    root = repository()
    return model_of(root, resolve(root, revision))


def model_of(root: Path, commit: str) -> Model:
    """Return the model of a commit."""
    with tree_of(root, commit) as tree:
        if not has_model(tree):
            raise SlipwayError(
                f"{LOCK} of commit {commit[:7]} names no model", "run `dvc repro` and commit it"
            )
        built = build(root, tree)
        return Model(root, commit, built.sha256, built.origin, built.manifest)
