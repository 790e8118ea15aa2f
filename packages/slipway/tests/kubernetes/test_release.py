"""`slipway deploy --to kubernetes` against a real API server, controllers and containers.

Only the node is simulated (node.py): it runs what the API server gives it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from tests.kubernetes.conftest import Place, Released, commit_of
from tests.kubernetes.node import Node
from tests.services.engine import BuildVariant, ServiceImage
from tests.services.repository import edit_params

from slipway.dataset.tables import digest
from slipway.manifest import MODEL, read_manifest
from slipway.predictions.reader import read_log
from slipway.repository.layout import MACHINE_CODE

API, SCORE = "slipway/serving/api.py", "slipway/training/score.py"
SECONDS = 120

UNREADY = """

import socket


async def _never(self, _scope, _receive):
    if {when}:
        raise Refusal(503, "log_unavailable", "not today")
    return await _sound_ready(self, _scope, _receive)


_sound_ready = Api._ready
Api._ready = _never
"""

ASK = """
import sys
from urllib.request import Request, urlopen
headers = {"Authorization": "Bearer abc", "Content-Type": "application/json"}
request = Request("http://127.0.0.1:3000/predict", sys.stdin.buffer.read(), headers)
print(urlopen(request).read().decode())
"""

ALONE = "socket.gethostname().startswith('slipway-candidate')"

OTHER_ANSWERS = """

import socket

_true = Model.score


def _score(self, columns):
    return _true(self, columns) * (0.9 if {when} else 1)


