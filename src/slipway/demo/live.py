"""Where the demo's model goes live: released to this machine's Docker, or as a process without it.

Either way October's flights are sent to it, and the prediction log is left in `LOG`.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from slipway.demo.story import Story
from slipway.deploy.engine import LABEL, PORT, PREFIX, engine_of, pull
from slipway.deploy.state import SLOTS
from slipway.docker import docker, is_not_there
from slipway.errors import SlipwayError
from slipway.image.build import RECORD
from slipway.serve import LOG as LOG_VARIABLE
from slipway.serve import TOKENS
from slipway.serve.start import free_port, serving
from slipway.settings import read_params
from slipway.tables import read_json

LOG = "build/live/log"

# Begins the name of all that a demo makes on the engine, so that it meets nothing that runs there.
NAMES = "slipway-demo"

OLDEST = timedelta(hours=2)
"""No demo takes longer."""

# By the kind of thing: how all of it is listed, the name of one, and when one was made.
KINDS = {
    "container": (("--all",), "{{.Names}}", "{{json .Created}}"),
    "network": ((), "{{.Name}}", "{{json .Created}}"),
    "volume": ((), "{{.Name}}", "{{json .CreatedAt}}"),
}


def go_live(story: Story, rows: str) -> str:
    """Release or serve the model, send it some rows, and return what was said."""
    if why := without_docker(story):
        return f"{_serve(story, rows)}\n\n{why}"
    return _release(story, rows)


def without_docker(story: Story) -> str:
    """Return why nothing can be released to this machine's Docker; empty if it can."""
    settings = read_params(story.copy / "params.yaml").deploy
    try:
        engine_of("local", settings)
        for image in (settings.base_image, settings.proxy_image):
            pull(image)
    except SlipwayError as error:
        return (
            "Served as a process: with Docker this would be a release, proven before it is asked.\n"
            f"Docker: {error}\n  → {error.do}"
        )
    return ""


def remove_left_over(story: Story, names: str = NAMES, oldest: timedelta = OLDEST) -> None:
    """Remove what demos that were killed have left, as far as it is older than any demo takes."""
    newest: dict[str, datetime] = {}
    for kind in KINDS:
        for prefix, made in _made_by_demos(kind, names):
            newest[prefix] = max(made, newest.get(prefix, made))
    for prefix, made in newest.items():
        if datetime.now(UTC) - made > oldest:
            images = _images_of(prefix)
            try:
                story.slipway("stop", "--target", "local", "--forget", settings={PREFIX: prefix})
                for image in images:
                    docker("rmi", "--force", image)
            except SlipwayError as error:
                story.console.print(f"{prefix}, of an earlier demo, is not wholly removed: {error}")


def _made_by_demos(kind: str, names: str) -> Iterator[tuple[str, datetime]]:
    """Yield the prefix and time of all containers, networks or volumes that demos have made."""
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
            if is_not_there(error):
                continue
            raise
        yield prefix[0], datetime.fromisoformat(made)


def _images_of(prefix: str) -> set[str]:
    """Return the images of the releases of a demo."""
    label = ("--filter", f"label={LABEL}={prefix}")
    names = docker("container", "ls", "--all", *label, "--format", "{{.Names}}").split()
    slots = [name for name in names if name.removeprefix(f"{prefix}-") in SLOTS]
    return {docker("inspect", "--format", "{{.Image}}", name).strip() for name in slots}


def _release(story: Story, rows: str) -> str:
    remove_left_over(story)
    settings = {
        PREFIX: f"{NAMES}-{secrets.token_hex(4)}",
        PORT: str(free_port()),
        TOKENS: secrets.token_hex(16),
    }
    said = [story.slipway("build", "--image", settings=settings)]
    try:
        said.append(story.slipway("deploy", "--to", "local", settings=settings))
        url = f"http://127.0.0.1:{settings[PORT]}"
        said.append(story.slipway("replay", "--rows", rows, "--url", url, settings=settings))
        story.slipway("log", "fetch", "--from", "local", settings=settings)
        said.append(story.slipway("status", settings=settings))
    finally:
        story.slipway("stop", "--target", "local", "--forget", settings=settings)
        docker("rmi", "--force", read_json(story.copy / RECORD, "slipway build --image")["image"])
    said.append("Taken off again. Yours: `slipway build --image`, `slipway deploy`.")
    return "\n\n".join(said)


def _serve(story: Story, rows: str) -> str:
    bento = f"slipway:{story.git('rev-parse', 'HEAD')}"
    with serving(story.copy, bento, environment=os.environ | {LOG_VARIABLE: LOG}) as service:
        return f"{service.url}\n{story.slipway('replay', '--rows', rows, '--url', service.url)}"
