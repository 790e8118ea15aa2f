"""The real service under a little traffic, scraped by a real Prometheus with our rules."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.services.servers import free_port, program, running
from tests.serving.conftest import TOKEN, Service, golden, model, start, tree

__all__ = ["TOKEN", "golden", "model", "start", "tree"]

MONITORING = Path(__file__).parents[4] / "deploy/monitoring"
RULES = MONITORING / "prometheus/slipway.rules.yml"
SECONDS = 180


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus and the service that it scrapes."""

    url: str
    service: Service

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The result of a query, now."""
        found = httpx.get(f"{self.url}/api/v1/query", params={"query": query})
        if found.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # it is still starting
            return []
        answer = found.json()
        assert answer["status"] == "success", answer
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def alerts(self) -> dict[str, dict[str, Any]]:
        """The rules that alert, by their names."""
        groups = httpx.get(f"{self.url}/api/v1/rules?type=alert").json()["data"]["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def rules(self) -> list[dict[str, Any]]:
        groups = httpx.get(f"{self.url}/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@contextlib.contextmanager
def scraping(service: Service, folder: Path) -> Iterator[Prometheus]:
    """Run Prometheus with the example of a configuration, only faster and with our target."""
    port = free_port()
    settings = yaml.safe_load((MONITORING / "prometheus/prometheus.yml").read_text())
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (job,) = settings["scrape_configs"]
    job["static_configs"][0]["targets"] = [service.url.removeprefix("http://")]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    (folder / "token").write_text(TOKEN)
    (folder / RULES.name).write_text(RULES.read_text())
    command = [
        *(program("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, port, folder):
        yield Prometheus(f"http://127.0.0.1:{port}", service)


@contextlib.contextmanager
def traffic(service: Service, rows: list[dict[str, Any]]) -> Iterator[None]:
    """Ask a few times a second while the block lasts."""
    ended = threading.Event()

    def ask() -> None:
        with contextlib.suppress(httpx.TransportError):
            while not ended.wait(0.05):
                for row in rows:
                    service.predict(row, headers={"Connection": "close"})

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join()


@pytest.fixture(scope="module")
def prometheus(start, golden, tmp_path_factory) -> Iterator[Prometheus]:
    """One that has seen some traffic of a service with two workers; nothing may break it."""
    program("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    rows = [example["row"] for example in golden]
    with (
        start(tmp_path_factory.mktemp("log"), tokens=TOKEN, workers=2) as service,
        scraping(service, folder) as prometheus,
        traffic(service, rows),
    ):
        wait_until(lambda: prometheus.ask("slipway:reviews:share1h"), "nothing was scraped")
        yield prometheus


def wait_until(condition, what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.fixture(scope="session")
def dashboard() -> dict[str, Any]:
    text = (MONITORING / "grafana/dashboards/slipway.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found
