"""The commands of the page of a store move the data there, on real servers."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.doctor.conftest import finding, params
from tests.remotes.conftest import DATA, Clone, tamper
from tests.services.projects import ROOT
from tests.services.servers import Server

from slipway.settings import Params
from slipway.setup.doctor.registry import Context

__all__ = ["params"]

PAGES = {"s3": "cloud-s3", "gs": "cloud-gcs", "azure": "cloud-azure", "ssh": "cloud-ssh"}


@pytest.fixture(params=["s3", "gcs", "ssh", "azure"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    # A folder of its own, so that no test finds what another one has pushed.
    part = request.node.originalname
    return replace(found, url=f"{found.url}/{part}", path=f"{found.path}/{part}")


@pytest.fixture
def switched(clone: Clone, server: Server) -> Clone:
    """A clone whose data went to the server and is nowhere else."""
    clone.environment |= server.environment
    clone.do("pull")
    clone.do(documented_switch(server.url))
    clone.do("push")
    clone.forget_data()
    return clone


def documented_switch(url: str) -> str:
    """Return the command of the page of this kind of store, with another address."""
    kind = url.partition(":")[0]
    page = (ROOT / f"docs/{PAGES[kind]}.md").read_text("utf-8")
    shown = re.search(rf"^dvc (remote .*){kind}://\S+$", page, re.MULTILINE)
    assert shown, f"docs/{PAGES[kind]}.md has no command for {kind}"
    return shown[1] + url


def test_one_command_switches_and_only_what_was_pushed_comes_back_from_the_server(
    switched: Clone, server: Server
) -> None:
    switched.do("pull")
    assert switched.data() == DATA

    switched.forget_data()
    tamper(server.files, server.path, "2024-01.csv")
    assert switched.dvc("pull").returncode != 0
    assert "2024-01.csv" not in switched.data()


@pytest.mark.parametrize("server", ["s3"], indirect=True)
def test_doctor_finds_the_data_on_the_server_and_leaves_nothing_there(
    switched: Clone, server: Server, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in switched.environment.items():
        monkeypatch.setenv(name, value)
    at = Context(switched.folder, params, datetime.now(UTC), None)
    before = stored(server)

    assert finding("data-pushed", at).kind == "ok"
    assert finding("remote-writable", at).kind == "ok"
    assert stored(server) == before != []


def stored(server: Server) -> list[str]:
    server.files.invalidate_cache()
    return sorted(server.files.find(server.path))
