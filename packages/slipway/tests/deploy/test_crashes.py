"""The deployer dies, is stopped or is doubled, the proxy restarts: traffic goes on, and the next
command restores the state."""

from __future__ import annotations

import json
import re
import signal
import subprocess

import pytest
from tests.deploy.conftest import Place, commit_of, wait_for

from slipway.docker import docker


def until(process: subprocess.Popen[str], step: str) -> str:
    """Read the output of a deployer until it has ended a step; return all of it."""
    assert process.stdout
    output = ""
    for line in process.stdout:
        output += line
        if line.startswith(f"✓ {step}"):
            return output
    raise AssertionError(f"it never ended the step {step}:\n{output}")


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout
    process.stdout.close()


# Before there is a candidate, and when it has had traffic.
@pytest.mark.parametrize("step", ["recover", "canary"])
def test_a_deployer_killed_after_a_step_leaves_the_traffic_where_it_was(
    place: Place, first: str, second: str, step: str
) -> None:
    with place.traffic() as tally:
        process = place.start("deploy", "--image", second)
        until(process, step)
        kill(process)
        wait_for(place.lock_is_free, "the lock")
        status = place.status()
        assert status["live"]["commit"] == first
        assert status["live"]["traffic"] == 1
        if step == "canary":
            assert "half done" in place.status_text()
            assert not place.is_healthy()
    assert not tally.failed(), tally.failed()[:3]
    logged = place.logged()
    assert tally.ids() <= logged.keys()
    assert {logged[name] for name in tally.ids()} <= {first, commit_of("second")}


def test_the_next_run_undoes_what_was_left_and_reports_it(
    place: Place, first: str, second: str
) -> None:
    """The test before has left a candidate in its slot."""
    assert place.container("green").inspect()
    with place.traffic() as tally:
        process = place.start("deploy", "--image", second)
        output = until(process, "recover")
        assert "undid the deploy of" in output
        assert f"removed {place.container('green').name}" in output
        until(process, "drain")
        kill(process)
        wait_for(place.lock_is_free, "the lock")
    assert not tally.failed(), tally.failed()[:3]
    status = place.status()
    assert status["live"]["traffic"] == 1
    assert status["live"]["commit"] in (first, commit_of("second"))


def test_a_deployer_killed_at_the_end_has_its_work_finished(
    place: Place, first: str, second: str
) -> None:
    """All is written but the history: the crash that the test before may or may not hit."""
    outcome = place.deploy(second)
    assert outcome.ok, outcome.to_text()
    live = place.status()["live"]
    doing = {"what": "deploy", "record": live, "slot": live["slot"], "by": "Ada", "step": "keep"}
    shell = place.container("proxy")
    text = json.dumps(doing | {"since": "2020-01-01"})
    shell.run("sh", "-c", "cat >/state/doing.json", stdin=text)
    shell.run("sh", "-c", "sed -i '$d' /state/releases.jsonl")
    before = place.events()
    outcome = place.deploy(second)
    assert "finished the deploy of Ada" in outcome.steps[1].message if outcome.steps else False
    assert place.events() == [*before, f"deployed {commit_of('second')[:7]}"]
    assert place.live() == commit_of("second")
    assert place.is_healthy()


def test_the_second_of_two_deployers_learns_who_is_first_and_one_that_is_stopped_undoes_its_work(
    place: Place, first: str
) -> None:
    image = json.loads((place.tree / "build/image.json").read_text("utf-8"))["image"]
    with place.traffic() as tally:
        process = place.start("deploy", "--image", image)
        until(process, "recover")
        outcome = place.deploy(image)
        assert outcome.exit_code == 2
        assert "another deployment is running" in outcome.message
        assert "under way" in place.status_text()
        until(process, "smoke-test")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate()
    assert process.returncode == 2
    assert "stopped by hand" in output
    assert not tally.failed(), tally.failed()[:3]
    assert place.live() == commit_of("second")
    assert place.events()[-1] == f"undone {first[:7]}"
    assert place.is_healthy()


