"""Commands of the group Compare: is the changed model good enough to be merged?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from slipway.cli.catalogue import experiments
from slipway.cli.options import Base, HtmlFile
from slipway.errors import NO, YES


def reproduce(base: Base) -> None:
    """Run the stages that a change affects and compare the result with dvc.lock.

    Exit codes: 0 the stages ran, 1 a stage refused its input. Reads the working tree and dvc.lock;
    writes build/, reports/ and build/rebuild.json.

    Example: slipway reproduce --base origin/main
    """
    from slipway.actions import set_outputs
    from slipway.reproduction.rebuild import rebuild

    result = rebuild(Path(), base)
    typer.echo(result.text())
    set_outputs(changed=result.changed, lock=result.lock.status if result.lock else "not checked")
    raise typer.Exit(result.exit_code)


def verify_lock() -> None:
    """Rebuild the model from its inputs in a clean copy and compare it with dvc.lock.

    Exit codes: 0 identical or equivalent, 1 different or stale. Reads the working tree; writes
    nothing here.

    Example: slipway verify-lock
    """
    from slipway.reproduction.reproduce import check_lock

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
            help="Result of `slipway verify-lock`: identical, equivalent, different or stale.",
        ),
    ] = "not checked",
) -> None:
    """Compare build/model with the model of another commit, on the same rows.

    Exit codes: 0 may be merged, 1 may not (also if inconclusive: `judge.on_inconclusive`), 2 could
    not be judged. Reads build/model, data/ and params.yaml; writes build/report.json and
    reports/judgements.

    Example: slipway judge --base origin/main
    """
    from slipway.comparison.run import changed_code, judge_change, remove_report
    from slipway.reports.messages import summary
    from slipway.reproduction.rebuild import recorded_model

    remove_report(out)
    if lock == "not checked" and (changed := changed_code(Path())):
        typer.echo(
            f"warning: {', '.join(changed)}: changed since dvc.lock recorded build/model, so this "
            "may be the verdict on a model of the earlier code: `dvc repro`",
            err=True,
        )
    report = judge_change(Path(), base, out, lock, recorded_model(Path(), lock))
    typer.echo(f"{summary(report)}\n{out}: the full report (`slipway report {out}`)")
    raise typer.Exit(YES if report.may_merge else NO)


def report(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Report of `slipway judge` or `slipway validate`."),
    ],
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Markdown file; default: - (standard output)."),
    ] = None,
    html: HtmlFile = None,
    commit: Annotated[
        str, typer.Option(metavar="COMMIT", help="Commit that was judged, for the footer.")
    ] = "",
    run_url: Annotated[
        str, typer.Option(metavar="URL", help="Address of the run, for the footer.")
    ] = "",
) -> None:
    """Check a report and render it as Markdown or HTML.

    Reads the report; writes the files that --markdown and --html name.

    Example: slipway report build/report.json --html build/report.html
    """
    from slipway.reports.render import render

    for text in render(file, markdown, html, commit, run_url):
        typer.echo(text)


COMMANDS: list[Callable[..., Any]] = [reproduce, verify_lock, judge, report, experiments]
