"""A job gets short-lived credentials for the stores of a cloud, and never by a stored key there."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import google.auth
import google.auth.transport.requests
import pytest
from typer.testing import CliRunner

from slipway.cli import app
from slipway.errors import SlipwayError
from slipway.github.cloud_registry import cloud_login
from slipway.github.stores import Access, Job, connect

AWS = "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/slipway-read\nAWS_REGION=eu-central-1"

GOOGLE = (
    "GOOGLE_PROVIDER=projects/1/locations/global/workloadIdentityPools/github/providers/name\n"
    "GOOGLE_SERVICE_ACCOUNT=slipway-read@project.iam.gserviceaccount.com"
)

AZURE = "AZURE_CLIENT_ID=an-application\nAZURE_TENANT_ID=a-tenant\nAZURE_STORAGE_ACCOUNT=account"

STS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA1</AccessKeyId>
<SecretAccessKey>short-lived</SecretAccessKey><SessionToken>session</SessionToken>
<Expiration>2026-11-29T22:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""

DENIED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>
<Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized</Message></Error>
</ErrorResponse>"""


class Handler(BaseHTTPRequestHandler):
    """In place of GitHub's issuer of tokens, and of the STS of AWS, which trusts one subject."""

    def do_GET(self) -> None:
        [audience] = parse_qs(urlsplit(self.path).query)["audience"]
        known = self.headers["Authorization"] == "Bearer of-the-job"
        self._send(200 if known else 401, json.dumps({"value": f"token for {audience}"}))

    def do_POST(self) -> None:
        if "X-Amz-Target" in self.headers:  # ECR
            self.rfile.read(int(self.headers["Content-Length"]))
            password = base64.b64encode(b"AWS:of-the-registry").decode()
            return self._send(
                200, json.dumps({"authorizationData": [{"authorizationToken": password}]})
            )
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        trusted = sent["WebIdentityToken"] == ["token for sts.amazonaws.com"]
        trusted &= sent["RoleArn"][0].endswith("slipway-read")
        return self._send(200, STS) if trusted else self._send(403, DENIED)

    def _send(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
    yield url
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def ask(issuer: str, tmp_path: Path) -> Callable[..., Access]:
    def ask(store: str = "", keys: str = "", fork: bool = False) -> Access:
        job = {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{issuer}/token?api=1",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job",
        }
        given = {} if fork else job
        given |= {"SLIPWAY_STORE": store, "SLIPWAY_STORE_KEYS": keys}
        return connect(Job(given, tmp_path, tmp_path))

    return ask


def test_aws_gives_a_role_for_a_token_of_the_job(ask) -> None:
    access = ask(AWS)

    assert access.environment == {
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "ASIA1",
        "AWS_SECRET_ACCESS_KEY": "short-lived",
        "AWS_SESSION_TOKEN": "session",
    }
    assert access.secret == access.environment.keys() - {"AWS_REGION"}


def test_a_role_that_does_not_trust_the_job_is_an_error(ask) -> None:
    with pytest.raises(SlipwayError, match="slipway-write"):
        ask(AWS.replace("slipway-read", "slipway-write"))


def test_googles_library_requests_the_token_of_the_job_by_the_file(ask) -> None:
    path = Path(ask(GOOGLE).environment["GOOGLE_APPLICATION_CREDENTIALS"])

    credentials, _ = google.auth.load_credentials_from_file(path)
    token = credentials.retrieve_subject_token(google.auth.transport.requests.Request())
    assert token.startswith("token for https://iam.googleapis.com/projects/1/")
    assert path.stat().st_mode & 0o077 == 0


def test_azures_command_keeps_a_token_for_the_storage(ask, tmp_path, monkeypatch) -> None:
    az = tmp_path / "bin/az"
    az.parent.mkdir()
    az.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n', "utf-8")
    az.chmod(0o755)
    monkeypatch.setenv("PATH", f"{az.parent}:{os.environ['PATH']}")

    access = ask(AZURE)
    login, token = (tmp_path / "calls").read_text("utf-8").splitlines()
    assert "token for api://AzureADTokenExchange" in login
    assert "https://storage.azure.com/.default" in token
    assert access.environment["AZURE_STORAGE_ACCOUNT"] == "account"


def test_a_registry_of_a_cloud_has_a_password_for_the_role_of_the_job(
    ask, issuer, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", issuer)
    for name, value in ask(AWS).environment.items():
        monkeypatch.setenv(name, value)
    assert cloud_login("1234.dkr.ecr.eu-central-1.amazonaws.com") == ("AWS", "of-the-registry")

    az = tmp_path / "az"
    az.write_text('#!/bin/sh\ntest "$4" = team && echo of-azure\n', "utf-8")
    az.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert cloud_login("team.azurecr.io")[1] == "of-azure"
    assert cloud_login("registry.example") == ("", "")
    with pytest.raises(SlipwayError, match="az"):
        cloud_login("other.azurecr.io")


@pytest.mark.parametrize("store", [AWS, GOOGLE, AZURE])
def test_a_pull_request_of_a_fork_gets_no_credentials(ask, store: str) -> None:
    access = ask(store, fork=True)

    assert not access.secret
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in access.environment
    assert "of a fork" in access.message


def test_stores_without_federation_have_a_secret(ask, tmp_path) -> None:
    keys = "AWS_ACCESS_KEY_ID=one\nAWS_SECRET_ACCESS_KEY=two"
    access = ask("AWS_ENDPOINT_URL=https://minio.example", keys)
    assert access.environment["AWS_ENDPOINT_URL"] == "https://minio.example"
    assert access.secret == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}

    ask("", "-----BEGIN OPENSSH PRIVATE KEY-----\r\nabc\r\n-----END OPENSSH PRIVATE KEY-----")
    key = tmp_path / ".ssh/id_ed25519"
    assert (key.stat().st_mode & 0o777, b"\r" in key.read_bytes()) == (0o600, False)


@pytest.mark.parametrize("store", ["LD_PRELOAD=/tmp/x.so", "a line", "PATH=/tmp"])
def test_another_variable_is_refused(ask, store: str) -> None:
    with pytest.raises(SlipwayError, match="SLIPWAY_STORE"):
        ask(store)


def test_the_later_steps_have_the_credentials_and_the_log_has_them_masked(
    issuer, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("GITHUB_ENV", str(tmp_path / "env"))
    monkeypatch.setenv("SLIPWAY_STORE_KEYS", "AZURE_STORAGE_SAS_TOKEN=sv%3D1")
    done = CliRunner().invoke(app, ["github", "connect-stores"])

    assert done.exit_code == 0, done.output
    assert "::add-mask::sv%253D1\n" in done.output
    assert (tmp_path / "env").read_text("utf-8") == "AZURE_STORAGE_SAS_TOKEN=sv%3D1\n"
