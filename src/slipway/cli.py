"""The command line: one verb for each step of the loop."""

from __future__ import annotations

import os
import sys
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from slipway.errors import NO, NO_ANSWER, YES
from slipway.exits import run_command
from slipway.fetch.verbs import app as log
from slipway.github.runner import in_actions
from slipway.github.verbs import app as github
from slipway.installation import check_installation
from slipway.labels.verbs import app as labels
from slipway.shadow.verbs import app as challenger

if TYPE_CHECKING:
    from slipway.deploy.outcome import Outcome

app = typer.Typer(
    name="slipway",
    help="Judge, deploy and watch the model in src/model.\n\nExit codes: 0 yes, 1 no, 2 no answer.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(github, name="github")
app.add_typer(labels, name="labels")
app.add_typer(log, name="log")
app.add_typer(challenger, name="challenger")

Target = Annotated[
    str, typer.Option(help="local, host or kubernetes; else deploy.target of params.yaml.")
]


def answer() -> int:
    """Run the command that was asked for; return its exit code."""
    # On a shared machine, threads that spin while they wait make training ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    check_installation(Path.cwd())
    try:
        with get_command(app).make_context("slipway", sys.argv[1:]) as context:
            context.command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except typer.TyperException as wrong:  # an option or a command that does not exist
        wrong.show()  # type: ignore[attr-defined]
        return NO_ANSWER
    return YES


def main() -> NoReturn:
    """Run a command: what the environment of a champion calls, of whatever age its code is."""
    run_command(named, answer)


def named() -> str:
    """Return the command that was asked for, without its arguments."""
    words, command = ["slipway"], get_command(app)
    for word in sys.argv[1:]:
        if not isinstance(command, TyperGroup) or word not in command.commands:
            break
        command = command.commands[word]
        words.append(word)
    return " ".join(words)


def _tell(outcome: Outcome) -> NoReturn:
    typer.echo(outcome.to_text(), err=not outcome.ok)
    raise typer.Exit(outcome.exit_code)


@app.command()
def data(
    month: Annotated[
        list[str] | None, typer.Option(help="A month to add, as YYYY-MM; may be given again.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the monthly files.")] = Path("data"),
) -> None:
    """Make the starter data: one parquet file a month, the same bytes each time."""
    from slipway.data import STARTER, make_months

    for path in make_months(month or STARTER, out):
        typer.echo(path)


@app.command()
def restore(
    targets: Annotated[
        list[str] | None,
        typer.Argument(help="data.dvc, or an output such as build/model; data.dvc by default."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Remove files there that are in no cache.")
    ] = False,
) -> None:
    """Fetch data or a model by hash, after a check of where it would be written: 1 refused."""
    from slipway.pointers import POINTER
    from slipway.restore import restore

    for each in restore(Path(), *(targets or [POINTER.name]), force=force):
        typer.echo(each.text())


@app.command()
def validate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Parquet or CSV files, or folders of them; data/ if none is named."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON here.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the report as Markdown here.")
    ] = None,
) -> None:
    """Say everything that is wrong with some data: 0 in order, 1 not, 2 cannot be read."""
    from slipway.settings import read_params
    from slipway.validate import render_text, run

    report = run(paths or [], read_params(), json, markdown)
    typer.echo(render_text(report))
    raise typer.Exit(report.exit_code)


@app.command()
def prepare() -> None:
    """Split by time, compute the features, refuse a leak."""
    from slipway.prepare import prepare
    from slipway.settings import read_params

    typer.echo(prepare(read_params()).summary())


@app.command()
def train() -> None:
    """Fit the estimator and write the model and its manifest to build/model."""
    from slipway.settings import read_params
    from slipway.train import train

    typer.echo(train(read_params()))


@app.command()
def evaluate() -> None:
    """Measure the model on the holdout, with intervals, by slice, against two baselines."""
    from slipway.evaluate import evaluate
    from slipway.settings import read_params

    typer.echo(evaluate(read_params()))


@app.command()
def search() -> None:
    """Try the challengers of params.yaml on training data only: 0 one is better, 1 none is."""
    from slipway.search import search
    from slipway.settings import read_params

    found = search(read_params())
    typer.echo(found.text())
    raise typer.Exit(found.exit_code)


@app.command()
def retrain(
    until: Annotated[
        str, typer.Option(help="Add no month after this one, as YYYY-MM; default: all there are.")
    ] = "",
    log: Annotated[
        str, typer.Option(help="Folder or URL of the prediction log; default as in params.yaml.")
    ] = "",
    out: Annotated[Path, typer.Option(help="What was found, as JSON.")] = Path(
        "build/retrain.json"
    ),
) -> None:
    """Learn from the newest labels, in a copy: 0 better, 1 not better or nothing new."""
    from slipway.retrain import retrain

    found = retrain(Path(), until, log, out)
    typer.echo(found.text())
    raise typer.Exit(found.exit_code)


