"""Two first deployments at once, and what an engine was left with: nothing is doubled or kept."""

from __future__ import annotations

import httpx
import pytest
from tests.deploy.conftest import MakePlace, Place, commit_of

from slipway.docker import docker


def networks(place: Place) -> list[str]:
    shown = ("--filter", f"name=^{place.prefix}$", "--format", "{{.ID}}")
    return docker("network", "ls", *shown).split()


def add_network(place: Place) -> None:
    """Make a network as two clients in a race make it: without looking for one of that name.

    An engine that always looks cannot have two.
    """
    body = {"Name": place.prefix, "CheckDuplicate": False}
    transport = httpx.HTTPTransport(uds="/var/run/docker.sock")
    with httpx.Client(transport=transport, base_url="http://docker") as engine:
        assert engine.post("/v1.40/networks/create", json=body).status_code in (201, 409)


def test_two_first_deployments_at_once_make_one_release_and_two_that_forget_remove_it(
    make_place: MakePlace, first: str, second: str
) -> None:
    place = make_place()
    processes = [place.start("deploy"), place.start("deploy", "--image", second)]
    outputs = [process.communicate()[0] for process in processes]
    codes = sorted(process.returncode for process in processes)
    assert codes in ([0, 0], [0, 2]), outputs  # the second waited, or named who deploys
    assert codes == [0, 0] or any("another deployment is running" in it for it in outputs), outputs
    assert len(networks(place)) == 1
    assert place.live() in (first, commit_of("second"))
    assert place.deploy().ok
    processes = [place.start("stop", "--target", "local", "--forget") for _ in range(2)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert not networks(place)
    assert not docker("ps", "--all", "--quiet", "--filter", f"name=^{place.prefix}")
    assert not docker("volume", "ls", "-q", "--filter", f"name={place.prefix}").split()


@pytest.fixture(scope="module")
def place(make_place: MakePlace) -> Place:
    """A place that had two networks of its name when the first release was deployed to it."""
    place = make_place()
    for _ in range(2):
        add_network(place)
    outcome = place.deploy()
    assert outcome.ok, outcome.to_text()
    return place


def test_a_second_network_of_the_name_is_removed_by_the_first_deployment(
    place: Place, first: str
) -> None:
    assert len(networks(place)) == 1
    assert place.live() == first


def test_a_second_network_of_the_name_is_removed_by_the_next_deployment(
    place: Place, first: str
) -> None:
    add_network(place)
    outcome = place.deploy()
    assert outcome.ok, outcome.to_text()
    assert len(networks(place)) == 1
    assert place.live() == first


def test_forgetting_removes_what_a_first_deployment_that_died_has_left(
    make_place: MakePlace,
) -> None:
    place = make_place()
    for _ in range(2):
        add_network(place)
    outcome = place.stop(forget=True)
    assert outcome.ok, outcome.to_text()
    assert not networks(place)


def test_what_cannot_be_removed_is_named(place: Place, base_image: str) -> None:
    neighbour = f"{place.prefix}-neighbour"
    options = ("--detach", "--name", neighbour, "--network", place.prefix)
    docker("run", *options, base_image, "sleep", "600")
    outcome = place.stop()
    assert outcome.exit_code == 0
    assert f"{neighbour} is in it" in outcome.message
    outcome = place.stop(forget=True)
    assert outcome.exit_code == 2
    assert neighbour in outcome.message
    docker("rm", "--force", neighbour)
    assert place.stop(forget=True).ok
    assert not networks(place)
