"""The metadata of a model card as the Hugging Face Hub reads it: YAML above the Markdown.

Specification: https://huggingface.co/docs/hub/model-cards, and `ModelCardData` of huggingface_hub.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO

from slipway.card.check import Front
from slipway.card.content import Card
from slipway.metrics.registry import ALL

LIBRARIES = {"onnx": "onnx", "skops": "sklearn"}

# The Hub's own names of metrics; https://huggingface.co/metrics.
METRIC_TYPES = {"auc": "roc_auc", "macro_auc": "roc_auc", "brier": "brier_score", "macro_f1": "f1"}
METRIC_TYPES |= {"r2": "r_squared"}

TAGS = ("tabular", "slipway")


def metadata(card: Card) -> Mapping[str, object]:
    """Return the metadata block of a card."""
    front = Front.of(card.page) if card.page else Front()
    kind = "classification" if card.task.is_classifier else "regression"
    pipeline = f"tabular-{kind}"
    name = str(card.manifest["target"]["name"])
    stated = {
        "license": front.license,
        "license_name": front.license_name,
        "license_link": front.license_link,
        "language": front.language,
    }
    return {key: value for key, value in stated.items() if value} | {
        "library_name": LIBRARIES.get(card.manifest["model"]["format"], "slipway"),
        "pipeline_tag": pipeline,
        "tags": list(dict.fromkeys([*TAGS, pipeline, *front.tags])),
        "model-index": [{"name": name, "results": [_result(card, pipeline)]}],
    }


def _result(card: Card, pipeline: str) -> Mapping[str, object]:
    manifest = card.manifest
    periods = manifest["holdout"]["months"]
    span = f" ({' to '.join(dict.fromkeys([periods[0], periods[-1]]))})" if periods else ""
    return {
        "task": {"type": pipeline, "name": card.task.name},
        "dataset": {
            "type": "tabular",
            "name": f"holdout of {manifest['target']['name']}{span}",
            "split": "holdout",
            "revision": manifest["data"]["md5"],
        },
        "metrics": _metrics(card.metrics["model"]),
    }


def _metrics(measured: Mapping[str, Mapping[str, float]]) -> Sequence[Mapping[str, object]]:
    return [
        {
            "type": METRIC_TYPES.get(key, key),
            "name": ALL[key].label if key in ALL else key,
            "value": estimate["value"],
        }
        for key, estimate in measured.items()
    ]


def front_matter(block: Mapping[str, object]) -> str:
    """Return a metadata block as YAML between two lines of ``---``."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 10_000
    text = StringIO()
    yaml.dump(dict(block), text)
    return f"---\n{text.getvalue()}---\n"