@app.command()
def score(
    rows: Annotated[Path, typer.Option(help="Parquet file of rows as they are in data/.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write: key and score.")],
    model: Annotated[Path, typer.Option(help="Folder of the model.")] = Path("build/model"),
) -> None:
    """Score rows with a model, as the service would."""
    from slipway.score import score_file

    count = score_file(rows, model, out)
    typer.echo(f"{out}: {count:,} scores")


@app.command()
def lock() -> None:
    """Rebuild the model from its inputs in a clean place and compare it with dvc.lock."""
    from slipway.lock import check_lock

    verdict = check_lock(Path())
    typer.echo(verdict.text())
    raise typer.Exit(verdict.exit_code)


@app.command()
def changes(
    base: Annotated[str, typer.Option(help="Branch or commit that the change is for.")],
) -> None:
    """Say which parts of the repository a change touches, and which tests it needs."""
    from slipway.changes import tell_changes

    typer.echo(tell_changes(Path(), base))


@app.command()
def rebuild(
    base: Annotated[str, typer.Option(help="Branch or commit that the change is for.")],
) -> None:
    """Run the stages that a change touches, and say what its dvc.lock is worth."""
    from slipway.github.runner import set_outputs
    from slipway.rebuild import rebuild

    found = rebuild(Path(), base)
    typer.echo(found.text())
    set_outputs(changed=found.changed, lock=found.lock.status if found.lock else "not checked")
    raise typer.Exit(found.exit_code)


@app.command()
def judge(
    base: Annotated[str, typer.Option(help="Commit whose model is the champion.")],
    out: Annotated[Path, typer.Option(help="Report to write.")] = Path("build/report.json"),
    lock: Annotated[
        str, typer.Option(help="What `slipway lock` said: identical, equivalent, different, stale.")
    ] = "not checked",
) -> None:
    """Judge build/model against the model of another commit, on the same rows."""
    from slipway.judge.run import judge_change
    from slipway.rebuild import recorded_model
    from slipway.report.words import summary

    report = judge_change(Path(), base, out, lock, recorded_model(Path(), lock))
    typer.echo(f"{summary(report)}\n{out}: the whole report (`slipway report {out}`)")
    raise typer.Exit(YES if report["may_merge"] else NO)


@app.command()
def verify(
    base: Annotated[
        str, typer.Option(help="Commit whose model it would replace; default: the last release.")
    ] = "",
    accept: Annotated[
        str,
        typer.Option(help="First digits of a model's sha256: release it without a review."),
    ] = "",
) -> None:
    """Rebuild the model of this commit and check that it may be released."""
    from slipway.deploy.release import who
    from slipway.github.api import api_of_job
    from slipway.github.approval import Acceptance
    from slipway.verify import verify

    accepted = Acceptance(accept.strip(), who()) if accept.strip() else None
    typer.echo(verify(Path(), base, api_of_job() if in_actions() else None, accepted).text())


