"""batch.yml: rows are scored with the model of the image that is live in production."""

from __future__ import annotations

import html
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.workflows.api import ID
from tests.workflows.conftest import RUN

from slipway.dataset.tables import digest
from slipway.docker import docker
from slipway.release.image.registry import push_image
from slipway.repository.worktrees import run

WORKFLOW = ("--workflows", ".github/workflows/batch.yml")

DISPATCH = {
    "inputs": {},
    "repository": {"id": ID, "default_branch": "main"},
    "ref": "refs/heads/main",
}


@pytest.fixture
def live(small_repository: Path, registry: str) -> dict[str, str]:
    """The record of an image with the model, and nothing else, in the registry."""
    model = small_repository / "build/model"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(model, "app/build/model")
    image = docker("import", "-", stdin=packed.getvalue()).strip()
    pushed = push_image(image, f"{registry}/team/flights", "live")
    return {
        "image": pushed,
        "model_sha256": digest(model / "model.onnx"),
        "manifest_sha256": digest(model / "manifest.json"),
    }


@pytest.fixture
def release(act, github, api, live):
    """Let production have a release of `main`, whose record is `live` and what is given."""

    def release(**fields: str) -> None:
        commit = run(["git", "rev-parse", "main"], act.origin).strip()
        github.released.statuses[github.released.deploy(commit, "production")] = [
            {"state": "success"}
        ]
        made = api.post("releases", {"tag_name": f"release-2026-11-29-{commit[:7]}", "body": ""})
        github.released.assets[made["id"], "image.json"] = json.dumps(live | fields).encode()

    return release


@pytest.fixture
def score(act, github, registry):
    github.watched.origin = act.origin
    github.watched.settings["repository"] = {"default_branch": "main"}

    def score(**variables: Any):
        given = {"SLIPWAY_REGISTRY": f"{registry}/team/flights"} | variables
        options = [part for name, value in given.items() for part in ("--var", f"{name}={value}")]
        return act.run("workflow_dispatch", DISPATCH, *WORKFLOW, *options)

    return score


def test_rows_are_scored_by_the_live_release_and_too_many_bad_ones_are_an_error(
    score, release, live, small_repository, act, tmp_path
):
    assert score().jobs == {}  # disabled
    release()
    rows = pd.read_parquet(small_repository / "data/2013-09.parquet").head(200)
    rows.loc[rows.index[:2], "origin"] = None
    rows.to_parquet(tmp_path / "rows.parquet")
    given = {
        "SLIPWAY_BATCH_ROWS": tmp_path / "rows.parquet",
        "SLIPWAY_BATCH_OUT": tmp_path / "scores",
    }

    outcome = score(**given)
    assert outcome.jobs == {"Score": "failure"}
    assert [title.partition(":")[0] for title in outcome.annotations("error")] == [
        "2 rows rejected"
    ]
    assert "origin: not_nullable" in html.unescape(outcome.summary)
    counts = json.loads((act.artifacts / "batch/batch.json").read_text("utf-8"))
    assert (counts["scored"], counts["rejected"]) == (198, 2)
    batch = json.loads((tmp_path / f"scores/{RUN}/batch.json").read_text("utf-8"))
    assert batch["model"] == live["model_sha256"]

    outcome = score(**given, SLIPWAY_BATCH_MAX_REJECTED="0.01")  # the run again: nothing is left
    assert outcome.jobs == {"Score": "success"}, outcome.text
    assert "2 rows rejected" in outcome.annotations("warning")[0]


def test_an_image_with_another_model_than_its_record_scores_nothing(score, release, tmp_path):
    release(model_sha256="0" * 64)

    outcome = score(SLIPWAY_BATCH_ROWS="rows", SLIPWAY_BATCH_OUT=tmp_path / "scores")
    assert outcome.jobs == {"Score": "failure"}
    assert "another model than its release records" in outcome.text
    assert not (tmp_path / "scores").exists()
