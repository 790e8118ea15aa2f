"""One deployment at a time in a namespace, although deployers die, hang or interfere."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.kubernetes.cluster import Cluster, path_with_programs

from slipway.errors import SlipwayError
from slipway.targets.kubernetes import lease
from slipway.targets.kubernetes.kubectl import get
from slipway.targets.kubernetes.lease import NAME, Lease, holder_of


@pytest.fixture
def namespace(api_server: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    api_server.kubectl("create", "namespace", name)
    monkeypatch.setenv("PATH", path_with_programs())
    monkeypatch.setenv("KUBECONFIG", str(api_server.admin))
    monkeypatch.setattr(lease, "BEAT", 0.2)
    yield name
    api_server.kubectl("delete", "namespace", name, "--wait=false")


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_second_one_learns_who_holds_it(namespace):
    with (
        Lease(namespace, "Ada, deploy 4a376fb"),
        pytest.raises(SlipwayError, match="another deployment is running: Ada, deploy 4a376fb"),
        Lease(namespace, "Bob"),
    ):
        pass


def test_it_is_free_when_its_holder_is_done_and_when_that_failed(namespace):
    with pytest.raises(RuntimeError), Lease(namespace, "Ada"):
        raise RuntimeError
    assert get("lease", NAME, namespace) is None
    with Lease(namespace, "Bob") as held:
        held.check()


def test_it_stays_alive_while_its_holder_does(namespace):
    def renewed() -> str:
        found = get("lease", NAME, namespace)
        assert found
        assert holder_of(found) == "Ada"
        return str(found["spec"]["renewTime"])

    with Lease(namespace, "Ada"):
        first = renewed()
        wait_until(lambda: renewed() > first)


def test_one_that_was_taken_over_reports_it_and_lets_the_other_have_it(api_server, namespace):
    with Lease(namespace, "Ada") as held:
        stolen = json.dumps({"spec": {"holderIdentity": "Bob"}})
        api_server.kubectl(
            *("patch", "lease", NAME, "--namespace", namespace, "--type=merge"),
            f"--patch={stolen}",
        )

        def lost() -> bool:
            try:
                held.check()
            except SlipwayError as error:
                return "another deployment may run" in str(error)
            return False

        wait_until(lost)

    found = get("lease", NAME, namespace)
    assert found
    assert found["spec"]["holderIdentity"] == "Bob"


def test_one_whose_holder_is_silent_is_dead():
    spec = {"holderIdentity": "Ada", "leaseDurationSeconds": 30}
    now = datetime.now(UTC)
    for seconds, holder in ((29, "Ada"), (31, "")):
        moment = (now - timedelta(seconds=seconds)).isoformat()
        assert holder_of({"spec": spec | {"renewTime": moment}}) == holder