def test_a_deployer_that_hangs_loses_the_lock_and_the_traffic_goes_back(
    place: Place, first: str
) -> None:
    """As when the network drops every packet: nothing is closed, and nothing is sent."""
    image = json.loads((place.tree / "build/image.json").read_text("utf-8"))["image"]
    with place.traffic() as tally:
        process = place.start("deploy", "--image", image)
        until(process, "shadow")
        process.send_signal(signal.SIGSTOP)
        wait_for(place.lock_is_free, "the lock")
        assert place.status()["live"]["traffic"] == 1
        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate()
    assert process.returncode == 2
    assert "is cut" in output
    assert "undid the deploy" in output
    assert not tally.failed(), tally.failed()[:3]
    assert place.live() == commit_of("second")
    assert place.is_healthy()


def test_a_proxy_that_restarts_mid_way_comes_back_with_the_old_version(
    place: Place, first: str
) -> None:
    image = json.loads((place.tree / "build/image.json").read_text("utf-8"))["image"]
    process = place.start("deploy", "--image", image)
    until(process, "smoke-test")
    docker("kill", place.container("proxy").name)
    docker("start", place.container("proxy").name)
    output, _ = process.communicate()
    assert process.returncode == 2
    assert "undid the deploy" in output
    assert f"{commit_of('second')[:7]} (model" in output
    wait_for(lambda: place.live() == commit_of("second"), "the old version")
    assert place.is_healthy()
    with place.traffic() as tally:
        pass
    assert not tally.failed()


def test_after_a_reboot_the_same_release_runs(place: Place) -> None:
    names = [place.container(name).name for name in ("proxy", "blue", "green")]
    running = [name for name in names if docker("ps", "-q", "--filter", f"name={name}")]
    docker("kill", *running)
    docker("start", *running)
    wait_for(lambda: place.live() == commit_of("second"), "the release of before")
    with place.traffic() as tally:
        pass
    assert not tally.failed()


def test_a_release_that_was_stopped_by_hand_is_started_again(place: Place) -> None:
    live = place.container(place.status()["live"]["slot"])
    docker("stop", live.name)
    assert "does not answer" in place.status_text()
    outcome = place.rollback(commit_of("second"))
    assert outcome.ok, outcome.to_text()
    assert place.live() == commit_of("second")


def test_a_rollback_with_the_proxy_stopped_starts_it_and_gives_the_traffic_back(
    place: Place, first: str
) -> None:
    docker("stop", "-t", "5", place.container("proxy").name)
    outcome = place.rollback(first[:7])
    assert outcome.exit_code == 0, outcome.to_text()
    assert place.live() == first
    with place.traffic() as tally:
        pass
    assert not tally.failed()


def of_version_0_1(config: str) -> str:
    """Return a configuration without the backend of candidates, which version 0.1 did not have."""
    config = config.partition("# A hop of its own")[0]
    lines = config.splitlines(keepends=True)
    return "".join(it for it in lines if not re.search(r"candidate|-backup", it) or it[0] == "#")


def test_a_proxy_of_an_earlier_version_is_named_with_all_that_replaces_its_configuration(
    place: Place,
) -> None:
    proxy, live = place.container("proxy"), place.live()
    restart = f"docker restart -t 5 {proxy.name}"
    old = of_version_0_1(proxy.run("cat", "/state/haproxy.cfg"))
    proxy.run("sh", "-c", "cat >/state/haproxy.cfg", stdin=old)

    for _ in range(2):  # to have it run, and then because a restart alone brings it back
        docker(*restart.split()[1:])
        wait_for(lambda: place.status()["healthy"], "the release of before")
        (words,) = place.status()["words"]
        assert "slipway deploy" in words
        assert restart in words

    outcome = place.deploy()
    assert outcome.exit_code == 2
    assert restart in outcome.do
    (words,) = place.status()["words"]
    assert restart in words
    assert "slipway deploy" not in words

    docker(*restart.split()[1:])
    wait_for(lambda: place.live() == live, "the release of before")
    assert place.status()["words"] == []
    assert place.deploy().exit_code == 0
