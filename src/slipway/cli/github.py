"""`slipway github`: commands that only a job of GitHub Actions can use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.help import Command, group

app = group("Commands of the workflows; each works only in a job of GitHub Actions.")

Number = Annotated[int, typer.Argument(metavar="NUMBER", help="Number of the pull request.")]
Environment = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the environment: staging or production.")
]
Sha = Annotated[str, typer.Option(metavar="COMMIT", help="Its newest commit.")]


@app.command(cls=Command)
def tell(
    commit: Annotated[str, typer.Option(metavar="COMMIT", help="Commit that was judged.")] = "",
    run_url: Annotated[str, typer.Option(metavar="URL", help="Address of the run.")] = "",
) -> None:
    """Tell what the steps before found: summary, title of the check, JSON and HTML."""
    from slipway.github import tell

    raise typer.Exit(tell.tell(Path(), commit, run_url))


@app.command(cls=Command)
def bind() -> None:
    """Say which pull request the run belongs to that started this job."""
    from slipway.github import bind
    from slipway.github.api import api_of_job
    from slipway.github.runner import annotate, set_outputs

    event = bind.read_event()
    try:
        number = bind.bind(api_of_job(), event)
    except bind.NotBound as why:
        annotate("notice", f"No comment: {why}")
        return
    set_outputs(number=number)
    typer.echo(f"the run belongs to #{number}")


@app.command(cls=Command)
def render(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Markdown file to write.")],
    number: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Pull request whose protected files to list."),
    ] = None,
) -> None:
    """Check the report of the run that started this job, and render it again."""
    from slipway.github.api import api_of_job
    from slipway.github.bind import read_event, run_of
    from slipway.github.comment import render
    from slipway.github.runner import add_summary, set_outputs

    text, worth = render(api_of_job(), run_of(read_event()), number)
    add_summary(text)
    out.write_text(text, "utf-8")
    set_outputs(create=worth)
    typer.echo(f"{out}: {len(text):,} characters")


@app.command(cls=Command)
def comment(
    number: Number,
    body: Annotated[Path, typer.Option(metavar="FILE", help="Markdown file to post.")],
    cml: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of CML.")],
    create: Annotated[bool, typer.Option(help="Write one where there is none.")] = True,
) -> None:
    """Write the comment on a pull request, or update it."""
    from slipway.github.api import api_of_job
    from slipway.github.bind import read_event, run_of
    from slipway.github.comment import post
    from slipway.github.placeholder import mark_outdated
    from slipway.texts import read_text

    api, event = api_of_job(), read_event()
    text = read_text(body)
    typer.echo(post(api, number, run_of(event).sha, text, cml, create=create))
    # A commit may have come while CML was writing.
    typer.echo(mark_outdated(api, event))


@app.command(cls=Command)
def find(number: Number) -> None:
    """Say which commit of a pull request to rebuild, if its lock may be committed here."""
    from slipway.github.api import api_of_job
    from slipway.github.lock import head_to_rebuild
    from slipway.github.runner import set_outputs

    sha = head_to_rebuild(api_of_job(), number)
    set_outputs(sha=sha)
    typer.echo(f"#{number} is at {sha}")


@app.command(cls=Command)
def commit(number: Number, sha: Sha) -> None:
    """Commit the lock and the reports that this run rebuilt to the pull request's branch."""
    from slipway.github.api import api_of_job
    from slipway.github.lock import commit_lock
    from slipway.github.runner import add_summary, annotate

    new = commit_lock(api_of_job(), number, sha, int(os.environ["GITHUB_RUN_ID"]))
    if not new:
        annotate("notice", f"#{number}: dvc.lock and reports are as they should be")
        return
    annotate("notice", f"#{number}: committed {new[:7]}")
    add_summary(
        f"Committed `{new[:7]}` to #{number}. A commit that a workflow makes starts no checks by "
        f"itself: open #{number} and press *Approve and run*, or push a commit of your own."
    )


@app.command(cls=Command)
def watch(
    why: Annotated[
        str, typer.Option(metavar="TEXT", help="Why the check stopped before it had a report.")
    ] = "",
    retrain: Annotated[
        str, typer.Option(metavar="TEXT", help="Result of `slipway github retrain`.")
    ] = "",
) -> None:
    """Open, update or close the one drift issue, by the report of this run's check."""
    from slipway.github.api import api_of_job
    from slipway.github.runner import annotate
    from slipway.github.watch import about_job, drift_of_run, watch

    api = api_of_job()
    report = drift_of_run(api, int(os.environ["GITHUB_RUN_ID"]), why)
    told = watch(api, report, about_job(api, retrain))
    annotate("error" if told.exit_code else "notice", told.words)
    raise typer.Exit(told.exit_code)


