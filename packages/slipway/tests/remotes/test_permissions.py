"""The permissions that the pages of the stores give: what each identity can do, and cannot."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import fsspec
import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import generate_container_sas
from fsspec import AbstractFileSystem
from tests.remotes.conftest import DATA, Clone
from tests.services.projects import ROOT
from tests.services.servers import Server, program

Identity = Callable[[str], AbstractFileSystem]

ROLES = ("read", "write", "log")


def page(name: str) -> str:
    return (ROOT / f"docs/{name}.md").read_text("utf-8")


@pytest.fixture(scope="session")
def users(s3: Server) -> dict[str, dict[str, str]]:
    """The policy of the page on a bucket, with users of the server for its roles."""
    url = s3.environment["AWS_ENDPOINT_URL"]
    s3.files.mkdir("your-bucket")
    admin = [program("versitygw"), "admin", "--access", "tester", "--secret", "not-a-secret"]
    admin += ["--endpoint-url", url, "create-user", "--role", "user"]
    for name in ROLES:
        subprocess.run([*admin, "--access", name, "--secret", f"key-of-{name}"], check=True)
    [policy, *_] = re.findall(r"```json\n(.*?)```", page("cloud-s3"), re.DOTALL)
    policy = re.sub(r"arn:aws:iam::\d+:role/slipway-", "", policy)
    client = botocore.session.get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="tester",
        aws_secret_access_key="not-a-secret",
    )
    client.put_bucket_policy(Bucket="your-bucket", Policy=json.dumps(json.loads(policy)))
    return {
        name: {
            **s3.environment,
            "AWS_ACCESS_KEY_ID": name,
            "AWS_SECRET_ACCESS_KEY": f"key-of-{name}",
        }
        for name in ROLES
    }


@pytest.fixture
def identity(users: dict[str, dict[str, str]]) -> Identity:
    def identity(name: str) -> AbstractFileSystem:
        given = users[name]
        return fsspec.filesystem(
            "s3",
            key=given["AWS_ACCESS_KEY_ID"],
            secret=given["AWS_SECRET_ACCESS_KEY"],
            endpoint_url=given["AWS_ENDPOINT_URL"],
        )

    return identity


def test_on_s3_the_one_who_reads_pulls_and_cannot_push(
    clone: Clone, users: dict[str, dict[str, str]]
) -> None:
    clone.do("pull")
    clone.do("remote modify storage url s3://your-bucket/data")
    clone.environment |= users["read"]
    assert clone.dvc("push").returncode != 0
    clone.environment |= users["write"]
    clone.do("push")
    clone.forget_data()
    clone.environment |= users["read"]
    clone.do("pull")
    assert clone.data() == DATA


def test_on_s3_each_folder_is_for_those_who_need_it_and_nothing_is_deleted(
    identity: Identity, s3: Server
) -> None:
    identity("log").pipe_file("your-bucket/predictions/a.jsonl", b"{}")
    identity("write").pipe_file("your-bucket/batches/1/batch.json", b"{}")
    assert identity("write").cat_file("your-bucket/predictions/a.jsonl") == b"{}"
    for name, place in (
        ("log", "predictions/a.jsonl"),
        ("read", "predictions/a.jsonl"),
        ("read", "batches/1/batch.json"),
    ):
        with pytest.raises(PermissionError):
            identity(name).cat_file(f"your-bucket/{place}")
    for name, place in (
        ("read", "data/x"),
        ("write", "labels/x"),
        ("write", "predictions/x"),
        ("log", "data/x"),
    ):
        with pytest.raises(PermissionError):
            identity(name).pipe_file(f"your-bucket/{place}", b"")
    for name, place in (("log", "predictions/a.jsonl"), ("write", "batches/1/batch.json")):
        with pytest.raises(PermissionError):
            identity(name).rm_file(f"your-bucket/{place}")


@pytest.fixture
def signed(azure: Server) -> Identity:
    """The container as one with a signature of the page sees it."""
    parts = azure.environment["AZURE_STORAGE_CONNECTION_STRING"].strip(";").split(";")
    given = dict(part.split("=", 1) for part in parts)

    def signed(name: str) -> AbstractFileSystem:
        shown = re.search(rf"^\| \*{name}\* \| `([a-z]+)` \|", page("cloud-azure"), re.MULTILINE)
        assert shown
        token = generate_container_sas(
            given["AccountName"],
            "models",
            given["AccountKey"],
            permission=shown[1],
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        return fsspec.filesystem(
            "az",
            connection_string=f"BlobEndpoint={given['BlobEndpoint']};SharedAccessSignature={token}",
        )

    return signed


def test_on_azure_a_signature_reads_adds_or_writes_and_none_deletes(signed: Identity) -> None:
    signed("log").pipe_file("models/log/a.jsonl", b"{}", mode="create")
    signed("write").pipe_file("models/data/x", b"1")
    signed("write").pipe_file("models/data/x", b"2")
    assert signed("read").cat_file("models/data/x") == b"2"

    refused: list[Callable[[], Any]] = [
        lambda: signed("log").pipe_file("models/log/a.jsonl", b"other"),
        lambda: signed("log").cat_file("models/log/a.jsonl"),
        lambda: signed("read").pipe_file("models/data/x", b"3"),
        lambda: signed("write").rm_file("models/data/x"),
    ]
    for each in refused:
        with pytest.raises((HttpResponseError, PermissionError, OSError)):
            each()
    assert signed("read").cat_file("models/data/x") == b"2"


@pytest.fixture
def restricted(ssh: Server) -> Iterator[Callable[[str], None]]:
    """Let the one key of the server be that of a line of the page."""
    [home] = [Path(value) for name, value in ssh.environment.items() if name == "HOME"]
    path = home / ".ssh/id_ed25519.pub"
    key = path.read_text("utf-8")

    def restrict(name: str) -> None:
        shown = re.search(
            rf"^(restrict,.*) ssh-ed25519 AAAA… {name}$", page("cloud-ssh"), re.MULTILINE
        )
        assert shown
        path.write_text(f"{shown[1]} {key}", "utf-8")

    yield restrict
    path.write_text(key, "utf-8")


def test_on_a_server_the_key_that_reads_pulls_and_cannot_push(
    clone: Clone, ssh: Server, restricted: Callable[[str], None], tmp_path: Path
) -> None:
    clone.environment |= ssh.environment
    clone.do("pull")
    clone.do(f"remote modify storage url {ssh.url}/restricted")
    restricted("read")
    assert clone.dvc("push").returncode != 0
    restricted("write")
    clone.do("push")
    clone.forget_data()
    restricted("read")
    clone.do("pull")
    assert clone.data() == DATA