Model.score = _score
"""


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.fixture
def faulty(service_image: ServiceImage, build_variant: BuildVariant) -> Callable[[str], str]:
    source = service_image.tree / MACHINE_CODE

    def read(name: str) -> str:
        return (source / name).read_text("utf-8")

    files = {
        "crashes": {"/app/slipway/serving/service.py": "raise SystemExit('no such luck')\n"},
        "never ready": {f"/app/{API}": read(API) + UNREADY.format(when="True")},
        "other answers": {f"/app/{SCORE}": read(SCORE) + OTHER_ANSWERS.format(when="True")},
        "right answers only alone": {
            f"/app/{SCORE}": read(SCORE) + OTHER_ANSWERS.format(when=f"not {ALONE}")
        },
        "ready only alone": {f"/app/{API}": read(API) + UNREADY.format(when=f"not {ALONE}")},
    }
    return lambda name: build_variant(files[name], commit=commit_of(name))


@pytest.fixture
def sound(released: Released, service_image: ServiceImage, second: str) -> dict[str, str]:
    """The commits of the two releases in order, by their image."""
    return {service_image.built.image: service_image.built.commit, second: commit_of("second")}


@pytest.fixture
def live(place: Place, sound: dict[str, str]) -> tuple[str, str]:
    """What runs now: its image and its commit."""
    (image,) = set(place.images())
    return image, sound[image]


@pytest.fixture
def other(live: tuple[str, str], sound: dict[str, str]) -> tuple[str, str]:
    """A release in order that ran before and does not now."""
    (found,) = sound.items() - {live}
    return found


@pytest.fixture(scope="module")
def alone(place: Place, released: Released) -> None:
    """Leave one pod, which is enough from here on."""
    place.scale(1)
    wait_until(lambda: len(place.pods()) == 1, "still two pods")


@pytest.fixture(scope="module")
def bare(make_place: Callable[[], Place]) -> Place:
    """A place where nothing was ever released."""
    return make_place()


def test_the_first_release_runs_from_nothing_with_the_role_of_the_example(
    released: Released, service_image: ServiceImage
):
    assert released.outcomes[0].exit_code == 0
    assert released.pods[0] == [service_image.built.image]


def test_a_release_replaces_all_pods_and_leaves_their_number_to_the_autoscaler(
    released: Released, second
):
    assert [step.name for step in released.outcomes[1].steps] == [
        *("cluster", "check", "start", "smoke-test", "rollout", "pods"),
    ]
    assert released.pods[1] == [second, second]


def test_the_history_has_each_release(place: Place, released: Released, service_image):
    first, then = service_image.built.commit, commit_of("second")
    lines = place.get("configmap", "slipway-releases")["data"]["releases.jsonl"].splitlines()
    history = [json.loads(line) for line in lines[:2]]
    assert [f"{one['event']} {one['commit']}" for one in history] == [
        f"deployed {first}",
        f"deployed {then}",
    ]
    on_the_page = json.loads((place.tree / "build/releases.json").read_text())
    assert [one["commit"] for one in on_the_page[:2]] == [first, then]


def test_status_reports_what_runs(place: Place, live):
    found = place.status()

    assert found["healthy"]
    assert found["words"] == []
    assert found["live"]["image"].endswith(live[0])
    assert found["live"]["container"] == "2 of 2 pods"
    assert live[1][:7] in place.typed_status().to_text()


def test_the_log_of_all_pods_and_their_model_come_from_one(place: Place, live, tmp_path):
    row = json.dumps(read_manifest(place.tree / MODEL)["golden"][0]["row"])
    pods = [pod["metadata"]["name"] for pod in place.pods()]
    asked = [
        json.loads(place.kubectl("exec", "-i", pod, "--", "python3", "-c", ASK, stdin=row))["id"]
        for pod in pods
    ]

    line = place.fetch_log(tmp_path)

    assert line.startswith("kubernetes: ")
    frame = read_log(tmp_path / "log")
    assert set(frame["id"]) == set(asked)
    assert set(frame["commit"]) == {live[1]}
    assert set(frame["model"]) == {digest(tmp_path / "model/model.onnx")}


def test_what_runs_already_is_left_alone(place: Place, live):
    place.image(*live)
    before = place.spec()

    outcome = place.deploy()

    assert outcome.ok
    assert "runs already" in outcome.message
    assert place.spec() == before


def test_a_rollback_brings_the_release_before_back_by_its_digest(place: Place, alone, other):
    outcome = place.rollback()

    assert outcome.exit_code == 0, outcome.to_text()
    assert place.images() == [other[0]]
    assert place.status()["healthy"]
    assert place.status()["live"]["commit"] == other[1]
    assert place.events()[-1] == f"rolled back {other[1]}"


def test_a_rollback_to_what_never_ran_names_what_did(place: Place, live):
    outcome = place.rollback("1234567")

    assert outcome.exit_code == 2
    assert "1234567" in outcome.message
    assert live[1][:7] in outcome.do


@pytest.mark.parametrize(
    ("fault", "words", "last"),
    [
        ("crashes", "ended, with exit code 1", "no such luck"),
        ("never ready", "not ready within 5 s", ""),
        ("other answers", "golden", ""),
    ],
)
def test_a_candidate_that_fails_gets_no_traffic_and_changes_nothing(
    place: Place, alone, node: Node, faulty, fault, words, last
):
    before, images = place.spec(), place.images()
    place.image(faulty(fault), commit_of(fault))
    if fault == "never ready":
        edit_params(place.tree, deploy={"start_seconds": 5})

    outcome = place.deploy()
    edit_params(place.tree, deploy={"start_seconds": 90})

    assert outcome.exit_code == 1
    assert words in outcome.message
    assert last in outcome.to_markdown()
    assert "answers as before" in outcome.message
    assert place.spec() == before
    assert place.images() == images
    assert place.events()[-1] == f"undone {commit_of(fault)}"
    service = place.get("service", "slipway")["spec"]["selector"]
    candidates = {name: it for name, it in node.labels.items() if "candidate" in name}
    assert candidates
    assert not any(service.items() <= labels.items() for labels in candidates.values())


def test_a_rollout_without_progress_is_taken_back_with_a_reason(place: Place, alone, live, faulty):
    images = place.images()
    place.image(faulty("ready only alone"), commit_of("ready only alone"))
    place.wait_at_most(8)

    outcome = place.deploy()
    place.wait_at_most(120)

    assert outcome.exit_code == 1
    assert "the rollout made no progress" in outcome.message
    assert "is not ready" in outcome.message
    assert outcome.steps[-1].name == "undo"
    assert "Last output of the pod" in outcome.to_markdown()
    assert place.images() == images
    assert place.status()["healthy"]
    assert place.status()["live"]["commit"] == live[1]
    assert place.events()[-1] == f"undone {commit_of('ready only alone')}"


def test_pods_whose_predictions_differ_from_the_candidates_are_taken_back(
    place: Place, alone, live, faulty
):
    images = place.images()
    place.image(faulty("right answers only alone"), commit_of("right answers only alone"))

    outcome = place.deploy()

    assert outcome.exit_code == 1
    assert "golden" in outcome.message
    assert [(step.name, step.ok) for step in outcome.steps[-2:]] == [
        ("pods", False),
        ("undo", True),
    ]
    assert place.images() == images
    assert place.status()["healthy"]


def test_an_image_that_no_node_can_get_is_no_fault_of_the_release(place: Place, alone, live):
    images = place.images()
    place.image(f"sha256:{64 * 'a'}", commit_of("not pushed"))

    outcome = place.deploy()

    assert outcome.exit_code == 2
    assert "ImagePullBackOff" in outcome.message
    assert "registry" in outcome.do
    assert "Failed: Back-off pulling image" in outcome.to_markdown()
    assert place.images() == images


def test_an_image_in_no_registry_is_refused_before_anything_happens(place: Place, second):
    place.image(second, commit_of("second"), repository="")

    outcome = place.deploy()

    assert outcome.exit_code == 2
    assert "in no registry" in outcome.message


def test_a_model_that_was_not_reviewed_is_refused(place: Place, second):
    place.image(second, commit_of("second"))
    path = place.tree / "build/image.json"
    path.write_text(path.read_text().replace(place.built.model_sha256, 64 * "0"))

    outcome = place.deploy()

    assert outcome.exit_code == 1
    assert "not what was reviewed" in outcome.message


def test_a_manifest_that_was_not_reviewed_is_refused(place: Place, second):
    place.image(second, commit_of("second"))
    path = place.tree / "build/image.json"
    path.write_text(path.read_text().replace(place.built.manifest_sha256, 64 * "0"))

    outcome = place.deploy()

    assert outcome.exit_code == 1
    assert "manifest.json" in outcome.message


def test_a_deployer_that_dies_in_the_rollout_leaves_a_state_that_the_next_one_finishes(
    place: Place, alone, other
):
    image, commit = other
    place.image(image, commit)
    deployer = place.start_deploy()
    try:
        wait_until(lambda: image in json.dumps(place.get("deployment", "slipway")), "no rollout")
    finally:
        deployer.kill()
        deployer.wait()

    place.renew_lease("2999-01-01")  # however slow this machine is
    busy = place.deploy()
    assert busy.exit_code == 2
    assert "another deployment is running" in busy.message
    place.renew_lease("2020-01-01")
    assert "half done" in " ".join(place.status()["words"])

    outcome = place.deploy()

    assert outcome.ok, outcome.to_text()
    assert place.images() == [image]
    assert place.status()["words"] == []


def test_without_the_secret_of_the_tokens_nothing_starts_and_the_reason_is_reported(bare: Place):
    bare.kubectl("delete", "secret", "slipway-tokens")

    outcome = bare.deploy()
    bare.give_tokens()

    assert outcome.exit_code == 2
    assert 'secret "slipway-tokens" not found' in outcome.message
    assert "nothing runs, as before" in outcome.message
    assert not bare.status()["healthy"]


def test_a_namespace_that_is_not_there_or_not_ours_is_named(bare: Place):
    bare.wait_at_most(5, namespace="elsewhere")

    outcome = bare.deploy()

    assert outcome.exit_code == 2
    assert "no namespace elsewhere" in outcome.message


def test_a_first_release_without_progress_is_removed(bare: Place, faulty):
    bare.image(faulty("ready only alone"), commit_of("ready only alone"))
    bare.wait_at_most(5)

    outcome = bare.deploy()

    assert outcome.exit_code == 1
    assert "nothing runs, as before" in outcome.message
    assert bare.kubectl("get", "deployments", "--output", "name") == ""
