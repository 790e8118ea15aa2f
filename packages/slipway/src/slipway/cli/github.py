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
Sha = Annotated[str, typer.Option(metavar="COMMIT", help="Newest commit of the pull request.")]


@app.command(cls=Command)
def publish_report(
    commit: Annotated[str, typer.Option(metavar="COMMIT", help="Commit that was judged.")] = "",
    run_url: Annotated[str, typer.Option(metavar="URL", help="Address of the run.")] = "",
) -> None:
    """Publish the result of the job: summary, annotation, JSON and HTML.

    Reads the event, build/rebuild.json, build/validation.json and build/report.json; writes
    build/published.

    Example: slipway github publish-report --commit 1a2b3c4
    """
    from slipway.github.find_pull_request import read_event
    from slipway.github.publish_report import publish_report
    from slipway.github.update_lock import update_step_of_job

    update = update_step_of_job(read_event())
    raise typer.Exit(publish_report(Path(), commit, run_url, update))


@app.command(cls=Command)
def render_comment(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Markdown file to write.")],
) -> None:
    """Find the pull request of the finished run, check the run's report and render the comment.

    Reads the event and the artifact of the run; writes the Markdown file.

    Outputs: number, empty if the run has no open pull request, and create.

    Example: slipway github render-comment --out comment.md
    """
    from slipway.actions import add_summary, annotate, set_outputs
    from slipway.github import find_pull_request
    from slipway.github.api import api_of_job
    from slipway.github.comment import render

    api, event = api_of_job(), find_pull_request.read_event()
    try:
        number = find_pull_request.find_pull_request(api, event)
    except find_pull_request.NoPullRequest as reason:
        annotate("notice", f"No comment: {reason}")
        return
    text, worth_creating = render(api, find_pull_request.run_of(event), number)
    add_summary(text)
    out.write_text(text, "utf-8")
    set_outputs(number=number, create=worth_creating)
    typer.echo(f"#{number}: {len(text):,} characters in {out}")


@app.command(cls=Command)
def comment(
    number: Number,
    body: Annotated[Path, typer.Option(metavar="FILE", help="Markdown file to post.")],
    cml: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of CML.")],
    create: Annotated[bool, typer.Option(help="Create a comment if there is none.")] = True,
) -> None:
    """Create or update the comment on a pull request.

    Reads the Markdown file; writes the comment.

    Example: slipway github comment 12 --body comment.md --cml .github/cml/cml
    """
    from slipway.github.api import api_of_job
    from slipway.github.comment import post
    from slipway.github.find_pull_request import read_event, run_of
    from slipway.github.placeholder import mark_outdated
    from slipway.texts import read_text

    api, event = api_of_job(), read_event()
    text = read_text(body)
    typer.echo(post(api, number, run_of(event).sha, text, cml, create=create))
    # A commit may have been pushed while CML was running.
    typer.echo(mark_outdated(api, event))


@app.command(cls=Command)
def find_head(number: Number) -> None:
    """Find the newest commit of a pull request; refuse a fork or a protected branch.

    Reads the pull request. Outputs: number and sha.

    Example: slipway github find-head 12
    """
    from slipway.actions import set_outputs
    from slipway.github.api import api_of_job
    from slipway.github.lock import head_to_rebuild

    head = head_to_rebuild(api_of_job(), number)
    set_outputs(number=number, sha=head.sha)
    typer.echo(f"#{number} is at {head.sha}")


@app.command(cls=Command)
def find_stale_lock() -> None:
    """Find the pull request of the finished run if only its stale dvc.lock stops the merge.

    Reads the event, the report of the run and the pull request. Outputs: number and sha; none if
    the lock is not to be updated.

    Example: slipway github find-stale-lock
    """
    from slipway.actions import annotate, set_outputs
    from slipway.github.api import api_of_job
    from slipway.github.find_pull_request import read_event
    from slipway.github.update_lock import NoUpdate, head_to_update
    from slipway.untrusted import as_text, quote_text

    try:
        number, sha = head_to_update(api_of_job(), read_event(), os.environ["GITHUB_SHA"])
    except NoUpdate as reason:
        annotate("notice", "dvc.lock is not updated", as_text(quote_text(reason)))
        return
    set_outputs(number=number, sha=sha)
    typer.echo(f"dvc.lock of #{number} is stale at {sha}")