@app.command()
def report(
    file: Annotated[Path, typer.Argument(help="Report of `slipway judge` or `slipway validate`.")],
    markdown: Annotated[
        Path | None, typer.Option(help="Write it as Markdown here, or to - (default).")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write it as one HTML file here.")] = None,
    commit: Annotated[str, typer.Option(help="Commit that was judged, for the foot.")] = "",
    run_url: Annotated[str, typer.Option(help="Address of the run, for the foot.")] = "",
) -> None:
    """Check a report, then render it as Markdown, as HTML, or both."""
    from slipway.report.render import render

    for text in render(file, markdown, html, commit, run_url):
        typer.echo(text)


@app.command()
def build(
    image: Annotated[
        bool, typer.Option("--image", help="And as a container image (docs/image.md).")
    ] = False,
    push: Annotated[
        bool, typer.Option("--push", help="Send the image to deploy.registry of params.yaml.")
    ] = False,
) -> None:
    """Pack the service, with the model in it, as a bento named after the commit."""
    from slipway.build import build

    if push and not image:
        raise typer.BadParameter("it is the image that is sent: add --image", param_hint="--push")
    if not image:
        built = build()
        typer.echo(f"{built.tag}: {built.path}, model sha256 {built.model_sha256[:12]}…")
        return
    from slipway.image.build import build_image

    typer.echo(build_image(push=push).text())


@app.command()
def deploy(
    to: Target = "",
    image: Annotated[
        str, typer.Option(help="Image by digest; that of build/image.json if not given.")
    ] = "",
) -> None:
    """Put the built image live, without a dropped request, or say why not."""
    from slipway.deploy.run import deploy

    _tell(deploy(to, image, typer.echo))


@app.command()
def rollback(
    to: Annotated[
        str, typer.Option(help="Name, commit or digest of a release; else the one before.")
    ] = "",
    target: Target = "",
) -> None:
    """Put an earlier release live again, by digest, with the same proof."""
    from slipway.deploy.rollback import rollback

    _tell(rollback(target, to, typer.echo))


@app.command()
def status(
    target: Target = "",
    json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Say what runs, since when, by whom, and whether it is well: 0 if so, else 1."""
    from slipway.deploy.status import exit_code, status, to_text

    found = status(target)
    typer.echo(dumps(found, indent=1) if json else to_text(found))
    raise typer.Exit(exit_code(found))


@app.command()
def stop(
    target: Target = "",
    forget: Annotated[
        bool, typer.Option("--forget", help="Remove prediction log and history too.")
    ] = False,
) -> None:
    """Take the service off its engine; its prediction log and history stay."""
    from slipway.deploy.stop import stop

    _tell(stop(target, typer.echo, forget=forget))


@app.command()
def serve(
    bento: Annotated[
        str, typer.Option(help="Tag or folder of a bento; without it, this working tree.")
    ] = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 3000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 1,
) -> None:
    """Serve the model over HTTP (docs/service.md); other machines need a token to ask."""
    from slipway.serve.start import serve

    serve(bento, host, port, workers)


@app.command()
def replay(
    rows: Annotated[Path, typer.Option(help="Parquet file, or folder of them, to send.")],
    url: Annotated[str, typer.Option(help="Address of the running service.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Send only so many rows.")] = None,
    days: Annotated[bool, typer.Option("--days", help="Print a line for each day.")] = False,
) -> None:
    """Send rows to the running service, as if they were asked now."""
    from slipway.replay import replay

    tally = replay(rows, url, limit)
    typer.echo(tally.text(by_day=days))
    raise typer.Exit(tally.exit_code)


@app.command()
def shadow(
    candidate: Annotated[
        str,
        typer.Option(help="Model folder, bento, image by digest or build/image.json."),
    ] = "build/model",
    log: Annotated[
        str,
        typer.Option(help="Folder or URL of the prediction log, or volume:NAME on the engine."),
    ] = "",
    rows: Annotated[
        int, typer.Option(min=0, help="Newest requests to answer; default: deploy.shadow_rows.")
    ] = 0,
    live: Annotated[
        str, typer.Option(help="sha256 of the model to compare with; default: the newest.")
    ] = "",
    labels: Annotated[
        Path | None, typer.Option(help="File of labels; default: those that were imported.")
    ] = None,
    json: Annotated[Path, typer.Option(help="Write the report as JSON here.")] = Path(
        "build/shadow.json"
    ),
    markdown: Annotated[
        Path | None, typer.Option(help="Write the report as Markdown here.")
    ] = None,
    follow: Annotated[
        Path | None,
        typer.Option(help="Answer the log as it grows, until stopped; write to this folder."),
    ] = None,
) -> None:
    """Say what a candidate would have answered: 0 it may get traffic, 1 not, 2 cannot say."""
    from slipway.settings import read_params
    from slipway.shadow import run
    from slipway.shadow.render import to_text

    params = read_params()
    if follow is not None:
        run.follow_log(params, candidate, log, follow)
    found = run.shadow(params, candidate, log, rows, live, labels)
    run.write(found, json, markdown)
    typer.echo(to_text(found))
    raise typer.Exit(found.exit_code)


@app.command()
def drift(
    log: Annotated[
        str, typer.Option(help="Folder or URL of the prediction log; default as in params.yaml.")
    ] = "",
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON here.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the report as Markdown here.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML file.")] = None,
    model: Annotated[Path, typer.Option(help="Folder of the model.")] = Path("build/model"),
) -> None:
    """Watch what the service saw and said: 0 quiet, 1 drift, 2 no answer."""
    from slipway.drift import drift, to_text
    from slipway.settings import read_params

    report = drift(read_params(), log, model, json, markdown, html)
    typer.echo(to_text(report))
    raise typer.Exit(report.exit_code)


@app.command()
def page(
    out: Annotated[Path, typer.Option(help="Folder to write index.html and the charts to.")] = Path(
        "site"
    ),
    log: Annotated[
        str, typer.Option(help="Folder or URL of the prediction log; default as in params.yaml.")
    ] = "",
    labels: Annotated[
        list[Path] | None,
        typer.Option(help="Parquet file of rows with labels; default: data/ and what arrived."),
    ] = None,
    model: Annotated[Path, typer.Option(help="Folder of the model.")] = Path("build/model"),
) -> None:
    """Draw one page that shows what runs, how good it is and what it meets."""
    from slipway.page import page
    from slipway.settings import read_params

    typer.echo(page(read_params(), out, log, labels, model))


@app.command()
def demo(
    site: Annotated[Path, typer.Option(help="Folder to write the page to.")] = Path("site"),
) -> None:
    """Tell the whole loop as a story, in a copy of this repository: four minutes."""
    from slipway.demo import demo

    demo(Path(), site)


@app.command()
def doctor(
    write_codeowners: Annotated[
        list[str] | None,
        typer.Option(help="Write .github/CODEOWNERS: this owner has to approve protected files."),
    ] = None,
) -> None:
    """Say what in this fork is not as it should be: 0 nothing, 1 something, 2 not all was seen."""
    from slipway.doctor.codeowners import write
    from slipway.doctor.run import examine, exit_code, to_text
    from slipway.settings import read_params

    if write_codeowners:
        typer.echo(write(Path(), write_codeowners))
        return
    found = examine(Path(), read_params(), os.environ)
    typer.echo(to_text(found))
    raise typer.Exit(exit_code(found))
