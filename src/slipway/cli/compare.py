"""Commands of the group Compare: whether a change gives a model that is good enough."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from slipway.cli.options import Base, HtmlFile, Labels, LiveModel, Log
from slipway.errors import NO, YES


def changes(base: Base) -> None:
    """List which parts of the repository a change touches, and which tests it needs.

    Reads the commits of git; in a workflow it sets outputs.

    Example: slipway changes --base origin/main
    """
    from slipway.changes import tell_changes

    typer.echo(tell_changes(Path(), base))


def rebuild(base: Base) -> None:
    """Run the stages that a change touches, and compare the result with its dvc.lock.

    Reads the working tree and dvc.lock; writes build/, reports/ and build/rebuild.json.

    Example: slipway rebuild --base origin/main
    """
    from slipway.github.runner import set_outputs
    from slipway.rebuild import rebuild

    found = rebuild(Path(), base)
    typer.echo(found.text())
    set_outputs(changed=found.changed, lock=found.lock.status if found.lock else "not checked")
    raise typer.Exit(found.exit_code)


def lock() -> None:
    """Rebuild the model from its inputs in a clean copy and compare it with dvc.lock.

    Exit codes: 0 identical or equivalent, 1 different or stale. Writes nothing here.

    Example: slipway lock
    """
    from slipway.lock import check_lock

    verdict = check_lock(Path())
    typer.echo(verdict.text())
    raise typer.Exit(verdict.exit_code)


def judge(
    base: Annotated[
        str, typer.Option(metavar="COMMIT", help="Commit whose model is the champion.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Report to write.")] = Path(
        "build/report.json"
    ),
    lock: Annotated[
        str,
        typer.Option(
            metavar="STATUS",
            help="Result of `slipway lock`: identical, equivalent, different or stale.",
        ),
    ] = "not checked",
) -> None:
    """Compare build/model with the model of another commit, on the same rows.

    Exit codes: 0 the change may be merged, 1 it may not, 2 no answer. Reads build/model, data/ and
    params.yaml; writes build/report.json.

    Example: slipway judge --base origin/main
    """
    from slipway.judge.run import judge_change
    from slipway.rebuild import recorded_model
    from slipway.report.words import summary

    report = judge_change(Path(), base, out, lock, recorded_model(Path(), lock))
    typer.echo(f"{summary(report)}\n{out}: the whole report (`slipway report {out}`)")
    raise typer.Exit(YES if report["may_merge"] else NO)


def report(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Report of `slipway judge` or `slipway validate`."),
    ],
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it as Markdown here, or to - (default)."),
    ] = None,
    html: HtmlFile = None,
    commit: Annotated[
        str, typer.Option(metavar="COMMIT", help="Commit that was judged, for the footer.")
    ] = "",
    run_url: Annotated[
        str, typer.Option(metavar="URL", help="Address of the run, for the footer.")
    ] = "",
) -> None:
    """Check a report, then render it as Markdown, as HTML, or both.

    Reads the report; writes the files that are asked for.

    Example: slipway report build/report.json --html build/report.html
    """
    from slipway.report.render import render

    for text in render(file, markdown, html, commit, run_url):
        typer.echo(text)


def shadow(
    candidate: Annotated[
        str,
        typer.Option(
            metavar="MODEL", help="Model folder, bento, image by digest or build/image.json."
        ),
    ] = "build/model",
    log: Log = "",
    rows: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Newest requests to score; default: deploy.shadow_rows."
        ),
    ] = 0,
    live: LiveModel = "",
    labels: Labels = None,
    json: Annotated[Path, typer.Option(metavar="FILE", help="Report as JSON.")] = Path(
        "build/shadow.json"
    ),
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Report as Markdown.")
    ] = None,
    follow: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Score the log as it grows, until stopped, and write here."
        ),
    ] = None,
) -> None:
    """Score logged requests with a candidate and compare: 0 ready for traffic, 1 not, 2 no answer.

    Reads the prediction log and the candidate; writes build/shadow.json.

    Example: slipway shadow --candidate build/model
    """
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


COMMANDS: list[Callable[..., Any]] = [changes, rebuild, lock, judge, report, shadow]
