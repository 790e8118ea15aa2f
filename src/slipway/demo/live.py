"""Where the demo's model goes live: released to this machine's Docker, or as a process without it.

Either way October's flights are sent to it, and the prediction log is left in `LOG`.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta

from slipway.demo.story import Story
from slipway.deploy.engine import PORT, PREFIX, engine_of, pull
from slipway.docker import docker
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


def _remove_left_over(story: Story) -> None:
    """Take off what demos that were killed have left; one that still runs is younger."""
    names = ("--all", "--filter", f"name=^{NAMES}-[0-9a-f]+-proxy$", "--format", "{{.Names}}")
    for name in docker("container", "ls", *names).split():
        made = docker("container", "inspect", "--format", "{{.Created}}", name)
        if datetime.now(UTC) - datetime.fromisoformat(f"{made[:19]}Z") > OLDEST:
            settings = {PREFIX: name.removesuffix("-proxy")}
            story.slipway("stop", "--target", "local", "--forget", settings=settings)


def _release(story: Story, rows: str) -> str:
    _remove_left_over(story)
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
