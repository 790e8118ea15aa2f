"""Deploy the demo's model to this machine's Docker, or serve it as a process without Docker.

In both cases the traffic of the next month is replayed, and the prediction log is written to `LOG`.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from slipway.docker import docker, is_not_found, pull
from slipway.errors import SlipwayError
from slipway.release.image.record import ImageRecord
from slipway.serving import LOG as LOG_VARIABLE
from slipway.serving import TOKENS
from slipway.serving.start import free_port, serving
from slipway.settings import read_params
from slipway.setup.demo.scenario import Scenario
from slipway.targets.docker.engine import LABEL, PORT, PREFIX, engine_of
from slipway.targets.docker.state import SLOTS

LOG = "build/live/log"

# Prefix of every container, network and volume of a demo, apart from those of other services.
NAMES = "slipway-demo"

OLDEST = timedelta(hours=2)
"""Longer than any demo takes."""

# For each kind of object: options that list all, and templates of its name and its creation time.
KINDS = {
    "container": (("--all",), "{{.Names}}", "{{json .Created}}"),
    "network": ((), "{{.Name}}", "{{json .Created}}"),
    "volume": ((), "{{.Name}}", "{{json .CreatedAt}}"),
}


def go_live(scenario: Scenario, rows: str) -> str:
    """Deploy or serve the model and replay rows; return the output."""
    if reason := without_docker(scenario):
        return f"{_serve(scenario, rows)}\n\n{reason}"
    return _release(scenario, rows)


def without_docker(scenario: Scenario) -> str:
    """Return why this machine's Docker cannot be used; empty if it can."""
    settings = read_params(scenario.copy / "params.yaml").deploy
    try:
        engine_of("local", settings)
        for image in (settings.base_image, settings.proxy_image):
            pull(image)
    except SlipwayError as error:
        return (
            "Served as a process: with Docker this would be a release with a smoke test.\n"
            f"Docker: {error}\n  → {error.do}"
        )
    return ""


def remove_left_over(scenario: Scenario, names: str = NAMES, oldest: timedelta = OLDEST) -> None:
    """Remove the objects of killed demos that are older than any demo takes."""
    newest: dict[str, datetime] = {}
    for kind in KINDS:
        for prefix, made in _made_by_demos(kind, names):
            newest[prefix] = max(made, newest.get(prefix, made))
    for prefix, made in newest.items():
        if datetime.now(UTC) - made > oldest:
            images = _images_of(prefix)
            try:
                scenario.slipway("stop", "--target", "local", "--forget", settings={PREFIX: prefix})
                for image in images:
                    docker("rmi", "--force", image)
            except SlipwayError as error:
                scenario.console.print(f"{prefix}, an earlier demo, was not fully removed: {error}")


def _made_by_demos(kind: str, names: str) -> Iterator[tuple[str, datetime]]:
    """Yield the prefix and the creation time of all containers, networks or volumes of demos."""
    every, name, created = KINDS[kind]
    shown = f'{name} {{{{.Label "{LABEL}"}}}}'
    for line in docker(kind, "ls", *every, "--format", shown).splitlines():
        thing, _, label = line.partition(" ")
        # Version 0.1 set no labels.
        prefix = re.match(rf"{names}-[0-9a-f]+(?=-|$)", label or thing)
        if not prefix:
            continue
        try:
            made = json.loads(docker(kind, "inspect", "--format", created, thing))
        except SlipwayError as error:
            if is_not_found(error):
                continue
            raise
        yield prefix[0], datetime.fromisoformat(made)


def _images_of(prefix: str) -> set[str]:
    """Return the images of the releases of a demo."""
    label = ("--filter", f"label={LABEL}={prefix}")
    names = docker("container", "ls", "--all", *label, "--format", "{{.Names}}").split()
    slots = [name for name in names if name.removeprefix(f"{prefix}-") in SLOTS]
    return {docker("inspect", "--format", "{{.Image}}", name).strip() for name in slots}


def _release(scenario: Scenario, rows: str) -> str:
    remove_left_over(scenario)
    settings = {
        PREFIX: f"{NAMES}-{secrets.token_hex(4)}",
        PORT: str(free_port()),
        TOKENS: secrets.token_hex(16),
    }
    output = [scenario.slipway("build", "--image", settings=settings)]
    try:
        output.append(scenario.slipway("deploy", "--to", "local", settings=settings))
        url = f"http://127.0.0.1:{settings[PORT]}"
        output.append(scenario.slipway("replay", "--rows", rows, "--url", url, settings=settings))
        scenario.slipway("log", "fetch", "--from", "local", settings=settings)
        output.append(scenario.slipway("status", settings=settings))
    finally:
        scenario.slipway("stop", "--target", "local", "--forget", settings=settings)
        docker("rmi", "--force", ImageRecord.read(scenario.copy).image)
    output.append("Removed again. To deploy: `slipway build --image`, then `slipway deploy`.")
    return "\n\n".join(output)


def _serve(scenario: Scenario, rows: str) -> str:
    bento = f"slipway:{scenario.git('rev-parse', 'HEAD')}"
    with serving(scenario.copy, bento, environment=os.environ | {LOG_VARIABLE: LOG}) as service:
        return f"{service.url}\n{scenario.slipway('replay', '--rows', rows, '--url', service.url)}"
