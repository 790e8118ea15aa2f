"""rollback.yml, run by act against a real engine: the release before takes the traffic again."""

from __future__ import annotations

import pytest
from tests.services.engine import BuildVariant, ServiceImage

from slipway.repository.worktrees import run

# A whole release, job by job, on a machine that may be doing other things.
pytestmark = pytest.mark.timeout(900)

NEWER = "b" * 40


@pytest.fixture
def two_releases(
    releasing, service_image: ServiceImage, build_variant: BuildVariant, monkeypatch
) -> str:
    """Let production have had two releases; return the commit of the first."""
    releasing.production = "local"
    for name, value in releasing.surroundings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLIPWAY_TOKENS", "a-token-for-the-tests")
    monkeypatch.setenv("SLIPWAY_ON_INCONCLUSIVE", "go")  # nothing is asked here
    run(["dvc", "pull", "-q", "build/model"], releasing.origin)
    for image in (service_image.built.image, build_variant(commit=NEWER)):
        run(["slipway", "deploy", "--to", "local", "--image", image], releasing.origin)
    return service_image.built.commit


def test_a_release_that_never_ran_there_is_an_error_and_the_one_before_is_live_again(
    releasing, two_releases, github
):
    refused = releasing.roll_back("0123456")

    assert refused.jobs == {"Roll back": "failure"}
    assert "no release with that name, commit or digest ran here" in refused.annotations("error")[0]
    assert two_releases[:7] in refused.summary
    assert releasing.live()["commit"] == NEWER
    assert github.released.deployments == []

    replaced = github.released.deploy(NEWER, "production")
    outcome = releasing.roll_back()

    assert outcome.jobs == {"Roll back": "success"}, outcome.text
    assert releasing.live()["commit"] == two_releases
    assert releasing.live()["event"] == "rolled back"
    assert releasing.live()["by"] == "ada"
    assert two_releases[:7] in outcome.summary
    made = github.released.deployments[-1]
    assert (made["ref"], made["environment"], made["task"]) == (
        two_releases,
        "production",
        "rollback",
    )
    assert github.released.statuses[replaced][0]["state"] == "inactive"
    assert "token-of-the-job" not in outcome.text


def test_where_no_host_is_set_there_is_nothing_to_roll_back(releasing, github):
    outcome = releasing.roll_back(environment="staging")

    assert outcome.jobs == {"Roll back": "failure"}
    assert outcome.annotations("error") == ["no host is set for staging"]
