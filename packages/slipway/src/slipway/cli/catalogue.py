"""What was tried, what ran, and what it is for: experiments, releases, card and canvas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.options import HtmlFile, JsonFile, MarkdownFile


def experiments(
    sort: Annotated[
        str,
        typer.Option(metavar="COLUMN", help="date, value, verdict, name, or a setting: train.l2."),
    ] = "date",
    json: JsonFile = None,
    html: HtmlFile = None,
) -> None:
    """List what was tried: settings, outcome, by whom. Names what the working tree repeats.

    Reads the records of judgements of all branches, and the experiments of `dvc exp run`, from git;
    writes only the files of --json and --html.

    Example: slipway experiments --sort value
    """
    from pydantic import TypeAdapter

    from slipway.catalogue.experiments import Experiment, present, tried
    from slipway.catalogue.experiments_document import experiments_document, in_order
    from slipway.documents.output import Output

    root = Path()
    known = tried(root)
    found = in_order(known.experiments, sort)
    document = experiments_document(found, present(root), sort, known.unreadable)
    content = TypeAdapter(list[Experiment]).dump_json(found, indent=1)
    Output(typer.echo, json, html).write([document], content)


def releases(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RELEASE RELEASE]", help="Two to compare, by name, commit or model."
        ),
    ] = None,
    json: JsonFile = None,
    html: HtmlFile = None,
) -> None:
    """List the releases: model, metrics, verdict, time in production, by whom; or compare two.

    Reads build/releases.json, which `slipway log fetch` writes from the target, and git; without
    that file, the commits that changed the metrics. Of these only those count whose src/model has
    the target (name, task, key) of the working tree; the others are counted below the table. Writes
    only the files of --json and --html.

    Example: slipway releases 1f2e3d4 5a6b7c8
    """
    from pydantic import TypeAdapter

    from slipway.catalogue import releases_document as documents
    from slipway.catalogue.releases import Release, read_history
    from slipway.documents.output import Output
    from slipway.errors import SlipwayError

    root = Path()
    history = read_history(root)
    found = history.releases
    if not names:
        document = documents.releases_document(history)
    elif len(names) == 2:
        found = documents.find_releases(found, names)
        document = documents.comparison_document(root, *found)
    else:
        raise SlipwayError("one release was named", "name two to compare them, or none")
    content = TypeAdapter(list[Release]).dump_json(found, indent=1)
    Output(typer.echo, json, html).write([document], content)


def card(
    check: Annotated[
        bool,
        typer.Option("--check", help="List what is not written, or contradicts the manifest."),
    ] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Write src/model/card.md with prompts to fill in.")
    ] = False,
    markdown: MarkdownFile = None,
    json: JsonFile = None,
    html: HtmlFile = None,
) -> None:
    """Show the model card, or check what people wrote of it. Exit codes: 0 complete, 1 not.

    Without --check the exit code is 0. Reads src/model/card.md, build/model, reports/metrics.json
    and reports/plots/slices.csv; writes only the files of the options, and src/model/card.md with
    --new. The Markdown file begins with metadata for the Hugging Face Hub.

    Example: slipway card --check
    """
    from slipway import project
    from slipway.card.check import check_card, report
    from slipway.card.content import Card
    from slipway.card.written import CARD, new_page
    from slipway.documents.output import Output
    from slipway.errors import NO, YES
    from slipway.manifest import MODEL, read_manifest
    from slipway.reports import model_card

    root = Path()
    if new:
        made = new_page(root, CARD, project.TARGET, project.task().name)
        typer.echo(f"{made}: fill it in, then `slipway card --check`")
        return
    if check:
        findings = check_card(root, read_manifest(root / MODEL))
        typer.echo(report(findings))
        raise typer.Exit(NO if findings else YES)
    content = Card.read(root)
    if markdown:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        markdown.write_text(model_card.as_file(content), "utf-8")
    document = model_card.document(content)
    output = Output(typer.echo, json, html, sections=True)
    output.write([document], model_card.as_json(content).rstrip())


def canvas(
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="List what is not written, and where threshold and costs disagree."
        ),
    ] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Write docs/canvas.md with prompts to fill in.")
    ] = False,
    markdown: MarkdownFile = None,
    json: JsonFile = None,
    html: HtmlFile = None,
) -> None:
    """Show the ML canvas with current numbers, or check it. Exit codes: 0 complete, 1 not.

    Without --check the exit code is 0. Reads docs/canvas.md, params.yaml, build/model and reports/;
    writes only the files of the options, and docs/canvas.md with --new.

    Example: slipway canvas --html build/canvas.html
    """
    from slipway import project
    from slipway.card.written import CANVAS, new_page
    from slipway.documents.markdown import to_markdown
    from slipway.documents.output import Output
    from slipway.errors import NO, YES
    from slipway.reports import canvas
    from slipway.settings import read_params

    root = Path()
    if new:
        made = new_page(root, CANVAS, project.TARGET, project.task().name)
        typer.echo(f"{made}: fill it in, then `slipway canvas`")
        return
    content = canvas.Canvas.read(root, read_params())
    if check:
        findings = content.findings()
        typer.echo("\n".join(findings) or f"{CANVAS}: complete; threshold and costs agree")
        raise typer.Exit(NO if findings else YES)
    document = canvas.document(content)
    if markdown:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        markdown.write_text(to_markdown(document), "utf-8")
    Output(typer.echo, json, html, sections=True).write([document], canvas.as_json(content))
