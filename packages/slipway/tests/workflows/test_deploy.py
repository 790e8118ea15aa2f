"""deploy.yml, run by act against a real engine and a real registry: what comes of a merge."""

from __future__ import annotations

import json
import re

import pytest
from tests.services.repository import commit

from slipway.dataset.tables import digest
from slipway.repository.layout import MACHINE_CODE
from slipway.repository.worktrees import run

# A whole release, job by job, on a machine that may be doing other things.
pytestmark = pytest.mark.timeout(900)

BEFORE_STAGING = {"Verify": "success", "Image": "success"}


def test_what_reached_production_becomes_a_release_with_card_and_sbom(releasing, github):
    releasing.production = "local"
    releasing.review()

    outcome = releasing.push()

    assert outcome.jobs == BEFORE_STAGING | dict.fromkeys(
        ("Staging", "Production", "Release"), "success"
    ), outcome.text
    assert [title.partition(":")[0] for title in outcome.annotations("notice")] == [
        "No host is set for staging"
    ]
    assert "SLIPWAY_STAGING_TARGET to ssh://user@host" in outcome.summary
    assert "## ✅ Deployment" in outcome.summary
    image = releasing.handed_on("image", "image.json")
    verified = releasing.handed_on("verified", "verified.json")
    assert image["model_sha256"] == verified["model_sha256"]
    assert image["commit"] == verified["commit"] == releasing.commit
    assert digest(releasing.act.artifacts / "verified/model/model.onnx") == image["model_sha256"]
    attested = (releasing.act.artifacts / "attestations.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in attested] == [
        {"image": image["image"], "sbom": ""},
        {"image": image["image"], "sbom": "CycloneDX"},
    ]
    assert image["image"].startswith(f"{releasing.registry}/team/flights@sha256:")
    [release] = github.released.releases
    assert release["target_commitish"] == releasing.commit
    assert re.fullmatch(rf"release-\d{{4}}-\d\d-\d\d-{releasing.commit[:7]}", release["tag_name"])
    for part in ("### ✅ Model `", "| AUC |", "Limits", "| verdict | Unchanged", image["image"]):
        assert part in release["body"]
    names = {name for _, name in github.released.assets}
    assert names == {
        *("card.json", "card.md", "image.json", "manifest.json"),
        *("sbom.json", "verified.json"),
    }
    sbom = json.loads(github.released.assets[release["id"], "sbom.json"])
    assert sbom["bomFormat"] == "CycloneDX"
    assert len(releasing.containers()) == 2  # the release and its proxy
    live = releasing.live()
    assert live["image"] == image["image"]
    assert live["verdict"].startswith("Unchanged")
    assert "token-of-the-job" not in outcome.text


def test_a_candidate_that_fails_its_smoke_test_gets_no_further_than_staging(
    releasing, github, service_image, build_variant
):
    """The model is the one that was reviewed; the code around it answers something else."""
    releasing.production = "local"
    predict = "slipway/serving/predict.py"
    source = (service_image.tree / MACHINE_CODE / predict).read_text("utf-8")
    score = "self._model.score(rows.columns)"
    assert score in source
    halved = source.replace(score, f"(0.5 * {score})")
    image = build_variant({f"/app/{predict}": halved}, commit=releasing.commit)
    releasing.hand_on(service_image.built, image, service_image.tree)

    outcome = releasing.push()

    assert outcome.jobs["Image"] == "success", outcome.text
    assert outcome.jobs["Staging"] == "failure", outcome.text
    assert "Production" not in outcome.jobs or outcome.jobs["Production"] != "success"
    assert "## ⛔ Deployment stopped" in outcome.summary
    assert "## ✅ Deployment" not in outcome.summary
    assert "## ✅ Removal" in outcome.summary
    assert releasing.containers() == []
    assert github.released.releases == []


def test_what_came_to_main_without_a_pull_request_is_not_released(releasing):
    outcome = releasing.push()

    assert outcome.jobs["Verify"] == "failure"
    assert "success" not in outcome.jobs.values()
    assert outcome.annotations("error")[0].startswith("no review of this model was found")
    assert not (releasing.act.artifacts / "verified").exists()


def test_only_a_commit_of_the_default_branch_is_released(releasing):
    run(["git", "checkout", "-q", "-b", "aside"], releasing.origin)
    (releasing.origin / "aside.md").write_text("Not reviewed\n", "utf-8")
    aside = commit(releasing.origin, "Not merged")
    run(["git", "checkout", "-q", "main"], releasing.origin)

    outcome = releasing.dispatch(aside)

    assert outcome.jobs["Verify"] == "failure"
    assert outcome.annotations("error") == [f"Not released: {aside} is not on main"]
    assert "Rebuild" not in outcome.text.partition("Resolve the commit")[2].partition("error")[0]
