"""A pinned image follows its tag: the registry is asked for the newest digest."""

from __future__ import annotations

import json
import uuid
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from tests.services.servers import free_port

from slipway.errors import SlipwayError
from slipway.release.image.digests import newest_digest, place_of, renew

OCI = "application/vnd.oci.image.manifest.v1+json"


def push(registry: str, name: str, tag: str, content: bytes) -> str:
    """Push an image without layers, whose settings are `content`; return its digest."""
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(content)}
    config["digest"] = f"sha256:{sha256(content).hexdigest()}"
    place = f"http://{registry}/v2/{name}"
    with httpx.Client(trust_env=False) as client:
        upload = client.post(f"{place}/blobs/uploads/").headers["Location"]
        mark = "&" if "?" in upload else "?"
        client.put(f"{upload}{mark}digest={config['digest']}", content=content).raise_for_status()
        manifest = {"schemaVersion": 2, "mediaType": OCI, "config": config, "layers": []}
        sent = client.put(
            f"{place}/manifests/{tag}",
            content=json.dumps(manifest).encode(),
            headers={"Content-Type": OCI},
        )
        return str(sent.raise_for_status().headers["Docker-Content-Digest"])


def test_a_tag_that_has_moved_moves_the_pin_and_leaves_the_rest_of_the_file(registry):
    name = f"team/{uuid.uuid4().hex}"
    old = push(registry, name, "3.11", b"old")
    image = f"{registry}/{name}:3.11@{old}"
    other = f"{registry}/{name}:other@{push(registry, name, 'other', b'other')}"
    text = f"deploy:  # as it is\n  base_image: {image}\n  proxy_image: {other} # stays\n"

    assert renew(text, [image, other]) == (text, [])

    new = push(registry, name, "3.11", b"new")
    renewed, [found] = renew(text, [image, other])

    assert renewed == text.replace(old, new)
    assert (found.old, found.new) == (old, new)


def test_an_image_that_is_not_pinned_by_tag_and_digest_is_left_alone():
    for image in ("python:3.11", "python", f"python@sha256:{'0' * 64}", ""):
        assert renew(image, [image]) == (image, [])


def test_a_tag_that_is_gone_is_an_error_that_names_it(registry):
    with pytest.raises(SlipwayError, match="nothing/here:1: the registry answers 404"):
        newest_digest(f"{registry}/nothing/here", "1")


def test_a_registry_that_is_down_is_reported_in_a_sentence():
    with pytest.raises(SlipwayError, match="no answer"):
        newest_digest(f"127.0.0.1:{free_port()}/team/base", "1")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("python", ("registry-1.docker.io", "library/python")),
        ("docker.io/python", ("registry-1.docker.io", "library/python")),
        ("bitnami/redis", ("registry-1.docker.io", "bitnami/redis")),
        ("ghcr.io/team/base", ("ghcr.io", "team/base")),
        ("localhost:5000/base", ("localhost:5000", "base")),
    ],
)
def test_an_image_is_looked_for_where_docker_does(name, place):
    assert place_of(name) == place


@pytest.fixture
def guarded():
    """A registry that gives a token to anyone, as Docker Hub does; its digest can be set."""
    sent = {"digest": f"sha256:{sha256(b'{}').hexdigest()}"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/token"):
                return self.reply(200, b'{"token": "open"}')
            if self.headers.get("Authorization") == "Bearer open":
                return self.reply(200, b"{}", **{"Docker-Content-Digest": sent["digest"]})
            realm = f'Bearer realm="http://127.0.0.1:{port}/token",scope="repository:base:pull"'
            return self.reply(401, b"", **{"WWW-Authenticate": realm})

        def reply(self, status, content, **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port = server.server_port
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"127.0.0.1:{port}/base", sent
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_token_that_anyone_gets_is_asked_for(guarded):
    name, sent = guarded

    assert newest_digest(name, "1") == sent["digest"]


def test_a_digest_that_is_not_that_of_the_content_is_refused(guarded):
    name, sent = guarded
    sent["digest"] = f"sha256:{'0' * 64}"

    with pytest.raises(SlipwayError, match="the registry names"):
        newest_digest(name, "1")
