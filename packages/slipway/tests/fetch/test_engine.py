"""The log of a service that is really running, while it answers."""

from __future__ import annotations

import json

from slipway.dataset.tables import digest
from slipway.docker import docker
from slipway.predictions.reader import read_log


def test_the_log_comes_whole_while_the_service_answers(place):
    with place.traffic(100) as tally:
        before = set(tally.ids())
        done = place.start("log", "fetch", "--from", "local")
        output, _ = done.communicate()

    assert done.returncode == 0, output
    assert output.startswith("local: ")
    out = place.tree / "build/live"
    frame = read_log(out / "log")
    assert before <= set(frame["id"])
    live = place.status()["live"]
    assert live["model_sha256"][:12] in output
    assert digest(out / "model/model.onnx") == live["model_sha256"]
    assert set(frame["model"]) == {live["model_sha256"]}
    releases = json.loads((place.tree / "build/releases.json").read_text("utf-8"))
    assert [release["name"] for release in releases] == [live["name"]]


def test_that_nothing_is_deployed_is_reported(make_place):
    done = make_place().start("log", "fetch", "--from", "local")
    output, _ = done.communicate()

    assert done.returncode == 2
    assert "nothing is live: nothing is deployed on this machine" in output


def test_a_service_that_has_stopped_is_named_with_what_to_do(place):
    slot = place.container(place.status()["live"]["slot"])
    docker("stop", slot.name)
    try:
        done = place.start("log", "fetch", "--from", "local")
        output, _ = done.communicate()
    finally:
        docker("start", slot.name)

    assert done.returncode == 2
    assert "the live release does not run on this machine" in output
    assert "its log is kept" in output
