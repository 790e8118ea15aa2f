"""Commands of the group Release: from a merged commit to a live version."""

from __future__ import annotations

from collections.abc import Callable
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from slipway.actions import in_actions
from slipway.cli.catalogue import card, releases
from slipway.cli.options import Target

if TYPE_CHECKING:
    from slipway.release.outcome import Outcome


def verify(
    base: Annotated[
        str,
        typer.Option(
            metavar="COMMIT", help="Commit whose model it would replace; default: the last release."
        ),
    ] = "",
    accept: Annotated[
        str,
        typer.Option(
            metavar="SHA256",
            help="First digits of a model's sha256: release it without a review.",
        ),
    ] = "",
) -> None:
    """Rebuild the model of this commit and check that it may be released.

    Reads the commit, dvc.lock and, on GitHub, the review; writes build/model, build/verified.json.

    Example: slipway verify
    """
    from slipway.github.api import api_of_job
    from slipway.github.approval import Acceptance
    from slipway.release.records import current_user
    from slipway.verify import verify

    accepted = Acceptance(accept.strip(), current_user()) if accept.strip() else None
    typer.echo(verify(Path(), base, api_of_job() if in_actions() else None, accepted).text())


def build(
    image: Annotated[
        bool, typer.Option("--image", help="Build the container image too (docs/image.md).")
    ] = False,
    push: Annotated[
        bool, typer.Option("--push", help="Push the image to deploy.registry of params.yaml.")
    ] = False,
) -> None:
    """Pack the service with its model as a bento, named after the commit.

    Reads build/model, bentofile.yaml and src/; writes a bento, and build/image.json for an image.

    Example: slipway build --image
    """
    from slipway.release.build import build

    if push and not image:
        raise typer.BadParameter("--push requires --image", param_hint="--push")
    if not image:
        built = build()
        typer.echo(f"{built.tag}: {built.path}, model sha256 {built.model_sha256[:12]}…")
        return
    from slipway.release.image.build import build_image

    typer.echo(build_image(push=push).text())


def deploy(
    to: Target = "",
    image: Annotated[
        str,
        typer.Option(metavar="DIGEST", help="Image by digest; default: that of build/image.json."),
    ] = "",
) -> None:
    """Put the built image live without a dropped request, or restore the old one.

    Exit codes: 0 live, 1 a check stopped it, 2 it could not be tried. Reads build/image.json,
    build/model, build/verified.json and params.yaml; writes build/releases.json, and for a cluster
    build/kubernetes.

    Example: slipway deploy --to local
    """
    from slipway.targets.commands import deploy

    _end(deploy(to, image, typer.echo))


def rollback(
    to: Annotated[
        str,
        typer.Option(
            metavar="RELEASE", help="Name, commit or digest of a release; default: the one before."
        ),
    ] = "",
    target: Target = "",
) -> None:
    """Put an earlier release live again, by digest, after the same smoke test.

    Reads params.yaml and the target's own history of releases; writes build/releases.json.

    Example: slipway rollback
    """
    from slipway.targets.commands import rollback

    _end(rollback(target, to, typer.echo))


def status(
    target: Target = "",
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show which release runs, since when and by whom. Exit codes: 0 healthy, 1 not healthy.

    Reads params.yaml and the target; writes nothing.

    Example: slipway status --json
    """
    from slipway.targets import commands

    status = commands.status(target)
    typer.echo(dumps(status.to_json(), indent=1) if json else status.to_text())
    raise typer.Exit(status.exit_code)


def stop(
    target: Target = "",
    forget: Annotated[
        bool, typer.Option("--forget", help="Remove prediction log and history too.")
    ] = False,
) -> None:
    """Remove the service from its engine; prediction log and history are kept.

    Reads params.yaml; writes nothing here.

    Example: slipway stop
    """
    from slipway.targets.commands import stop

    _end(stop(target, typer.echo, forget=forget))


def serve(
    bento: Annotated[
        str,
        typer.Option(metavar="BENTO", help="Tag or folder of a bento; default: this working tree."),
    ] = "",
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="0 takes a free one.")
    ] = 3000,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Worker processes.")] = 1,
) -> None:
    """Serve the model over HTTP; a request from another machine needs a token.

    Reads build/model and params.yaml; writes the prediction log. See docs/service.md.

    Example: slipway serve --port 3000
    """
    from slipway.serving.start import serve

    serve(bento, host, port, workers)


def replay(
    rows: Annotated[
        Path, typer.Option(metavar="FILE", help="Parquet or CSV file, or folder of them, to send.")
    ],
    url: Annotated[str, typer.Option(metavar="URL", help="Address of the running service.")],
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Send at most this many rows.")
    ] = None,
    days: Annotated[bool, typer.Option("--days", help="Print a line for each day.")] = False,
) -> None:
    """Send rows of a file to the running service.

    Reads the rows; writes nothing here.

    Example: slipway replay --rows data/2025-09.parquet --url http://127.0.0.1:3000
    """
    from slipway.serving.replay import replay
    from slipway.settings import read_params

    tally = replay(rows, url, limit, read_params().data)
    typer.echo(tally.text(by_day=days))
    raise typer.Exit(tally.exit_code)


def _end(outcome: Outcome) -> NoReturn:
    typer.echo(outcome.to_text(), err=not outcome.ok)
    raise typer.Exit(outcome.exit_code)


COMMANDS: list[Callable[..., Any]] = [
    verify,
    build,
    deploy,
    rollback,
    status,
    stop,
    releases,
    card,
    serve,
    replay,
]