@app.command(cls=Command)
def commit_lock(number: Number, sha: Sha) -> None:
    """Commit dvc.lock and the reports of this run to the branch of a pull request.

    Reads the artifact `lock` of this run; writes a commit.

    Example: slipway github commit-lock 12 --sha 1a2b3c4
    """
    from slipway.actions import add_summary, annotate
    from slipway.github.api import api_of_job
    from slipway.github.lock import commit_lock

    commit = commit_lock(api_of_job(), number, sha, int(os.environ["GITHUB_RUN_ID"]))
    if not commit:
        annotate("notice", f"#{number}: dvc.lock and reports are up to date")
        return
    annotate("notice", f"#{number}: committed {commit[:7]}")
    checks = (
        "Its checks run again."
        if os.environ.get("SLIPWAY_APP")
        else f"Commits of a workflow do not start checks: open #{number} and press *Approve and "
        "run*, or push a commit of your own."
    )
    add_summary(f"Committed `{commit[:7]}` to #{number}. {checks}")


@app.command(cls=Command)
def publish_drift(
    simulated: Annotated[
        bool, typer.Option("--simulated", help="The log was made by `slipway log simulate`.")
    ] = False,
) -> None:
    """Publish the result of the drift check: summary and annotation.

    Reads build/drift.json. Outputs: status.

    Example: slipway github publish-drift
    """
    from slipway.actions import set_outputs
    from slipway.github.drift_summary import publish_drift

    status, exit_code = publish_drift(simulated=simulated)
    set_outputs(status=status)
    raise typer.Exit(exit_code)


@app.command(cls=Command)
def check_pages() -> None:
    """Check whether GitHub Pages is enabled and publishes from a workflow.

    Reads the settings of the repository. Outputs: pages.

    Example: slipway github check-pages
    """
    from slipway.actions import set_outputs
    from slipway.github.api import api_of_job
    from slipway.github.drift_summary import has_pages

    enabled = has_pages(api_of_job())
    set_outputs(pages=enabled)
    typer.echo(f"GitHub Pages is {'enabled' if enabled else 'not enabled (docs/page.md)'}")


@app.command(cls=Command)
def start_retrain() -> None:
    """Start a retrain run because of drift, if params.yaml allows it.

    Reads params.yaml, src/model and earlier retrain runs. Outputs: message.

    Example: slipway github start-retrain
    """
    from datetime import UTC, datetime

    from slipway import project
    from slipway.actions import annotate, set_outputs
    from slipway.github.api import api_of_job
    from slipway.github.retrain import start_retrain
    from slipway.settings import read_params

    run = int(os.environ["GITHUB_RUN_ID"])
    settings, now = read_params().monitoring, datetime.now(UTC)
    message = start_retrain(api_of_job(), settings, run, now, project.not_retrainable())
    set_outputs(message=message)
    annotate("notice", f"Retrain run: {message}")


@app.command(cls=Command)
def update_issue(
    why: Annotated[
        str, typer.Option(metavar="TEXT", help="Why the check ended without a report.")
    ] = "",
    retrain: Annotated[
        str, typer.Option(metavar="TEXT", help="Message of `slipway github start-retrain`.")
    ] = "",
) -> None:
    """Open, update or close the drift issue.

    Reads the artifact `drift` of this run; writes the issue.

    Example: slipway github update-issue
    """
    from slipway.actions import annotate
    from slipway.github.api import api_of_job
    from slipway.github.drift_issue import about_job, drift_of_run, publish

    api = api_of_job()
    report = drift_of_run(api, int(os.environ["GITHUB_RUN_ID"]), why)
    published = publish(api, report, about_job(api, retrain))
    annotate("error" if published.exit_code else "notice", published.words)
    raise typer.Exit(published.exit_code)


@app.command(cls=Command)
def propose_retrain(
    drift_run: Annotated[
        str, typer.Option(metavar="NUMBER", help="Run of the drift check that started this one.")
    ] = "",
) -> None:
    """Open, update or close the pull request of the retrain run; it is never merged here.

    Reads the artifact `retrain` of this run; writes the branch slipway/retrain and its pull
    request.

    Example: slipway github propose-retrain
    """
    from slipway.actions import add_summary, annotate
    from slipway.github.api import api_of_job
    from slipway.github.propose import context_of_job, propose
    from slipway.untrusted import as_markdown, as_text

    message, exit_code = propose(api_of_job(), context_of_job(drift_run))
    annotate("error" if exit_code else "notice", as_text(message))
    add_summary(as_markdown(message))
    raise typer.Exit(exit_code)


@app.command(cls=Command)
def update_images() -> None:
    """Open or update the pull request that updates the digests of pinned images.

    Reads params.yaml and the registries; writes the branch slipway/images and its pull request.

    Example: slipway github update-images
    """
    from slipway.actions import add_summary, annotate, page_of_run
    from slipway.github.api import api_of_job
    from slipway.github.images import update_images

    message = update_images(api_of_job(), Path(), os.environ["GITHUB_SHA"], page_of_run())
    annotate("notice", message)
    add_summary(message)


