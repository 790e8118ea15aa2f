"""The parts of a release that a workflow calls, each for itself."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from tests.services.repository import commit
from tests.workflows.api import ID, REPOSITORY
from tests.workflows.scripts import start

from slipway.catalogue.releases import RELEASES
from slipway.dataset.tables import digest, write_json
from slipway.documents.markdown import to_markdown
from slipway.errors import Refused, SlipwayError
from slipway.github import host as hosts
from slipway.github import registry
from slipway.github.deployment import record_deployment
from slipway.github.find_pull_request import Event
from slipway.github.publish_image import may_attest, publish_image_outputs
from slipway.github.release import publish
from slipway.reports.model_card import card
from slipway.repository.worktrees import run

COMMIT, MODEL = "c" * 40, "e" * 64

IMAGE = f"registry.example/team/flights@sha256:{'d' * 64}"


def put_model(repository: Path, root: Path) -> dict[str, Path]:
    """Put a model folder into a tree; return its files by name."""
    folder = root / "build/model"
    shutil.copytree(repository / "build/model", folder)
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture
def tree(tmp_path, monkeypatch, small_repository):
    """What the jobs before have handed on."""
    files = {name: digest(path) for name, path in put_model(small_repository, tmp_path).items()}
    named = {
        "commit": COMMIT,
        "model_sha256": files["model.onnx"],
        "manifest_sha256": files["manifest.json"],
    }
    reviewed = {"number": 7, "url": "https://github.com/team/flights/pull/7", "sha256": MODEL}
    image = {"version": 1, "image": IMAGE, "data": "x", "bytes": 125_000_000}
    verified = {
        "files": files,
        "lock": "equivalent",
        "recorded_sha256": MODEL,
        "accepted": "",
        "verdict": "Better",
        "reviewed": reviewed,
    }
    write_json(image | named, tmp_path / "build/image.json")
    write_json(verified | named, tmp_path / "build/verified.json")
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"repository": {"id": ID, "default_branch": "main"}}), "utf-8")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    monkeypatch.delenv("SLIPWAY_ATTEST", raising=False)
    return tmp_path


class TestPick:
    @pytest.fixture
    def main(self, tmp_path):
        run(["git", "init", "-q", "-b", "main"], tmp_path)
        for name in ("one", "two"):
            (tmp_path / name).touch()
            commit(tmp_path, name)
        return tmp_path

    def test_nothing_wanted_is_the_newest_commit(self, main):
        assert self.picked(main) == run(["git", "rev-parse", "HEAD"], main).strip()

    def test_a_short_name_of_an_earlier_commit_will_do(self, main):
        first = run(["git", "rev-parse", "HEAD^"], main).strip()

        assert self.picked(main, first[:8]) == first

    @pytest.mark.parametrize(
        "wanted", ["aside", "deadbeef", "--help", "HEAD..main", "refs/x; true"]
    )
    def test_what_is_not_on_the_default_branch_is_refused(self, main, wanted):
        run(["git", "switch", "-q", "-c", "aside"], main)
        (main / "three").touch()
        commit(main, "not merged")
        run(["git", "switch", "-q", "main"], main)

        assert self.picked(main, wanted) is None

    def test_the_workflow_of_another_branch_releases_nothing(self, main):
        assert self.picked(main, branch="aside") is None

    def picked(self, root: Path, wanted: str = "", branch: str = "main") -> str | None:
        """Run the step of the workflow; return the commit, or None where it refuses."""
        output = root.parent / "output"
        output.write_text("", "utf-8")
        settings = {"GITHUB_REF_NAME": branch, "GITHUB_OUTPUT": str(output)}
        done = start("resolve-commit", "main", wanted, folder=root, **settings)
        found = output.read_text("utf-8").strip().removeprefix("commit=")
        assert bool(found) == (done.returncode == 0), done.stdout
        assert found or "::error title=Not released" in done.stdout
        return found or None


JOB = {"GITHUB_ACTOR": "ada", "GITHUB_TOKEN": "of-the-job", "GITHUB_REPOSITORY": "Team/Flights"}


class TestRegistry:
    @pytest.fixture
    def logins(self, tmp_path, monkeypatch):
        """Every call of `docker`, with its input: a script in its place records them."""
        calls = tmp_path / "calls"
        script = tmp_path / "bin" / "docker"
        script.parent.mkdir()
        script.write_text(f'#!/bin/sh\necho "$@ <$(cat)>" >>{calls}\n', "utf-8")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
        return lambda: calls.read_text("utf-8").splitlines() if calls.exists() else []

    def test_without_a_setting_it_is_githubs_own_with_the_token_of_the_job(self, logins):
        found, message = registry.log_in(JOB | {"SLIPWAY_REGISTRY": ""})

        assert found == "ghcr.io/team/flights"
        assert "logged in as ada" in message
        assert logins() == ["login --username ada --password-stdin ghcr.io <of-the-job>"]

    def test_another_registry_never_sees_the_token_of_the_job(self, logins):
        found, message = registry.log_in(JOB | {"SLIPWAY_REGISTRY": "registry.example/team/f"})

        assert found == "registry.example/team/f"
        assert "the existing login is used" in message
        assert logins() == []

    def test_another_registry_gets_its_own_user_and_token(self, logins):
        own = {"SLIPWAY_REGISTRY_USER": "robot", "SLIPWAY_REGISTRY_TOKEN": "theirs"}
        registry.log_in(JOB | own | {"SLIPWAY_REGISTRY": "registry.example/team/f"})

        assert logins() == ["login --username robot --password-stdin registry.example <theirs>"]


class TestHandOver:
    def test_the_image_of_what_was_verified_goes_on_by_digest(self, tree):
        assert publish_image_outputs(tree) == {
            "image": IMAGE,
            "name": "registry.example/team/flights",
            "digest": f"sha256:{'d' * 64}",
            "attest": True,
        }

    @pytest.mark.parametrize("field", ["commit", "model_sha256", "manifest_sha256"])
    def test_another_image_than_was_verified_is_refused(self, tree, field):
        path = tree / "build/image.json"
        swapped = json.loads(path.read_text("utf-8")) | {field: "f" * 40}
        path.write_text(json.dumps(swapped), "utf-8")

        with pytest.raises(Refused, match="was verified"):
            publish_image_outputs(tree)

    def test_a_model_folder_that_was_exchanged_on_the_way_is_refused(self, tree):
        (tree / "build/model/manifest.json").unlink()
        (tree / "build/model/manifest.json").write_text('{"threshold": 0.99}', "utf-8")

        with pytest.raises(Refused, match=r"manifest\.json: not the file that was verified"):
            publish_image_outputs(tree)

    def test_an_image_named_by_tag_is_refused(self, tree):
        path = tree / "build/image.json"
        tagged = json.loads(path.read_text("utf-8")) | {"image": "registry.example/f:latest"}
        path.write_text(json.dumps(tagged), "utf-8")

        with pytest.raises(SlipwayError, match="digest"):
            publish_image_outputs(tree)

    @pytest.mark.parametrize(
        ("private", "switch", "may"),
        [(False, "", True), (True, "", False), (True, "true", True), (False, "false", False)],
    )
    def test_a_private_repository_attests_only_where_its_plan_can(self, private, switch, may):
        event = Event.of({"repository": {"id": ID, "default_branch": "main", "private": private}})
        assert may_attest(event, {"SLIPWAY_ATTEST": switch}) is may


class TestHost:
    @pytest.fixture(scope="class")
    def keys(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("keys")
        if not shutil.which("ssh-keygen"):
            pytest.skip("there is no ssh-keygen: run tests/services/install")
        for name, phrase in (("key", ""), ("locked", "secret"), ("server", "")):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", phrase, "-f", str(folder / name)]
            subprocess.run(command, check=True)
        return folder

    @pytest.fixture
    def given(self, keys):
        kind, public, *_ = (keys / "server.pub").read_text("utf-8").split()
        return {
            "SLIPWAY_TARGET": "ssh://deploy@server.example",
            "SLIPWAY_SSH_KEY": (keys / "key").read_text("utf-8"),
            "SLIPWAY_KNOWN_HOSTS": f"server.example {kind} {public}",
        }

    def connect(self, given, home, *, dry_run=True):
        return hosts.connect("staging", given, home, dry_run=dry_run)

    def test_without_a_host_it_is_a_dry_run_here(self, tmp_path):
        assert self.connect({"SLIPWAY_TARGET": ""}, tmp_path) == hosts.Host("local", dry_run=True)

    @pytest.mark.parametrize(("production", "skipped"), [("", True), ("local", False)])
    def test_what_is_not_set_is_named_before_it_is_left_out(
        self, tmp_path, monkeypatch, production, skipped
    ):
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
            monkeypatch.setenv(name, str(tmp_path / name))
        monkeypatch.setenv("SLIPWAY_TARGET", "")
        monkeypatch.setenv("SLIPWAY_PRODUCTION_TARGET", production)

        output = run(["slipway", "github", "connect-host", "staging"], tmp_path)

        assert "title=No host is set for staging" in output
        assert ("title=Production is skipped" in output) == skipped
        summary = (tmp_path / "GITHUB_STEP_SUMMARY").read_text("utf-8")
        assert ("SLIPWAY_PRODUCTION_TARGET" in summary) == skipped

    def test_without_a_host_it_is_an_error_if_a_dry_run_is_not_allowed(self, tmp_path):
        with pytest.raises(SlipwayError, match="no host is set") as error:
            self.connect({}, tmp_path, dry_run=False)
        assert "SLIPWAY_STAGING_TARGET" in error.value.do

    def test_a_server_is_reached_with_its_own_key_and_only_if_it_is_the_one_that_is_known(
        self, given, tmp_path
    ):
        pasted = given["SLIPWAY_SSH_KEY"].strip().replace("\n", "\r\n")
        (tmp_path / ".ssh").mkdir()
        (tmp_path / ".ssh/config").write_text("Host *\n    User ann\n", "utf-8")
        for _ in range(2):
            found = self.connect(given | {"SLIPWAY_SSH_KEY": pasted}, tmp_path)

        assert found == hosts.Host("host", address="ssh://deploy@server.example")
        key = tmp_path / ".ssh/slipway.key"
        assert key.read_text("utf-8") == given["SLIPWAY_SSH_KEY"]
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        ask = ["ssh", "-G", "-F", str(tmp_path / ".ssh/slipway.config"), "server.example"]
        output = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
        assert "stricthostkeychecking true" in output
        assert "identitiesonly yes" in output
        assert f"identityfile {key}" in output
        config = (tmp_path / ".ssh/config").read_text("utf-8")
        assert config == "Include slipway.config\nHost *\n    User ann\n"

    def test_a_port_of_its_own_is_looked_up_with_it(self, given, tmp_path):
        known = given["SLIPWAY_KNOWN_HOSTS"].replace("server.example", "[server.example]:2222")
        target = "ssh://deploy@server.example:2222"

        assert (
            self.connect(
                given | {"SLIPWAY_TARGET": target, "SLIPWAY_KNOWN_HOSTS": known}, tmp_path
            ).address
            == target
        )

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"SLIPWAY_SSH_KEY": ""}, "SLIPWAY_SSH_KEY is not set"),
            ({"SLIPWAY_SSH_KEY": "ssh-ed25519 AAAA me"}, "is not a private key"),
            ({"SLIPWAY_KNOWN_HOSTS": " "}, "SLIPWAY_KNOWN_HOSTS is not set"),
            ({"SLIPWAY_KNOWN_HOSTS": "other ssh-ed25519 AAAA"}, "has no key of server.example"),
            ({"SLIPWAY_TARGET": "server.example"}, "SLIPWAY_STAGING_TARGET is 'server.example'"),
            ({"SLIPWAY_TARGET": "ssh://a b"}, "SLIPWAY_STAGING_TARGET is"),
            ({"SLIPWAY_TARGET": "ssh://-oProxyCommand"}, "SLIPWAY_STAGING_TARGET is"),
        ],
    )
    def test_what_is_missing_or_no_good_is_named(self, given, tmp_path, change, message):
        with pytest.raises(SlipwayError, match=message) as error:
            self.connect(given | change, tmp_path)
        assert error.value.do

    def test_a_key_with_a_passphrase_is_no_good(self, given, keys, tmp_path):
        locked = (keys / "locked").read_text("utf-8")

        with pytest.raises(SlipwayError, match="without a passphrase"):
            self.connect(given | {"SLIPWAY_SSH_KEY": locked}, tmp_path)

    def test_a_cluster_has_its_settings_from_a_secret_or_from_a_step_before(self, tmp_path):
        target = {"SLIPWAY_TARGET": "kubernetes"}
        found = self.connect(target | {"SLIPWAY_KUBECONFIG": "apiVersion: v1"}, tmp_path)

        assert Path(found.kubeconfig).read_text("utf-8") == "apiVersion: v1\n"
        assert stat.S_IMODE(Path(found.kubeconfig).stat().st_mode) == 0o600
        assert self.connect(target, tmp_path) == hosts.Host("kubernetes")

    def test_the_secret_of_a_cluster_is_written_for_a_cluster_alone(self, tmp_path):
        given = {"SLIPWAY_TARGET": "local", "SLIPWAY_KUBECONFIG": "apiVersion: v1"}

        assert self.connect(given, tmp_path) == hosts.Host("local")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("target", ["host", "unknown"])
    def test_a_server_without_its_address_is_refused_with_what_can_be_set(self, tmp_path, target):
        with pytest.raises(SlipwayError, match="SLIPWAY_STAGING_TARGET") as error:
            self.connect({"SLIPWAY_TARGET": target}, tmp_path)
        assert "ssh://user@host" in error.value.do
        assert "kubernetes" in error.value.do


class TestMark:
    def history(self, tree, *events):
        known = {
            "version": 1,
            "at": "2026-11-20T12:00:00Z",
            "by": "ada",
            "data": "x",
            "source": "",
            "target": "docker",
            "image": IMAGE,
            "model_sha256": MODEL,
            "reason": "",
            "verdict": "Good",
        }
        records = [
            known | {"event": event, "commit": name * 40, "name": name * 7}
            for name, event in events
        ]
        write_json(records, tree / RELEASES)

    def test_a_plain_release_is_recorded_by_the_deployment_of_its_job(self, tree, api, github):
        self.history(tree, ("a", "deployed"))

        assert "as in the Deployment of this job" in record_deployment(
            api, tree, "staging", "a" * 40, ""
        )
        assert github.released.deployments == []

    def test_a_rollback_is_recorded_and_what_it_replaced_is_marked_inactive(
        self, tree, api, github
    ):
        old = github.released.deploy("b" * 40, "production")
        elsewhere = github.released.deploy("b" * 40, "staging")
        self.history(tree, ("a", "deployed"), ("b", "deployed"), ("a", "rolled back"))

        record_deployment(api, tree, "production", "b" * 40, "https://flights.example")

        made = github.released.deployments[-1]
        assert (made["ref"], made["environment"], made["task"]) == (
            "a" * 40,
            "production",
            "rollback",
        )
        assert made["payload"]["image"] == IMAGE
        assert made["payload"]["model_sha256"] == MODEL
        [status] = github.released.statuses[made["id"]]
        assert (status["state"], status["environment_url"]) == (
            "success",
            "https://flights.example",
        )
        assert [s["state"] for s in github.released.statuses[old]] == ["inactive"]
        assert github.released.statuses[elsewhere] == []

    def test_where_nothing_was_changed_nothing_is_recorded(self, tree, api, github):
        assert record_deployment(api, tree, "production", "a" * 40, "") == (
            "production: nothing has changed there"
        )
        assert github.calls == []

    def test_an_earlier_commit_that_was_released_is_recorded(self, tree, api, github):
        self.history(tree, ("a", "deployed"))

        record_deployment(api, tree, "production", "b" * 40, "")

        assert [entry["ref"] for entry in github.released.deployments] == ["a" * 40]


class TestPublish:
    @pytest.fixture
    def released(self, tree, small_repository):
        for name in (
            "reports/metrics.json",
            "reports/plots/slices.csv",
        ):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(small_repository / name, tree / name)
        return tree

    def test_running_it_again_updates_the_one_release(self, released, api, github):
        publish(api, released, "2026-11-20", "https://github.com")
        write_json({"bomFormat": "CycloneDX"}, released / "build/sbom.json")
        publish(api, released, "2026-11-21", "https://github.com")

        [release] = github.released.releases
        assert release["tag_name"] == f"release-2026-11-20-{COMMIT[:7]}"
        assert release["target_commitish"] == COMMIT
        assert release["name"].startswith("2026-11-21")
        names = {name for _, name in github.released.assets}
        assert names == {
            *("card.json", "card.md", "image.json", "manifest.json"),
            *("sbom.json", "verified.json"),
        }

    def test_it_has_what_was_reviewed_and_how_to_come_back(self, released, api, github):
        publish(api, released, "2026-11-20", "https://github.com")

        body = github.released.releases[0]["body"]
        assert "[#7](https://github.com/team/flights/pull/7)" in body
        assert f"https://github.com/{REPOSITORY}/commit/{COMMIT}" in body
        assert f"slipway rollback --to {COMMIT[:7]}" in body
        assert "| verdict | Better |" in body

    def test_it_names_the_model_that_was_rebuilt_and_the_one_that_the_lock_names(
        self, released, api, github
    ):
        publish(api, released, "2026-11-20", "https://github.com")

        body = github.released.releases[0]["body"]
        verified = json.loads((released / "build/verified.json").read_text("utf-8"))
        for name in ("model_sha256", "manifest_sha256", "recorded_sha256"):
            assert verified[name] in body

    def test_it_names_who_has_accepted_a_model_without_a_review(self, released, api, github):
        verified = released / "build/verified.json"
        found = json.loads(verified.read_text("utf-8"))
        write_json(found | {"reviewed": None, "accepted": "ada"}, verified)
        publish(api, released, "2026-11-20", "https://github.com")

        body = github.released.releases[0]["body"]
        assert "`ada` has accepted this model" in body

    def test_another_image_than_was_verified_is_not_written_down_as_a_release(
        self, released, api, github
    ):
        image = released / "build/image.json"
        other = json.loads(image.read_text("utf-8")) | {"model_sha256": "f" * 64}
        image.write_text(json.dumps(other), "utf-8")

        with pytest.raises(Refused):
            publish(api, released, "2026-11-20", "https://github.com")
        assert github.released.releases == []

    def test_the_card_has_what_was_measured_and_nothing_else(self, released):
        text = to_markdown(card(released, []))

        manifest = json.loads((released / "build/model/manifest.json").read_text("utf-8"))
        metrics = json.loads((released / "reports/metrics.json").read_text("utf-8"))
        assert manifest["model"]["sha256"] in text
        assert f"{metrics['model']['auc']['value']:.3f} (" in text
        assert f"on {metrics['rows']:,} rows that it was not trained on" in text
        for part in ("Slices on which it is weakest", "Data", "Inputs", "Limits", "Identity"):
            assert f"<summary>{part}</summary>" in text