@app.command(cls=Command)
def retrain() -> None:
    """Start a retrain run for the drift that this run has found, if params.yaml says so."""
    from datetime import UTC, datetime

    from slipway.github.api import api_of_job
    from slipway.github.retrain import start_retrain
    from slipway.github.runner import annotate, set_outputs
    from slipway.settings import read_params

    run = int(os.environ["GITHUB_RUN_ID"])
    words = start_retrain(api_of_job(), read_params().watch, run, datetime.now(UTC))
    set_outputs(words=words)
    annotate("notice", f"Retrain run: {words}")


@app.command(cls=Command)
def propose(
    drift_run: Annotated[
        str,
        typer.Option(
            metavar="NUMBER", help="Number of the run of the drift check that asked for it."
        ),
    ] = "",
) -> None:
    """Open, update or close the one pull request of the retrain run; never merge it."""
    from slipway.github.api import api_of_job
    from slipway.github.propose import about_job, propose
    from slipway.github.runner import add_summary, annotate

    words, exit_code = propose(api_of_job(), about_job(drift_run))
    annotate("error" if exit_code else "notice", words)
    add_summary(words)
    raise typer.Exit(exit_code)


@app.command(cls=Command)
def images() -> None:
    """Open or update the pull request that moves pinned images to their tags' newest digests."""
    from slipway.github.api import api_of_job
    from slipway.github.images import renew_images
    from slipway.github.runner import add_summary, annotate, page_of_run

    words = renew_images(api_of_job(), Path(), os.environ["GITHUB_SHA"], page_of_run())
    annotate("notice", words)
    add_summary(words)


@app.command(cls=Command)
def login() -> None:
    """Log in to the registry for images, and say which it is."""
    from slipway.github.registry import log_in
    from slipway.github.runner import set_outputs

    registry, said = log_in(os.environ)
    set_outputs(registry=registry)
    typer.echo(f"{said}; images go to {registry}")


@app.command(cls=Command)
def image() -> None:
    """Hand the image on to the next jobs, if it holds what was verified."""
    from slipway.github.handover import hand_over
    from slipway.github.runner import set_outputs

    found = hand_over(Path())
    set_outputs(**found)
    typer.echo(found["image"])


@app.command(cls=Command)
def host(
    environment: Environment,
    rehearsal: Annotated[
        bool, typer.Option(help="Let the runner stand in where no host is set.")
    ] = True,
) -> None:
    """Make ready to deploy to an environment: its address, its key, or a rehearsal here."""
    from dataclasses import asdict

    from slipway.github import host as hosts
    from slipway.github.runner import add_summary, annotate, set_outputs

    found = hosts.prepare(environment, os.environ, Path.home(), rehearse=rehearsal)
    set_outputs(**asdict(found))
    said = [hosts.rehearsal_words(environment)] if found.rehearsal else []
    if os.environ.get("SLIPWAY_PRODUCTION_TARGET") == "":
        said.append(hosts.skipped_words("production"))
    for title, text in said:
        annotate("notice", title, text)
        add_summary(f"### ❔ {title}\n\n{text}")
    typer.echo(f"{environment}: {found.address or found.to}")


@app.command(cls=Command)
def mark(
    environment: Environment,
    url: Annotated[str, typer.Option(metavar="URL", help="Address of the service there.")] = "",
) -> None:
    """Let GitHub's Deployments of an environment say what runs there now."""
    from slipway.github.api import api_of_job
    from slipway.github.deployment import mark

    typer.echo(mark(api_of_job(), Path(), environment, os.environ["GITHUB_SHA"], url))


@app.command(cls=Command)
def release() -> None:
    """Write the GitHub Release of what reached production: card, verdict, manifest, SBOM."""
    from datetime import UTC, datetime

    from slipway.github.api import api_of_job
    from slipway.github.release import publish
    from slipway.github.runner import add_summary

    day = datetime.now(UTC).date().isoformat()
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    url = publish(api_of_job(), Path(), day, server)
    add_summary(f"### 🏷️ [Release]({url})")
    typer.echo(url)


@app.command(cls=Command)
def drift(
    rehearsal: Annotated[
        bool, typer.Option("--rehearsal", help="There is no live target: say so.")
    ] = False,
) -> None:
    """Tell what the drift check of this job found: summary, title, and output for later jobs."""
    from slipway.github.runner import set_outputs
    from slipway.github.show import show_drift

    status, exit_code = show_drift(rehearsal=rehearsal)
    set_outputs(status=status)
    raise typer.Exit(exit_code)


@app.command(cls=Command)
def pages() -> None:
    """Say whether GitHub Pages is on, so that there is a page to publish."""
    from slipway.github.api import api_of_job
    from slipway.github.runner import set_outputs
    from slipway.github.show import has_pages

    on = has_pages(api_of_job())
    set_outputs(pages=on)
    typer.echo("Pages is on" if on else "Pages is off: nothing to publish (docs/page.md)")