@app.command(cls=Command)
def propose_upgrade() -> None:
    """Open or update the pull request of the newest release of the template.

    Reads pyproject.toml and upstream; writes the branch slipway/upgrade and its pull request.

    Example: slipway github propose-upgrade
    """
    from slipway.actions import add_summary, annotate, page_of_run
    from slipway.github.api import api_of_job
    from slipway.setup.upgrade.propose import propose_upgrade

    app = os.environ.get("SLIPWAY_APP", "")
    message = propose_upgrade(api_of_job(), Path(), os.environ["GITHUB_SHA"], page_of_run(), app)
    annotate("notice", message)
    add_summary(message)


@app.command(cls=Command)
def login() -> None:
    """Log in to the image registry.

    Reads SLIPWAY_REGISTRY, SLIPWAY_REGISTRY_USER and SLIPWAY_REGISTRY_TOKEN. Outputs: registry.

    Example: slipway github login
    """
    from slipway.actions import set_outputs
    from slipway.github.registry import log_in

    registry, message = log_in(os.environ)
    set_outputs(registry=registry)
    typer.echo(f"{message}; images are pushed to {registry}")


@app.command(cls=Command)
def connect_stores() -> None:
    """Get credentials for the stores of data, log and labels, for the later steps of the job.

    Reads SLIPWAY_STORE and SLIPWAY_STORE_KEYS; writes environment variables of the job.

    Example: slipway github connect-stores
    """
    from slipway.actions import set_environment
    from slipway.github.stores import connect, job_of_environment

    access = connect(job_of_environment())
    set_environment(access.environment, access.secret)
    typer.echo(access.message)


@app.command(cls=Command)
def publish_image() -> None:
    """Verify the image that was built and hand its digest to the next jobs.

    Reads build/image.json and build/verified.json. Outputs: image, name, digest and attest.

    Example: slipway github publish-image
    """
    from slipway.actions import set_outputs
    from slipway.github.publish_image import publish_image_outputs

    outputs = publish_image_outputs(Path())
    set_outputs(**outputs)
    typer.echo(outputs["image"])


@app.command(cls=Command)
def connect_host(
    environment: Environment,
    dry_run: Annotated[
        bool, typer.Option(help="Use the runner's own Docker if no host is set.")
    ] = True,
) -> None:
    """Set up the connection to the host of an environment.

    Reads SLIPWAY_TARGET, SLIPWAY_SSH_KEY, SLIPWAY_KNOWN_HOSTS and SLIPWAY_KUBECONFIG; writes
    settings of SSH or of the cluster to the home folder. Outputs: to, address, kubeconfig and
    dry_run.

    Example: slipway github connect-host staging
    """
    from dataclasses import asdict

    from slipway.actions import add_summary, annotate, set_outputs
    from slipway.documents.document import Document
    from slipway.documents.markdown import to_markdown
    from slipway.github import host as hosts

    host = hosts.connect(environment, os.environ, Path.home(), dry_run=dry_run)
    set_outputs(**asdict(host))
    notices = [hosts.dry_run_notice(environment)] if host.dry_run else []
    if os.environ.get("SLIPWAY_PRODUCTION_TARGET") == "":
        notices.append(hosts.skipped_notice("production"))
    for title, text in notices:
        annotate("notice", title, text)
        add_summary(to_markdown(Document("open", title, [text], [], [])))
    typer.echo(f"{environment}: {host.address or host.to}")


@app.command(cls=Command)
def record_deployment(
    environment: Environment,
    url: Annotated[str, typer.Option(metavar="URL", help="Address of the service.")] = "",
) -> None:
    """Record the live release in GitHub's Deployments.

    Reads build/releases.json; writes a Deployment.

    Example: slipway github record-deployment staging
    """
    from slipway.github.api import api_of_job
    from slipway.github.deployment import record_deployment

    typer.echo(record_deployment(api_of_job(), Path(), environment, os.environ["GITHUB_SHA"], url))


@app.command(cls=Command)
def publish_release() -> None:
    """Publish the GitHub Release of a deployed version: model card, verdict, manifest, SBOM.

    Reads build/model, build/verified.json, build/image.json and build/sbom.json; writes a Release.

    Example: slipway github publish-release
    """
    from datetime import UTC, datetime

    from slipway.actions import add_summary
    from slipway.documents.document import Document
    from slipway.documents.markdown import to_markdown
    from slipway.github.api import api_of_job
    from slipway.github.release import publish

    day = datetime.now(UTC).date().isoformat()
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    url = publish(api_of_job(), Path(), day, server)
    add_summary(to_markdown(Document("good", f"[Release]({url})", [], [], [])))
    typer.echo(url)
