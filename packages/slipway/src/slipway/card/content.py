"""The content of a model card: from the manifest, the committed reports and the written page.

It holds no value of a row; names of slices are the only values of the data.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.card.written import CARD, Page
from slipway.dataset.tables import read_json
from slipway.manifest import MODEL, Manifest, read_manifest
from slipway.metrics.registry import headline_of
from slipway.tasks import Task, task_of

METRICS = Path("reports/metrics.json")
SLICES = Path("reports/plots/slices.csv")

VERSION = 1

PART_OF_DATA = ("months", "rows", "unlabelled", "positives", "classes")


@dataclass(frozen=True)
class Card:
    """A model card.

    Attributes
    ----------
    metrics
        Of reports/metrics.json.
    slices
        The rows of reports/plots/slices.csv that are large enough to be measured.
    page
        The written part; None if it is missing.
    """

    manifest: Manifest
    metrics: Mapping[str, Any]
    slices: Sequence[Mapping[str, str]]
    page: Page | None

    @classmethod
    def read(cls, root: Path, model: Path = MODEL) -> Card:
        """Read the card of the model in a tree.

        Parameters
        ----------
        model
            Its folder.

        Raises
        ------
        SlipwayError
            The manifest or the metrics are missing.
        """
        manifest = read_manifest(root / model)
        metrics = read_json(root / METRICS, "dvc repro")
        return cls(manifest, metrics, _slices(root, task_of(manifest)), Page.read(root, CARD))

    @property
    def task(self) -> Task:
        return task_of(self.manifest)

    @property
    def written(self) -> Mapping[str, str]:
        """The sections of the page that hold text."""
        sections = self.page.sections if self.page else {}
        return {title: text for title, text in sections.items() if text}

    def to_json(self, metadata: Mapping[str, object]) -> Mapping[str, object]:
        """Return the card for programs."""
        manifest, task = self.manifest, self.task
        return {
            "version": VERSION,
            "metadata": metadata,
            "written": self.written,
            "model": {name: manifest["model"][name] for name in ("sha256", "format", "bytes")},
            "target": {
                "name": manifest["target"]["name"],
                "definition": manifest["target"]["definition"],
                "task": task.name,
                "classes": list(task.classes),
                "quantile": task.quantile,
                "threshold": manifest.get("threshold"),
            },
            "features": [each["name"] for each in manifest["features"]],
            "data": {"md5": manifest["data"]["md5"]}
            | {part: _described(manifest[part]) for part in ("train", "holdout")},
            "metrics": dict(self.metrics),
            "slices": list(self.slices),
            "libraries": manifest["libraries"],
            "requirements_sha256": manifest["requirements_sha256"],
        }


def _described(part: Mapping[str, Any]) -> Mapping[str, object]:
    return {name: part[name] for name in PART_OF_DATA if name in part}


def _slices(root: Path, task: Task) -> list[Mapping[str, str]]:
    if not (root / SLICES).exists():
        return []
    with (root / SLICES).open(encoding="utf-8", newline="") as file:
        keys = headline_of(task.name)
        return [row for row in csv.DictReader(file) if any(row.get(key) for key in keys)]
