"""Reading the manifest of a model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from slipway.errors import SlipwayError
from slipway.manifest import MANIFEST_FILE, read_manifest
from slipway.tasks import declared_task


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"model": {"sha256": 3}}, "`model.sha256`"),
        ({"threshold": "0.5"}, "`threshold`"),
        ({"train": {"rows": True}}, "`train.rows`"),
        ({"reference": {"size": {"type": "number", "mean": None}}}, "`reference.size.rows`"),
        ({"features": {"size": "number"}}, "`features`"),
        ({"golden": [{"row": {}, "probability": "high"}]}, "`golden.0.probability`"),
        ([], "not a JSON object"),
    ],
)
def test_a_manifest_with_a_value_of_another_type_is_refused_with_its_key(
    tmp_path: Path, content: object, named: str
) -> None:
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(content), "utf-8")
    with pytest.raises(SlipwayError, match=re.escape(named)) as refused:
        read_manifest(tmp_path)
    assert str(tmp_path / MANIFEST_FILE) in str(refused.value)


def test_a_manifest_of_an_earlier_version_is_read_though_it_lacks_keys(tmp_path: Path) -> None:
    content = {"model": {"sha256": "0" * 64}, "target": {"name": "late"}, "later": {"key": 1}}
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(content), "utf-8")
    assert read_manifest(tmp_path) == content


def test_statistics_of_labels_of_another_type_are_refused_with_their_name() -> None:
    for record in ({"classes": {"web": "many"}}, {"rows": 3}):
        with pytest.raises(SlipwayError, match="classes"):
            declared_task("multiclass", ["web", "mobile"]).statistics.of(record)
